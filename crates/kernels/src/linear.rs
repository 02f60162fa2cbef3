//! Linear layers: the product with packed weights and what follows it, in one pass over the result.

use crate::activation::{Activation, activate};
use crate::kernels::Kernels;
use crate::matrix::Matrix;
use crate::scratch::{RowScale, Scratch};
use crate::simd::{Operation, Simd};
use crate::tile::{Operands, TILE_WIDTH, Tile, product_f32, product_i8};
use crate::weights::{GROUP, PackedF32, PackedI8, Panel, Weights};

/// Rows that are taken through all panels together, so that they stay in the second-level cache.
const ROW_BLOCK: usize = 128;

/// A linear layer, `x W^T + b`.
#[derive(Debug, Clone)]
pub struct Linear {
    weights: Weights,
    bias: Option<Vec<f32>>,
}

impl Linear {
    /// Weights `[out, in]` and, where the layer has one, a bias `[out]`.
    ///
    /// # Panics
    /// When the bias is not as long as the weights have outputs.
    pub fn new(weights: Weights, bias: Option<Vec<f32>>) -> Self {
        assert!(bias.as_ref().is_none_or(|bias| bias.len() == weights.outputs()), "a bias for each output");
        Self { weights, bias }
    }

    /// The weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }
}

/// What is done to `x W^T + b` before it is stored: first the activation, then the sum with the residual.
#[derive(Debug, Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// Applied to each number.
    pub activation: Activation,
    /// Added, `[rows, out]`.
    pub residual: Option<&'a [f32]>,
}

impl<'a> Epilogue<'a> {
    /// The product and bias as they are.
    pub const NONE: Epilogue<'static> = Epilogue { activation: Activation::None, residual: None };

    /// An activation.
    pub fn activation(activation: Activation) -> Self {
        Self { activation, residual: None }
    }

    /// The sum with `residual`, `[rows, out]`.
    pub fn residual(residual: &'a [f32]) -> Self {
        Self { activation: Activation::None, residual: Some(residual) }
    }
}

impl Kernels {
    /// `out = activation(input W^T + b) + residual`: `input` is `[rows, in]`, `out` is `[rows, out]`.
    ///
    /// With int8 weights each row of `input` is quantised to 254 steps between its smallest and largest number and zero.
    ///
    /// # Panics
    /// When a shape does not fit, or the weights were packed for other kernels.
    pub fn linear(
        self,
        input: Matrix<'_>,
        linear: &Linear,
        epilogue: Epilogue<'_>,
        out: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let shape = linear.weights.shape();
        let rows = input.row_count();
        assert_eq!(shape.kernels, self, "weights are packed for the kernels that use them");
        assert_eq!(input.width(), shape.inputs, "inputs of the layer");
        assert_eq!(out.len(), rows * shape.outputs, "outputs of {rows} rows");
        assert!(
            epilogue.residual.is_none_or(|residual| residual.len() == out.len()),
            "a residual for each output"
        );
        let after = After { bias: linear.bias.as_deref(), epilogue, outputs: shape.outputs };
        match &linear.weights {
            Weights::F32(weights) => self.run(ProductF32 { input, weights, after, out }),
            Weights::I8(weights) => self.run(ProductI8 { input, weights, after, out, scratch }),
        }
    }
}

/// What follows the product.
#[derive(Clone, Copy)]
struct After<'a> {
    bias: Option<&'a [f32]>,
    epilogue: Epilogue<'a>,
    outputs: usize,
}

struct ProductF32<'a> {
    input: Matrix<'a>,
    weights: &'a PackedF32,
    after: After<'a>,
    out: &'a mut [f32],
}

impl Operation for ProductF32<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { input, weights, after, out } = self;
        let depth = weights.shape.inputs;
        let panels = weights.panels.as_slice();
        let mut tile = Tile::<f32>::zeros();
        for (start, length) in blocks(input.row_count(), ROW_BLOCK) {
            for panel in weights.shape.panels() {
                for (first, rows) in blocks(length, S::ROWS) {
                    let first = start + first;
                    let width = panel.vectors * S::LANES;
                    let operands = Operands {
                        a: input.rows(first, rows).as_ptr(),
                        a_stride: input.stride(),
                        b: panels[panel.first * depth..][..depth * width].as_ptr(),
                        b_stride: width,
                        depth,
                        c: tile.0.as_mut_ptr(),
                        c_stride: TILE_WIDTH,
                    };
                    // SAFETY: rows `first..first + rows` are rows of the input, each `depth` long; the panel was sliced.
                    unsafe { product_f32(simd, rows, panel.vectors, operands) }
                    for row in 0..rows {
                        let sums = &tile.0[row * TILE_WIDTH..][..panel.columns];
                        let sum = |column: usize| simd.load(&sums[column..]);
                        after.store(simd, sum, panel, first + row, out);
                    }
                }
            }
        }
    }
}

struct ProductI8<'a> {
    input: Matrix<'a>,
    weights: &'a PackedI8,
    after: After<'a>,
    out: &'a mut [f32],
    scratch: &'a mut Scratch,
}

impl Operation for ProductI8<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { input, weights, after, out, scratch } = self;
        for (start, length) in blocks(input.row_count(), ROW_BLOCK) {
            let block = input.rows(start, length);
            quantise(simd, block, scratch);
            let quantised =
                Quantised { bytes: scratch.quantised.as_slice(), scales: &scratch.row_scales, start };
            product_i8_block(simd, quantised, weights, after, out);
        }
    }
}

