//! Arguments of the commands that ask a running server.

use std::path::PathBuf;

use loquat_client::TlsFiles;

use super::TableFormat;

/// Which server, and with which key.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Remote {
    /// The server
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) server: String,
    /// API key; one of scope admin changes resources
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    #[command(flatten)]
    pub(crate) tls: Tls,
}

/// What is trusted and shown over `https://`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Tls {
    /// Authority that a server's certificate must come from, in PEM form [default: those of the public web]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Certificate chain for servers that ask for one, in PEM form
    #[arg(long, value_name = "FILE", requires = "cert_key")]
    pub(crate) cert: Option<PathBuf>,
    /// Private key of that certificate, in PEM form
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) cert_key: Option<PathBuf>,
}

impl Tls {
    /// The files.
    pub(crate) fn files(&self) -> TlsFiles {
        TlsFiles { authority: self.ca.clone(), identity: self.cert.clone().zip(self.cert_key.clone()) }
    }
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
    /// Kind of resource: endpoints, models, trainings or datasets
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
