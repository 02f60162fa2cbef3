//! The lock that every writer of a store holds.

use std::fs::{File, OpenOptions};
use std::path::Path;

use crate::durable;
use crate::error::StoreError;

/// The store's lock; given up when dropped, and by the system when its process ends.
pub(crate) struct StoreLock {
    _file: File,
}

impl StoreLock {
    /// Waits for the lock, creating the store's folder where there is none.
    pub(crate) fn acquire(root: &Path) -> Result<Self, StoreError> {
        durable::create_folder(root)?;
        let path = root.join("lock");
        let file = open(&path)?;
        file.lock().map_err(StoreError::io("lock", &path))?;
        Ok(Self { _file: file })
    }
}

/// Opens a lock file, creating it where there is none.
pub(crate) fn open(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(StoreError::io("open the lock", path))
}
