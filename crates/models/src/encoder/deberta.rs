//! DeBERTa, second and third version (He et al. 2021): attention also to how far apart two tokens are.
//!
//! What a query says to the distance of a key, and a key to that of a query, are products with tables that depend on the
//! weights alone. Each head's products with all distances are taken at once; a score then looks up two of them.

use loquat_kernels::{
    Aligned, Attention, Epilogue, Kernels, LayerNorm, Linear, Matrix, PackedF32, ScoreBias, ScorePlace,
    Scratch, Weights,
};

use super::architecture::{Limits, Trunk};
use super::batch::PackedBatch;
use super::block::{Block, Names, Sizes};
use super::convolution::Convolution;
use super::embedding::Embedding;
use super::loader::{Loader, Scope};
use super::scratch::{EncoderScratch, sized};
use super::settings::Settings;
use crate::error::ModelError;

const NAMES: Names = Names {
    query: "attention.self.query_proj",
    key: "attention.self.key_proj",
    value: "attention.self.value_proj",
    output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    output_norm: "output.LayerNorm",
};

/// The trunk.
#[derive(Debug)]
pub(super) struct Deberta {
    words: Embedding,
    positions: Option<Embedding>,
    types: Option<Embedding>,
    norm: LayerNorm,
    layers: Vec<(Block, Distances)>,
    /// Follows the first layer, with the embeddings as its input.
    convolution: Option<Convolution>,
    shape: Shape,
    scale: f32,
    /// Row of the tables for each distance from `-(tokens - 1)` to `tokens - 1`.
    rows: Vec<u32>,
}

/// Sizes that every layer needs.
#[derive(Debug, Clone, Copy)]
struct Shape {
    hidden: usize,
    heads: usize,
    tokens: usize,
    /// Rows of a table of distances.
    distances: usize,
}

/// The tables of one layer, one product a head, already divided by the scale of the scores.
#[derive(Debug)]
struct Distances {
    /// What a query says to a distance.
    of_queries: Vec<Linear>,
    /// What a key says to a distance.
    of_keys: Vec<Linear>,
}

/// Which of the two are used, and where their tables come from.
#[derive(Debug, Clone, Copy)]
struct Kinds {
    of_queries: bool,
    of_keys: bool,
    shared: bool,
}

impl Deberta {
    pub(super) fn load(loader: &Loader<'_>, settings: Settings<'_>) -> Result<Self, ModelError> {
        let hidden = settings.size("hidden_size")?;
        settings.only("relative_attention", true.into(), "true")?;
        settings.only("embedding_size", hidden.into(), "hidden_size")?;
        settings.only(
            "attention_head_size",
            (hidden / settings.size("num_attention_heads")?).into(),
            "hidden_size / num_attention_heads",
        )?;
        let sizes = Sizes {
            hidden,
            heads: settings.heads("num_attention_heads", hidden)?,
            intermediate: settings.size("intermediate_size")?,
            epsilon: settings.float("layer_norm_eps", 1e-7)?,
            activation: settings.activation("hidden_act", "gelu")?,
        };
        let tokens = settings.size("max_position_embeddings")?;
        let most =
            Some(settings.count("max_relative_positions", 0)?).filter(|most| *most > 0).unwrap_or(tokens);
        let buckets = settings.count("position_buckets", 0)?;
        let span = if buckets > 0 { buckets } else { most };
        let shape = Shape { hidden, heads: sizes.heads, tokens, distances: 2 * span };
        let kinds = kinds(settings)?;
        let parts = 1 + usize::from(kinds.of_queries) + usize::from(kinds.of_keys);
        let scale = 1.0 / ((hidden / sizes.heads * parts) as f32).sqrt();
        let trunk = loader.trunk("deberta");
        let encoder = trunk.at("encoder");
        let table = distance_table(loader.kernels, &encoder, settings, shape, sizes.epsilon)?;
        let load = |number| -> Result<_, ModelError> {
            let layer = encoder.at(&format!("layer.{number}"));
            let distances = Distances::load(&layer, loader.kernels, &table, shape, kinds, scale)?;
            Ok((Block::load(&layer, sizes, NAMES)?, distances))
        };
        let words = trunk.at("embeddings");
        let types = settings.count("type_vocab_size", 0)?;
        let biased = settings.flag("position_biased_input", true)?;
        let position = |place: Scope<'_>| place.table(tokens, hidden);
        Ok(Self {
            words: words.at("word_embeddings").words(settings.size("vocab_size")?, hidden)?,
            positions: biased.then(|| position(words.at("position_embeddings"))).transpose()?,
            types: (types > 0).then(|| words.at("token_type_embeddings").table(types, hidden)).transpose()?,
            norm: words.at("LayerNorm").layer_norm(hidden, sizes.epsilon)?,
            layers: (0..settings.size("num_hidden_layers")?).map(load).collect::<Result<_, _>>()?,
            convolution: Convolution::load(&encoder.at("conv"), settings, hidden, sizes.epsilon)?,
            shape,
            scale,
            rows: (1 - tokens as i32..tokens as i32)
                .map(|distance| row(distance, buckets, most, span))
                .collect(),
        })
    }
}

