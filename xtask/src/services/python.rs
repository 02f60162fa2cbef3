//! Python environments in the user's cache, one for each list of pinned packages.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{environment, process};

/// The interpreter of an environment that holds what `requirements` pins, installed on first use.
///
/// The folder's name carries a hash of the list, so a changed list gives a new environment. The marker is written last:
/// an installation that was cut off is done again.
pub(crate) fn environment(requirements: &Path) -> Result<PathBuf> {
    let list = std::fs::read_to_string(requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let mut hasher = DefaultHasher::new();
    list.hash(&mut hasher);
    let folder = environment::cache_folder()?.join("python").join(format!("{:016x}", hasher.finish()));
    let python = folder.join("bin/python");
    let marker = folder.join("installed");
    if !marker.is_file() {
        process::run_aside(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))
            .context("python3 with its venv module is needed for the clients")?;
        let mut install = Command::new(&python);
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
        process::run_aside(install.arg(requirements))?;
        std::fs::write(&marker, list)?;
    }
    Ok(python)
}
