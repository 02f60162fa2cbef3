//! Weights packed once at load, in the order in which products read them.
//!
//! Columns of the product (outputs) are cut into panels as wide as a tile; a panel holds, step by step of the depth, the
//! weights of its columns. The last panel is as many vectors wide as it needs and zero beyond the last column.

use std::ops::Range;
use std::sync::Arc;

use crate::aligned::Aligned;
use crate::frozen::{Frozen, Mapping};
use crate::kernels::Kernels;
use crate::simd::{Operation, Simd, TILE_VECTORS};

/// Inputs that int8 sums take together.
pub(crate) const GROUP: usize = 4;
/// Most inputs for which a sum of int8 products fits 32 bits.
const MOST_INPUTS: usize = (i32::MAX / (255 * 127)) as usize;

/// The order of packed weights in memory. It goes up with every change of that order, so that what was kept of an older one
/// is packed again.
pub const LAYOUT: u32 = 1;

/// f32 weights `[out, in]`.
#[derive(Debug, Clone)]
pub struct PackedF32 {
    pub(crate) shape: Shape,
    pub(crate) panels: Frozen<f32>,
}

/// Symmetric int8 weights `[out, in]`, each output with a scale of its own.
#[derive(Debug, Clone)]
pub struct PackedI8 {
    pub(crate) shape: Shape,
    pub(crate) panels: Frozen<i8>,
    /// What one step of each output's weights stands for, `[out rounded up to whole vectors]`.
    pub(crate) scales: Frozen<f32>,
    /// What the sum of each output's quantised weights stands for, `[out rounded up to whole vectors]`.
    pub(crate) sums: Frozen<f32>,
}

/// Weights of either kind.
#[derive(Debug, Clone)]
pub enum Weights {
    /// Products in f32.
    F32(PackedF32),
    /// Products of int8 weights with activations quantised row by row.
    I8(PackedI8),
}

/// What a product needs to know to find a panel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) kernels: Kernels,
    pub(crate) outputs: usize,
    pub(crate) inputs: usize,
    /// Numbers in a vector of the path.
    pub(crate) lanes: usize,
}

/// A panel: its first column, and how many columns and vectors it has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Panel {
    pub(crate) first: usize,
    pub(crate) columns: usize,
    pub(crate) vectors: usize,
}

impl PackedF32 {
    /// Packs `weights`, `[out, in]` row-major.
    ///
    /// # Panics
    /// When `weights` has not `out * in` numbers, or either is zero.
    pub fn new(kernels: Kernels, weights: &[f32], outputs: usize, inputs: usize) -> Self {
        let shape = Shape::new(kernels, weights.len(), outputs, inputs);
        let mut panels = Aligned::zeros(inputs * shape.padded_outputs());
        let packed = panels.sized(inputs * shape.padded_outputs());
        for panel in shape.panels() {
            let width = panel.vectors * shape.lanes;
            for column in 0..panel.columns {
                let row = &weights[(panel.first + column) * inputs..][..inputs];
                for (step, weight) in row.iter().enumerate() {
                    packed[panel.first * inputs + step * width + column] = *weight;
                }
            }
        }
        Self { shape, panels: panels.into() }
    }

    /// Packs weights that lie the other way, `[in, out]` row-major.
    ///
    /// # Panics
    /// As [`PackedF32::new`].
    pub fn transposed(kernels: Kernels, weights: &[f32], outputs: usize, inputs: usize) -> Self {
        let shape = Shape::new(kernels, weights.len(), outputs, inputs);
        let mut panels = Aligned::zeros(inputs * shape.padded_outputs());
        let packed = panels.sized(inputs * shape.padded_outputs());
        for panel in shape.panels() {
            let width = panel.vectors * shape.lanes;
            let panel_rows = packed[panel.first * inputs..][..inputs * width].chunks_exact_mut(width);
            for (row, packed) in weights.chunks_exact(outputs).zip(panel_rows) {
                packed[..panel.columns].copy_from_slice(&row[panel.first..][..panel.columns]);
            }
        }
        Self { shape, panels: panels.into() }
    }

