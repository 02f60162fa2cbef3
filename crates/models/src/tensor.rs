//! One tensor as bytes of a known type and shape.

use safetensors::tensor::Dtype;

/// Values of one type with a shape, in row-major order, little-endian.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Tensor {
    /// A tensor of bytes that were checked to be as many as type and shape ask for.
    pub(crate) fn new(dtype: Dtype, shape: Vec<usize>, bytes: Vec<u8>) -> Self {
        Self { dtype, shape, bytes }
    }

    /// A tensor of `f32`.
    ///
    /// # Panics
    /// If the number of values is not the product of `shape`.
    pub fn from_f32(shape: Vec<usize>, values: &[f32]) -> Self {
        assert_eq!(values.len(), shape.iter().product::<usize>(), "values and shape differ");
        Self { dtype: Dtype::F32, shape, bytes: values.iter().flat_map(|v| v.to_le_bytes()).collect() }
    }

    /// A tensor of `i8`.
    ///
    /// # Panics
    /// If the number of values is not the product of `shape`.
    pub fn from_i8(shape: Vec<usize>, values: &[i8]) -> Self {
        assert_eq!(values.len(), shape.iter().product::<usize>(), "values and shape differ");
        Self { dtype: Dtype::I8, shape, bytes: values.iter().map(|v| v.cast_unsigned()).collect() }
    }

    /// The type of the values.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// The shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values' bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The values of an `f32`, `bf16` or `f16` tensor; `None` for other types.
    pub fn to_f32(&self) -> Option<Vec<f32>> {
        let pairs = || self.bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
        match self.dtype {
            Dtype::F32 => {
                let values = self.bytes.chunks_exact(4);
                Some(values.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
            }
            Dtype::BF16 => Some(pairs().map(|b| f32::from_bits(u32::from(b) << 16)).collect()),
            Dtype::F16 => Some(pairs().map(half_to_single).collect()),
            _ => None,
        }
    }

    /// The values of an `i8` tensor; `None` for other types.
    pub fn to_i8(&self) -> Option<Vec<i8>> {
        (self.dtype == Dtype::I8).then(|| self.bytes.iter().map(|b| b.cast_signed()).collect())
    }
}

/// IEEE 754 binary16 to binary32, exact.
fn half_to_single(half: u16) -> f32 {
    let sign = u32::from(half >> 15) << 31;
    let exponent = u32::from(half >> 10) & 0x1f;
    let fraction = u32::from(half) & 0x3ff;
    match exponent {
        0 => {
            // Subnormal: the fraction counts units of 2^-24.
            let magnitude = fraction as f32 / 16_777_216.0;
            f32::from_bits(sign | magnitude.to_bits())
        }
        31 => f32::from_bits(sign | 0x7f80_0000 | (fraction << 13)),
        _ => f32::from_bits(sign | ((exponent + 112) << 23) | (fraction << 13)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_read_exactly() {
        let cases = [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x3555, 0.333_251_95),
        ];
        for (bits, value) in cases {
            assert_eq!(half_to_single(bits), value, "{bits:#x}");
        }
        assert!(half_to_single(0x7e00).is_nan());
        assert_eq!(half_to_single(0xfc00), f32::NEG_INFINITY);
    }
}
