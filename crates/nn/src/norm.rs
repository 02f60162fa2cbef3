//! A layer norm with its backward pass.

use loquat_kernels::{Kernels, LayerNorm};

use crate::parameter::Parameter;
use crate::rows::{add, for_rows, with_sums};

/// A layer norm over the last dimension.
#[derive(Debug, Clone)]
pub(crate) struct Norm {
    pub(crate) weight: Parameter,
    pub(crate) bias: Parameter,
    pub(crate) epsilon: f32,
}

impl Norm {
    pub(crate) fn new(weight: Parameter, bias: Parameter, epsilon: f32) -> Self {
        Self { weight, bias, epsilon }
    }

    fn kernel(&self) -> LayerNorm {
        let (weight, bias) = (self.weight.values.clone(), Some(self.bias.values.clone()));
        LayerNorm { weight, bias, epsilon: self.epsilon }
    }

    /// The normalised rows of `input`, `[rows, width]`.
    pub(crate) fn forward(&self, kernels: Kernels, input: &[f32]) -> Vec<f32> {
        let (norm, width) = (self.kernel(), self.weight.width());
        let mut out = vec![0.0; input.len()];
        for_rows(&mut out, width, |rows, out| {
            kernels.layer_norm(&norm, &input[rows.start * width..rows.end * width], out);
        });
        out
    }

    /// Replaces the gradients of the result by those of `input`, and adds those of weight and bias.
    pub(crate) fn backward(&mut self, kernels: Kernels, input: &[f32], gradients: &mut [f32]) {
        let (norm, width) = (self.kernel(), self.weight.width());
        let mut sums = vec![0.0; 2 * width];
        with_sums(gradients, width, &mut sums, |rows, gradients, sums| {
            let (weight, bias) = sums.split_at_mut(width);
            let input = &input[rows.start * width..rows.end * width];
            kernels.layer_norm_backward(&norm, input, gradients, weight, bias);
        });
        let (weight, bias) = sums.split_at(width);
        add(weight, &mut self.weight.gradient);
        add(bias, &mut self.bias.gradient);
    }

    pub(crate) fn parameters(&self) -> [&Parameter; 2] {
        [&self.weight, &self.bias]
    }

    pub(crate) fn parameters_mut(&mut self) -> [&mut Parameter; 2] {
        [&mut self.weight, &mut self.bias]
    }
}
