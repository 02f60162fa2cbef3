//! The trunk of BERT, RoBERTa, XLM-RoBERTa and DistilBERT, forward and backward, under the names of their checkpoints.

use loquat_kernels::{Activation, Kernels};
use loquat_models::{Checkpoint, PackedBatch};

use crate::block::{Block, Kept};
use crate::dropout::Dropout;
use crate::error::NnError;
use crate::gpu::{Gpu, KeptOnGpu, OnGpu};
use crate::linear::Linear;
use crate::norm::Norm;
use crate::parameter::Parameter;
use crate::random::mix;

/// What a layer's parts are called.
struct Names {
    stack: &'static str,
    joint: [&'static str; 3],
    output: &'static str,
    attention_norm: &'static str,
    up: &'static str,
    down: &'static str,
    output_norm: &'static str,
}

const BERT: Names = Names {
    stack: "encoder.layer",
    joint: ["attention.self.query", "attention.self.key", "attention.self.value"],
    output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    output_norm: "output.LayerNorm",
};
const DISTILBERT: Names = Names {
    stack: "transformer.layer",
    joint: ["attention.q_lin", "attention.k_lin", "attention.v_lin"],
    output: "attention.out_lin",
    attention_norm: "sa_layer_norm",
    up: "ffn.lin1",
    down: "ffn.lin2",
    output_norm: "output_layer_norm",
};
/// Place among the masks of dropout of the one after the embeddings.
const EMBEDDINGS: u64 = u64::MAX;

/// The trunk.
#[derive(Debug, Clone)]
pub(crate) struct Bert {
    words: Parameter,
    positions: Parameter,
    types: Option<Parameter>,
    norm: Norm,
    blocks: Vec<Block>,
    /// The blocks on a GPU, where they are computed there.
    gpu: Option<OnGpu>,
    /// RoBERTa counts positions from the one after its padding id, and gives that id's own place to padding tokens.
    padding: Option<u32>,
}

/// What the backward pass needs of the forward pass.
#[derive(Debug)]
pub(crate) struct KeptStates {
    positions: Vec<u32>,
    embedded: Vec<f32>,
    layers: KeptLayers,
}

#[derive(Debug)]
enum KeptLayers {
    Here(Vec<Kept>),
    /// Nothing of a pass that failed.
    OnGpu(Option<KeptOnGpu>),
}

impl Bert {
    /// Reads the trunk of a checkpoint that the engine of `loquat-models` reads too.
    pub(crate) fn load(checkpoint: &Checkpoint) -> Result<Self, NnError> {
        let source = Source::of(checkpoint)?;
        let Source { names, layers, .. } = &source;
        let table = |name: &str| source.parameter(&[&format!("embeddings.{name}.weight")], layers + 1);
        let block = |number: usize| -> Result<Block, NnError> {
            let depth = layers - number;
            let at = |name: &str| format!("{}.{number}.{name}", names.stack);
            let [query, key, value] = names.joint.map(at);
            Ok(Block {
                joint: source.linear(&[&query, &key, &value], depth)?,
                output: source.linear(&[&at(names.output)], depth)?,
                attention_norm: source.norm(&at(names.attention_norm), depth)?,
                up: source.linear(&[&at(names.up)], depth)?,
                down: source.linear(&[&at(names.down)], depth)?,
                output_norm: source.norm(&at(names.output_norm), depth)?,
                heads: source.heads,
                activation: source.activation,
            })
        };
        Ok(Self {
            words: table("word_embeddings")?.into_table(),
            positions: table("position_embeddings")?.into_table(),
            types: if source.has("embeddings.token_type_embeddings.weight") {
                Some(table("token_type_embeddings")?.into_table())
            } else {
                None
            },
            norm: source.norm("embeddings.LayerNorm", layers + 1)?,
            blocks: (0..*layers).map(block).collect::<Result<_, _>>()?,
            gpu: None,
            padding: source.padding,
        })
    }

    /// Has the blocks computed on a GPU from now on.
    pub(crate) fn move_to(&mut self, gpu: &Gpu) -> Result<(), NnError> {
        self.gpu = Some(OnGpu::new(gpu, &self.blocks)?);
        Ok(())
    }

    /// What went wrong on the GPU.
    pub(crate) fn failure(&self) -> Option<NnError> {
        self.gpu.as_ref().and_then(OnGpu::failure)
    }

    /// Width of the states.
    pub(crate) fn hidden(&self) -> usize {
        self.words.width()
    }

    /// The embeddings of tokens, `[tokens, hidden]`.
    pub(crate) fn words(&self) -> &Parameter {
        &self.words
    }

