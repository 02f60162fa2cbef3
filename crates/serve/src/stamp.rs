//! Whether a file has changed since it was read.

use std::path::Path;
use std::time::SystemTime;

/// What changes with a file: when it was written and how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct FileStamp(Option<(SystemTime, u64)>);

impl FileStamp {
    /// The stamp of a file as it is now; that of nothing where there is none.
    pub(crate) fn of(path: Option<&Path>) -> Self {
        let metadata = path.and_then(|path| std::fs::metadata(path).ok());
        Self(metadata.and_then(|metadata| Some((metadata.modified().ok()?, metadata.len()))))
    }
}