    /// Weights `[out, in]` whose [`Weights::parts`] lie in these bytes of a mapping; `None` where they are not as long.
    pub fn mapped(
        kernels: Kernels,
        [outputs, inputs]: [usize; 2],
        mapping: &Arc<Mapping>,
        parts: &[Range<usize>],
    ) -> Option<Self> {
        let shape = Shape::new(kernels, outputs * inputs, outputs, inputs);
        let [panels] = parts else { return None };
        let panels = Frozen::mapped(mapping, panels.clone())?;
        (panels.len() == inputs * shape.padded_outputs()).then_some(Self { shape, panels })
    }
}

impl PackedI8 {
    /// Quantises `weights`, `[out, in]` row-major: each output's largest magnitude becomes 127.
    ///
    /// # Panics
    /// When `weights` has not `out * in` numbers, either is zero, or `in` is so large that a sum may overflow (66,000).
    pub fn quantise(kernels: Kernels, weights: &[f32], outputs: usize, inputs: usize) -> Self {
        let shape = Shape::of_bytes(kernels, weights.len(), outputs, inputs);
        kernels.run(Quantise { shape, weights })
    }

    /// Packs `weights`, `[out, in]` row-major, that are quantised already: `scales[o]` is what one step of output `o` stands
    /// for. Magnitudes are at most 127.
    ///
    /// # Panics
    /// As [`PackedI8::quantise`], or when `scales` has not `out` numbers.
    pub fn new(kernels: Kernels, weights: &[i8], scales: &[f32], outputs: usize, inputs: usize) -> Self {
        let shape = Shape::of_bytes(kernels, weights.len(), outputs, inputs);
        assert_eq!(scales.len(), outputs, "a scale for each output");
        let mut packing = Packing::new(shape);
        for (row, scale) in weights.chunks_exact(inputs).zip(scales) {
            packing.push(row, *scale);
        }
        packing.finish()
    }

    /// As [`PackedF32::mapped`].
    pub fn mapped(
        kernels: Kernels,
        [outputs, inputs]: [usize; 2],
        mapping: &Arc<Mapping>,
        parts: &[Range<usize>],
    ) -> Option<Self> {
        let shape = Shape::of_bytes(kernels, outputs * inputs, outputs, inputs);
        let [panels, scales, sums] = parts else { return None };
        let panels: Frozen<i8> = Frozen::mapped(mapping, panels.clone())?;
        let scales: Frozen<f32> = Frozen::mapped(mapping, scales.clone())?;
        let sums: Frozen<f32> = Frozen::mapped(mapping, sums.clone())?;
        let columns = shape.padded_outputs();
        let fits = panels.len() == inputs.next_multiple_of(GROUP) * columns
            && [scales.len(), sums.len()] == [columns, columns];
        fits.then_some(Self { shape, panels, scales, sums })
    }
}

/// Quantises and packs; an operation, because rounding is an instruction of the paths and a call elsewhere.
struct Quantise<'a> {
    shape: Shape,
    weights: &'a [f32],
}

impl Operation for Quantise<'_> {
    type Output = PackedI8;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> PackedI8 {
        let mut packing = Packing::new(self.shape);
        let mut quantised = vec![0; self.shape.inputs];
        for row in self.weights.chunks_exact(self.shape.inputs) {
            let largest = row.iter().fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
            let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
            for (quantised, weight) in quantised.iter_mut().zip(row) {
                *quantised = (weight / scale).round_ties_even() as i8;
            }
            packing.push(&quantised, scale);
        }
        packing.finish()
    }
}

/// Weights on their way into panels, row by row.
struct Packing {
    shape: Shape,
    panels: Aligned<i8>,
    scales: Vec<f32>,
    sums: Vec<f32>,
}

