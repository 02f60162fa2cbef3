//! Tables of vectors, in `f32` or in eight-bit rows.

use loquat_kernels::{Frozen, Kernels};

/// A table of vectors.
#[derive(Debug, Clone)]
pub(super) struct Embedding {
    width: usize,
    rows: Rows,
}

#[derive(Debug, Clone)]
enum Rows {
    F32(Frozen<f32>),
    /// A row is its integers times its scale.
    Int8 {
        values: Frozen<i8>,
        scales: Frozen<f32>,
    },
}

impl Embedding {
    /// A table of vectors, `[rows, width]`.
    pub(super) fn new(values: impl Into<Frozen<f32>>, width: usize) -> Self {
        Self { width, rows: Rows::F32(values.into()) }
    }

    /// A table of eight-bit rows, each with its scale.
    pub(super) fn of_bytes(
        values: impl Into<Frozen<i8>>,
        scales: impl Into<Frozen<f32>>,
        width: usize,
    ) -> Self {
        Self { width, rows: Rows::Int8 { values: values.into(), scales: scales.into() } }
    }

    /// The same with its rows in eight bits.
    pub(super) fn quantised(values: &[f32], width: usize) -> Self {
        let (values, scales) = quantise_rows(values, width);
        Self::of_bytes(values, scales, width)
    }

    /// Bytes that lie in a mapped file.
    pub(super) fn shared_bytes(&self) -> usize {
        match &self.rows {
            Rows::F32(values) => values.shared_bytes(),
            Rows::Int8 { values, scales } => values.shared_bytes() + scales.shared_bytes(),
        }
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
