//! What was applied to a running server, in a folder, so that it outlasts the server.
//!
//! Each resource is a file of its own, `KIND.NAME.json`, replaced as a whole: a crash leaves the old or the new one, writers of
//! different resources never meet, and a damaged file takes nothing else with it. What a resource means is not known here.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::durable;
use crate::envelope;
use crate::error::StoreError;
use crate::lock::StoreLock;

/// Ending of the files.
const ENDING: &str = ".json";

/// A resource that was applied, or the deletion of one that the server's own folder declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppliedResource {
    /// What it is: `Endpoint`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The resource as it was sent, in YAML or JSON; none where it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Digest of what the server's own folder declared under the name then, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<String>,
    /// Counts the changes of the resource, from 1.
    pub generation: u64,
    /// When it was declared first, RFC 3339.
    pub created: String,
}

/// The folder of what was applied. Any number of processes and threads may use one.
#[derive(Debug, Clone)]
pub struct AppliedFolder {
    root: PathBuf,
}

impl AppliedFolder {
    /// The folder at `root`, which is made by the first write.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Everything in it, ordered by kind and name, and what is wrong with the files that can't be read.
    ///
    /// # Errors
    /// When the folder can't be listed.
    pub fn read(&self) -> Result<(Vec<AppliedResource>, Vec<StoreError>), StoreError> {
        let (mut found, mut damaged) = (Vec::new(), Vec::new());
        for (name, path) in durable::entries(&self.root)? {
            if durable::is_temporary(&name) || !name.ends_with(ENDING) {
                continue;
            }
            match self.read_one(&path) {
                Ok(Some(resource)) => found.push(resource),
                // Another process has just removed it.
                Ok(None) => {}
                Err(error) => damaged.push(error),
            }
        }
        Ok((found, damaged))
    }

    fn read_one(&self, path: &Path) -> Result<Option<AppliedResource>, StoreError> {
        let read = envelope::read::<AppliedResource>(path).map_err(|error| match error {
            StoreError::Damaged { path, reason } => StoreError::DamagedApplied { path, reason },
            other => other,
        })?;
        let Some(resource) = read else { return Ok(None) };
        if self.path(&resource.kind, &resource.name) == path {
            return Ok(Some(resource));
        }
        let reason = format!("it holds {} {}", resource.kind, resource.name);
        Err(StoreError::DamagedApplied { path: path.to_owned(), reason })
    }

    /// Keeps a resource, in place of an earlier one of its kind and name.
    ///
    /// # Errors
    /// When a file can't be written; the earlier one is then still there.
    pub fn keep(&self, resource: &AppliedResource) -> Result<(), StoreError> {
        let _lock = StoreLock::acquire(&self.root)?;
        envelope::write(&self.path(&resource.kind, &resource.name), resource)
    }

    /// Forgets a resource; one that is not there is as good as forgotten.
    ///
    /// # Errors
    /// When the file can't be removed.
    pub fn forget(&self, kind: &str, name: &str) -> Result<(), StoreError> {
        let path = self.path(kind, name);
        if !path.exists() {
            return Ok(());
        }
        let _lock = StoreLock::acquire(&self.root)?;
        durable::remove(&path)?;
        durable::sync_parent(&path)
    }

    fn path(&self, kind: &str, name: &str) -> PathBuf {
        self.root.join(format!("{kind}.{name}{ENDING}"))
    }
}