    /// The same, to be changed.
    pub(crate) fn words_mut(&mut self) -> &mut Parameter {
        &mut self.words
    }

    /// The states of every token, `[tokens, hidden]`, and what to keep for the backward pass.
    pub(crate) fn forward(
        &self,
        kernels: Kernels,
        batch: &PackedBatch,
        dropout: Dropout,
    ) -> (Vec<f32>, KeptStates) {
        let hidden = self.hidden();
        let positions = self.positions_of(batch);
        let mut embedded = vec![0.0; batch.tokens() * hidden];
        kernels.embed(&self.words.values, hidden, batch.ids(), &mut embedded);
        kernels.embed_add(&self.positions.values, hidden, &positions, &mut embedded);
        if let Some(types) = &self.types {
            kernels.embed_add(&types.values, hidden, batch.type_ids(), &mut embedded);
        }
        let mut states = self.norm.forward(kernels, &embedded);
        at(dropout, EMBEDDINGS).apply(&mut states, hidden);
        if let Some(gpu) = &self.gpu {
            let (states, kept) = gpu.forward(&states, batch.lengths(), dropout);
            return (states, KeptStates { positions, embedded, layers: KeptLayers::OnGpu(kept) });
        }
        let mut layers = Vec::with_capacity(self.blocks.len());
        for (block, number) in self.blocks.iter().zip(0..) {
            let (next, kept) = block.forward(kernels, states, batch.lengths(), at(dropout, number));
            layers.push(kept);
            states = next;
        }
        (states, KeptStates { positions, embedded, layers: KeptLayers::Here(layers) })
    }

    /// Adds the gradients of all parameters, from those of the states.
    pub(crate) fn backward(
        &mut self,
        kernels: Kernels,
        (batch, kept): (&PackedBatch, &KeptStates),
        mut gradients: Vec<f32>,
        dropout: Dropout,
    ) {
        let hidden = self.hidden();
        match (&kept.layers, &self.gpu) {
            (KeptLayers::Here(layers), _) => {
                for (number, (block, kept)) in self.blocks.iter_mut().zip(layers).enumerate().rev() {
                    let dropout = at(dropout, number as u64);
                    gradients = block.backward(kernels, kept, gradients, (batch.lengths(), dropout));
                }
            }
            (KeptLayers::OnGpu(kept), Some(gpu)) => {
                gradients = gpu.backward(kept.as_ref(), &gradients, &mut self.blocks);
            }
            (KeptLayers::OnGpu(_), None) => unreachable!("blocks stay on the GPU that they are brought to"),
        }
        at(dropout, EMBEDDINGS).apply(&mut gradients, hidden);
        self.norm.backward(kernels, &kept.embedded, &mut gradients);
        for (token, gradient) in gradients.chunks_exact(hidden).enumerate() {
            self.words.add_to_row(batch.ids()[token], gradient);
            self.positions.add_to_row(kept.positions[token], gradient);
            if let Some(types) = &mut self.types {
                types.add_to_row(batch.type_ids()[token], gradient);
            }
        }
    }

    fn positions_of(&self, batch: &PackedBatch) -> Vec<u32> {
        let mut positions = Vec::with_capacity(batch.tokens());
        for range in batch.ranges() {
            match self.padding {
                None => positions.extend(0..range.len() as u32),
                Some(padding) => {
                    let mut next = padding;
                    positions.extend(batch.ids()[range].iter().map(|id| {
                        next += u32::from(*id != padding);
                        if *id == padding { padding } else { next }
                    }));
                }
            }
        }
        positions
    }

    pub(crate) fn pack(&mut self, kernels: Kernels) {
        use rayon::prelude::*;
        if let Some(gpu) = &mut self.gpu {
            gpu.upload(&self.blocks);
            return;
        }
        self.blocks.par_iter_mut().for_each(|block| block.pack(kernels));
    }

    pub(crate) fn parameters(&self) -> Vec<&Parameter> {
        let tables = [&self.words, &self.positions].into_iter().chain(&self.types);
        let blocks = self.blocks.iter().flat_map(Block::parameters);
        tables.chain(self.norm.parameters()).chain(blocks).collect()
    }

    pub(crate) fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let tables = [&mut self.words, &mut self.positions].into_iter().chain(&mut self.types);
        let blocks = self.blocks.iter_mut().flat_map(Block::parameters_mut);
        tables.chain(self.norm.parameters_mut()).chain(blocks).collect()
    }
}

