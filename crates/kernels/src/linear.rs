//! Linear layers: the product with packed weights and what follows it, in one pass over the result.

use crate::activation::{Activation, activate, coarse_gelu};
use crate::aligned::Aligned;
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
    /// Zeros where the layer has none and beyond the last output, `[out rounded up to whole vectors]`.
    bias: Aligned<f32>,
}

impl Linear {
    /// Weights `[out, in]` and, where the layer has one, a bias `[out]`.
    ///
    /// # Panics
    /// When the bias is not as long as the weights have outputs.
    pub fn new(weights: Weights, bias: Option<Vec<f32>>) -> Self {
        assert!(bias.as_ref().is_none_or(|bias| bias.len() == weights.outputs()), "a bias for each output");
        let bias = Aligned::padded(&bias.unwrap_or_default(), weights.shape().padded_outputs());
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
        let after = After { bias: linear.bias.as_slice(), epilogue, outputs: shape.outputs };
        match &linear.weights {
            Weights::F32(weights) => self.run(ProductF32 { input, weights, after, out }),
            Weights::I8(weights) => self.run(ProductI8 { input, weights, after, out, scratch }),
        }
    }
}

/// What follows the product.
#[derive(Clone, Copy)]
struct After<'a> {
    /// `[out rounded up to whole vectors]`.
    bias: &'a [f32],
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
                    after.store(simd, FloatSums { tile: &tile }, Place { panel, first, rows }, out);
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
            let sums = ByteSums { tile: &tile, weights, rows: &quantised.scales[first..][..rows] };
            after.store(simd, sums, Place { panel, first: quantised.start + first, rows }, out);
        }
    }
}

/// Rows of the result, from `first` on, and the columns of a panel.
#[derive(Clone, Copy)]
struct Place {
    panel: Panel,
    first: usize,
    rows: usize,
}

/// A tile of products as numbers.
trait Sums<S: Simd>: Copy {
    /// What the rows of a vector of columns share.
    type Column: Copy;
    /// What the columns of a row share.
    type Row: Copy;

    fn column(self, simd: S, column: usize) -> Self::Column;
    fn row(self, simd: S, row: usize) -> Self::Row;
    /// One vector of a row, with its bias; `vector` counts within the tile.
    fn get(simd: S, row: Self::Row, vector: usize, column: Self::Column, bias: S::F32) -> S::F32;
    /// The activation, as precise as the sums are.
    fn activate(simd: S, activation: Activation, value: S::F32) -> S::F32;
}

#[derive(Clone, Copy)]
struct FloatSums<'a> {
    tile: &'a Tile<f32>,
}

impl<'a, S: Simd> Sums<S> for FloatSums<'a> {
    type Column = ();
    /// The sums.
    type Row = &'a [f32; TILE_WIDTH];

    #[inline(always)]
    fn column(self, _: S, _: usize) {}

    #[inline(always)]
    fn row(self, _: S, row: usize) -> Self::Row {
        self.tile.row(row)
    }

    #[inline(always)]
    fn get(simd: S, row: Self::Row, vector: usize, (): (), bias: S::F32) -> S::F32 {
        simd.add(simd.load(&row[vector * S::LANES..][..S::LANES]), bias)
    }

    #[inline(always)]
    fn activate(simd: S, activation: Activation, value: S::F32) -> S::F32 {
        activate(simd, activation, value)
    }
}

#[derive(Clone, Copy)]
struct ByteSums<'a> {
    tile: &'a Tile<i32>,
    weights: &'a PackedI8,
    /// Those of the tile's rows.
    rows: &'a [RowScale],
}

impl<'a, S: Simd> Sums<S> for ByteSums<'a> {
    /// What the sums of the weights stand for, and the scales of the weights.
    type Column = (S::F32, S::F32);
    /// The sums of products, and the row's scale and shift.
    type Row = (&'a [i32; TILE_WIDTH], S::F32, S::F32);

    #[inline(always)]
    fn column(self, simd: S, column: usize) -> Self::Column {
        let vector = |numbers: &[f32]| simd.load(&numbers[column..][..S::LANES]);
        (vector(self.weights.sums.as_slice()), vector(self.weights.scales.as_slice()))
    }

    #[inline(always)]
    fn row(self, simd: S, row: usize) -> Self::Row {
        let RowScale { scale, shift } = self.rows[row];
        (self.tile.row(row), simd.splat(scale), simd.splat(shift))
    }

    #[inline(always)]
    fn get(
        simd: S,
        (products, scale, shift): Self::Row,
        vector: usize,
        (sums, scales): Self::Column,
        bias: S::F32,
    ) -> S::F32 {
        let products = &products[vector * S::LANES..][..S::LANES];
        // SAFETY: the slice is a vector long.
        let products = simd.to_f32(unsafe { simd.load_i32_at(products.as_ptr()) });
        simd.mul_add(products, simd.mul(scale, scales), simd.mul_add(shift, sums, bias))
    }

    #[inline(always)]
    fn activate(simd: S, activation: Activation, value: S::F32) -> S::F32 {
        match activation {
            Activation::Gelu => coarse_gelu(simd, value),
            other => activate(simd, other, value),
        }
    }
}

impl After<'_> {
    /// Stores a tile.
    #[inline(always)]
    fn store<S: Simd, T: Sums<S>>(self, simd: S, sums: T, place: Place, out: &mut [f32]) {
        // The frequent functions stand as constants, so that each has a loop without choices.
        match self.epilogue.activation {
            Activation::None => self.store_as(simd, Activation::None, sums, place, out),
            Activation::Gelu => self.store_as(simd, Activation::Gelu, sums, place, out),
            other => self.store_as(simd, other, sums, place, out),
        }
    }

