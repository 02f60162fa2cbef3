//! The servers that a folder's `Model` resources name.

use std::path::{Path, PathBuf};

use loquat_infer::{ModelServers, ServerConfig};
use loquat_spec::{ErrorCode, ModelSource, Resources};

use crate::failure::Failure;

/// The servers of a folder's models, which are started in that folder.
pub(crate) fn of(folder: &Path, resources: &Resources) -> Vec<ServerConfig> {
    // A process can't be started in a folder without a name.
    let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() };
    let models = resources.models.iter().map(|located| &located.value);
    let config = |model: &loquat_spec::Model| match &model.source {
        ModelSource::Server(server) => Some(ServerConfig {
            model: model.name.clone(),
            url: server.url.clone(),
            command: server.command.clone(),
            folder: folder.clone(),
        }),
        _ => None,
    };
    models.filter_map(config).collect()
}

/// Makes the servers those given.
pub(crate) fn declare(servers: &ModelServers, configs: Vec<ServerConfig>) -> Result<(), Failure> {
    servers.declare(configs).map_err(|error| {
        let message = format!("cannot start the thread that watches a model's server: {error}");
        Failure::new(ErrorCode::Unavailable, message)
    })
}
