//! The layer of BERT and its relatives, forward and backward: attention and a feed-forward part, each added to its input and
//! normalised after (Vaswani et al. 2017).

use loquat_kernels::{Activation, Attention, Kernels, Matrix, Scratch};

use crate::dropout::Dropout;
use crate::linear::Linear;
use crate::norm::Norm;
use crate::parameter::Parameter;
use crate::random::mix;
use crate::rows::{add, for_rows, for_sequences};

/// One layer.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// Queries, keys and values at once, `[3 * hidden, hidden]`.
    pub(crate) joint: Linear,
    pub(crate) output: Linear,
    pub(crate) attention_norm: Norm,
    pub(crate) up: Linear,
    pub(crate) down: Linear,
    pub(crate) output_norm: Norm,
    pub(crate) heads: usize,
    pub(crate) activation: Activation,
}

/// What the backward pass needs of the forward pass.
#[derive(Debug)]
pub(crate) struct Kept {
    input: Vec<f32>,
    joint: Vec<f32>,
    context: Vec<f32>,
    attended: Vec<f32>,
    middle: Vec<f32>,
    inner: Vec<f32>,
    activated: Vec<f32>,
    summed: Vec<f32>,
}

impl Block {
    /// Gives the next states, `[tokens, hidden]`, and what to keep.
    pub(crate) fn forward(
        &self,
        kernels: Kernels,
        input: Vec<f32>,
        lengths: &[usize],
        dropout: Dropout,
    ) -> (Vec<f32>, Kept) {
        let hidden = self.output.weight.rows();
        let joint = self.joint.forward(kernels, &input);
        let mut context = vec![0.0; input.len()];
        for_sequences(&mut context, hidden, lengths, |sequences, tokens, out| {
            let own = &joint[tokens.start * 3 * hidden..tokens.end * 3 * hidden];
            let attention = Attention::joint(Matrix::new(own, 3 * hidden), &lengths[sequences], self.heads);
            kernels.attention(&attention, out, &mut Scratch::new());
        });
        let mut attended = self.output.forward(kernels, &context);
        part(dropout, 0).apply(&mut attended, hidden);
        add(&input, &mut attended);
        let middle = self.attention_norm.forward(kernels, &attended);
        let inner = self.up.forward(kernels, &middle);
        let mut activated = inner.clone();
        let width = self.up.weight.rows();
        for_rows(&mut activated, width, |_, numbers| kernels.activate(self.activation, numbers));
        let mut summed = self.down.forward(kernels, &activated);
        part(dropout, 1).apply(&mut summed, hidden);
        add(&middle, &mut summed);
        let out = self.output_norm.forward(kernels, &summed);
        (out, Kept { input, joint, context, attended, middle, inner, activated, summed })
    }

    /// Adds the gradients of the parameters and replaces those of the result by those of the input.
    pub(crate) fn backward(
        &mut self,
        kernels: Kernels,
        kept: &Kept,
        mut gradients: Vec<f32>,
        (lengths, dropout): (&[usize], Dropout),
    ) -> Vec<f32> {
        let hidden = self.output.weight.rows();
        self.output_norm.backward(kernels, &kept.summed, &mut gradients);
        let mut branch = gradients.clone();
        part(dropout, 1).apply(&mut branch, hidden);
        let mut inner = self.down.backward(kernels, &kept.activated, &branch);
        let width = self.up.weight.rows();
        for_rows(&mut inner, width, |rows, inner| {
            let input = &kept.inner[rows.start * width..rows.end * width];
            kernels.activate_backward(self.activation, input, inner);
        });
        add(&self.up.backward(kernels, &kept.middle, &inner), &mut gradients);
        self.attention_norm.backward(kernels, &kept.attended, &mut gradients);
        let mut branch = gradients.clone();
        part(dropout, 0).apply(&mut branch, hidden);
        let context = self.output.backward(kernels, &kept.context, &branch);
        let mut joint = vec![0.0; kept.joint.len()];
        for_sequences(&mut joint, 3 * hidden, lengths, |sequences, tokens, out| {
            let own = &kept.joint[tokens.start * 3 * hidden..tokens.end * 3 * hidden];
            let context = &context[tokens.start * hidden..tokens.end * hidden];
            let matrix = Matrix::new(own, 3 * hidden);
            kernels.attention_backward(matrix, &lengths[sequences], self.heads, context, out);
        });
        add(&self.joint.backward(kernels, &kept.input, &joint), &mut gradients);
        gradients
    }

    pub(crate) fn pack(&mut self, kernels: Kernels) {
        let all = [&mut self.joint, &mut self.output, &mut self.up, &mut self.down];
        all.into_iter().for_each(|linear| linear.pack(kernels));
    }

    pub(crate) fn parameters(&self) -> Vec<&Parameter> {
        let linears = [&self.joint, &self.output, &self.up, &self.down];
        let norms = [&self.attention_norm, &self.output_norm];
        linears
            .into_iter()
            .flat_map(Linear::parameters)
            .chain(norms.into_iter().flat_map(Norm::parameters))
            .collect()
    }

    pub(crate) fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let linears = [&mut self.joint, &mut self.output, &mut self.up, &mut self.down];
        let norms = [&mut self.attention_norm, &mut self.output_norm];
        let of_linears = linears.into_iter().flat_map(Linear::parameters_mut);
        of_linears.chain(norms.into_iter().flat_map(Norm::parameters_mut)).collect()
    }
}

/// The mask of one of a layer's places.
fn part(dropout: Dropout, place: u64) -> Dropout {
    Dropout { seed: mix(dropout.seed, &[place]), ..dropout }
}
