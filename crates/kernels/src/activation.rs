//! Activation functions on vectors.
//!
//! The polynomials were fitted for these ranges by iteratively reweighted least squares on Chebyshev nodes; each constant's comment
//! states the largest error.

use crate::kernels::Kernels;
use crate::simd::{Operation, Simd};

/// A function applied to each number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activation {
    /// The number itself.
    #[default]
    None,
    /// `x * P(X <= x)` of a standard normal X, exact form (`gelu`).
    Gelu,
    /// GELU by its tanh approximation (`gelu_new`, `gelu_pytorch_tanh`).
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
    /// Hyperbolic tangent.
    Tanh,
    /// `x / (1 + exp(-x))`.
    Silu,
}

impl Kernels {
    /// Applies `activation` to `numbers` in place.
    pub fn activate(self, activation: Activation, numbers: &mut [f32]) {
        self.run(Activate { activation, numbers });
    }

    /// The gated unit of each row of `input`, `[n, 2 * width]`: the activation of its first half times its second half,
    /// to `out`, `[n, width]`.
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub fn activate_gated(self, activation: Activation, input: &[f32], width: usize, out: &mut [f32]) {
        assert!(width > 0 && out.len().is_multiple_of(width), "{} numbers in rows of {width}", out.len());
        assert_eq!(input.len(), 2 * out.len(), "two numbers in for each out");
        self.run(ActivateGated { activation, input, width, out });
    }

    /// The softmax of each row of `rows`, `[n, width]`, in place.
    ///
    /// # Panics
    /// When `rows` is not a whole number of rows.
    pub fn softmax(self, rows: &mut [f32], width: usize) {
        assert!(width > 0 && rows.len().is_multiple_of(width), "{} numbers in rows of {width}", rows.len());
        self.run(Softmax { rows, width });
    }
}

struct Activate<'a> {
    activation: Activation,
    numbers: &'a mut [f32],
}

impl Operation for Activate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for numbers in self.numbers.chunks_mut(S::LANES) {
            simd.store(activate(simd, self.activation, simd.load(numbers)), numbers);
        }
    }
}

struct ActivateGated<'a> {
    activation: Activation,
    input: &'a [f32],
    width: usize,
    out: &'a mut [f32],
}

impl Operation for ActivateGated<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let rows = self.input.chunks_exact(2 * self.width).zip(self.out.chunks_exact_mut(self.width));
        for (input, out) in rows {
            let (first, second) = input.split_at(self.width);
            let halves = first.chunks(S::LANES).zip(second.chunks(S::LANES));
            for ((first, second), out) in halves.zip(out.chunks_mut(S::LANES)) {
                let activated = activate(simd, self.activation, simd.load(first));
                simd.store(simd.mul(activated, simd.load(second)), out);
            }
        }
    }
}

struct Softmax<'a> {
    rows: &'a mut [f32],
    width: usize,
}

impl Operation for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for row in self.rows.chunks_exact_mut(self.width) {
            let factor = simd.splat(1.0 / exponentials(simd, row));
            for numbers in row.chunks_mut(S::LANES) {
                simd.store(simd.mul(simd.load(numbers), factor), numbers);
            }
        }
    }
}

/// Replaces each number by the exponential of its distance to the largest, and returns the sum.
#[inline(always)]
pub(crate) fn exponentials<S: Simd>(simd: S, row: &mut [f32]) -> f32 {
    let (whole, rest) = row.split_at_mut(row.len() - row.len() % S::LANES);
    let mut largest = simd.splat(f32::NEG_INFINITY);
    for numbers in whole.chunks_exact(S::LANES) {
        largest = simd.max(largest, simd.load(numbers));
    }
    let largest = rest.iter().copied().fold(simd.largest(largest), f32::max);
    let mut sum = simd.splat(0.0);
    for numbers in whole.chunks_exact_mut(S::LANES) {
        let exponential = exp(simd, simd.sub(simd.load(numbers), simd.splat(largest)));
        sum = simd.add(sum, exponential);
        simd.store(exponential, numbers);
    }
    if !rest.is_empty() {
        simd.store(exp(simd, simd.sub(simd.load(rest), simd.splat(largest))), rest);
        sum = simd.add(sum, simd.load(rest));
    }
    simd.sum(sum)
}

/// Applies an activation to a vector.
#[inline(always)]
pub(crate) fn activate<S: Simd>(simd: S, activation: Activation, x: S::F32) -> S::F32 {
    match activation {
        Activation::None => x,
        Activation::Gelu => gelu(simd, x),
        Activation::GeluTanh => gelu_tanh(simd, x),
        Activation::Relu => simd.max(x, simd.splat(0.0)),
        Activation::Tanh => tanh(simd, x),
        Activation::Silu => {
            let grown = exp(simd, simd.sub(simd.splat(0.0), x));
            simd.div(x, simd.add(simd.splat(1.0), grown))
        }
    }
}

