//! An ONNX file with what stands beside it: packed token ids in, logits or vectors out.

use std::path::{Path, PathBuf};

use loquat_kernels::{Aligned, Kernels};
use serde_json::{Map, Value};

use super::graph::{Graph, Output, Rectangle};
use super::problem::OnnxProblem;
use crate::checkpoint::{CONFIG, Checkpoint, read_json_if_there};
use crate::compute::Compute;
use crate::encoder::{Head, PackedBatch, Pooled, Problem, Prompts, Settings, sized};
use crate::error::ModelError;

/// Texts are padded to a multiple of so many tokens.
const STEP: usize = 8;
/// Architectures that count positions from behind the padding id.
const SHIFTED: [&str; 4] = ["roberta", "xlm-roberta", "camembert", "mpnet"];
/// Parts of names that outputs have that are no logits.
const PROBABILITIES: [&str; 3] = ["prob", "softmax", "sigmoid"];

/// A model in an ONNX file, from any framework. It is shared by threads, each with its own [`OnnxScratch`].
///
/// The others of its batch change the answer for a sequence by no more than rounding.
#[derive(Debug)]
pub struct OnnxModel {
    path: PathBuf,
    kernels: Kernels,
    graph: Graph,
    head: Head,
    /// Number of the output that the head is read from.
    output: usize,
    /// Whether the output has a row for each token.
    per_token: bool,
    /// Width of a row of the output.
    width: usize,
    pooled: Pooled,
    labels: Vec<String>,
    problem: Problem,
    max_tokens: Option<usize>,
    padding: u32,
}

/// Buffers of a run. One for each thread that asks.
#[derive(Debug, Default)]
pub struct OnnxScratch {
    rows: Aligned<f32>,
    between: Aligned<f32>,
    output: Aligned<f32>,
    kernels: loquat_kernels::Scratch,
}

impl OnnxModel {
    /// Reads the model in `folder`, which answers what `head` says: `model.onnx`, and where they are there `config.json` and
    /// the pooling of sentence-transformers. A file that gives the states of tokens becomes an embedding by that pooling,
    /// else by their mean.
    ///
    /// # Errors
    /// When a file is missing or damaged, the graph has an operator or an input that is not supported, or gives nothing that
    /// the head could be.
    pub fn load(folder: &Path, head: Head, compute: impl Into<Compute>) -> Result<Self, ModelError> {
        let compute = compute.into();
        let kernels = compute.kernels;
        let path = folder.join(Self::FILE);
        let config: Option<Map<String, Value>> =
            read_json_if_there(&folder.join(CONFIG), "model configuration")?;
        let checkpoint = Checkpoint::new(folder.to_owned(), config.unwrap_or_default(), Default::default());
        let settings = Settings::new(&checkpoint);
        let pooled = Pooled::read(folder, kernels)?;
        let failed = |problem| ModelError::Onnx { path: path.clone(), problem };
        let graph = Graph::load(&path, compute).map_err(failed)?;
        let chosen = Chosen::of(&graph, head, pooled.is_some()).map_err(failed)?;
        if chosen.per_token && pooled.as_ref().is_some_and(|pooled| !pooled.fits(chosen.width)) {
            return Err(failed(OnnxProblem::Pooling { width: chosen.width }));
        }
        let labels = match head {
            Head::Embedding | Head::States => Vec::new(),
            Head::Sequence | Head::Tokens => labels(settings.labels()?, chosen.width).map_err(failed)?,
        };
        let padding = settings.id("pad_token_id", 0)?;
        let max_tokens = longest(settings, padding, pooled.as_ref())?;
        Ok(Self {
            path,
            kernels,
            head,
            output: chosen.place,
            graph,
            per_token: chosen.per_token,
            width: chosen.width,
            pooled: pooled.unwrap_or_default(),
            problem: Problem::of(settings, labels.len())?,
            labels,
            max_tokens,
            padding,
        })
    }

    /// What it answers.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Labels in the order of the logits; none without a classifier.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// What its logits mean.
    pub fn problem(&self) -> Problem {
        self.problem
    }

    /// The most tokens of a sequence, special ones included, where a file says so.
    pub fn max_tokens(&self) -> Option<usize> {
        self.max_tokens
    }

    /// What can stand before a text that is embedded; of models that embed.
    pub fn prompts(&self) -> Option<&Prompts> {
        (self.head == Head::Embedding).then_some(&self.pooled.prompts)
    }