/// Quantised rows, the first of which is row `start` of the result.
#[derive(Clone, Copy)]
struct Quantised<'a> {
    bytes: &'a [u8],
    scales: &'a [RowScale],
    start: usize,
}

#[inline(always)]
fn product_i8_block<S: Simd>(
    simd: S,
    quantised: Quantised<'_>,
    weights: &PackedI8,
    after: After<'_>,
    out: &mut [f32],
) {
    let depth = weights.shape.inputs.div_ceil(GROUP);
    let panels = weights.panels.as_slice();
    let mut tile = Tile::<i32>::zeros();
    for panel in weights.shape.panels() {
        let width = GROUP * panel.vectors * S::LANES;
        for (first, rows) in blocks(quantised.scales.len(), S::ROWS) {
            let operands = Operands {
                a: quantised.bytes[first * depth * GROUP..][..rows * depth * GROUP].as_ptr(),
                a_stride: depth * GROUP,
                b: panels[panel.first * depth * GROUP..][..depth * width].as_ptr(),
                b_stride: width,
                depth,
                c: tile.0.as_mut_ptr(),
                c_stride: TILE_WIDTH,
            };
            // SAFETY: rows and panel were sliced with just these lengths.
            unsafe { product_i8(simd, rows, panel.vectors, operands) }
            for row in 0..rows {
                let RowScale { scale, zero } = quantised.scales[first + row];
                let (scale, zero) = (simd.splat(scale), simd.splat((S::ACTIVATION_OFFSET - zero) as f32));
                let sums = &tile.0[row * TILE_WIDTH..][..TILE_WIDTH];
                let sum = |column: usize| {
                    // SAFETY: a tile's row has room for whole vectors.
                    let sum = simd.to_f32(unsafe { simd.load_i32_at(sums.as_ptr().add(column)) });
                    let sum = simd.mul_add(zero, simd.load(&weights.sums[panel.first + column..]), sum);
                    simd.mul(sum, simd.mul(scale, simd.load(&weights.scales[panel.first + column..])))
                };
                after.store(simd, sum, panel, quantised.start + first + row, out);
            }
        }
    }
}

impl After<'_> {
    /// Stores one row of a panel, whose products `sum` gives by column.
    #[inline(always)]
    fn store<S: Simd>(
        self,
        simd: S,
        sum: impl Fn(usize) -> S::F32,
        panel: Panel,
        row: usize,
        out: &mut [f32],
    ) {
        let place = row * self.outputs + panel.first;
        for column in (0..panel.columns).step_by(S::LANES) {
            let here = place + column..place + (column + S::LANES).min(panel.columns);
            let mut value = sum(column);
            if let Some(bias) = self.bias {
                value = simd.add(value, simd.load(&bias[panel.first + column..]));
            }
            value = activate(simd, self.epilogue.activation, value);
            if let Some(residual) = self.epilogue.residual {
                value = simd.add(value, simd.load(&residual[here.clone()]));
            }
            simd.store(value, &mut out[here]);
        }
    }
}

/// Cuts `count` into pieces of at most `most`, as equal as can be: `(first, length)`.
#[inline(always)]
pub(crate) fn blocks(count: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let pieces = count.div_ceil(most);
    let (length, longer) = (count / pieces.max(1), count % pieces.max(1));
    (0..pieces).map(move |piece| (piece * length + piece.min(longer), length + usize::from(piece < longer)))
}

/// Quantises each row of `block` to bytes 1..=255, groups filled up with any byte.
#[inline(always)]
fn quantise<S: Simd>(simd: S, block: Matrix<'_>, scratch: &mut Scratch) {
    let width = block.width().next_multiple_of(GROUP);
    let bytes = scratch.quantised.sized(block.row_count() * width);
    scratch.row_scales.clear();
    for (row, bytes) in bytes.chunks_exact_mut(width).enumerate() {
        scratch.row_scales.push(quantise_row(simd, block.row(row), bytes));
    }
}

#[inline(always)]
fn quantise_row<S: Simd>(simd: S, row: &[f32], bytes: &mut [u8]) -> RowScale {
    // Lanes beyond the row's end load as zero, which is in the range anyway.
    let (mut low, mut high) = (simd.splat(0.0), simd.splat(0.0));
    for numbers in row.chunks(S::LANES) {
        let numbers = simd.load(numbers);
        low = simd.min(low, numbers);
        high = simd.max(high, numbers);
    }
    let (low, high) = (simd.smallest(low), simd.largest(high));
    // A range too small for the inverse of its step to be a number is no range.
    let scale = if high - low > 1e-30 { (high - low) / 254.0 } else { 1.0 };
    let zero = (1.0 - low / scale).round_ties_even();
    let (factor, shift) = (simd.splat(1.0 / scale), simd.splat(zero));
    for (numbers, bytes) in row.chunks(S::LANES).zip(bytes.chunks_mut(S::LANES)) {
        // Not fused, so that every path rounds alike and finds the same bytes.
        let value = simd.add(simd.mul(simd.load(numbers), factor), shift);
        simd.store_bytes(simd.min(simd.max(value, simd.splat(1.0)), simd.splat(255.0)), bytes);
    }
    RowScale { scale, zero: zero as i32 }
}
