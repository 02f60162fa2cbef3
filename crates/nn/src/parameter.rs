//! The numbers that training changes.

use std::collections::{BTreeMap, BTreeSet};

use loquat_models::Tensor;

/// A matrix or vector of a model, with its gradient and what the optimiser remembers of it.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    /// Names of the tensors in the checkpoint whose rows stand one under the other here.
    pub(crate) names: Vec<String>,
    /// `[rows, width]`; a vector is one row.
    pub(crate) shape: [usize; 2],
    pub(crate) values: Vec<f32>,
    pub(crate) gradient: Vec<f32>,
    /// Running means of the gradient and of its square.
    pub(crate) moments: [Vec<f32>; 2],
    /// Layers between it and the classifier, for learning rates that fall with depth.
    pub(crate) depth: usize,
    /// Whether it is drawn towards zero: matrices are, biases and norms are not.
    pub(crate) decays: bool,
    /// Rows that have a gradient, for tables of which a batch looks up few; `None`: all.
    pub(crate) touched: Option<BTreeSet<u32>>,
    /// Whether its tensors have one dimension.
    is_vector: bool,
}

impl Parameter {
    pub(crate) fn new(names: Vec<String>, shape: [usize; 2], values: Vec<f32>, depth: usize) -> Self {
        let zeros = || vec![0.0; values.len()];
        Self {
            gradient: zeros(),
            moments: [zeros(), zeros()],
            decays: shape[0] > 1,
            names,
            shape,
            values,
            depth,
            touched: None,
            is_vector: shape[0] == 1,
        }
    }

    /// A table whose rows are looked up.
    pub(crate) fn into_table(self) -> Self {
        Self { touched: Some(BTreeSet::new()), is_vector: false, ..self }
    }

    pub(crate) fn rows(&self) -> usize {
        self.shape[0]
    }

    pub(crate) fn width(&self) -> usize {
        self.shape[1]
    }

    /// Adds `gradient` to that of row `row` of a table.
    pub(crate) fn add_to_row(&mut self, row: u32, gradient: &[f32]) {
        let width = self.width();
        if let Some(touched) = &mut self.touched {
            touched.insert(row);
        }
        crate::rows::add(gradient, &mut self.gradient[row as usize * width..][..width]);
    }

    /// The parts of `values` that have a gradient.
    pub(crate) fn active(&self) -> Vec<std::ops::Range<usize>> {
        let width = self.width();
        match &self.touched {
            None => std::iter::once(0..self.values.len()).collect(),
            Some(rows) => rows.iter().map(|row| *row as usize * width..(*row as usize + 1) * width).collect(),
        }
    }

    /// Forgets the gradient.
    pub(crate) fn clear(&mut self) {
        for range in self.active() {
            self.gradient[range].fill(0.0);
        }
        if let Some(touched) = &mut self.touched {
            touched.clear();
        }
    }

    /// The tensors of the checkpoint, from `values` as long as the parameter's.
    pub(crate) fn tensors(&self, values: &[f32], into: &mut BTreeMap<String, Tensor>) {
        let part = values.len() / self.names.len();
        for (name, values) in self.names.iter().zip(values.chunks_exact(part)) {
            let rows = self.shape[0] / self.names.len();
            let shape = if self.is_vector { vec![part] } else { vec![rows, self.shape[1]] };
            into.insert(name.clone(), Tensor::from_f32(shape, values));
        }
    }
}