/// Beyond this, P(X <= x) is 1 to within 2e-7.
const NORMAL_END: f32 = 5.091_168;
/// (P(X <= x) - 1/2) / x of a standard normal X for |x| up to its end as a polynomial of 2 x^2 / end^2 - 1, lowest power
/// first; the probability is off by at most 3e-7.
const NORMAL: [f32; 13] = [
    0.138_844_67,
    -0.069_115_646,
    0.050_847_623,
    -0.040_253_263,
    0.031_716_164,
    -0.023_869_015,
    0.017_252_455,
    -0.012_187_065,
    0.007_129_503,
    -0.002_894_079_8,
    0.001_990_46,
    -0.002_046_845,
    0.000_794_322_35,
];

/// `x * P(X <= x)`.
#[inline(always)]
fn gelu<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    simd.mul(x, normal(simd, x))
}

/// P(X <= x) of a standard normal X.
#[inline(always)]
pub(crate) fn normal<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    normal_to(simd, NORMAL_END, &NORMAL, x)
}

/// The same by the polynomial that holds up to `end`.
#[inline(always)]
fn normal_to<S: Simd>(simd: S, end: f32, coefficients: &[f32], x: S::F32) -> S::F32 {
    let near = simd.min(simd.max(x, simd.splat(-end)), simd.splat(end));
    let place = simd.mul_add(simd.mul(near, near), simd.splat(2.0 / (end * end)), simd.splat(-1.0));
    simd.mul_add(near, polynomial_by_halves(simd, coefficients, place), simd.splat(0.5))
}

/// As [`NORMAL_END`], to within 2e-5.
const COARSE_END: f32 = 4.2;
/// As [`NORMAL`], up to the coarse end; the probability is off by at most 1e-5.
const COARSE_NORMAL: [f32; 9] = [
    0.167_856_14,
    -0.081_482_04,
    0.055_814_445,
    -0.038_955_633,
    0.025_004_968,
    -0.013_675_362,
    0.008_104_61,
    -0.005_817_591_7,
    0.002_196_645_8,
];

/// GELU of sums of int8 products, whose own error is hundreds of times what is lost here.
#[inline(always)]
pub(crate) fn coarse_gelu<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    simd.mul(x, normal_to(simd, COARSE_END, &COARSE_NORMAL, x))
}

#[inline(always)]
fn gelu_tanh<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    // sqrt(2 / pi) (x + 0.044715 x^3)
    const LINEAR: f32 = 0.797_884_6;
    const CUBIC: f32 = 0.044_715 * LINEAR;
    let factor = simd.mul_add(simd.mul(x, x), simd.splat(CUBIC), simd.splat(LINEAR));
    let half = simd.mul(x, simd.splat(0.5));
    simd.mul_add(half, tanh(simd, simd.mul(x, factor)), half)
}

/// `1 - 2 / (exp(2x) + 1)`, which tends to -1 and 1; its absolute error is at most 2e-7.
#[inline(always)]
fn tanh<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    let grown = simd.add(exp(simd, simd.add(x, x)), simd.splat(1.0));
    simd.sub(simd.splat(1.0), simd.div(simd.splat(2.0), grown))
}

/// 2^x for |x| <= 1/2, lowest power first; the relative error is at most 8e-8.
const EXP2: [f32; 6] =
    [1.000_000_1, 0.693_146_94, 0.240_221_2, 0.055_507_135, 0.009_675_541, 0.001_327_646_7];

/// The exponential, with arguments brought into -87..=88, where neither it nor the power of two leaves the normal range.
#[inline(always)]
pub(crate) fn exp<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    let x = simd.min(simd.max(x, simd.splat(-87.0)), simd.splat(88.0));
    let whole = simd.round(simd.mul(x, simd.splat(std::f32::consts::LOG2_E)));
    // The product is taken again inside the difference: fused, it keeps the digits that rounding took from it.
    let fraction = simd.mul_add(x, simd.splat(std::f32::consts::LOG2_E), simd.sub(simd.splat(0.0), whole));
    simd.scale(polynomial(simd, &EXP2, fraction), whole)
}

#[inline(always)]
fn polynomial<S: Simd>(simd: S, coefficients: &[f32], x: S::F32) -> S::F32 {
    let mut powers = coefficients.iter().rev();
    let highest = powers.next().copied().unwrap_or(0.0);
    powers.fold(simd.splat(highest), |value, coefficient| simd.mul_add(value, x, simd.splat(*coefficient)))
}

/// As [`polynomial`], even and odd powers apart, so that a long one waits half as long for itself.
#[inline(always)]
fn polynomial_by_halves<S: Simd>(simd: S, coefficients: &[f32], x: S::F32) -> S::F32 {
    let square = simd.mul(x, x);
    let even = every_second(simd, coefficients, square);
    simd.mul_add(every_second(simd, &coefficients[1..], square), x, even)
}

/// The polynomial of the first coefficient and every second after it.
#[inline(always)]
fn every_second<S: Simd>(simd: S, coefficients: &[f32], x: S::F32) -> S::F32 {
    let mut powers = coefficients.iter().step_by(2).rev();
    let highest = powers.next().copied().unwrap_or(0.0);
    powers.fold(simd.splat(highest), |value, coefficient| simd.mul_add(value, x, simd.splat(*coefficient)))
}
