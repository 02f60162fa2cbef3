//! A model that a server answers for: texts go out as tensors of the Open Inference Protocol v2, labels with scores or vectors
//! come back.
//!
//! Understood are the outputs `scores` or `probabilities` (floats, `[texts, labels]`), or `logits` of that shape; with
//! `labels` (texts, `[labels]` or `[texts, labels]`) beside them where their order is not the model's; and for embeddings
//! `embedding`, `embeddings` or `sentence_embedding`, else the only output of numbers, `[texts, width]`.

use std::path::Path;

use loquat_connect::servers::{ModelServers, ServerError, Tensor, Values};
use loquat_models::{Manifest, math};
use loquat_spec::Task;
use serde::Deserialize;

use crate::error::InferError;
use crate::input::Input;

/// The `model_type` of artifacts that a server answers for.
pub(crate) const MODEL_TYPE: &str = "loquat-server";
/// Names of outputs that hold a vector for each text.
const VECTORS: [&str; 3] = ["embedding", "embeddings", "sentence_embedding"];

type Rows = Vec<Vec<f32>>;

/// A model without weights: its manifest, and the servers among which its own is looked up by its name.
#[derive(Debug)]
pub(crate) struct RemoteEngine {
    manifest: Manifest,
    model: String,
    servers: ModelServers,
}

/// What the numbers of a classifier mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    Probabilities,
    Logits,
}

#[derive(Deserialize)]
struct Config {
    model_type: String,
}

impl RemoteEngine {
    /// Whether the artifact in `folder` is of this kind.
    pub(crate) fn is_in(folder: &Path) -> bool {
        let config = std::fs::read(folder.join("config.json")).ok();
        let config = config.and_then(|text| serde_json::from_slice::<Config>(&text).ok());
        config.is_some_and(|config| config.model_type == MODEL_TYPE)
    }

