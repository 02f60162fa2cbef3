//! Finding the store that a user meant when the one named has no such model.

use std::path::{Path, PathBuf};

use loquat_spec::Name;

use crate::durable;
use crate::error::StoreError;
use crate::store::Store;

/// How many folders deep to look.
const DEPTH: usize = 5;
/// Most folders to look into, so that a search from a home folder ends soon.
const FOLDERS: usize = 5000;

impl Store {
    /// The store below `folder` that lies nearest and holds `name`, as a path for `--store`. Hidden folders and links are not
    /// entered; folders that can't be read, and stores that can't be opened, are passed over, since this only helps to word an error.
    pub fn nearest(folder: &Path, name: &Name) -> Option<PathBuf> {
        let mut level = vec![folder.to_owned()];
        let mut looked_into = 0;
        for _ in 0..DEPTH {
            let mut below = Vec::new();
            for folder in level {
                let root = folder.join(".loquat").join("store");
                if holds(&root, name).unwrap_or(false) {
                    return Some(root);
                }
                looked_into += 1;
                if looked_into < FOLDERS {
                    below.extend(folders_in(&folder));
                }
            }
            level = below;
        }
        None
    }
}

fn holds(root: &Path, name: &Name) -> Result<bool, StoreError> {
    Ok(root.is_dir() && !Store::open(root)?.numbers(name)?.is_empty())
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = durable::entries(folder).unwrap_or_default();
    let visible = entries.into_iter().filter(|(name, _)| !name.starts_with('.'));
    visible.map(|(_, path)| path).filter(|path| path.is_dir() && !path.is_symlink()).collect()
}
