//! BART for sequence classification (Lewis et al. 2020): an encoder, a decoder over the same tokens, and the decoder's state
//! of the last end token.

use loquat_kernels::{Attention, Epilogue, Kernels, LayerNorm, Linear, Matrix, Span};

use super::architecture::{Limits, Trunk};
use super::batch::PackedBatch;
use super::block::{Block, FeedForward, Names, SelfAttention, Sizes};
use super::embedding::Embedding;
use super::loader::{Loader, Scope};
use super::scratch::{EncoderScratch, sized};
use super::settings::Settings;
use crate::error::ModelError;

const NAMES: Names = Names {
    query: "self_attn.q_proj",
    key: "self_attn.k_proj",
    value: "self_attn.v_proj",
    output: "self_attn.out_proj",
    attention_norm: "self_attn_layer_norm",
    up: "fc1",
    down: "fc2",
    output_norm: "final_layer_norm",
};
/// Positions are counted from here in the tables.
const FIRST_POSITION: u32 = 2;
/// Fixed in transformers' code.
const EPSILON: f32 = 1e-5;

/// The trunk.
#[derive(Debug)]
pub(super) struct Bart {
    words: Embedding,
    factor: f32,
    encoder_start: Start,
    encoder: Vec<Block>,
    decoder_start: Start,
    decoder: Vec<DecoderLayer>,
    sizes: Sizes,
    decoder_heads: usize,
    tokens: usize,
    start_id: u32,
}

/// What is done to the vectors of words before the first layer.
#[derive(Debug)]
struct Start {
    positions: Embedding,
    norm: LayerNorm,
}

#[derive(Debug)]
struct DecoderLayer {
    attention: SelfAttention,
    query: Linear,
    /// Keys and values side by side.
    source: Linear,
    output: Linear,
    norm: LayerNorm,
    feed_forward: FeedForward,
}

impl Bart {
    pub(super) fn load(loader: &Loader<'_>, settings: Settings<'_>) -> Result<Self, ModelError> {
        settings.only("normalize_before", false.into(), "false")?;
        settings.only("add_final_layer_norm", false.into(), "false")?;
        settings.only("static_position_embeddings", false.into(), "false")?;
        settings.only("normalize_embedding", true.into(), "true")?;
        let hidden = settings.size("d_model")?;
        let encoder_sizes = Sizes {
            hidden,
            heads: settings.heads("encoder_attention_heads", hidden)?,
            intermediate: settings.size("encoder_ffn_dim")?,
            epsilon: EPSILON,
            activation: settings.activation("activation_function", "gelu")?,
        };
        let decoder_sizes = Sizes {
            heads: settings.heads("decoder_attention_heads", hidden)?,
            intermediate: settings.size("decoder_ffn_dim")?,
            ..encoder_sizes
        };
        let tokens = settings.size("max_position_embeddings")?;
        let trunk = loader.trunk("model");
        let (encoder, decoder) = (trunk.at("encoder"), trunk.at("decoder"));
        let encoder_layer =
            |number| Block::load(&encoder.at(&format!("layers.{number}")), encoder_sizes, NAMES);
        let decoder_layer =
            |number| DecoderLayer::load(&decoder.at(&format!("layers.{number}")), decoder_sizes);
        // Some writers keep one of the names of the shared table, some another.
        let words =
            if trunk.contains("shared.weight") { trunk.at("shared") } else { encoder.at("embed_tokens") };
        Ok(Self {
            words: words.words(settings.size("vocab_size")?, hidden)?,
            factor: if settings.flag("scale_embedding", false)? { (hidden as f32).sqrt() } else { 1.0 },
            encoder_start: Start::load(&encoder, tokens, hidden)?,
            encoder: (0..settings.size("encoder_layers")?).map(encoder_layer).collect::<Result<_, _>>()?,
            decoder_start: Start::load(&decoder, tokens, hidden)?,
            decoder: (0..settings.size("decoder_layers")?).map(decoder_layer).collect::<Result<_, _>>()?,
            sizes: encoder_sizes,
            decoder_heads: decoder_sizes.heads,
            tokens,
            start_id: settings.id("decoder_start_token_id", 2)?,
        })
    }

    fn embed(&self, kernels: Kernels, start: &Start, batch: &PackedBatch, scratch: &mut EncoderScratch) {
        let hidden = sized(&mut scratch.hidden, batch.tokens() * self.sizes.hidden);
        self.words.look_up(kernels, &scratch.ids, hidden);
        if self.factor != 1.0 {
            hidden.iter_mut().for_each(|value| *value *= self.factor);
        }
        scratch.ids.clear();
        let positions = batch.lengths().iter().flat_map(|length| 0..*length as u32);
        scratch.ids.extend(positions.map(|position| position + FIRST_POSITION));
        start.positions.add(kernels, &scratch.ids, hidden);
        kernels.layer_norm_in_place(&start.norm, hidden);
    }
}