    /// The model of the artifact in `folder`, which is called `model`.
    pub(crate) fn load(folder: &Path, model: &str, servers: &ModelServers) -> Result<Self, InferError> {
        Ok(Self { manifest: Manifest::load(folder)?, model: model.to_owned(), servers: servers.clone() })
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Why it can't answer now, where it can't.
    pub(crate) fn down(&self) -> Option<ServerError> {
        self.servers.down(&self.model)
    }

    /// The probability per label of each input, or its vector.
    pub(crate) fn outputs(&self, inputs: &[Input]) -> Result<Rows, InferError> {
        // It is loaded whether its server is up or not, and has no golden examples to replay.
        if inputs.is_empty() {
            return Ok(Rows::new());
        }
        let texts: Vec<&str> = inputs.iter().map(|input| input.text.as_str()).collect();
        if self.manifest.task == Task::Embedding {
            return self.vectors(&texts);
        }
        let seconds: Vec<&str> = inputs.iter().filter_map(|input| input.second.as_deref()).collect();
        let columns = if seconds.is_empty() { vec![texts] } else { vec![texts, seconds] };
        let (mut rows, scale) = self.scores(&columns)?;
        if scale == Scale::Logits {
            let each =
                self.manifest.task == Task::MultiLabelClassification || self.manifest.labels.len() == 1;
            for row in &mut rows {
                match each {
                    true => row.iter_mut().for_each(|logit| *logit = math::sigmoid32(*logit)),
                    false => math::softmax(row),
                }
            }
        }
        Ok(rows)
    }

    /// The logits of every input with every second text, `[inputs * seconds][labels]`.
    pub(crate) fn pair_logits(&self, inputs: &[Input], seconds: &[String]) -> Result<Rows, InferError> {
        let pairs = inputs.iter().flat_map(|input| seconds.iter().map(move |second| (input, second)));
        let (first, second) = pairs.map(|(input, second)| (input.text.as_str(), second.as_str())).unzip();
        let (mut rows, scale) = self.scores(&[first, second])?;
        if scale == Scale::Probabilities {
            // A softmax of logarithms gives the probabilities back.
            let logarithm = |value: &mut f32| *value = value.max(f32::MIN_POSITIVE).ln();
            rows.iter_mut().flatten().for_each(logarithm);
        }
        Ok(rows)
    }

    /// The vector of each text.
    pub(crate) fn vectors(&self, texts: &[&str]) -> Result<Rows, InferError> {
        let outputs = self.servers.infer(&self.model, &[texts.to_vec()])?;
        let is_number = |tensor: &&Tensor| matches!(tensor.values, Values::Numbers(_));
        let named = outputs.iter().find(|tensor| VECTORS.contains(&tensor.name.as_str()));
        let mut numbers = outputs.iter().filter(is_number);
        let only = numbers.next().filter(|_| numbers.next().is_none());
        let wanted = "embedding of shape [texts, width]";
        let found = named.or(only).ok_or_else(|| self.unsound(&outputs, wanted))?;
        self.rows(found, texts.len(), None).ok_or_else(|| self.unsound(&outputs, wanted))
    }

    /// What the server says of each label, in the order of the labels, and what it means.
    fn scores(&self, columns: &[Vec<&str>]) -> Result<(Rows, Scale), InferError> {
        let outputs = self.servers.infer(&self.model, columns)?;
        let texts = columns.first().map_or(0, Vec::len);
        let find = |name: &str| outputs.iter().find(|tensor| tensor.name == name);
        let labels = self.manifest.labels.len();
        let wanted = "scores, probabilities or logits of shape [texts, labels], with every label";
        let unsound = || self.unsound(&outputs, wanted);
        let (tensor, scale) = match find("scores").or_else(|| find("probabilities")) {
            Some(tensor) => (tensor, Scale::Probabilities),
            None => (find("logits").ok_or_else(unsound)?, Scale::Logits),
        };
        let mut rows = self.rows(tensor, texts, Some(labels)).ok_or_else(unsound)?;
        if let Some(Tensor { values: Values::Texts(names), .. }) = find("labels") {
            rows = self.in_order(rows, names).ok_or_else(unsound)?;
        }
        let is_probability = |value: &f32| (0.0..=1.0).contains(value);
        if scale == Scale::Probabilities && !rows.iter().flatten().all(is_probability) {
            return Err(self.unsound(&outputs, "scores from 0 to 1 (call them logits where they are that)"));
        }
        Ok((rows, scale))
    }

    /// The rows of a tensor, where it has the shape that is needed.
    fn rows(&self, tensor: &Tensor, rows: usize, width: Option<usize>) -> Option<Rows> {
        let Values::Numbers(numbers) = &tensor.values else { return None };
        let [found, columns] = tensor.shape[..] else { return None };
        let fits = found == rows && columns > 0 && width.is_none_or(|width| width == columns);
        fits.then(|| numbers.chunks_exact(columns).map(<[f32]>::to_vec).collect())
    }

    /// Rows in the order of the model's labels; `names` holds the labels of all rows, or of each.
    fn in_order(&self, rows: Rows, names: &[String]) -> Option<Rows> {
        let labels = &self.manifest.labels;
        let place = |names: &[String], label: &String| names.iter().position(|name| name == label);
        let each = names.len() == rows.len() * labels.len();
        if !each && names.len() != labels.len() {
            return None;
        }
        let ordered = |(number, row): (usize, Vec<f32>)| -> Option<Vec<f32>> {
            let own = if each { &names[number * labels.len()..][..labels.len()] } else { names };
            labels.iter().map(|label| place(own, label).map(|place| row[place])).collect()
        };
        rows.into_iter().enumerate().map(ordered).collect()
    }

    fn unsound(&self, outputs: &[Tensor], wanted: &str) -> InferError {
        let found: Vec<String> =
            outputs.iter().map(|tensor| format!("{} of shape {:?}", tensor.name, tensor.shape)).collect();
        let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
        let labels = match self.manifest.labels.len() {
            0 => String::new(),
            labels => format!(" ({labels} here)"),
        };
        self.servers.unsound(&self.model, format!("it gives {found}, and {wanted}{labels} is needed")).into()
    }
}
