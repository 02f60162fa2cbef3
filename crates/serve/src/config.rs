//! What a server needs to know.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use loquat_infer::Kernels;

/// What a server needs to know.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Root folder of the model store.
    pub store: PathBuf,
    /// Endpoints declared in resources. A registered model that no endpoint shadows is hosted under its own name.
    pub endpoints: Vec<loquat_spec::Endpoint>,
    /// Threads for large requests of an endpoint that declares none; at least 1.
    pub threads: usize,
    /// CPU kernels that encoders compute with.
    pub kernels: Kernels,
    /// Whether an address off loopback is allowed although the server asks no one who they are.
    pub insecure: bool,
    /// Longest time that requests in flight get to end after the shutdown signal.
    pub drain: Duration,
    /// Largest request body in bytes.
    pub max_body: usize,
}
