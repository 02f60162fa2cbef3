//! An encoder that starts from nothing: a vocabulary learned from the texts, a small BERT sized by how many they are, and what
//! filling gaps in them teaches it.
//!
//! The texts are those of the rows that are trained on and, where there are any, unlabelled ones; those of test rows stay sealed.
//! Before it fills gaps, the encoder is a folder in the cache like any backbone, which adaptation is done to.

use std::collections::BTreeMap;
use std::path::Path;

use loquat_infer::Input;
use loquat_models::{Checkpoint, Tensor};
use loquat_text::{LearnedPieces, Tokenizer};
use serde_json::{Map, Value, json};

use super::backbone::Backbone;
use super::gap_filling::GapFilling;
use super::starts::{made, place};
use super::student;
use crate::error::{Halt, TrainError};
use crate::linear::Random;
use crate::random::{mix, normal};
use crate::report_origins::FromScratchReport;
use crate::request::sha256;
use crate::run::Run;

/// Form of what is made; another number, and all is made again.
const FORMAT: &str = "scratch 1";
/// Thirty passes at most, or a fifth of the time allowed.
const FILLING: GapFilling =
    GapFilling { stage: "filling gaps in the texts", most_epochs: 30, share: 0.2, rate: 5e-4 };
/// Most pieces of a vocabulary.
const MOST_PIECES: usize = 30_000;
/// Width of an attention head.
const HEAD: usize = 64;
/// Width of a feed-forward layer, in widths of the states.
const INNER: usize = 4;
/// Most tokens of a text: the first where no text is longer.
const POSITIONS: [usize; 2] = [128, 512];
/// Spread of the weights at the start (Devlin et al. 2018).
const SPREAD: f64 = 0.02;
/// Indices that name random choices.
const ORDER: u64 = 0x5C2A;
const WEIGHTS: u64 = 0x5C2B;

/// What an encoder has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    /// Fewest tokens of all texts together.
    tokens: usize,
    layers: usize,
    width: usize,
}

const SIZES: [Size; 3] = [
    Size { tokens: 0, layers: 2, width: 128 },
    Size { tokens: 20_000, layers: 4, width: 256 },
    Size { tokens: 10_000_000, layers: 6, width: 384 },
];

/// The backbone that the texts of the run make.
pub(super) fn made_of_texts(run: &Run<'_>) -> Result<Backbone, Halt> {
    let inputs = texts(run);
    let hash = sha256(format!("{inputs:?}").as_bytes());
    let backbone = blank(run, &inputs, &hash)?;
    let what = format!("gaps filled in {} texts", inputs.len());
    FILLING.filled(run, &backbone, (&inputs, &hash), &what)
}

/// The texts of the rows that are trained on, then the unlabelled ones, each in an order that follows from the seed.
fn texts(run: &Run<'_>) -> Vec<Input> {
    let problem = &run.problem;
    let mut rows = problem.pool.clone();
    rows.sort_by_key(|row| (mix(run.seed(), &[ORDER, problem.table.rows[*row].key]), *row));
    rows.into_iter().map(|row| problem.input(row)).chain(student::inputs(run)).collect()
}

/// An encoder that learned nothing but which pieces the texts are made of.
fn blank(run: &Run<'_>, inputs: &[Input], hash: &str) -> Result<Backbone, TrainError> {
    let digest = sha256(format!("{FORMAT}\n{hash}\n{}", run.seed()).as_bytes());
    let folder = made(place(run, &digest), |folder| {
        run.request.progress.stage("learning a vocabulary", None);
        let failed = |source| TrainError::Tokenizer { source };
        let each = inputs
            .iter()
            .flat_map(|input| std::iter::once(input.text.as_str()).chain(input.second.as_deref()));
        let pieces = LearnedPieces::of(each, MOST_PIECES).map_err(failed)?;
        if pieces.is_empty() {
            return Err(TrainError::NoWords);
        }
        let (size, positions) = sized(run, inputs, &pieces)?;
        for (name, bytes) in pieces.files(positions).map_err(failed)? {
            let path = folder.join(name);
            std::fs::write(&path, bytes).map_err(TrainError::file("write", &path))?;
        }
        let shape = Shape { pieces: pieces.len(), positions, size };
        let checkpoint = Checkpoint::new(folder.to_owned(), shape.config(), shape.tensors(run.seed()));
        Ok(checkpoint.save(folder)?)
    })?;
    let name = format!("from scratch, own vocabulary of {} pieces", number(&folder, "vocab_size")?);
    Ok(Backbone { name, folder, digest })
}

/// The size for so many tokens, and the most tokens of a text.
fn sized(run: &Run<'_>, inputs: &[Input], pieces: &LearnedPieces) -> Result<(Size, usize), TrainError> {
    let failed = |source| TrainError::Tokenizer { source };
    let [short, long] = POSITIONS;
    let tokenizer = Tokenizer::from_files("bert", &pieces.files(long).map_err(failed)?).map_err(failed)?;
    let texts: Vec<(&str, Option<&str>)> =
        inputs.iter().map(|input| (input.text.as_str(), input.second.as_deref())).collect();
    let encoded = tokenizer.encode_batch(&texts, Some(long), run.pool.current_num_threads());
    let lengths: Vec<usize> = encoded.map_err(failed)?.iter().map(|encoding| encoding.len()).collect();
    let fits = lengths.iter().all(|length| *length <= short);
    Ok((size_for(lengths.iter().sum()), if fits { short } else { long }))
}

