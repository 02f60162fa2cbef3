//! What changes in a store's folders whenever a version or an alias does.

use std::path::Path;
use std::time::{Duration, SystemTime};

/// A modification time younger than this may hide a second change within the file system's clock tick.
const UNSETTLED: Duration = Duration::from_secs(2);

/// The newest modification and the number of folders that the store's state hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    newest: SystemTime,
    /// Sum over all modification times, so that a folder replaced by an older one shows as well.
    sum: u128,
    folders: usize,
}

impl Stamp {
    /// The modification times of the folders whose entries change whenever a version or an alias does: the store
    /// renames every file into place.
    pub(super) fn of(root: &Path) -> Self {
        let mut stamp = Self { newest: SystemTime::UNIX_EPOCH, sum: 0, folders: 0 };
        let models = root.join("models");
        stamp.add(&models);
        let Ok(entries) = std::fs::read_dir(&models) else { return stamp };
        for entry in entries.flatten() {
            let model = entry.path();
            stamp.add(&model);
            stamp.add(&model.join("versions"));
        }
        stamp
    }

    /// Whether all that it counts is old enough to be told from a later change.
    pub(super) fn is_settled(&self) -> bool {
        self.newest.elapsed().is_ok_and(|age| age > UNSETTLED)
    }

    fn add(&mut self, folder: &Path) {
        let Ok(modified) = std::fs::metadata(folder).and_then(|metadata| metadata.modified()) else { return };
        let age = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.newest = self.newest.max(modified);
        self.sum = self.sum.wrapping_add(age.as_nanos());
        self.folders += 1;
    }
}
