//! Tables of vectors, in `f32` or in eight-bit rows.

use loquat_kernels::Kernels;

use super::Precision;

/// A table of vectors.
#[derive(Debug, Clone)]
pub(super) struct Embedding {
    width: usize,
    rows: Rows,
}

#[derive(Debug, Clone)]
enum Rows {
    F32(Vec<f32>),
    /// A row is its integers times its scale.
    Int8 {
        values: Vec<i8>,
        scales: Vec<f32>,
    },
}

impl Embedding {
    pub(super) fn new(values: Vec<f32>, width: usize, precision: Precision) -> Self {
        let rows = match precision {
            Precision::F32 => Rows::F32(values),
            Precision::Int8 => {
                let (values, scales) = quantise_rows(&values, width);
                Rows::Int8 { values, scales }
            }
        };
        Self { width, rows }
    }

    /// A table of eight-bit rows, each with its scale.
    pub(super) fn of_bytes(values: Vec<i8>, scales: Vec<f32>, width: usize) -> Self {
        Self { width, rows: Rows::Int8 { values, scales } }
    }

    /// Number of vectors.
    pub(super) fn len(&self) -> usize {
        match &self.rows {
            Rows::F32(values) => values.len() / self.width,
            Rows::Int8 { scales, .. } => scales.len(),
        }
    }

    /// Writes the vector of each id to `out`, `[ids, width]`.
    pub(super) fn look_up(&self, kernels: Kernels, ids: &[u32], out: &mut [f32]) {
        match &self.rows {
            Rows::F32(table) => kernels.embed(table, self.width, ids, out),
            Rows::Int8 { values, scales } => {
                kernels.embed_bytes(values, scales, self.width, ids, out);
            }
        }
    }

    /// Adds the vector of each id to `out`, `[ids, width]`; the table is one that was read in `f32`.
    pub(super) fn add(&self, kernels: Kernels, ids: &[u32], out: &mut [f32]) {
        if let Rows::F32(table) = &self.rows {
            kernels.embed_add(table, self.width, ids, out);
        }
    }
}

/// Symmetric eight-bit integers for each row of `values`, `[rows, width]`, with the scale of each row.
pub(super) fn quantise_rows(values: &[f32], width: usize) -> (Vec<i8>, Vec<f32>) {
    let mut quantised = Vec::with_capacity(values.len());
    let mut scales = Vec::with_capacity(values.len() / width.max(1));
    for row in values.chunks_exact(width.max(1)) {
        let largest = row.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
        quantised.extend(row.iter().map(|value| (value / scale).round_ties_even() as i8));
        scales.push(scale);
    }
    (quantised, scales)
}