fn size_for(tokens: usize) -> Size {
    SIZES.into_iter().rev().find(|size| tokens >= size.tokens).unwrap_or(SIZES[0])
}

/// What the parts of a BERT measure.
struct Shape {
    pieces: usize,
    positions: usize,
    size: Size,
}

impl Shape {
    /// `config.json` as transformers writes it.
    fn config(&self) -> Map<String, Value> {
        let Size { layers, width, .. } = self.size;
        let fields = [
            ("architectures", json!(["BertModel"])),
            ("model_type", json!("bert")),
            ("vocab_size", json!(self.pieces)),
            ("hidden_size", json!(width)),
            ("num_hidden_layers", json!(layers)),
            ("num_attention_heads", json!(width / HEAD)),
            ("intermediate_size", json!(INNER * width)),
            ("hidden_act", json!("gelu")),
            ("hidden_dropout_prob", json!(0.1)),
            ("attention_probs_dropout_prob", json!(0.1)),
            ("max_position_embeddings", json!(self.positions)),
            ("type_vocab_size", json!(2)),
            ("initializer_range", json!(SPREAD)),
            ("layer_norm_eps", json!(1e-12)),
            ("pad_token_id", json!(0)),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Weights near zero, norms that change nothing. The two texts of a pair begin alike: gaps are filled in the first kind
    /// alone, and the task teaches the difference.
    fn tensors(&self, seed: u64) -> BTreeMap<String, Tensor> {
        let width = self.size.width;
        let mut random = Random::derived(seed, WEIGHTS);
        let mut tensors = BTreeMap::new();
        let mut add = |name: String, shape: Vec<usize>, value: Option<f32>| {
            let count = shape.iter().product();
            let mut drawn = || (SPREAD * normal(&mut random)) as f32;
            let values: Vec<f32> = (0..count).map(|_| value.unwrap_or_else(&mut drawn)).collect();
            tensors.insert(name, Tensor::from_f32(shape, &values));
        };
        let mut table = |name: &str, rows: usize, value| {
            add(format!("embeddings.{name}_embeddings.weight"), vec![rows, width], value);
        };
        table("word", self.pieces, None);
        table("position", self.positions, None);
        table("token_type", 2, Some(0.0));
        let mut norm = |name: &str| {
            add(format!("{name}.LayerNorm.weight"), vec![width], Some(1.0));
            add(format!("{name}.LayerNorm.bias"), vec![width], Some(0.0));
        };
        norm("embeddings");
        for layer in 0..self.size.layers {
            norm(&format!("encoder.layer.{layer}.attention.output"));
            norm(&format!("encoder.layer.{layer}.output"));
        }
        let mut linear = |name: String, inputs: usize, outputs: usize| {
            add(format!("{name}.weight"), vec![outputs, inputs], None);
            add(format!("{name}.bias"), vec![outputs], Some(0.0));
        };
        for layer in 0..self.size.layers {
            let at = |name: &str| format!("encoder.layer.{layer}.{name}");
            for name in ["self.query", "self.key", "self.value", "output.dense"] {
                linear(at(&format!("attention.{name}")), width, width);
            }
            linear(at("intermediate.dense"), width, INNER * width);
            linear(at("output.dense"), INNER * width, width);
        }
        tensors
    }
}

/// A number in the `config.json` of a folder.
fn number(folder: &Path, field: &str) -> Result<usize, TrainError> {
    let checkpoint = Checkpoint::open(folder)?;
    Ok(checkpoint.config().get(field).and_then(Value::as_u64).unwrap_or(0) as usize)
}

/// What the encoders of the run were made of; `None` where they start from backbones, or there are none.
pub(crate) fn from_scratch_report(run: &Run<'_>) -> Result<Option<FromScratchReport>, TrainError> {
    if !run.request.training.is_from_scratch() {
        return Ok(None);
    }
    let folder = &run.start(0)?.folder;
    Ok(Some(FromScratchReport {
        pieces: number(folder, "vocab_size")?,
        layers: number(folder, "num_hidden_layers")?,
        width: number(folder, "hidden_size")?,
        texts: texts(run).len(),
        unlabelled: student::inputs(run).len(),
        examples: run.adapted.get().copied().unwrap_or(0),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_text_makes_a_larger_encoder() {
        let found = [0, 19_999, 20_000, 9_999_999, 10_000_000].map(|tokens| size_for(tokens).width);
        assert_eq!(found, [128, 128, 256, 256, 384]);
    }

    #[test]
    fn weights_follow_from_the_seed_and_have_the_spread_of_the_paper() {
        let shape = Shape { pieces: 500, positions: 128, size: SIZES[0] };
        let tensors = shape.tensors(3);
        assert_eq!(tensors, shape.tensors(3));
        let words = tensors["embeddings.word_embeddings.weight"].to_f32().unwrap();
        assert_ne!(Some(&words), shape.tensors(4)["embeddings.word_embeddings.weight"].to_f32().as_ref());
        let spread = (words.iter().map(|one| one * one).sum::<f32>() / words.len() as f32).sqrt();
        assert!((spread - 0.02).abs() < 5e-4, "{spread}");
        let other = tensors["encoder.layer.0.output.dense.weight"].to_f32().unwrap();
        assert!(words[..100] != other[..100], "no two tensors are drawn alike");
    }
}
