//! BERT (Devlin et al. 2019), DistilBERT (Sanh et al. 2019), RoBERTa (Liu et al. 2019) and XLM-RoBERTa (Conneau et al.
//! 2020): one architecture under four sets of names. MiniLM is a small BERT.

use loquat_kernels::{Kernels, LayerNorm};

use super::architecture::{Architecture, Limits, Trunk};
use super::batch::PackedBatch;
use super::block::{Block, Names, Sizes};
use super::embedding::Embedding;
use super::gpu::BlocksOnGpu;
use super::loader::{Loader, Scope};
use super::scratch::{EncoderScratch, sized};
use super::settings::Settings;
use crate::compute::Device;
use crate::error::ModelError;

const BERT: Names = Names {
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    output_norm: "output.LayerNorm",
};
const DISTILBERT: Names = Names {
    query: "attention.q_lin",
    key: "attention.k_lin",
    value: "attention.v_lin",
    output: "attention.out_lin",
    attention_norm: "sa_layer_norm",
    up: "ffn.lin1",
    down: "ffn.lin2",
    output_norm: "output_layer_norm",
};

/// Tokens that are embedded together, few enough for the first-level cache.
const TOGETHER: usize = 16;

/// The trunk.
#[derive(Debug)]
pub(super) struct Bert {
    words: Embedding,
    positions: Embedding,
    types: Option<Embedding>,
    norm: LayerNorm,
    blocks: Blocks,
    sizes: Sizes,
    /// RoBERTa counts positions from the one after its padding id, and gives that id's own place to padding tokens.
    padding: Option<u32>,
}

/// The layers, where they are computed.
#[derive(Debug)]
enum Blocks {
    Here(Vec<Block>),
    OnGpu(BlocksOnGpu),
}

impl Bert {
    pub(super) fn load(
        architecture: Architecture,
        loader: &Loader<'_>,
        settings: Settings<'_>,
    ) -> Result<Self, ModelError> {
        settings.only("position_embedding_type", "absolute".into(), "absolute")?;
        settings.only("is_decoder", false.into(), "false")?;
        settings.only("add_cross_attention", false.into(), "false")?;
        let distil = architecture == Architecture::DistilBert;
        let roberta = matches!(architecture, Architecture::Roberta | Architecture::XlmRoberta);
        let trunk = loader.trunk(architecture.base());
        let (sizes, layers) = if distil { distilbert_sizes(settings)? } else { bert_sizes(settings)? };
        let (names, stack) = if distil { (DISTILBERT, "transformer.layer") } else { (BERT, "encoder.layer") };
        let table = trunk.at("embeddings");
        let types = if distil { 0 } else { settings.count("type_vocab_size", 2)? };
        let layers: Vec<Scope<'_>> =
            (0..layers).map(|number| trunk.at(&format!("{stack}.{number}"))).collect();
        let load = |layer| Block::load(layer, sizes, names);
        let blocks = match loader.device {
            Device::Processor => Blocks::Here(layers.iter().map(load).collect::<Result<_, _>>()?),
            Device::Gpu => Blocks::OnGpu(BlocksOnGpu::load(&layers, sizes, names)?),
        };
        Ok(Self {
            words: table.at("word_embeddings").words(settings.size("vocab_size")?, sizes.hidden)?,
            positions: positions(&table, settings, sizes.hidden)?,
            types: match types {
                0 => None,
                types => Some(table.at("token_type_embeddings").table(types, sizes.hidden)?),
            },
            norm: table.at("LayerNorm").layer_norm(sizes.hidden, sizes.epsilon)?,
            blocks,
            sizes,
            padding: roberta.then(|| settings.id("pad_token_id", 1)).transpose()?,
        })
    }

    fn embed(&self, kernels: Kernels, batch: &PackedBatch, scratch: &mut EncoderScratch) {
        scratch.ids.clear();
        for range in batch.ranges() {
            match self.padding {
                None => scratch.ids.extend(0..range.len() as u32),
                Some(padding) => {
                    let mut next = padding;
                    scratch.ids.extend(batch.ids()[range].iter().map(|id| {
                        let real = *id != padding;
                        next += u32::from(real);
                        if real { next } else { padding }
                    }));
                }
            }
        }
        let hidden = sized(&mut scratch.hidden, batch.tokens() * self.sizes.hidden);
        let tokens = batch.ids().chunks(TOGETHER).zip(batch.type_ids().chunks(TOGETHER));
        let places = scratch.ids.chunks(TOGETHER).zip(hidden.chunks_mut(TOGETHER * self.sizes.hidden));
        for ((ids, types), (positions, hidden)) in tokens.zip(places) {
            self.words.look_up(kernels, ids, hidden);
            if let Some(table) = &self.types {
                table.add(kernels, types, hidden);
            }
            self.positions.add(kernels, positions, hidden);
            kernels.layer_norm_in_place(&self.norm, hidden);
        }
    }
}

fn bert_sizes(settings: Settings<'_>) -> Result<(Sizes, usize), ModelError> {
    let hidden = settings.size("hidden_size")?;
    let sizes = Sizes {
        hidden,
        heads: settings.heads("num_attention_heads", hidden)?,
        intermediate: settings.size("intermediate_size")?,
        epsilon: settings.float("layer_norm_eps", 1e-12)?,
        activation: settings.activation("hidden_act", "gelu")?,
    };
    Ok((sizes, settings.size("num_hidden_layers")?))
}

/// DistilBERT fixes the epsilon of its norms in code.
fn distilbert_sizes(settings: Settings<'_>) -> Result<(Sizes, usize), ModelError> {
    let hidden = settings.size("dim")?;
    let sizes = Sizes {
        hidden,
        heads: settings.heads("n_heads", hidden)?,
        intermediate: settings.size("hidden_dim")?,
        epsilon: 1e-12,
        activation: settings.activation("activation", "gelu")?,
    };
    Ok((sizes, settings.size("n_layers")?))
}

fn positions(table: &Scope<'_>, settings: Settings<'_>, hidden: usize) -> Result<Embedding, ModelError> {
    table.at("position_embeddings").table(settings.size("max_position_embeddings")?, hidden)
}

impl Trunk for Bert {
    fn limits(&self) -> Limits {
        Limits {
            hidden: self.sizes.hidden,
            vocabulary: self.words.len(),
            types: self.types.as_ref().map(Embedding::len),
            tokens: self
                .positions
                .len()
                .saturating_sub(self.padding.map_or(0, |padding| padding as usize + 1)),
        }
    }

    fn forward(
        &self,
        kernels: Kernels,
        batch: &PackedBatch,
        scratch: &mut EncoderScratch,
    ) -> Result<(), ModelError> {
        self.embed(kernels, batch, scratch);
        let (size, sequences) = (batch.tokens() * self.sizes.hidden, (batch.lengths(), self.sizes.heads));
        match &self.blocks {
            Blocks::Here(blocks) => scratch.with_hidden(size, |hidden, scratch| {
                for block in blocks {
                    block.forward_grouped(kernels, sequences, hidden, scratch);
                }
            }),
            Blocks::OnGpu(blocks) => blocks.forward(&mut scratch.hidden[..size], batch.lengths())?,
        }
        Ok(())
    }
}
