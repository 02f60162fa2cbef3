//! Arguments of the commands that ask a running server.

use std::path::PathBuf;

use super::TableFormat;

/// Which server, and with which key.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Remote {
    /// The server
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) server: String,
    /// API key; one for all endpoints changes resources
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
}

/// Arguments of `apply` and `diff`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Apply {
    /// Resource files, or folders of them; `-` is standard input
    #[arg(short, long, value_name = "FILE", required = true, num_args = 1..)]
    pub(crate) file: Vec<PathBuf>,
    /// Delete what was applied earlier and stands in none of the files
    #[arg(long)]
    pub(crate) prune: bool,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// Arguments of `get`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Get {
    /// Kind of resource
    #[arg(value_name = "KIND", default_value = "endpoints")]
    pub(crate) kind: String,
    /// Name of one
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t = TableFormat::Text)]
    pub(crate) format: TableFormat,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// Arguments of `delete`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Delete {
    /// Kind of resource
    #[arg(value_name = "KIND")]
    pub(crate) kind: String,
    /// Its name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// Arguments of `why`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Why {
    /// The id of a request, from header x-request-id, or the name of an endpoint
    #[arg(value_name = "REQUEST-ID|MODEL")]
    pub(crate) subject: String,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t = TableFormat::Text)]
    pub(crate) format: TableFormat,
    #[command(flatten)]
    pub(crate) remote: Remote,
}
