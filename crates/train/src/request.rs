//! What a training is asked to do, and what identifies its inputs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use loquat_spec::Training;
use loquat_store::{Store, VersionRecord};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cancel::Cancel;
use crate::encoder::{Backbone, digest};
use crate::origins::Origins;
use crate::progress::Progress;
use crate::report::Report;

/// A training to run.
pub struct Request<'a> {
    /// The validated resource.
    pub training: &'a Training,
    /// Its YAML text, kept with the version.
    pub resource: &'a str,
    /// The checked data.
    pub table: &'a loquat_data::Table,
    /// Folder of the journal and the reports (`.loquat/runs/NAME`); created when missing.
    pub run_dir: PathBuf,
    /// The backbones that the resource names, in its order, on this machine.
    pub backbones: Vec<Backbone>,
    /// What else the resource names.
    pub origins: Origins,
    /// Folder of what may be deleted at any time, such as features of backbones; nothing is kept without one.
    pub cache_dir: Option<PathBuf>,
    /// Where the model is registered.
    pub store: &'a Store,
    /// Threads to use; the weights don't depend on it.
    pub threads: usize,
    /// Asked to stop by the caller.
    pub cancel: &'a Cancel,
    /// Told what happens.
    pub progress: &'a dyn Progress,
    /// Version of the code, part of the inputs.
    pub code_version: &'a str,
}

impl Request<'_> {
    /// Hash of everything that the model depends on.
    pub(crate) fn inputs(&self) -> String {
        let origins = (&self.backbones[..], &self.origins);
        inputs_hash(self.training, origins, &self.table.hash, self.code_version).total
    }
}

/// How a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Normally; a timeout is a normal end.
    Completed,
    /// Ended early by the user, with the best model seen registered and no alias moved.
    StoppedEarly,
    /// Ended by the user before there was a model, or at once.
    Cancelled,
    /// No trial gave a model that may be registered.
    Failed,
}

impl Outcome {
    /// The outcome's word in records and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::StoppedEarly => "stopped-early",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }
}

/// What a training gave.
#[derive(Debug, Clone)]
pub struct Trained {
    /// How it ended.
    pub outcome: Outcome,
    /// The version registered, if one was.
    pub record: Option<VersionRecord>,
    /// Whether the alias `champion` moved to it.
    pub promoted: bool,
    /// Why it moved or did not.
    pub promotion_reason: String,
    /// Everything measured.
    pub report: Report,
}

/// Hashes of everything that the model depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputsHash {
    /// Of all parts.
    pub total: String,
    /// Of each part by name, so that a caller can say which one changed.
    pub parts: BTreeMap<String, String>,
}

/// What the weights and the report of `training` depend on. Threads and promotion are no part of it.
pub fn inputs_hash(
    training: &Training,
    (backbones, origins): (&[Backbone], &Origins),
    table_hash: &str,
    code_version: &str,
) -> InputsHash {
    let search = &training.search;
    let families = search.families.iter().map(json);
    let limits = &training.constraints;
    let values = [
        ("data", table_hash.to_owned()),
        ("code", code_version.to_owned()),
        ("name", training.name.to_string()),
        ("metric", training.metric.as_str().to_owned()),
        ("folds", training.folds.to_string()),
        ("families", families.collect::<Vec<_>>().join(",")),
        ("trials", search.trials.to_string()),
        ("timeout", json(&search.timeout.map(|timeout| timeout.as_nanos().to_string()))),
        ("seed", search.seed.to_string()),
        ("calibration", training.calibration.to_string()),
        ("constraints.artifact", json(&limits.artifact.map(|bytes| bytes.0))),
        ("constraints.memory", json(&limits.memory.map(|bytes| bytes.0))),
        ("constraints.latency", json(&limits.latency.map(|latency| latency.as_nanos().to_string()))),
    ];
    let others = origins.inputs(training);
    let backbones = (!backbones.is_empty()).then(|| ("backbones", digest(backbones)));
    // Sums come out in another order there.
    let gpu = training.gpu.then(|| ("gpu", "1".to_owned()));
    let parts: BTreeMap<String, String> = values
        .into_iter()
        .chain(backbones)
        .chain(others)
        .chain(gpu)
        .map(|(name, value)| (name.to_owned(), sha256(value.as_bytes())))
        .collect();
    let whole: String = parts.iter().map(|(name, hash)| format!("{name} {hash}\n")).collect();
    InputsHash { total: sha256(whole.as_bytes()), parts }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts, numbers and unit variants are always JSON")
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn training() -> Training {
        Training {
            name: loquat_spec::Name::new("t").unwrap(),
            dataset: loquat_spec::Name::new("t").unwrap(),
            metric: loquat_spec::Metric::MacroF1,
            folds: 5,
            search: loquat_spec::Search {
                families: vec![loquat_spec::Family::Linear],
                trials: 8,
                timeout: None,
                seed: 17,
            },
            backbones: Vec::new(),
            unlabelled: None,
            teacher: None,
            trim_vocabulary: false,
            constraints: Default::default(),
            calibration: true,
            threads: None,
            gpu: false,
            promote: loquat_spec::Promote::IfBetter,
        }
    }

    #[test]
    fn names_the_part_that_changed() {
        let before = inputs_hash(&training(), (&[], &Origins::default()), "abc", "1");
        let mut changed = training();
        changed.search.seed = 18;
        let after = inputs_hash(&changed, (&[], &Origins::default()), "abc", "1");
        assert_ne!(before.total, after.total);
        let differing: Vec<&String> = before
            .parts
            .iter()
            .filter(|(name, hash)| after.parts[*name] != **hash)
            .map(|(name, _)| name)
            .collect();
        assert_eq!(differing, ["seed"]);
    }

    #[test]
    fn threads_and_promotion_change_nothing() {
        let mut changed = training();
        changed.threads = Some(3);
        changed.promote = loquat_spec::Promote::Never;
        assert_eq!(
            inputs_hash(&training(), (&[], &Origins::default()), "abc", "1"),
            inputs_hash(&changed, (&[], &Origins::default()), "abc", "1")
        );
    }
}
