//! The servers that declared models name, started and ended as the resources change.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use loquat_infer::{ModelServers, ServerConfig};
use loquat_spec::{Model, ModelSource};

/// Which servers there are to be, and how they are started.
#[derive(Debug)]
pub(crate) struct Serving {
    /// The servers, by the names of their models.
    pub(crate) servers: ModelServers,
    folder: PathBuf,
    launcher: Vec<OsString>,
    known: Mutex<Vec<ServerConfig>>,
}

impl Serving {
    /// Servers that are started in `folder`, by `launcher`.
    pub(crate) fn new(servers: ModelServers, folder: PathBuf, launcher: Vec<OsString>) -> Self {
        // A process can't be started in a folder without a name.
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        Self { servers, folder, launcher, known: Mutex::default() }
    }

    /// Makes the servers those that the models name. Blocks until those that are gone have ended.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn follow<'m>(&self, models: impl Iterator<Item = &'m Model>) -> std::io::Result<()> {
        let config = |model: &Model| match &model.source {
            ModelSource::Server(server) => Some(ServerConfig {
                model: model.name.clone(),
                url: server.url.clone(),
                command: server.command.clone(),
                folder: self.folder.clone(),
                launcher: self.launcher.clone(),
            }),
            _ => None,
        };
        let configs: Vec<ServerConfig> = models.filter_map(config).collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != configs {
            self.servers.declare(configs.clone())?;
            *known = configs;
        }
        Ok(())
    }
}