impl Packing {
    fn new(shape: Shape) -> Self {
        let panels = Aligned::zeros(shape.inputs.next_multiple_of(GROUP) * shape.padded_outputs());
        let (scales, sums) = (Vec::with_capacity(shape.outputs), Vec::with_capacity(shape.outputs));
        Self { shape, panels, scales, sums }
    }

    /// Adds the weights of the next output, `[in]`.
    fn push(&mut self, row: &[i8], scale: f32) {
        let full = TILE_VECTORS * self.shape.lanes;
        let (panel, column) = (self.scales.len() / full * full, self.scales.len() % full);
        let width = GROUP * full.min(self.shape.padded_outputs() - panel);
        let depth = self.shape.inputs.next_multiple_of(GROUP);
        let steps = self.panels.as_mut_slice()[panel * depth..].chunks_mut(width);
        for (group, step) in row.chunks(GROUP).zip(steps) {
            step[column * GROUP..][..group.len()].copy_from_slice(group);
        }
        self.scales.push(scale);
        self.sums.push(row.iter().map(|weight| i32::from(*weight)).sum::<i32>() as f32 * scale);
    }

    fn finish(self) -> PackedI8 {
        let padded = |numbers: &[f32]| Aligned::padded(numbers, self.shape.padded_outputs()).into();
        let (scales, sums) = (padded(&self.scales), padded(&self.sums));
        PackedI8 { shape: self.shape, panels: self.panels.into(), scales, sums }
    }
}

impl Weights {
    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.shape().outputs
    }

    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.shape().inputs
    }

    /// The bytes of the packed weights, part by part, in the order of [`LAYOUT`] for the path that they are packed for.
    pub fn parts(&self) -> Vec<&[u8]> {
        match self {
            Self::F32(weights) => vec![weights.panels.bytes()],
            Self::I8(weights) => vec![weights.panels.bytes(), weights.scales.bytes(), weights.sums.bytes()],
        }
    }

    /// How many of these bytes lie in a mapping.
    pub fn shared_bytes(&self) -> usize {
        match self {
            Self::F32(weights) => weights.panels.shared_bytes(),
            Self::I8(weights) => {
                weights.panels.shared_bytes() + weights.scales.shared_bytes() + weights.sums.shared_bytes()
            }
        }
    }

    pub(crate) fn shape(&self) -> Shape {
        match self {
            Self::F32(weights) => weights.shape,
            Self::I8(weights) => weights.shape,
        }
    }
}

impl Shape {
    fn new(kernels: Kernels, weights: usize, outputs: usize, inputs: usize) -> Self {
        assert!(outputs > 0 && inputs > 0, "weights of shape [{outputs}, {inputs}]");
        assert_eq!(weights, outputs * inputs, "weights of shape [{outputs}, {inputs}]");
        Self { kernels, outputs, inputs, lanes: kernels.run(Lanes) }
    }

    /// The same for eight-bit weights, which fewer inputs can have.
    fn of_bytes(kernels: Kernels, weights: usize, outputs: usize, inputs: usize) -> Self {
        assert!(inputs <= MOST_INPUTS, "{inputs} inputs; int8 sums hold at most {MOST_INPUTS}");
        Self::new(kernels, weights, outputs, inputs)
    }

    /// Outputs rounded up to whole vectors.
    pub(crate) fn padded_outputs(self) -> usize {
        self.outputs.next_multiple_of(self.lanes)
    }

    pub(crate) fn panels(self) -> impl Iterator<Item = Panel> {
        let width = TILE_VECTORS * self.lanes;
        (0..self.outputs).step_by(width).map(move |first| {
            let columns = width.min(self.outputs - first);
            Panel { first, columns, vectors: columns.div_ceil(self.lanes) }
        })
    }
}

/// Numbers in a vector of the path.
struct Lanes;

impl Operation for Lanes {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> usize {
        S::LANES
    }
}
