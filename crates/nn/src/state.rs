//! Checkpoints of a training: everything from which it goes on to the same weights, bit for bit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use loquat_models::{Checkpoint, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::NnError;
use crate::fine_tune::Epoch;
use crate::learner::Learner;

/// Form of the checkpoint; one of another form is not believed.
const FORMAT: u32 = 1;
const PROGRESS: &str = "progress";

/// How far a training is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) format: u32,
    /// What identifies the training.
    pub(crate) key: String,
    /// Epochs done.
    pub(crate) epochs: Vec<Epoch>,
    /// Steps done in the epoch under way.
    pub(crate) steps: usize,
    /// Loss summed in it.
    pub(crate) loss: f64,
    /// Whether the weights of the best epoch are kept beside the last ones.
    pub(crate) has_best: bool,
}

/// The weights of the best epoch, parameter by parameter.
pub(crate) type Weights = Vec<Vec<f32>>;

/// Where a training keeps its checkpoint.
#[derive(Debug)]
pub(crate) struct State<'p> {
    folder: &'p Path,
}

impl<'p> State<'p> {
    pub(crate) fn new(folder: &'p Path) -> Self {
        Self { folder }
    }

    /// Writes the checkpoint beside the last one and puts it in its place.
    pub(crate) fn save<M: Learner>(
        &self,
        model: &M,
        best: Option<&Weights>,
        progress: &Progress,
    ) -> Result<(), NnError> {
        let mut tensors = BTreeMap::new();
        for (number, parameter) in model.parameters().into_iter().enumerate() {
            let [mean, square] = &parameter.moments;
            let kept = [("value", &parameter.values), ("mean", mean), ("square", square)];
            let best = best.and_then(|best| best.get(number)).map(|values| ("best", values));
            for (part, values) in kept.into_iter().chain(best) {
                tensors.insert(name(part, number), Tensor::from_f32(vec![values.len()], values));
            }
        }
        let progress = Progress { format: FORMAT, has_best: best.is_some(), ..progress.clone() };
        let mut config = Map::new();
        config.insert(PROGRESS.to_owned(), serde_json::to_value(progress).unwrap_or(Value::Null));
        let beside = self.folder.with_extension("part");
        remove(&beside)?;
        Checkpoint::new(beside.clone(), config, tensors).save(&beside)?;
        remove(self.folder)?;
        std::fs::rename(&beside, self.folder).map_err(file("write", self.folder))
    }

    /// Brings `model` to the checkpoint of the training that `key` identifies; `None` where there is no such, or where it is
    /// damaged, and `model` is as it was.
    pub(crate) fn load<M: Learner>(&self, model: &mut M, key: &str) -> Option<(Progress, Option<Weights>)> {
        let checkpoint = Checkpoint::open(self.folder).ok()?;
        let progress: Progress = serde_json::from_value(checkpoint.config().get(PROGRESS)?.clone()).ok()?;
        if progress.format != FORMAT || progress.key != key {
            return None;
        }
        let read = |part: &str, number: usize, length: usize| -> Option<Vec<f32>> {
            checkpoint.tensor(&name(part, number)).ok()??.to_f32().filter(|values| values.len() == length)
        };
        let lengths: Vec<usize> = model.parameters().iter().map(|one| one.values.len()).collect();
        let all = |part: &str| -> Option<Weights> {
            lengths.iter().enumerate().map(|(number, length)| read(part, number, *length)).collect()
        };
        let (values, means, squares) = (all("value")?, all("mean")?, all("square")?);
        let best = if progress.has_best { Some(all("best")?) } else { None };
        let parts = values.into_iter().zip(means).zip(squares);
        for (parameter, ((values, mean), square)) in model.parameters_mut().into_iter().zip(parts) {
            parameter.values = values;
            parameter.moments = [mean, square];
        }
        model.pack();
        Some((progress, best))
    }

    /// Removes the checkpoint of a training that is over.
    pub(crate) fn clear(&self) -> Result<(), NnError> {
        remove(self.folder)
    }
}

fn name(part: &str, number: usize) -> String {
    format!("{part}.{number}")
}

fn remove(folder: &Path) -> Result<(), NnError> {
    match std::fs::remove_dir_all(folder) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(file("remove", folder)(source)),
        _ => Ok(()),
    }
}

fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> NnError {
    let path: PathBuf = path.to_owned();
    move |source| NnError::File { action, path, source }
}
