//! The object stores of the services test and of the figure `object-store`, installed into the user's cache on first use.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::process;
use crate::services::python;
use crate::workspace::Workspace;

/// Where they lie.
#[derive(Debug)]
pub(crate) struct ObjectStores {
    /// The interpreter that has moto and the stores' clients.
    pub(crate) python: PathBuf,
    /// Folder of Azurite and fake-gcs-server.
    pub(crate) folder: PathBuf,
}

impl ObjectStores {
    /// Installs what is missing; fails with the name of the package that this needs.
    pub(crate) fn install(workspace: &Workspace) -> Result<Self> {
        let python = python::environment(&workspace.path("services/objects/requirements.txt"))?;
        let printed = process::output(&mut Command::new(workspace.path("services/objects/install")))?;
        Ok(Self { python, folder: PathBuf::from(printed.trim()) })
    }
}