fn kinds(settings: Settings<'_>) -> Result<Kinds, ModelError> {
    let names: Vec<&str> = match settings.get("pos_att_type") {
        Some(serde_json::Value::String(names)) => names.split('|').map(str::trim).collect(),
        Some(serde_json::Value::Array(names)) => names.iter().filter_map(|name| name.as_str()).collect(),
        _ => Vec::new(),
    };
    if let Some(other) = names.iter().find(|name| !["c2p", "p2c"].contains(name)) {
        return Err(settings.unsupported("pos_att_type", *other, "c2p and p2c"));
    }
    Ok(Kinds {
        of_queries: names.contains(&"c2p"),
        of_keys: names.contains(&"p2c"),
        shared: settings.flag("share_att_key", false)?,
    })
}

/// The vectors of all distances, `[distances, hidden]`.
fn distance_table(
    kernels: Kernels,
    encoder: &Scope<'_>,
    settings: Settings<'_>,
    shape: Shape,
    epsilon: f32,
) -> Result<Vec<f32>, ModelError> {
    let mut table = encoder.at("rel_embeddings").floats("weight", &[shape.distances, shape.hidden])?;
    if settings.text("norm_rel_ebd", "none")?.split('|').any(|norm| norm.trim() == "layer_norm") {
        let norm = encoder.at("LayerNorm").layer_norm(shape.hidden, epsilon)?;
        kernels.layer_norm_in_place(&norm, &mut table);
    }
    Ok(table)
}

/// The row of a distance (query less key) in the tables: itself up to half of the buckets, then ever wider buckets.
fn row(distance: i32, buckets: usize, most: usize, span: usize) -> u32 {
    let half = (buckets / 2) as i32;
    let far = buckets > 0 && distance.abs() > half;
    let bucket = if far {
        let half = half as f32;
        let share = libm::logf(distance.abs() as f32 / half) / libm::logf((most as f32 - 1.0) / half);
        ((share * (half - 1.0)).ceil() + half) as i32 * distance.signum()
    } else {
        distance
    };
    (bucket + span as i32).clamp(0, 2 * span as i32 - 1) as u32
}

impl Distances {
    fn load(
        layer: &Scope<'_>,
        kernels: Kernels,
        table: &[f32],
        shape: Shape,
        kinds: Kinds,
        scale: f32,
    ) -> Result<Self, ModelError> {
        let place = layer.at("attention.self");
        let heads = |used: bool, shared: &str, own: &str| -> Result<Vec<Linear>, ModelError> {
            if !used {
                return Ok(Vec::new());
            }
            let product =
                place.at(if kinds.shared { shared } else { own }).head(shape.hidden, shape.hidden, true)?;
            let mut all = vec![0.0; table.len()];
            let input = Matrix::new(table, shape.hidden);
            kernels.linear(input, &product, Epilogue::NONE, &mut all, &mut Scratch::new());
            Ok((0..shape.heads).map(|head| shape.head_table(kernels, &all, head, scale)).collect())
        };
        Ok(Self {
            of_queries: heads(kinds.of_queries, "key_proj", "pos_key_proj")?,
            of_keys: heads(kinds.of_keys, "query_proj", "pos_query_proj")?,
        })
    }
}

impl Shape {
    fn size(self) -> usize {
        self.hidden / self.heads
    }

    /// The columns of one head of `all`, `[distances, hidden]`, as a product.
    fn head_table(self, kernels: Kernels, all: &[f32], head: usize, scale: f32) -> Linear {
        let columns = head * self.size()..(head + 1) * self.size();
        let rows = all.chunks_exact(self.hidden);
        let table: Vec<f32> = rows.flat_map(|row| row[columns.clone()].iter().map(|v| v * scale)).collect();
        Linear::new(Weights::F32(PackedF32::new(kernels, &table, self.distances, self.size())), None)
    }

