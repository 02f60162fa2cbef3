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

    /// Second address, for gRPC clients that want one of their own; it answers what the first answers
    #[arg(long, value_name = "ADDR")]
    pub(crate) grpc_listen: Option<SocketAddr>,

    /// Follow changes of the resource folder; files that break a rule change nothing
    #[arg(long)]
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

    /// Give metrics under the names of text-embeddings-inference too
    #[arg(long)]
    pub(crate) tei_metrics: bool,

    /// Collector that traces are sent to over OTLP/HTTP, such as `http://127.0.0.1:4318`
    #[arg(long, value_name = "URL")]
    pub(crate) otlp_endpoint: Option<String>,
}
