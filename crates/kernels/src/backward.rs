//! Backward passes: what training needs beside the products, which are the same products in other orders.
//!
//! Each function takes the gradient of a loss in an operation's result and gives those in its operands. Attention follows
//! Vaswani et al. 2017 and keeps no weights from the forward pass: it computes them again.

use crate::activation::{Activation, activate, exp, exponentials};
use crate::attention::{Attention, Span};
use crate::kernels::Kernels;
use crate::matrix::Matrix;
use crate::norm::LayerNorm;
use crate::simd::{Operation, Simd};

impl Kernels {
    /// Multiplies each of `gradients` by the slope of `activation` at the number of `input` beside it.
    ///
    /// # Panics
    /// When the lengths differ.
    pub fn activate_backward(self, activation: Activation, input: &[f32], gradients: &mut [f32]) {
        assert_eq!(input.len(), gradients.len(), "a gradient for each number");
        self.run(ActivateBackward { activation, input, gradients });
    }

    /// The gradients of a layer norm: those in its result are replaced by those in its `input`, `[n, width]`, and those in
    /// its weight and bias, `[width]`, are added to `weight` and `bias`.
    ///
    /// # Panics
    /// When a length does not fit.
    pub fn layer_norm_backward(
        self,
        norm: &LayerNorm,
        input: &[f32],
        gradients: &mut [f32],
        weight: &mut [f32],
        bias: &mut [f32],
    ) {
        let width = norm.weight.len();
        assert!(width > 0 && input.len().is_multiple_of(width), "{} numbers in rows of {width}", input.len());
        assert_eq!(input.len(), gradients.len(), "a gradient for each number");
        assert!(weight.len() == width && bias.len() == width, "a gradient for each weight and bias");
        self.run(NormBackward { norm, input, gradients, weight, bias });
    }

    /// The gradients of full self-attention over `joint` queries, keys and values, `[tokens, 3 * heads * size]`, from those
    /// in its result, `[tokens, heads * size]`. Written to `out`, as wide as `joint`.
    ///
    /// # Panics
    /// When a shape does not fit.
    pub fn attention_backward(
        self,
        joint: Matrix<'_>,
        lengths: &[usize],
        heads: usize,
        gradients: &[f32],
        out: &mut [f32],
    ) {
        let attention = Attention::joint(joint, lengths, heads);
        assert_eq!(attention.span, Span::Full, "every query sees every key");
        assert_eq!(joint.row_count(), lengths.iter().sum::<usize>(), "a row for each token");
        assert_eq!(gradients.len() * 3, out.len(), "three gradients for each of the result");
        assert_eq!(out.len(), joint.row_count() * joint.width(), "a gradient for each number");
        self.run(AttentionBackward { attention, gradients, out });
    }
}

struct ActivateBackward<'a> {
    activation: Activation,
    input: &'a [f32],
    gradients: &'a mut [f32],
}

impl Operation for ActivateBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let pairs = self.input.chunks(S::LANES).zip(self.gradients.chunks_mut(S::LANES));
        for (input, gradients) in pairs {
            let slope = slope(simd, self.activation, simd.load(input));
            simd.store(simd.mul(slope, simd.load(gradients)), gradients);
        }
    }
}

#[inline(always)]
fn slope<S: Simd>(simd: S, activation: Activation, x: S::F32) -> S::F32 {
    let one = simd.splat(1.0);
    match activation {
        Activation::None => one,
        Activation::Gelu => {
            // P(X <= x) + x p(x); the first from gelu itself would divide by x, so it is taken from erf's own form.
            let below = crate::activation::normal(simd, x);
            let density = exp(simd, simd.mul(simd.mul(x, x), simd.splat(-0.5)));
            // 1 / sqrt(2 pi)
            simd.mul_add(simd.mul(x, density), simd.splat(0.398_942_3), below)
        }
        Activation::GeluTanh => {
            const LINEAR: f32 = 0.797_884_6;
            const CUBIC: f32 = 0.044_715 * LINEAR;
            let square = simd.mul(x, x);
            let factor = simd.mul_add(square, simd.splat(CUBIC), simd.splat(LINEAR));
            let tanh = activate(simd, Activation::Tanh, simd.mul(x, factor));
            let inner = simd.mul_add(square, simd.splat(3.0 * CUBIC), simd.splat(LINEAR));
            let curve = simd.sub(one, simd.mul(tanh, tanh));
            let half = simd.splat(0.5);
            simd.mul_add(simd.mul(simd.mul(x, half), curve), inner, simd.mul_add(tanh, half, half))
        }
        // One above zero, zero below, by a number large enough that only zero itself is between.
        Activation::Relu => simd.min(simd.max(simd.mul(x, simd.splat(1e38)), simd.splat(0.0)), one),
        Activation::Tanh => {
            let tanh = activate(simd, Activation::Tanh, x);
            simd.sub(one, simd.mul(tanh, tanh))
        }
        Activation::Silu => {
            let sigmoid = simd.div(one, simd.add(one, exp(simd, simd.sub(simd.splat(0.0), x))));
            simd.mul(sigmoid, simd.mul_add(x, simd.sub(one, sigmoid), one))
        }
    }
}

