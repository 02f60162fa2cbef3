//! The layer that BERT, its relatives, DeBERTa and BART's encoder share: attention and a feed-forward part, each added to
//! its input and normalised after (Vaswani et al. 2017).

use loquat_kernels::{Activation, Attention, Epilogue, Kernels, LayerNorm, Linear, Matrix, Scratch};

use super::loader::Scope;
use super::scratch::{EncoderScratch, sized};
use crate::error::ModelError;

/// What the feed-forward part may hold between its two products: most of a second-level cache of a megabyte.
const INNER_BYTES: usize = 768 << 10;

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

    /// Takes `hidden`, `[tokens, hidden]`, one layer further; `attend` gathers from the joint queries, keys and values.
    pub(super) fn forward(
        &self,
        kernels: Kernels,
        hidden: &mut [f32],
        scratch: &mut EncoderScratch,
        attend: impl FnOnce(&[f32], &mut [f32], &mut Scratch),
    ) {
        self.attention.forward(kernels, hidden, scratch, attend);
        self.feed_forward.forward(kernels, hidden, scratch);
    }

    /// Takes `hidden` one layer further, where every token attends to its whole sequence: group by group of sequences,
    /// so that what stands between the products stays in the cache.
    pub(super) fn forward_grouped(
        &self,
        kernels: Kernels,
        (lengths, heads): (&[usize], usize),
        hidden: &mut [f32],
        scratch: &mut EncoderScratch,
    ) {
        let (mut lengths, mut rest) = (lengths, hidden);
        while !lengths.is_empty() {
            let (group, later) = lengths.split_at(leading(lengths, self.feed_forward.rows()));
            let (states, after) = rest.split_at_mut(group.iter().sum::<usize>() * self.attention.hidden);
            self.forward(kernels, states, scratch, attend_fully(kernels, group, heads));
            (lengths, rest) = (later, after);
        }
    }
}

/// How many of the first sequences have together at most so many tokens; at least one.
fn leading(lengths: &[usize], tokens: usize) -> usize {
    let sums = lengths.iter().scan(0, |sum, length| {
        *sum += length;
        Some(*sum)
    });
    sums.take_while(|sum| *sum <= tokens).count().max(1)
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
        hidden: &mut [f32],
        scratch: &mut EncoderScratch,
        attend: impl FnOnce(&[f32], &mut [f32], &mut Scratch),
    ) {
        let size = hidden.len();
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

    /// Most rows that go through both products together.
    fn rows(&self) -> usize {
        (INNER_BYTES / (size_of::<f32>() * self.intermediate)).max(32)
    }

    pub(super) fn forward(&self, kernels: Kernels, hidden: &mut [f32], scratch: &mut EncoderScratch) {
        let width = self.norm.weight.len();
        let rows = hidden.len() / width;
        // As equal as can be, for a few rows alone cost a whole pass over the weights.
        let together = rows.div_ceil(rows.div_ceil(self.rows()).max(1)).max(1);
        for hidden in hidden.chunks_mut(together * width) {
            let inner = sized(&mut scratch.inner, hidden.len() / width * self.intermediate);
            let (input, activation) = (Matrix::new(hidden, width), Epilogue::activation(self.activation));
            kernels.linear(input, &self.up, activation, inner, &mut scratch.kernels);
            let branch = sized(&mut scratch.branch, hidden.len());
            let inner = Matrix::new(inner, self.intermediate);
            kernels.linear(inner, &self.down, Epilogue::residual(hidden), branch, &mut scratch.kernels);
            kernels.layer_norm(&self.norm, branch, hidden);
        }
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
