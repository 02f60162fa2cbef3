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

/// Beyond this, erf is 1 to within 4e-7.
const ERF_END: f32 = 3.6;
/// erf(x) / x for |x| <= 3.6 as a polynomial of 2 x^2 / 3.6^2 - 1, lowest power first; erf is off by at most 6e-7.
const ERF: [f32; 13] = [
    0.392_712_03,
    -0.195_488_57,
    0.143_818_8,
    -0.113_853_42,
    0.089_706_86,
    -0.067_511_77,
    0.048_797_31,
    -0.034_470_223,
    0.020_165_28,
    -0.008_185_694,
    0.005_629_871,
    -0.005_789_351_6,
    0.002_246_682_8,
];

#[inline(always)]
fn gelu<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    let half = simd.mul(x, simd.splat(0.5));
    simd.mul_add(half, erf(simd, x), half)
}

/// erf(x / sqrt(2)): twice the share of a standard normal between 0 and x.
#[inline(always)]
pub(crate) fn erf<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    let scaled = simd.mul(x, simd.splat(std::f32::consts::FRAC_1_SQRT_2));
    let near = simd.min(simd.max(scaled, simd.splat(-ERF_END)), simd.splat(ERF_END));
    let place = simd.mul_add(simd.mul(near, near), simd.splat(2.0 / (ERF_END * ERF_END)), simd.splat(-1.0));
    simd.mul(near, polynomial(simd, &ERF, place))
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
