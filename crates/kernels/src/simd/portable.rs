//! Plain arrays, which the compiler vectorises with what the target always has.

use crate::simd::{MOST_LANES, Simd};

/// Eight lanes of plain Rust.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

const LANES: usize = 8;

#[inline(always)]
fn zip(a: [f32; LANES], b: [f32; LANES], of: impl Fn(f32, f32) -> f32) -> [f32; LANES] {
    std::array::from_fn(|lane| of(a[lane], b[lane]))
}

impl Simd for Portable {
    const LANES: usize = LANES;
    const ROWS: usize = 4;
    const ACTIVATION_OFFSET: i32 = 0;

    type F32 = [f32; LANES];
    type I32 = [i32; LANES];
    type Weights = [i8; 4 * LANES];
    type Activations = [u8; 4];

    #[inline(always)]
    fn splat(self, value: f32) -> Self::F32 {
        [value; LANES]
    }

    #[inline(always)]
    fn load(self, from: &[f32]) -> Self::F32 {
        match from.first_chunk() {
            Some(full) => *full,
            None => std::array::from_fn(|lane| from.get(lane).copied().unwrap_or(0.0)),
        }
    }

    #[inline(always)]
    fn load_bytes(self, from: &[i8]) -> Self::F32 {
        match from.first_chunk::<LANES>() {
            Some(full) => full.map(f32::from),
            None => std::array::from_fn(|lane| from.get(lane).copied().map_or(0.0, f32::from)),
        }
    }

    #[inline(always)]
    fn store(self, vector: Self::F32, to: &mut [f32]) {
        match to.first_chunk_mut() {
            Some(full) => *full = vector,
            None => to.copy_from_slice(&vector[..to.len()]),
        }
    }

    #[inline(always)]
    unsafe fn load_at(self, from: *const f32) -> Self::F32 {
        // SAFETY: the caller's promise; reading unaligned asks nothing more.
        unsafe { from.cast::<Self::F32>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store_at(self, vector: Self::F32, to: *mut f32) {
        // SAFETY: as above.
        unsafe { to.cast::<Self::F32>().write_unaligned(vector) }
    }

    #[inline(always)]
    fn add(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        zip(a, b, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        zip(a, b, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        zip(a, b, |a, b| a * b)
    }

    #[inline(always)]
    fn div(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        zip(a, b, |a, b| a / b)
    }

    #[inline(always)]
    fn max(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        zip(a, b, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn min(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        zip(a, b, |a, b| if a < b { a } else { b })
    }

    /// Not fused: without the instruction, fusing is a call for each number.
    #[inline(always)]
    fn mul_add(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32 {
        std::array::from_fn(|lane| a[lane] * b[lane] + c[lane])
    }

    #[inline(always)]
    fn round(self, a: Self::F32) -> Self::F32 {
        // Adding and subtracting 1.5 * 2^23 drops the fraction of anything under 2^22, by the rounding of the sum.
        const DROP: f32 = 12_582_912.0;
        a.map(|a| (a + DROP) - DROP)
    }

    #[inline(always)]
    fn scale(self, a: Self::F32, exponent: Self::F32) -> Self::F32 {
        zip(a, exponent, |a, exponent| a * f32::from_bits(((exponent as i32 + 127) as u32) << 23))
    }

    #[inline(always)]
    fn sum(self, a: Self::F32) -> f32 {
        let half: [f32; 4] = std::array::from_fn(|lane| a[lane] + a[lane + 4]);
        (half[0] + half[2]) + (half[1] + half[3])
    }

    #[inline(always)]
    fn largest(self, a: Self::F32) -> f32 {
        a.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }

    #[inline(always)]
    fn smallest(self, a: Self::F32) -> f32 {
        a.into_iter().fold(f32::INFINITY, f32::min)
    }

    #[inline(always)]
    fn transpose(self, square: &mut [Self::F32; MOST_LANES]) {
        for row in 0..LANES {
            for column in 0..row {
                let (above, below) = square.split_at_mut(row);
                std::mem::swap(&mut above[column][row], &mut below[0][column]);
            }
        }
    }

    #[inline(always)]
    fn zero_i32(self) -> Self::I32 {
        [0; LANES]
    }

    #[inline(always)]
    fn to_f32(self, a: Self::I32) -> Self::F32 {
        a.map(|a| a as f32)
    }

    #[inline(always)]
    unsafe fn load_i32_at(self, from: *const i32) -> Self::I32 {
        // SAFETY: the caller's promise; reading unaligned asks nothing more.
        unsafe { from.cast::<Self::I32>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store_i32_at(self, vector: Self::I32, to: *mut i32) {
        // SAFETY: as above.
        unsafe { to.cast::<Self::I32>().write_unaligned(vector) }
    }

    #[inline(always)]
    unsafe fn weights_at(self, from: *const i8) -> Self::Weights {
        // SAFETY: the caller's promise; bytes are always aligned.
        unsafe { from.cast::<Self::Weights>().read() }
    }

    #[inline(always)]
    unsafe fn activations_at(self, from: *const u8) -> Self::Activations {
        // SAFETY: as above.
        unsafe { from.cast::<Self::Activations>().read() }
    }

    #[inline(always)]
    fn dot(self, sum: Self::I32, activations: Self::Activations, weights: Self::Weights) -> Self::I32 {
        std::array::from_fn(|lane| {
            let product = |place: usize| i32::from(activations[place]) * i32::from(weights[4 * lane + place]);
            sum[lane] + product(0) + product(1) + product(2) + product(3)
        })
    }

    #[inline(always)]
    fn store_bytes(self, vector: Self::F32, to: &mut [u8]) {
        for (byte, value) in to.iter_mut().zip(self.round(vector)) {
            *byte = value as u8;
        }
    }
}
