//! A folder into which an artifact is written before it is registered.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};

use crate::durable;
use crate::error::StoreError;
use crate::lock;

/// Ending of the file whose lock says that a staging folder's process is alive.
pub(crate) const ALIVE: &str = "lock";

/// A folder to write an artifact into. Dropped without being registered, it is removed; a killed process leaves it to
/// [`Store::gc`](crate::Store::gc), which sees that its lock is free.
#[derive(Debug)]
pub struct Staging {
    root: PathBuf,
    path: PathBuf,
    alive: PathBuf,
    _lock: File,
}

impl Staging {
    /// Creates the folder. The caller holds the store's lock, so that no collection sees the lock file before it is locked.
    pub(crate) fn create(root: &Path) -> Result<Self, StoreError> {
        let parent = root.join("staging");
        durable::create_folder(&parent)?;
        loop {
            let path = parent.join(unique_name());
            match fs::create_dir(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(StoreError::io("create the folder", &path)(error)),
            }
            let alive = path.with_extension(ALIVE);
            let file = lock::open(&alive)?;
            file.lock().map_err(StoreError::io("lock", &alive))?;
            return Ok(Self { root: root.to_owned(), path, alive, _lock: file });
        }
    }

    /// The folder to write into.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What can't be removed now is removed by the next collection.
        drop(durable::remove(&self.path));
        drop(durable::remove(&self.alive));
    }
}

/// A name that nobody else uses. Process numbers alone repeat between containers that share a folder.
pub(crate) fn unique_name() -> String {
    format!("{}-{:016x}", std::process::id(), RandomState::new().hash_one(std::process::id()))
}
