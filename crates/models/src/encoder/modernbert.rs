//! ModernBERT (Warner et al. 2024): norms before each part, rotary positions, gated feed-forward parts, and attention that
//! is local in most layers.

use loquat_kernels::{Activation, Attention, Epilogue, Kernels, LayerNorm, Linear, Matrix, Rotary, Span};
use serde_json::Value;

use super::architecture::{Limits, Trunk};
use super::batch::PackedBatch;
use super::embedding::Embedding;
use super::loader::{Loader, Scope};
use super::scratch::{EncoderScratch, sized};
use super::settings::Settings;
use crate::error::ModelError;

/// The trunk.
#[derive(Debug)]
pub(super) struct ModernBert {
    words: Embedding,
    norm: LayerNorm,
    layers: Vec<Layer>,
    final_norm: LayerNorm,
    global: Rotary,
    local: Rotary,
    sizes: Sizes,
    window: usize,
}

#[derive(Debug)]
struct Layer {
    /// The first layer's input was normalised with the embeddings.
    attention_norm: Option<LayerNorm>,
    joint: Linear,
    output: Linear,
    inner_norm: LayerNorm,
    up: Linear,
    down: Linear,
    is_global: bool,
}

#[derive(Debug, Clone, Copy)]
struct Sizes {
    hidden: usize,
    heads: usize,
    intermediate: usize,
    epsilon: f32,
    activation: Activation,
    tokens: usize,
    attention_bias: bool,
    inner_bias: bool,
}

impl ModernBert {
    pub(super) fn load(loader: &Loader<'_>, settings: Settings<'_>) -> Result<Self, ModelError> {
        let hidden = settings.size("hidden_size")?;
        let sizes = Sizes {
            hidden,
            heads: settings.heads("num_attention_heads", hidden)?,
            intermediate: settings.size("intermediate_size")?,
            epsilon: settings.float("norm_eps", 1e-5)?,
            activation: settings.activation("hidden_activation", "gelu")?,
            tokens: settings.size("max_position_embeddings")?,
            attention_bias: settings.flag("attention_bias", false)?,
            inner_bias: settings.flag("mlp_bias", false)?,
        };
        let rotary = |kind: &'static str, old: &'static str, default: f32| -> Result<Rotary, ModelError> {
            Ok(Rotary::new(rotary_base(settings, kind, old, default)?, hidden / sizes.heads, sizes.tokens))
        };
        let trunk = loader.trunk("model");
        let layers = settings.size("num_hidden_layers")?;
        let load = |number| Layer::load(&trunk.at(&format!("layers.{number}")), sizes, number, settings);
        let table = trunk.at("embeddings");
        Ok(Self {
            words: table.at("tok_embeddings").words(settings.size("vocab_size")?, hidden)?,
            norm: table.at("norm").layer_norm(hidden, sizes.epsilon)?,
            layers: (0..layers).map(load).collect::<Result<_, _>>()?,
            final_norm: trunk.at("final_norm").layer_norm(hidden, sizes.epsilon)?,
            global: rotary("full_attention", "global_rope_theta", 160_000.0)?,
            local: rotary("sliding_attention", "local_rope_theta", 10_000.0)?,
            window: settings.count("local_attention", 128)? / 2,
            sizes,
        })
    }
}

/// The base of the frequencies, from newer configurations' `rope_parameters` or from older ones' own field.
fn rotary_base(
    settings: Settings<'_>,
    kind: &str,
    old: &'static str,
    default: f32,
) -> Result<f32, ModelError> {
    let Some(parameters) = settings.get("rope_parameters") else { return settings.float(old, default) };
    let parameters = &parameters[kind];
    match (parameters["rope_type"].as_str(), parameters["rope_theta"].as_f64()) {
        (None | Some("default"), Some(base)) => Ok(base as f32),
        _ => Err(settings.unsupported(
            "rope_parameters",
            parameters.to_string(),
            "rope_type default with a rope_theta",
        )),
    }
}

/// Whether the tokens of a layer see their whole sequence.
fn is_global(settings: Settings<'_>, layer: usize) -> Result<bool, ModelError> {
    let Some(kinds) = settings.get("layer_types") else {
        return Ok(layer.is_multiple_of(settings.size("global_attn_every_n_layers")?));
    };
    match kinds.get(layer).and_then(Value::as_str) {
        Some("full_attention") => Ok(true),
        Some("sliding_attention") => Ok(false),
        _ => Err(settings.unsupported(
            "layer_types",
            kinds.to_string(),
            "full_attention or sliding_attention for each layer",
        )),
    }
}

