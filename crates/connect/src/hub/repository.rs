//! What a hub holds: a model or a data set, at a revision.

use std::fmt;

use loquat_spec::{HubDataset, HubReference};

use crate::hub::cache::is_commit;

/// What kind of repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Model,
    Dataset,
}

/// A repository of a hub at a revision.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    pub(crate) kind: Kind,
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) revision: String,
    /// As the user wrote it.
    shown: String,
}

impl Kind {
    /// The word of the hub's interface and of the cache's folders.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Model => "models",
            Self::Dataset => "datasets",
        }
    }
}

impl Repository {
    /// Whether the revision is a commit, which never moves.
    pub(crate) fn is_commit(&self) -> bool {
        is_commit(&self.revision)
    }
}

impl From<&HubReference> for Repository {
    fn from(model: &HubReference) -> Self {
        Self {
            kind: Kind::Model,
            owner: model.owner().to_owned(),
            name: model.name().to_owned(),
            revision: model.revision().to_owned(),
            shown: model.to_string(),
        }
    }
}

impl From<&HubDataset> for Repository {
    fn from(dataset: &HubDataset) -> Self {
        Self {
            kind: Kind::Dataset,
            owner: dataset.owner().to_owned(),
            name: dataset.name().to_owned(),
            revision: dataset.revision().to_owned(),
            shown: dataset.to_string(),
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}