    #[inline(always)]
    fn store_as<S: Simd, T: Sums<S>>(
        self,
        simd: S,
        activation: Activation,
        sums: T,
        place: Place,
        out: &mut [f32],
    ) {
        let Place { panel, first, rows } = place;
        for vector in 0..panel.vectors {
            let column = panel.first + vector * S::LANES;
            let (shared, bias) = (sums.column(simd, column), simd.load(&self.bias[column..][..S::LANES]));
            let columns = S::LANES.min(self.outputs - column);
            for row in 0..rows {
                let start = (first + row) * self.outputs + column;
                let value = T::get(simd, sums.row(simd, row), vector, shared, bias);
                let value = T::activate(simd, activation, value);
                // The usual length stands as a constant, which spares its stores the choice.
                if columns == S::LANES {
                    self.store_vector(simd, value, &mut out[start..][..S::LANES], start);
                } else {
                    self.store_vector(simd, value, &mut out[start..][..columns], start);
                }
            }
        }
    }

    /// Adds the residual of the numbers from `start` on and stores as many as `out` holds.
    #[inline(always)]
    fn store_vector<S: Simd>(self, simd: S, value: S::F32, out: &mut [f32], start: usize) {
        let value = match self.epilogue.residual {
            Some(residual) => simd.add(value, simd.load(&residual[start..][..out.len()])),
            None => value,
        };
        simd.store(value, out);
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
    let (low, high) = range(simd, row);
    // A range too small for the inverse of its step to be a number is no range.
    let scale = if high - low > 1e-30 { (high - low) / 254.0 } else { 1.0 };
    let zero = (1.0 - low / scale).round_ties_even();
    let (factor, shift) = (simd.splat(1.0 / scale), simd.splat(zero));
    let byte = |numbers: &[f32]| {
        // Not fused, so that every path rounds alike and finds the same bytes.
        let value = simd.add(simd.mul(simd.load(numbers), factor), shift);
        simd.max(value, simd.splat(1.0))
    };
    // Bytes may be a few more than numbers, so both are cut by the numbers.
    let whole = row.len() - row.len() % (4 * S::LANES);
    let ((row, rest), (bytes, rest_bytes)) = (row.split_at(whole), bytes.split_at_mut(whole));
    for (numbers, bytes) in row.chunks_exact(4 * S::LANES).zip(bytes.chunks_exact_mut(4 * S::LANES)) {
        for (numbers, bytes) in numbers.chunks_exact(S::LANES).zip(bytes.chunks_exact_mut(S::LANES)) {
            simd.store_bytes(byte(numbers), bytes);
        }
    }
    for (numbers, bytes) in rest.chunks(S::LANES).zip(rest_bytes.chunks_mut(S::LANES)) {
        simd.store_bytes(byte(numbers), bytes);
    }
    RowScale { scale, shift: scale * (S::ACTIVATION_OFFSET as f32 - zero) }
}

/// The smallest and the largest of the numbers and zero; over four vectors side by side, for one would wait for itself.
#[inline(always)]
fn range<S: Simd>(simd: S, row: &[f32]) -> (f32, f32) {
    let (mut low, mut high) = ([simd.splat(0.0); 4], [simd.splat(0.0); 4]);
    let mut fours = row.chunks_exact(4 * S::LANES);
    for four in fours.by_ref() {
        for (index, numbers) in four.chunks_exact(S::LANES).enumerate() {
            let numbers = simd.load(numbers);
            low[index] = simd.min(low[index], numbers);
            high[index] = simd.max(high[index], numbers);
        }
    }
    for numbers in fours.remainder().chunks(S::LANES) {
        // Lanes beyond the row's end load as zero, which is in the range anyway.
        let numbers = simd.load(numbers);
        low[0] = simd.min(low[0], numbers);
        high[0] = simd.max(high[0], numbers);
    }
    let low = simd.min(simd.min(low[0], low[1]), simd.min(low[2], low[3]));
    let high = simd.max(simd.max(high[0], high[1]), simd.max(high[2], high[3]));
    (simd.smallest(low), simd.largest(high))
}