struct NormBackward<'a> {
    norm: &'a LayerNorm,
    input: &'a [f32],
    gradients: &'a mut [f32],
    weight: &'a mut [f32],
    bias: &'a mut [f32],
}

impl Operation for NormBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let width = self.norm.weight.len();
        let rows = self.input.chunks_exact(width).zip(self.gradients.chunks_exact_mut(width));
        for (input, gradients) in rows {
            norm_row(simd, self.norm, (input, gradients), (self.weight, self.bias));
        }
    }
}

#[inline(always)]
fn norm_row<S: Simd>(
    simd: S,
    norm: &LayerNorm,
    (input, gradients): (&[f32], &mut [f32]),
    (weight, bias): (&mut [f32], &mut [f32]),
) {
    let width = input.len() as f32;
    let steps = || (0..input.len()).step_by(S::LANES).map(|first| first..(first + S::LANES).min(input.len()));
    let mut sum = simd.splat(0.0);
    for at in steps() {
        sum = simd.add(sum, simd.load(&input[at]));
    }
    let mean = simd.sum(sum) / width;
    let variance = input.iter().map(|number| (number - mean) * (number - mean)).sum::<f32>() / width;
    let (mean, factor) = (simd.splat(mean), simd.splat(1.0 / (variance + norm.epsilon).sqrt()));
    let (mut slopes, mut products) = (simd.splat(0.0), simd.splat(0.0));
    for at in steps() {
        // Lanes beyond the end hold the mean's distance from zero, and gradients of zero.
        let centred = simd.mul(simd.sub(simd.load(&input[at.clone()]), mean), factor);
        let gradient = simd.load(&gradients[at.clone()]);
        let row_weight = simd.mul_add(gradient, centred, simd.load(&weight[at.clone()]));
        simd.store(row_weight, &mut weight[at.clone()]);
        simd.store(simd.add(gradient, simd.load(&bias[at.clone()])), &mut bias[at.clone()]);
        let slope = simd.mul(gradient, simd.load(&norm.weight[at]));
        slopes = simd.add(slopes, slope);
        products = simd.mul_add(slope, centred, products);
    }
    let (slopes, products) = (simd.splat(simd.sum(slopes) / width), simd.splat(simd.sum(products) / width));
    for at in steps() {
        let centred = simd.mul(simd.sub(simd.load(&input[at.clone()]), mean), factor);
        let slope = simd.mul(simd.load(&gradients[at.clone()]), simd.load(&norm.weight[at.clone()]));
        let along = simd.add(slopes, simd.mul(centred, products));
        simd.store(simd.mul(factor, simd.sub(slope, along)), &mut gradients[at]);
    }
}

struct AttentionBackward<'a> {
    attention: Attention<'a>,
    gradients: &'a [f32],
    out: &'a mut [f32],
}

impl Operation for AttentionBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { attention, gradients, out } = self;
        let width = attention.queries.width();
        let size = width / attention.heads;
        let mut buffers = Buffers::default();
        let mut first = 0;
        for length in attention.query_lengths {
            for head in 0..attention.heads {
                let part = Part { first, length: *length, column: head * size, size, width };
                part.backward(simd, &attention, (gradients, out), &mut buffers);
            }
            first += length;
        }
    }
}

/// Keys and values of a head, transposed; weights and their gradients of all its queries.
#[derive(Default)]
struct Buffers {
    keys: Vec<f32>,
    values: Vec<f32>,
    weights: Vec<f32>,
    slopes: Vec<f32>,
}

