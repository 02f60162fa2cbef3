//! Whether a training's inputs changed since its newest version, and which.

use std::path::PathBuf;

use loquat_spec::{Dataset, Located, SourceText, Training};
use loquat_store::{Store, VersionRecord};
use loquat_train::{Backbone, InputsHash, Origins};

use crate::failure::Failure;

/// Outcome of a version whose training ran to its end.
const COMPLETED: &str = "completed";

/// Version of the code, as versions record it.
pub(crate) const CODE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Why a training runs, or why it does not.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Decision {
    /// There is no version yet.
    First,
    /// The newest version did not run to its end.
    Unfinished(u32),
    /// The newest version is registered; the run was killed before the rest was done, as moving the alias.
    Killed(u32),
    /// These inputs differ from those of the newest version.
    Changed(u32, Vec<String>),
    /// The inputs are those of the newest version.
    Unchanged(Box<VersionRecord>),
}

impl Decision {
    /// The decision where the run with these inputs may have been `killed` after it registered its version.
    pub(crate) fn unless_killed(self, killed: bool) -> Self {
        match self {
            Self::Unchanged(record) if killed => Self::Killed(record.version),
            other => other,
        }
    }

    /// In words that follow the training's name and a colon.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::First => "no version yet".to_owned(),
            Self::Unfinished(version) => format!("version {version} was stopped early"),
            Self::Killed(version) => format!("the run of version {version} was killed before its end"),
            Self::Changed(version, parts) => format!("{} changed since version {version}", parts.join(", ")),
            Self::Unchanged(record) => format!("unchanged since version {}", record.version),
        }
    }
}

/// Text of a training's resources as versions record it: the data set, that of unlabelled texts, and the training.
pub(crate) fn resource_text(
    dataset: &Located<Dataset>,
    unlabelled: Option<&Located<Dataset>>,
    training: &Located<Training>,
) -> String {
    let texts = unlabelled.map(|located| format!("{}\n---\n", body(&located.text))).unwrap_or_default();
    format!("{}\n---\n{texts}{}\n", body(&dataset.text), body(&training.text))
}

fn body(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix("---").unwrap_or(text).trim_end_matches("---").trim()
}

/// Holds the inputs against the newest version that was trained, not imported.
pub(crate) fn decide(
    store: &Store,
    (training, backbones, origins): (&Training, &[Backbone], &Origins),
    inputs: &InputsHash,
) -> Result<Decision, Failure> {
    if !store.names()?.contains(&training.name) {
        return Ok(Decision::First);
    }
    let versions = store.model(&training.name)?.versions;
    let Some(newest) = versions.into_iter().rev().find(|version| !version.inputs_hash.is_empty()) else {
        return Ok(Decision::First);
    };
    if newest.inputs_hash != inputs.total {
        return Ok(Decision::Changed(newest.version, changed(&newest, (backbones, origins), inputs)));
    }
    if newest.outcome != COMPLETED {
        return Ok(Decision::Unfinished(newest.version));
    }
    Ok(Decision::Unchanged(Box::new(newest)))
}

/// Names of the inputs that differ. Those of the old version follow from its record.
fn changed(
    old: &VersionRecord,
    (backbones, origins): (&[Backbone], &Origins),
    new: &InputsHash,
) -> Vec<String> {
    let parsed =
        loquat_spec::parse(&[SourceText { path: PathBuf::from("record.yaml"), text: old.resource.clone() }]);
    let training = parsed.ok().and_then(|resources| resources.trainings.into_iter().next());
    let Some(training) = training else {
        return vec!["the inputs".to_owned()];
    };
    // Which files the old version's backbones had is not recorded, nor its teacher's; where nothing else differs, it is they.
    let old =
        loquat_train::inputs_hash(&training.value, (backbones, origins), &old.data_hash, &old.code_version);
    let differ = |(part, hash): &(&String, &String)| old.parts.get(*part) != Some(*hash);
    let parts: Vec<String> = new.parts.iter().filter(differ).map(|(part, _)| part.clone()).collect();
    if !parts.is_empty() {
        return parts;
    }
    let named = [
        ("backbones", !backbones.is_empty()),
        ("teacher", origins.teacher.is_some()),
        ("unlabelled", origins.unlabelled.is_some()),
    ];
    let named: Vec<&str> =
        named.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect();
    vec![if named.is_empty() { "the inputs".to_owned() } else { named.join(" or ") }]
}
