//! Flags of a server, shared by `serve` and `up`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

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

    /// File of API keys (not yet supported)
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) keys: Option<PathBuf>,

    /// Certificate chain (not yet supported)
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) tls_cert: Option<PathBuf>,

    /// Private key of the certificate (not yet supported)
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) tls_key: Option<PathBuf>,

    /// Authority that client certificates must come from (not yet supported)
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) client_ca: Option<PathBuf>,

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
            (self.keys.is_some(), "--keys"),
            (self.tls_cert.is_some(), "--tls-cert"),
            (self.tls_key.is_some(), "--tls-key"),
            (self.client_ca.is_some(), "--client-ca"),
            (self.tei_metrics, "--tei-metrics"),
        ]
        .into_iter()
        .filter_map(|(given, flag)| given.then_some(flag))
        .collect()
    }
}
