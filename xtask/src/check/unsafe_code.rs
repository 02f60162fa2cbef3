//! Keeps unsafe code in its homes.
//!
//! The workspace denies `unsafe_code`, so the compiler finds every use; what is left to check is that each crate takes
//! the workspace's lints over and that nothing outside the homes lifts the denial.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::check::allowed_edges::UNSAFE_HOMES;
use crate::workspace::{Metadata, Workspace};

/// Fails where a crate does not inherit the lints, or a file outside the homes names the lint `unsafe_code`.
pub(crate) fn check(workspace: &Workspace, metadata: &Metadata) -> Result<()> {
    let mut problems = Vec::new();
    for (name, package) in metadata.own() {
        let manifest = read(&package.manifest_path)?;
        if !manifest.contains("[lints]\nworkspace = true") {
            problems.push(format!("crate {name} does not inherit the lints; add `[lints] workspace = true`"));
        }
        let folder = package.manifest_path.parent().context("a manifest lies in a folder")?;
        for source in sources(folder)? {
            let relative =
                source.strip_prefix(workspace.root()).unwrap_or(&source).to_string_lossy().into_owned();
            if lifts_denial(&relative, &read(&source)?) {
                problems.push(format!(
                    "{relative} lifts the lint against unsafe code; its homes are {UNSAFE_HOMES:?}"
                ));
            }
        }
    }
    if !problems.is_empty() {
        bail!("{}", problems.join("\n"));
    }
    Ok(())
}

fn lifts_denial(relative: &str, source: &str) -> bool {
    let lifted =
        ["allow", "expect", "warn"].iter().any(|level| source.contains(&format!("{level}(unsafe_code")));
    lifted && !UNSAFE_HOMES.iter().any(|home| relative.starts_with(home))
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// All Rust files below `folder`, sorted.
fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).with_context(|| format!("cannot list {}", next.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_code_is_refused_outside_its_homes() {
        let source = format!("#![{}(unsafe_code, reason = \"mapping\")]", "expect");
        assert!(lifts_denial("crates/data/src/reader.rs", &source));
        assert!(!lifts_denial("crates/kernels/src/lib.rs", &source));
        assert!(!lifts_denial("crates/data/src/reader.rs", "fn safe() {}"));
    }
}