    /// Whether the graph quantises values as they come, so that rounding shows more than in full precision.
    pub fn quantises(&self) -> bool {
        self.graph.quantises()
    }

    /// What the head says, as an [`Encoder`](crate::Encoder) lays it out: logits `[sequences, labels]`, logits of each token
    /// `[tokens, labels]`, or vectors `[sequences, dimension]`.
    ///
    /// # Errors
    /// When the graph can't be computed, such as for a token id that it does not know.
    pub fn answer<'s>(
        &self,
        batch: &PackedBatch,
        scratch: &'s mut OnnxScratch,
    ) -> Result<&'s [f32], ModelError> {
        let rows = self.rows(batch, scratch)?;
        if self.head != Head::Embedding || !self.per_token {
            return Ok(&scratch.rows[..rows]);
        }
        let OnnxScratch { rows: states, between, output, kernels, .. } = scratch;
        let out = sized(output, batch.sequences() * self.pooled.size(self.width));
        let states = (&states[..rows], self.width);
        self.pooled.forward(self.kernels, states, batch.lengths(), (between, kernels), out);
        Ok(out)
    }

    /// The last state of each token, `[tokens, width]`; of embeddings whose file gives them.
    ///
    /// # Errors
    /// When the file gives no states, or the graph can't be computed.
    pub fn states<'s>(
        &self,
        batch: &PackedBatch,
        scratch: &'s mut OnnxScratch,
    ) -> Result<&'s [f32], ModelError> {
        if self.head != Head::Embedding || !self.per_token {
            return Err(ModelError::Head { asked: Head::States, found: self.head });
        }
        let rows = self.rows(batch, scratch)?;
        Ok(&scratch.rows[..rows])
    }

    /// Computes the output's rows, those of each sequence, or of each token, in order; gives their number of values.
    fn rows(&self, batch: &PackedBatch, scratch: &mut OnnxScratch) -> Result<usize, ModelError> {
        let ranges: Vec<_> = batch.ranges().collect();
        let all = if self.per_token { batch.tokens() } else { batch.sequences() } * self.width;
        let rows = sized(&mut scratch.rows, all);
        let columns = |sequence: &usize| self.columns(ranges[*sequence].len());
        let mut order: Vec<usize> = (0..ranges.len()).collect();
        order.sort_by_key(columns);
        let alone = self.graph.quantises();
        for group in order.chunk_by(|left, right| !alone && columns(left) == columns(right)) {
            let mut rectangle = Rectangle::new(columns(&group[0]));
            for range in group.iter().map(|sequence| ranges[*sequence].clone()) {
                rectangle.push(&batch.ids()[range.clone()], &batch.type_ids()[range], self.padding);
            }
            let output = self.run(&rectangle)?;
            let each = output.values.len() / group.len();
            for (sequence, values) in group.iter().zip(output.values.chunks_exact(each.max(1))) {
                let range = &ranges[*sequence];
                let place = if self.per_token { range.clone() } else { *sequence..sequence + 1 };
                let place = place.start * self.width..place.end * self.width;
                rows[place.clone()].copy_from_slice(&values[..place.len()]);
            }
        }
        Ok(all)
    }

    /// One run, whose output has the shape that the probe had.
    fn run(&self, rectangle: &Rectangle) -> Result<Output, ModelError> {
        let failed = |problem| ModelError::Onnx { path: self.path.clone(), problem };
        let wanted = shape(rectangle, self.per_token, self.width);
        match self.graph.run(rectangle, self.output).map_err(failed)? {
            Some(output) if output.shape == wanted => Ok(output),
            other => Err(failed(OnnxProblem::Output {
                found: described(other.as_slice()),
                wanted: "the same shape for every text",
            })),
        }
    }

    /// The padded length of a sequence of `tokens` tokens.
    fn columns(&self, tokens: usize) -> usize {
        if !self.graph.has_mask() || self.graph.quantises() {
            return tokens;
        }
        let most = self.max_tokens.unwrap_or(usize::MAX);
        tokens.next_multiple_of(STEP).min(most).max(tokens)
    }
}

/// The labels that a configuration names, else numbered ones.
fn labels(named: Option<Vec<String>>, width: usize) -> Result<Vec<String>, OnnxProblem> {
    match named {
        Some(named) if named.len() != width => Err(OnnxProblem::Labels { named: named.len(), width }),
        Some(named) => Ok(named),
        None => Ok((0..width).map(|number| format!("LABEL_{number}")).collect()),
    }
}

