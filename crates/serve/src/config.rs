//! What a server needs to know.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use loquat_infer::{Compute, Kernels, ModelServers};
use loquat_spec::Resources;
use loquat_store::{AppliedFolder, Store};
use tokio::sync::watch;

use crate::resources::Importer;
use crate::tls::TlsFiles;

/// What a server needs to know.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The model store.
    pub store: Store,
    /// The servers that answer for models without weights.
    pub servers: ModelServers,
    /// A second address, for clients of gRPC that want one of their own; it answers what the first answers.
    pub grpc_listen: Option<SocketAddr>,
    /// What the folder of resources declares. A registered model that no endpoint shadows is hosted under its own name.
    pub resources: Resources,
    /// What the folder declares from now on, where it is followed.
    pub changes: Option<watch::Receiver<Resources>>,
    /// Folder in which servers of models are started.
    pub folder: PathBuf,
    /// Words before the command of a model's server, which start it; none: it is started as it is.
    pub launcher: Vec<OsString>,
    /// Where resources that are applied are kept; without one they last until the server ends.
    pub applied: Option<AppliedFolder>,
    /// Imports models that are applied; without one nothing does.
    pub importer: Option<Importer>,
    /// Threads for large requests of an endpoint that declares none; at least 1.
    pub threads: usize,
    /// What models compute with; an endpoint says on which device.
    pub compute: Compute,
    /// Whether an address off loopback is allowed although the server asks no one who they are.
    pub insecure: bool,
    /// Longest time that requests in flight get to end after the shutdown signal.
    pub drain: Duration,
    /// Largest request body in bytes.
    pub max_body: usize,
    /// File of API keys, followed while serving; without one nobody needs a key.
    pub keys: Option<PathBuf>,
    /// Certificate and key, followed while serving; without them connections are plain.
    pub tls: Option<TlsFiles>,
    /// Memory in bytes for the weights of all models; past it, models that need not stay are unloaded, the one unused
    /// longest first. No bound when absent.
    pub memory: Option<u64>,
    /// Origins whose pages may ask, such as `https://example.org`, or `*`.
    pub origins: Vec<String>,
    /// Whether metrics are given under the names of text-embeddings-inference too.
    pub tei_metrics: bool,
    /// Collector of traces over OTLP/HTTP, such as `http://127.0.0.1:4318`; without one nothing is traced.
    pub otlp_endpoint: Option<String>,
}

impl ServeConfig {
    /// Serves the models of `store` on `listen`: no declared resources, none kept, no keys, plain connections, usual limits.
    pub fn new(listen: SocketAddr, store: Store) -> Self {
        Self {
            listen,
            store,
            grpc_listen: None,
            servers: ModelServers::default(),
            resources: Resources::default(),
            changes: None,
            folder: PathBuf::new(),
            launcher: Vec::new(),
            applied: None,
            importer: None,
            threads: 1,
            compute: Kernels::detect().into(),
            insecure: false,
            drain: Duration::from_secs(30),
            max_body: 16 << 20,
            keys: None,
            tls: None,
            memory: None,
            origins: Vec::new(),
            tei_metrics: false,
            otlp_endpoint: None,
        }
    }
}
