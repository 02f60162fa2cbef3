//! The layer that BERT, its relatives, DeBERTa and BART's encoder share: attention and a feed-forward part, each added to
//! its input and normalised after (Vaswani et al. 2017).

use loquat_kernels::{Activation, Attention, Epilogue, Kernels, LayerNorm, Linear, Matrix, Scratch};

use super::loader::Scope;
use super::scratch::{EncoderScratch, sized};
use crate::error::ModelError;

/// Sizes that all layers share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) hidden: usize,
    pub(super) heads: usize,
    pub(super) intermediate: usize,
    pub(super) epsilon: f32,
    pub(super) activation: Activation,
}

/// What the parts of a layer are called in a checkpoint.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names {
    pub(super) query: &'static str,
    pub(super) key: &'static str,
    pub(super) value: &'static str,
    pub(super) output: &'static str,
    pub(super) attention_norm: &'static str,
    pub(super) up: &'static str,
    pub(super) down: &'static str,
    pub(super) output_norm: &'static str,
}

/// One layer.
#[derive(Debug, Clone)]
pub(super) struct Block {
    attention: SelfAttention,
    feed_forward: FeedForward,
}

/// Self-attention, added to its input and normalised.
#[derive(Debug, Clone)]
pub(super) struct SelfAttention {
    joint: Linear,
    output: Linear,
    norm: LayerNorm,
    hidden: usize,
}

/// Two products with an activation between, added to their input and normalised.
#[derive(Debug, Clone)]
pub(super) struct FeedForward {
    up: Linear,
    down: Linear,
    norm: LayerNorm,
    intermediate: usize,
    activation: Activation,
}

impl Block {
    pub(super) fn load(layer: &Scope<'_>, sizes: Sizes, names: Names) -> Result<Self, ModelError> {
        Ok(Self {
            attention: SelfAttention::load(layer, sizes, names)?,
            feed_forward: FeedForward::load(layer, sizes, names)?,
        })
    }

    /// Takes `scratch.hidden` one layer further; `attend` gathers from the joint queries, keys and values.
    pub(super) fn forward(
        &self,
        kernels: Kernels,
        tokens: usize,
        scratch: &mut EncoderScratch,
        attend: impl FnOnce(&[f32], &mut [f32], &mut Scratch),
    ) {
        self.attention.forward(kernels, tokens, scratch, attend);
        self.feed_forward.forward(kernels, tokens, scratch);
    }
}

impl SelfAttention {
    pub(super) fn load(layer: &Scope<'_>, sizes: Sizes, names: Names) -> Result<Self, ModelError> {
        let Sizes { hidden, epsilon, .. } = sizes;
        let parts = [names.query, names.key, names.value].map(|name| layer.at(name));
        Ok(Self {
            joint: Scope::stacked(&parts, hidden, hidden, true)?,
            output: layer.at(names.output).linear(hidden, hidden, true)?,
            norm: layer.at(names.attention_norm).layer_norm(hidden, epsilon)?,
            hidden,
        })
    }

    pub(super) fn forward(
        &self,
        kernels: Kernels,
        tokens: usize,
        scratch: &mut EncoderScratch,
        attend: impl FnOnce(&[f32], &mut [f32], &mut Scratch),
    ) {
        let size = tokens * self.hidden;
        let hidden = &mut scratch.hidden[..size];
        let joint = sized(&mut scratch.joint, 3 * size);
        let input = Matrix::new(hidden, self.hidden);
        kernels.linear(input, &self.joint, Epilogue::NONE, joint, &mut scratch.kernels);
        let context = sized(&mut scratch.context, size);
        attend(joint, context, &mut scratch.kernels);
        let branch = sized(&mut scratch.branch, size);
        let context = Matrix::new(context, self.hidden);
        kernels.linear(context, &self.output, Epilogue::residual(hidden), branch, &mut scratch.kernels);
        kernels.layer_norm(&self.norm, branch, hidden);
    }
}

impl FeedForward {
    pub(super) fn load(layer: &Scope<'_>, sizes: Sizes, names: Names) -> Result<Self, ModelError> {
        let Sizes { hidden, intermediate, epsilon, activation, .. } = sizes;
        Ok(Self {
            up: layer.at(names.up).linear(intermediate, hidden, true)?,
            down: layer.at(names.down).linear(hidden, intermediate, true)?,
            norm: layer.at(names.output_norm).layer_norm(hidden, epsilon)?,
            intermediate,
            activation,
        })
    }

    pub(super) fn forward(&self, kernels: Kernels, tokens: usize, scratch: &mut EncoderScratch) {
        let width = self.norm.weight.len();
        let hidden = &mut scratch.hidden[..tokens * width];
        let inner = sized(&mut scratch.inner, tokens * self.intermediate);
        let input = Matrix::new(hidden, width);
        kernels.linear(input, &self.up, Epilogue::activation(self.activation), inner, &mut scratch.kernels);
        let branch = sized(&mut scratch.branch, tokens * width);
        let inner = Matrix::new(inner, self.intermediate);
        kernels.linear(inner, &self.down, Epilogue::residual(hidden), branch, &mut scratch.kernels);
        kernels.layer_norm(&self.norm, branch, hidden);
    }
}

/// Attention of every token to its whole sequence.
pub(super) fn attend_fully(
    kernels: Kernels,
    lengths: &[usize],
    heads: usize,
) -> impl Fn(&[f32], &mut [f32], &mut Scratch) {
    move |joint, context, scratch| {
        let tokens: usize = lengths.iter().sum();
        let joint = Matrix::new(joint, joint.len() / tokens);
        kernels.attention(&Attention::joint(joint, lengths, heads), context, scratch);
    }
}