impl Start {
    fn load(place: &Scope<'_>, tokens: usize, hidden: usize) -> Result<Self, ModelError> {
        Ok(Self {
            positions: place.at("embed_positions").table(tokens + FIRST_POSITION as usize, hidden)?,
            norm: place.at("layernorm_embedding").layer_norm(hidden, EPSILON)?,
        })
    }
}

impl DecoderLayer {
    fn load(place: &Scope<'_>, sizes: Sizes) -> Result<Self, ModelError> {
        let hidden = sizes.hidden;
        let source = ["encoder_attn.k_proj", "encoder_attn.v_proj"].map(|name| place.at(name));
        Ok(Self {
            attention: SelfAttention::load(place, sizes, NAMES)?,
            query: place.at("encoder_attn.q_proj").linear(hidden, hidden, true)?,
            source: Scope::stacked(&source, hidden, hidden, true)?,
            output: place.at("encoder_attn.out_proj").linear(hidden, hidden, true)?,
            norm: place.at("encoder_attn_layer_norm").layer_norm(hidden, EPSILON)?,
            feed_forward: FeedForward::load(place, sizes, NAMES)?,
        })
    }

    /// Attention of the decoder's states to the encoder's, `encoded`, `[tokens, hidden]`.
    fn look_back(
        &self,
        kernels: Kernels,
        (lengths, heads): (&[usize], usize),
        encoded: &[f32],
        hidden: &mut [f32],
        scratch: &mut EncoderScratch,
    ) {
        let width = self.norm.weight.len();
        let size = encoded.len();
        let (queries, source) = sized(&mut scratch.joint, 3 * size).split_at_mut(size);
        let input = Matrix::new(hidden, width);
        kernels.linear(input, &self.query, Epilogue::NONE, queries, &mut scratch.kernels);
        kernels.linear(
            Matrix::new(encoded, width),
            &self.source,
            Epilogue::NONE,
            source,
            &mut scratch.kernels,
        );
        let source = Matrix::new(source, 2 * width);
        let attention = Attention {
            queries: Matrix::new(queries, width),
            keys: source.columns(0, width),
            values: source.columns(width, width),
            query_lengths: lengths,
            key_lengths: lengths,
            heads,
            scale: 1.0 / ((width / heads) as f32).sqrt(),
            span: Span::Full,
            bias: None,
        };
        let context = sized(&mut scratch.context, size);
        kernels.attention(&attention, context, &mut scratch.kernels);
        let branch = sized(&mut scratch.branch, size);
        let context = Matrix::new(context, width);
        kernels.linear(context, &self.output, Epilogue::residual(hidden), branch, &mut scratch.kernels);
        kernels.layer_norm(&self.norm, branch, hidden);
    }
}

impl Trunk for Bart {
    fn limits(&self) -> Limits {
        Limits { hidden: self.sizes.hidden, vocabulary: self.words.len(), types: None, tokens: self.tokens }
    }

    fn forward(
        &self,
        kernels: Kernels,
        batch: &PackedBatch,
        scratch: &mut EncoderScratch,
    ) -> Result<(), ModelError> {
        let (lengths, tokens) = (batch.lengths(), batch.tokens());
        scratch.ids.clear();
        scratch.ids.extend_from_slice(batch.ids());
        self.embed(kernels, &self.encoder_start, batch, scratch);
        let size = tokens * self.sizes.hidden;
        scratch.with_hidden(size, |hidden, scratch| {
            for block in &self.encoder {
                block.forward_grouped(kernels, (lengths, self.sizes.heads), hidden, scratch);
            }
        });
        // The encoder's states are lent to the decoder for the pass, in a buffer that the layers do not use.
        let mut encoded = std::mem::take(&mut scratch.gated);
        std::mem::swap(&mut encoded, &mut scratch.hidden);
        // The decoder reads the same tokens one place later.
        scratch.ids.clear();
        for range in batch.ranges() {
            scratch.ids.push(self.start_id);
            scratch.ids.extend_from_slice(&batch.ids()[range.start..range.end - 1]);
        }
        self.embed(kernels, &self.decoder_start, batch, scratch);
        scratch.with_hidden(size, |hidden, scratch| {
            for layer in &self.decoder {
                layer.attention.forward(kernels, hidden, scratch, |joint, context, scratch| {
                    let joint = Matrix::new(joint, 3 * self.sizes.hidden);
                    let mut attention = Attention::joint(joint, lengths, self.decoder_heads);
                    attention.span = Span::Causal;
                    kernels.attention(&attention, context, scratch);
                });
                let sequences = (lengths, self.decoder_heads);
                layer.look_back(kernels, sequences, &encoded[..size], hidden, scratch);
                layer.feed_forward.forward(kernels, hidden, scratch);
            }
        });
        scratch.gated = encoded;
        Ok(())
    }
}
