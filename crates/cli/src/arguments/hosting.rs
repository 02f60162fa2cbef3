//! Flags of a server, shared by `serve` and `up`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use loquat_spec::Bytes;

/// Flags of a server.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Server options")]
pub(crate) struct Hosting {
    /// Address to listen on
    #[arg(long, value_name = "ADDR", default_value_t = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080))]
    pub(crate) listen: SocketAddr,

    /// Listen beyond this machine without keys
    #[arg(long)]
    pub(crate) insecure: bool,

    /// Second address for gRPC (not yet supported)
    #[arg(long, value_name = "ADDR", hide = true)]
    pub(crate) grpc_listen: Option<SocketAddr>,

    /// Follow changes of the resource folder (not yet supported)
    #[arg(long, hide = true)]
    pub(crate) watch: bool,

    /// File of API keys, followed while serving; `loquat keys new` adds to it
    #[arg(long, value_name = "FILE")]
    pub(crate) keys: Option<PathBuf>,

    /// Certificate chain in PEM form, followed while serving
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// Private key of the certificate in PEM form
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Authority that client certificates must come from, in PEM form
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) client_ca: Option<PathBuf>,

    /// Origins whose pages may ask, such as `https://example.org`, or `*`
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    pub(crate) allow_origin: Vec<String>,

    /// Memory for the weights of all models, such as 2GB; past it, models that need not stay are unloaded
    #[arg(long, value_name = "SIZE", value_parser = Bytes::parse)]
    pub(crate) memory: Option<Bytes>,

    /// Metrics under text-embeddings-inference's names too (not yet supported)
    #[arg(long, hide = true)]
    pub(crate) tei_metrics: bool,
}

impl Hosting {
    /// Flags given whose part does not exist yet.
    #[cfg(feature = "serve")]
    pub(crate) fn unsupported(&self) -> Vec<&'static str> {
        [
            (self.grpc_listen.is_some(), "--grpc-listen"),
            (self.watch, "--watch"),
            (self.tei_metrics, "--tei-metrics"),
        ]
        .into_iter()
        .filter_map(|(given, flag)| given.then_some(flag))
        .collect()
    }
}