/// One head of one sequence.
#[derive(Clone, Copy)]
struct Part {
    first: usize,
    length: usize,
    column: usize,
    size: usize,
    width: usize,
}

impl Part {
    /// The rows and columns of this part in a matrix of all heads.
    fn of<'m>(&self, matrix: Matrix<'m>) -> Matrix<'m> {
        matrix.columns(self.column, self.size).rows(self.first, self.length)
    }

    #[inline(always)]
    fn backward<S: Simd>(
        self,
        simd: S,
        attention: &Attention<'_>,
        (gradients, out): (&[f32], &mut [f32]),
        buffers: &mut Buffers,
    ) {
        let Self { first, length, column, size, width } = self;
        let queries = self.of(attention.queries);
        let (keys, values) = (self.of(attention.keys), self.of(attention.values));
        transpose(keys, &mut buffers.keys);
        transpose(values, &mut buffers.values);
        buffers.weights.clear();
        buffers.weights.resize(length * length, 0.0);
        buffers.slopes.clear();
        buffers.slopes.resize(length * length, 0.0);
        let scale = simd.splat(attention.scale);
        for token in 0..length {
            let weights = &mut buffers.weights[token * length..][..length];
            for (index, query) in queries.row(token).iter().enumerate() {
                add_scaled(simd, *query, &buffers.keys[index * length..][..length], weights);
            }
            for numbers in weights.chunks_mut(S::LANES) {
                simd.store(simd.mul(simd.load(numbers), scale), numbers);
            }
            let sum = simd.splat(1.0 / exponentials(simd, weights));
            for numbers in weights.chunks_mut(S::LANES) {
                simd.store(simd.mul(simd.load(numbers), sum), numbers);
            }
            let slopes = &mut buffers.slopes[token * length..][..length];
            let gradient = &gradients[(first + token) * width + column..][..size];
            for (index, gradient) in gradient.iter().enumerate() {
                add_scaled(simd, *gradient, &buffers.values[index * length..][..length], slopes);
            }
            let mut mean = simd.splat(0.0);
            for (weights, slopes) in weights.chunks(S::LANES).zip(slopes.chunks(S::LANES)) {
                mean = simd.mul_add(simd.load(weights), simd.load(slopes), mean);
            }
            let mean = simd.splat(simd.sum(mean));
            for (weights, slopes) in weights.chunks(S::LANES).zip(slopes.chunks_mut(S::LANES)) {
                let slope = simd.mul(simd.load(weights), simd.sub(simd.load(slopes), mean));
                simd.store(simd.mul(slope, scale), slopes);
            }
        }
        for token in 0..length {
            let [query, key, value] = [0, 1, 2].map(|part| {
                let from = (first + token) * 3 * width + part * width + column;
                from..from + size
            });
            out[query.clone()].fill(0.0);
            out[key.clone()].fill(0.0);
            out[value.clone()].fill(0.0);
            for other in 0..length {
                let gradient = &gradients[(first + other) * width + column..][..size];
                add_scaled(
                    simd,
                    buffers.slopes[token * length + other],
                    keys.row(other),
                    &mut out[query.clone()],
                );
                add_scaled(
                    simd,
                    buffers.slopes[other * length + token],
                    queries.row(other),
                    &mut out[key.clone()],
                );
                add_scaled(simd, buffers.weights[other * length + token], gradient, &mut out[value.clone()]);
            }
        }
    }
}

/// Adds `factor * from` to `to`.
#[inline(always)]
fn add_scaled<S: Simd>(simd: S, factor: f32, from: &[f32], to: &mut [f32]) {
    let factor = simd.splat(factor);
    for (from, to) in from.chunks(S::LANES).zip(to.chunks_mut(S::LANES)) {
        simd.store(simd.mul_add(factor, simd.load(from), simd.load(to)), to);
    }
}

/// Writes `matrix`, `[rows, columns]`, to `to` as `[columns, rows]`.
#[inline(always)]
fn transpose(matrix: Matrix<'_>, to: &mut Vec<f32>) {
    let (rows, columns) = (matrix.row_count(), matrix.width());
    to.clear();
    to.resize(rows * columns, 0.0);
    for row in 0..rows {
        for (column, number) in matrix.row(row).iter().enumerate() {
            to[column * rows + row] = *number;
        }
    }
}