/// The most tokens that the files beside a graph speak of.
fn longest(
    settings: Settings<'_>,
    padding: u32,
    pooled: Option<&Pooled>,
) -> Result<Option<usize>, ModelError> {
    let shifted = SHIFTED.contains(&settings.text("model_type", "")?);
    let shift = if shifted { padding as usize + 1 } else { 0 };
    let positions = settings.count("max_position_embeddings", 0)?.checked_sub(shift).filter(|most| *most > 0);
    let sentence = pooled.and_then(|pooled| pooled.max_tokens);
    Ok(positions.into_iter().chain(sentence).min())
}

/// The output that a head is read from.
struct Chosen {
    place: usize,
    per_token: bool,
    width: usize,
}

impl Chosen {
    /// Runs the graph on tokens of no meaning, looks at the shapes of what it gives, and takes the output that has the right
    /// name, else the only one of the right shape.
    fn of(graph: &Graph, head: Head, has_pooling: bool) -> Result<Self, OnnxProblem> {
        let mut probe = Rectangle::new(5);
        probe.push(&[0; 5], &[0; 5], 0);
        probe.push(&[1, 0, 1], &[0; 3], 0);
        let outputs = graph.run_all(&probe)?;
        let fits = |output: &Output, per_token: bool| {
            let width = output.shape.last().copied().unwrap_or(0);
            width > 0 && !output.values.is_empty() && output.shape == shape(&probe, per_token, width)
        };
        let find = |name: Option<&str>, per_token: bool| -> Option<Self> {
            let named = |output: &&Output| name.is_none_or(|name| output.name == name);
            let mut found = outputs.iter().filter(named).filter(|output| fits(output, per_token));
            let output = found.next().filter(|_| found.next().is_none())?;
            let place = outputs.iter().position(|other| std::ptr::eq(other, output))?;
            Some(Self { place, per_token, width: output.shape.last().copied()? })
        };
        let chosen = match head {
            Head::Sequence => find(Some("logits"), false).or_else(|| find(None, false)),
            Head::Tokens => find(Some("logits"), true).or_else(|| find(None, true)),
            Head::Embedding | Head::States => {
                let states = || find(Some("last_hidden_state"), true).or_else(|| find(None, true));
                let vector = || find(Some("sentence_embedding"), false);
                let lone = || if has_pooling { None } else { find(None, false) };
                vector().or_else(states).or_else(lone)
            }
        };
        let wanted = match head {
            Head::Sequence => "one output logits of shape [batch, labels]",
            Head::Tokens => "one output logits of shape [batch, sequence, labels]",
            Head::Embedding | Head::States => {
                "sentence_embedding of shape [batch, width] or last_hidden_state of shape [batch, sequence, width]"
            }
        };
        let chosen = chosen.ok_or_else(|| OnnxProblem::Output { found: described(&outputs), wanted })?;
        let output = &outputs[chosen.place];
        if matches!(head, Head::Sequence | Head::Tokens) && are_probabilities(output) {
            return Err(OnnxProblem::Probabilities { output: output.name.clone() });
        }
        Ok(chosen)
    }
}

/// The shape of an output for a rectangle.
fn shape(rectangle: &Rectangle, per_token: bool, width: usize) -> Vec<usize> {
    match per_token {
        true => vec![rectangle.rows, rectangle.columns, width],
        false => vec![rectangle.rows, width],
    }
}

/// Whether an output is named as probabilities are, or its rows add up to one as those of a softmax do.
fn are_probabilities(output: &Output) -> bool {
    let name = output.name.to_lowercase();
    let width = output.shape.last().copied().unwrap_or(1);
    let adds_up = |row: &[f32]| {
        row.iter().all(|value| (0.0..=1.0).contains(value)) && (row.iter().sum::<f32>() - 1.0).abs() < 1e-4
    };
    PROBABILITIES.iter().any(|part| name.contains(part))
        || (width > 1 && output.values.chunks_exact(width).all(adds_up))
}

/// Outputs with their shapes, in words.
fn described(outputs: &[Output]) -> String {
    let shown: Vec<String> =
        outputs.iter().map(|output| format!("{} of shape {:?}", output.name, output.shape)).collect();
    if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") }
}
