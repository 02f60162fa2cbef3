//! A declared resource: what, by whom, how often changed.

use std::time::SystemTime;

use loquat_spec::Endpoint;
use loquat_store::AppliedResource;
use serde_json::Value;

use super::condition::timestamp;
use super::item::{Item, Key};

/// Who declared a resource last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manager {
    /// The folder of resources.
    Folder,
    /// A request, as of `loquat apply`.
    Apply,
    /// Nobody: a registered model that no resource mentions.
    Store,
}

impl Manager {
    /// Its name in `metadata.managedFields`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Folder => "loquat-folder",
            Self::Apply => "loquat-apply",
            Self::Store => "loquat-store",
        }
    }
}

/// A declared resource.
#[derive(Debug, Clone)]
pub(crate) struct Declaration {
    /// What is declared.
    pub(crate) item: Item,
    /// What is wanted.
    pub(crate) spec: Value,
    /// Counts its changes, from 1.
    pub(crate) generation: u64,
    /// Who declared it last.
    pub(crate) manager: Manager,
    /// When it was declared first.
    pub(crate) created: SystemTime,
    /// Digest of what the folder declares under its name, or declared when this was applied.
    pub(super) over: Option<String>,
}

/// An endpoint as it is to be hosted.
#[derive(Debug, Clone)]
pub(crate) struct DeclaredEndpoint {
    /// What is declared.
    pub(crate) endpoint: Endpoint,
    /// Counts its changes, from 1.
    pub(crate) generation: u64,
}

/// What putting a resource changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// There was none of its name.
    Created,
    /// It differs from the one before.
    Configured,
    /// It is as it was.
    Unchanged,
}

impl Change {
    /// The word of `kubectl`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
        }
    }
}

impl Declaration {
    /// The declaration that stands for a registered model.
    pub(super) fn of_store(endpoint: Endpoint, generation: u64) -> Self {
        let item = Item::of_endpoint(endpoint);
        let (spec, created) = (item.spec(), SystemTime::UNIX_EPOCH);
        Self { item, spec, generation, manager: Manager::Store, created, over: None }
    }

    /// As it is kept.
    pub(super) fn applied(&self) -> AppliedResource {
        let Key { kind, name } = self.item.key();
        AppliedResource {
            kind: kind.as_str().to_owned(),
            name,
            text: Some(self.item.text().to_owned()),
            over: self.over.clone(),
            generation: self.generation,
            created: timestamp(self.created),
        }
    }
}