fn at(dropout: Dropout, place: u64) -> Dropout {
    Dropout { seed: mix(dropout.seed, &[place]), ..dropout }
}

/// A checkpoint and how it names what it holds.
struct Source<'c> {
    checkpoint: &'c Checkpoint,
    names: &'static Names,
    prefix: String,
    layers: usize,
    heads: usize,
    epsilon: f32,
    activation: Activation,
    padding: Option<u32>,
}

impl<'c> Source<'c> {
    fn of(checkpoint: &'c Checkpoint) -> Result<Self, NnError> {
        let config = checkpoint.config();
        let text = |name: &str| config.get(name).and_then(|value| value.as_str());
        let count =
            |name: &str| config.get(name).and_then(|value| value.as_u64()).map(|count| count as usize);
        let architecture = text("model_type").unwrap_or_default();
        let unsupported = || NnError::Architecture { architecture: architecture.to_owned() };
        let (names, base) = match architecture {
            "bert" => (&BERT, "bert."),
            "roberta" | "xlm-roberta" => (&BERT, "roberta."),
            "distilbert" => (&DISTILBERT, "distilbert."),
            _ => return Err(unsupported()),
        };
        let distil = architecture == "distilbert";
        let activation = text(if distil { "activation" } else { "hidden_act" }).unwrap_or("gelu");
        let activation = match activation {
            "gelu" | "gelu_python" => Activation::Gelu,
            "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => Activation::GeluTanh,
            "relu" => Activation::Relu,
            _ => {
                return Err(NnError::Architecture {
                    architecture: format!("{architecture} with {activation}"),
                });
            }
        };
        let missing =
            |field: &str| NnError::Tensor { tensor: field.to_owned(), problem: "is missing in config.json" };
        let size = |bert: &'static str, distilled: &'static str| {
            let name = if distil { distilled } else { bert };
            count(name).ok_or_else(|| missing(name))
        };
        let epsilon = config.get("layer_norm_eps").and_then(|value| value.as_f64()).unwrap_or(1e-12);
        let headed = checkpoint.names().any(|name| name.starts_with(base));
        let roberta = base == "roberta.";
        Ok(Self {
            checkpoint,
            names,
            prefix: if headed { base.to_owned() } else { String::new() },
            layers: size("num_hidden_layers", "n_layers")?,
            heads: size("num_attention_heads", "n_heads")?,
            epsilon: if distil { 1e-12 } else { epsilon as f32 },
            activation,
            padding: roberta.then(|| count("pad_token_id").unwrap_or(1) as u32),
        })
    }

    fn has(&self, name: &str) -> bool {
        self.checkpoint.contains(&format!("{}{name}", self.prefix))
    }

    /// Tensors of a width one under the other; vectors as one row.
    fn parameter(&self, names: &[&str], depth: usize) -> Result<Parameter, NnError> {
        let (mut values, mut rows, mut width) = (Vec::new(), 0, 0);
        let full: Vec<String> = names.iter().map(|name| format!("{}{name}", self.prefix)).collect();
        for name in &full {
            let problem = |problem| NnError::Tensor { tensor: name.clone(), problem };
            let tensor = self.checkpoint.tensor(name)?.ok_or_else(|| problem("is missing"))?;
            values.extend(tensor.to_f32().ok_or_else(|| problem("is not of floating point"))?);
            match *tensor.shape() {
                [length] => (rows, width) = (1, width + length),
                [own, wide] => (rows, width) = (rows + own, wide),
                _ => return Err(problem("is neither a matrix nor a vector")),
            }
        }
        Ok(Parameter::new(full, [rows, width], values, depth))
    }

    fn linear(&self, names: &[&str], depth: usize) -> Result<Linear, NnError> {
        let named = |part: &str| -> Result<Parameter, NnError> {
            let all: Vec<String> = names.iter().map(|name| format!("{name}.{part}")).collect();
            self.parameter(&all.iter().map(String::as_str).collect::<Vec<_>>(), depth)
        };
        Ok(Linear::new(named("weight")?, named("bias")?))
    }

    fn norm(&self, name: &str, depth: usize) -> Result<Norm, NnError> {
        // Checkpoints of TensorFlow's time call the two otherwise.
        let old = self.has(&format!("{name}.gamma"));
        let (weight, bias) = if old { ("gamma", "beta") } else { ("weight", "bias") };
        let weight = self.parameter(&[&format!("{name}.{weight}")], depth)?;
        let bias = self.parameter(&[&format!("{name}.{bias}")], depth)?;
        Ok(Norm::new(weight, bias, self.epsilon))
    }
}