    /// The products of every token with every distance, `[heads, tokens, distances]`.
    fn products<'b>(
        self,
        kernels: Kernels,
        tables: &[Linear],
        rows: Matrix<'_>,
        out: &'b mut Aligned<f32>,
        scratch: &mut Scratch,
    ) -> &'b [f32] {
        let length = rows.row_count() * self.distances;
        let out = sized(out, length * tables.len());
        for (head, (table, out)) in tables.iter().zip(out.chunks_exact_mut(length.max(1))).enumerate() {
            let rows = rows.columns(head * self.size(), self.size());
            kernels.linear(rows, table, Epilogue::NONE, out, scratch);
        }
        out
    }
}

/// Adds what queries and keys say to their distance.
struct Disentangled<'a> {
    of_queries: &'a [f32],
    of_keys: &'a [f32],
    /// Row of the tables for each distance, from the most negative.
    rows: &'a [u32],
    shape: Shape,
    tokens: usize,
}

impl ScoreBias for Disentangled<'_> {
    fn add(&self, place: ScorePlace, scores: &mut [f32]) {
        let width = self.shape.distances;
        // Distances fall by one from key to key.
        let first = place.query + self.shape.tokens - 1 - place.key;
        let rows = self.rows[first + 1 - scores.len()..=first].iter().rev();
        if !self.of_queries.is_empty() {
            let own = &self.of_queries[(place.head * self.tokens + place.row) * width..][..width];
            for (score, row) in scores.iter_mut().zip(rows.clone()) {
                *score += own[*row as usize];
            }
        }
        if !self.of_keys.is_empty() {
            let keys =
                self.of_keys[(place.head * self.tokens + place.first_key) * width..].chunks_exact(width);
            for ((score, row), key) in scores.iter_mut().zip(rows).zip(keys) {
                *score += key[*row as usize];
            }
        }
    }
}

impl Trunk for Deberta {
    fn limits(&self) -> Limits {
        Limits {
            hidden: self.shape.hidden,
            vocabulary: self.words.len(),
            types: self.types.as_ref().map(Embedding::len),
            tokens: self.shape.tokens,
        }
    }

    fn forward(
        &self,
        kernels: Kernels,
        batch: &PackedBatch,
        scratch: &mut EncoderScratch,
    ) -> Result<(), ModelError> {
        let hidden = sized(&mut scratch.hidden, batch.tokens() * self.shape.hidden);
        self.words.look_up(kernels, batch.ids(), hidden);
        if let Some(types) = &self.types {
            types.add(kernels, batch.type_ids(), hidden);
        }
        if let Some(positions) = &self.positions {
            scratch.ids.clear();
            scratch.ids.extend(batch.lengths().iter().flat_map(|length| 0..*length as u32));
            positions.add(kernels, &scratch.ids, hidden);
        }
        kernels.layer_norm_in_place(&self.norm, hidden);
        let input = self.convolution.as_ref().map(|_| hidden.to_vec());
        // The products are not part of what a block knows, so their buffers are lent for the pass.
        let [mut of_queries, mut of_keys] = std::mem::take(&mut scratch.extra);
        scratch.with_hidden(batch.tokens() * self.shape.hidden, |hidden, scratch| {
            for (number, (block, distances)) in self.layers.iter().enumerate() {
                block.forward(kernels, hidden, scratch, |joint, context, scratch| {
                    let joint = Matrix::new(joint, 3 * self.shape.hidden);
                    let mut attention = Attention::joint(joint, batch.lengths(), self.shape.heads);
                    let (tables, shape) = (distances, self.shape);
                    let bias = Disentangled {
                        of_queries: shape.products(
                            kernels,
                            &tables.of_queries,
                            attention.queries,
                            &mut of_queries,
                            scratch,
                        ),
                        of_keys: shape.products(
                            kernels,
                            &tables.of_keys,
                            attention.keys,
                            &mut of_keys,
                            scratch,
                        ),
                        rows: &self.rows,
                        shape,
                        tokens: batch.tokens(),
                    };
                    attention.scale = self.scale;
                    attention.bias = Some(&bias);
                    kernels.attention(&attention, context, scratch);
                });
                if let (0, Some(convolution), Some(input)) = (number, &self.convolution, &input) {
                    convolution.forward(kernels, batch.lengths(), input, hidden, scratch);
                }
            }
        });
        scratch.extra = [of_queries, of_keys];
        Ok(())
    }
}
