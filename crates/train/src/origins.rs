//! What a training starts from beside its data and its backbones.

use std::path::PathBuf;

use loquat_data::Table;
use loquat_spec::Training;

/// What else a training's resource names.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    /// Languages that the data set declares.
    pub languages: Vec<String>,
    /// The version to distil from.
    pub teacher: Option<Teacher>,
    /// Texts whose labels nobody knows or reads.
    pub unlabelled: Option<Table>,
}

/// A registered version that a student learns from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Teacher {
    /// `name:version`.
    pub name: String,
    /// Folder of its artifact.
    pub folder: PathBuf,
    /// Hash of its artifact.
    pub digest: String,
    /// Hash of the data that it was trained on; empty where that is not known.
    pub data_hash: String,
}

impl Origins {
    /// Parts of the inputs of `training`, by name.
    pub(crate) fn inputs(&self, training: &Training) -> Vec<(&'static str, String)> {
        let mut parts = Vec::new();
        if training.trim_vocabulary {
            parts.push(("trimVocabulary", self.languages.join(",")));
        }
        parts.extend(self.teacher.as_ref().map(|teacher| ("teacher", teacher.digest.clone())));
        parts.extend(self.unlabelled.as_ref().map(|table| ("unlabelled", table.hash.clone())));
        parts
    }
}