impl Layer {
    fn load(
        place: &Scope<'_>,
        sizes: Sizes,
        number: usize,
        settings: Settings<'_>,
    ) -> Result<Self, ModelError> {
        let Sizes { hidden, intermediate, epsilon, attention_bias, inner_bias, .. } = sizes;
        let norm = |name: &str| place.at(name).layer_norm(hidden, epsilon);
        Ok(Self {
            attention_norm: (number > 0).then(|| norm("attn_norm")).transpose()?,
            joint: place.at("attn.Wqkv").linear(3 * hidden, hidden, attention_bias)?,
            output: place.at("attn.Wo").linear(hidden, hidden, attention_bias)?,
            inner_norm: norm("mlp_norm")?,
            up: place.at("mlp.Wi").linear(2 * intermediate, hidden, inner_bias)?,
            down: place.at("mlp.Wo").linear(hidden, intermediate, inner_bias)?,
            is_global: is_global(settings, number)?,
        })
    }
}

impl ModernBert {
    fn attend(&self, kernels: Kernels, layer: &Layer, lengths: &[usize], scratch: &mut EncoderScratch) {
        let width = self.sizes.hidden;
        let size = lengths.iter().sum::<usize>() * width;
        let hidden = &scratch.hidden[..size];
        let branch = sized(&mut scratch.branch, size);
        let input = match &layer.attention_norm {
            None => hidden,
            Some(norm) => {
                kernels.layer_norm(norm, hidden, branch);
                &*branch
            }
        };
        let joint = sized(&mut scratch.joint, 3 * size);
        kernels.linear(Matrix::new(input, width), &layer.joint, Epilogue::NONE, joint, &mut scratch.kernels);
        let rotary = if layer.is_global { &self.global } else { &self.local };
        kernels.rotate(rotary, joint, 3 * width, 2 * width, lengths);
        let mut attention = Attention::joint(Matrix::new(joint, 3 * width), lengths, self.sizes.heads);
        if !layer.is_global {
            attention.span = Span::Window(self.window);
        }
        let context = sized(&mut scratch.context, size);
        kernels.attention(&attention, context, &mut scratch.kernels);
        let branch = sized(&mut scratch.branch, size);
        let context = Matrix::new(context, width);
        kernels.linear(context, &layer.output, Epilogue::residual(hidden), branch, &mut scratch.kernels);
        std::mem::swap(&mut scratch.hidden, &mut scratch.branch);
    }

    fn feed_forward(&self, kernels: Kernels, layer: &Layer, tokens: usize, scratch: &mut EncoderScratch) {
        let Sizes { hidden: width, intermediate, activation, .. } = self.sizes;
        let hidden = &scratch.hidden[..tokens * width];
        let normal = sized(&mut scratch.context, hidden.len());
        kernels.layer_norm(&layer.inner_norm, hidden, normal);
        let inner = sized(&mut scratch.inner, 2 * tokens * intermediate);
        kernels.linear(Matrix::new(normal, width), &layer.up, Epilogue::NONE, inner, &mut scratch.kernels);
        let gated = sized(&mut scratch.gated, tokens * intermediate);
        kernels.activate_gated(activation, inner, intermediate, gated);
        let branch = sized(&mut scratch.branch, hidden.len());
        let gated = Matrix::new(gated, intermediate);
        kernels.linear(gated, &layer.down, Epilogue::residual(hidden), branch, &mut scratch.kernels);
        std::mem::swap(&mut scratch.hidden, &mut scratch.branch);
    }
}

impl Trunk for ModernBert {
    fn limits(&self) -> Limits {
        let Sizes { hidden, tokens, .. } = self.sizes;
        Limits { hidden, vocabulary: self.words.len(), types: None, tokens }
    }

    fn forward(
        &self,
        kernels: Kernels,
        batch: &PackedBatch,
        scratch: &mut EncoderScratch,
    ) -> Result<(), ModelError> {
        let size = batch.tokens() * self.sizes.hidden;
        let hidden = sized(&mut scratch.hidden, size);
        self.words.look_up(kernels, batch.ids(), hidden);
        kernels.layer_norm_in_place(&self.norm, hidden);
        for layer in &self.layers {
            self.attend(kernels, layer, batch.lengths(), scratch);
            self.feed_forward(kernels, layer, batch.tokens(), scratch);
        }
        kernels.layer_norm_in_place(&self.final_norm, &mut scratch.hidden[..size]);
        Ok(())
    }
}
