//! The workspace that xtask works on: its folders and what `cargo metadata` says of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::{environment, process};

/// The checkout and where it builds.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// The workspace that this program was built from.
    pub(crate) fn find() -> Result<Self> {
        let root =
            Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace root")?;
        Ok(Self { root: root.to_path_buf(), target: environment::target_folder()? })
    }

    /// The workspace root.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A path below the root.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The folder that cargo builds in.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// The binary that `cargo build` leaves for `profile` (`debug` or `release`).
    pub(crate) fn binary(&self, profile: &str) -> PathBuf {
        self.target.join(profile).join("loquat")
    }

    /// A cargo command in the root, building outside the checkout.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(environment::cargo());
        command.args(arguments).current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        // Build scripts that watch them would run again whenever a plain `cargo` and an xtask take turns.
        environment::of_own_package().for_each(|name| {
            command.env_remove(name);
        });
        command
    }

    /// The triple of the machine that compiles.
    pub(crate) fn host(&self) -> Result<String> {
        let text = process::output(&mut self.cargo(&["-vV"]))?;
        let host = text.lines().find_map(|line| line.strip_prefix("host: "));
        Ok(host.context("cargo -vV names no host")?.to_owned())
    }

    /// Builds the release binary and returns its path. Only figures do this, never a check.
    pub(crate) fn build_release(&self) -> Result<PathBuf> {
        process::run_aside(&mut self.cargo(&["build", "--release", "--package", "loquat-cli"]))?;
        Ok(self.binary("release"))
    }

    /// All packages of the dependency tree, own and foreign.
    pub(crate) fn metadata(&self) -> Result<Metadata> {
        let text = process::output(&mut self.cargo(&["metadata", "--format-version", "1", "--locked"]))?;
        serde_json::from_str(&text).context("cargo metadata printed something else than its documented JSON")
    }
}

/// The part of `cargo metadata` that the checks read.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    /// Every package of the dependency tree.
    pub(crate) packages: Vec<Package>,
    /// Ids of the workspace's own packages.
    pub(crate) workspace_members: Vec<String>,
}

impl Metadata {
    /// The workspace's own packages by short name (`loquat-data` is `data`).
    pub(crate) fn own(&self) -> BTreeMap<&str, &Package> {
        let own = self.packages.iter().filter(|package| self.workspace_members.contains(&package.id));
        own.map(|package| (short_name(&package.name), package)).collect()
    }
}

/// One package.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    /// Its id.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// Its licence expression.
    pub(crate) license: Option<String>,
    /// Its licence file, where there is no expression.
    pub(crate) license_file: Option<String>,
    /// Path of its Cargo.toml.
    pub(crate) manifest_path: PathBuf,
    /// What it asks for.
    pub(crate) dependencies: Vec<Dependency>,
}

/// One dependency as the manifest names it.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    /// The package asked for.
    pub(crate) name: String,
    /// `dev`, `build` or none.
    pub(crate) kind: Option<String>,
    /// Whether a feature must ask for it.
    pub(crate) optional: bool,
}

/// The name of an own package as the table of crates writes it.
pub(crate) fn short_name(package: &str) -> &str {
    package.strip_prefix("loquat-").unwrap_or(package)
}
