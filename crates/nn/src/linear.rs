//! A linear layer with its backward pass, and products shared out to threads.

use loquat_kernels::{Epilogue, Kernels, Linear as Product, Matrix, PackedF32, Scratch, Weights};

use crate::parameter::Parameter;
use crate::rows::{add, add_rows, for_rows};

/// `x W^T + b`.
#[derive(Debug, Clone)]
pub(crate) struct Linear {
    /// `[out, in]`.
    pub(crate) weight: Parameter,
    /// `[out]`.
    pub(crate) bias: Parameter,
    /// The weights as products read them, forward and backward; packed once a step.
    packed: Option<(Product, Product)>,
}

impl Linear {
    pub(crate) fn new(weight: Parameter, bias: Parameter) -> Self {
        Self { weight, bias, packed: None }
    }

    /// Packs the weights as they are now.
    pub(crate) fn pack(&mut self, kernels: Kernels) {
        let [outputs, inputs] = self.weight.shape;
        let forward = PackedF32::new(kernels, &self.weight.values, outputs, inputs);
        let backward = PackedF32::transposed(kernels, &self.weight.values, inputs, outputs);
        self.packed = Some((
            Product::new(Weights::F32(forward), Some(self.bias.values.clone())),
            Product::new(Weights::F32(backward), None),
        ));
    }

    fn packed(&self) -> &(Product, Product) {
        self.packed.as_ref().expect("a model packs all its weights before a pass")
    }

    /// `[rows, in]` to `[rows, out]`.
    pub(crate) fn forward(&self, kernels: Kernels, input: &[f32]) -> Vec<f32> {
        product(kernels, input, &self.packed().0)
    }

    /// Adds the gradients of weight and bias; gives that of the input, `[rows, in]`.
    pub(crate) fn backward(&mut self, kernels: Kernels, input: &[f32], gradients: &[f32]) -> Vec<f32> {
        let [outputs, inputs] = self.weight.shape;
        let rows = input.len() / inputs;
        add_rows(gradients, &mut self.bias.gradient);
        // W' = G^T X: the gradients' columns are the rows of this product, the input its weights.
        let columns = transposed(gradients, rows, outputs);
        let packed = PackedF32::transposed(kernels, input, inputs, rows);
        let slopes = product(kernels, &columns, &Product::new(Weights::F32(packed), None));
        add(&slopes, &mut self.weight.gradient);
        product(kernels, gradients, &self.packed().1)
    }

    pub(crate) fn parameters(&self) -> [&Parameter; 2] {
        [&self.weight, &self.bias]
    }

    pub(crate) fn parameters_mut(&mut self) -> [&mut Parameter; 2] {
        [&mut self.weight, &mut self.bias]
    }
}

fn product(kernels: Kernels, input: &[f32], product: &Product) -> Vec<f32> {
    let (inputs, outputs) = (product.weights().inputs(), product.weights().outputs());
    let input = Matrix::new(input, inputs);
    let mut out = vec![0.0; input.row_count() * outputs];
    for_rows(&mut out, outputs, |rows, out| {
        let input = input.rows(rows.start, rows.len());
        kernels.linear(input, product, Epilogue::NONE, out, &mut Scratch::new());
    });
    out
}

/// `[rows, columns]` to `[columns, rows]`.
fn transposed(matrix: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    const BLOCK: usize = 32;
    let mut out = vec![0.0; matrix.len()];
    for_rows(&mut out, rows, |own, out| {
        for first in (0..rows).step_by(BLOCK) {
            let last = (first + BLOCK).min(rows);
            for (column, out) in own.clone().zip(out.chunks_exact_mut(rows)) {
                for row in first..last {
                    out[row] = matrix[row * columns + column];
                }
            }
        }
    });
    out
}
