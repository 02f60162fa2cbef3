//! `loquat serve`: hosts the endpoints of the folder and the models of the store.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use loquat_infer::{ModelServers, ServerConfig};
use loquat_serve::{ServeConfig, TlsFiles};
use loquat_spec::{Endpoint, ErrorCode};
use loquat_store::Store;
use serde_json::Value;

use crate::arguments::{Hosting, Serve};
use crate::context::Context;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::{self, Colour, paint};
use crate::watching::{Watched, Work};
use crate::{call, imports, resources, servers, stores};

/// Longest time that requests in flight get after the signal.
const DRAIN: Duration = Duration::from_secs(30);
/// Pause between two looks at a registry in an object store.
const LOOK: Duration = Duration::from_secs(2);
/// Largest request body in bytes.
const MAX_BODY: usize = 16 << 20;

/// What is hosted.
#[derive(Debug)]
pub(crate) struct Hosted<'a> {
    /// The folder of resources.
    pub(crate) folder: &'a Path,
    /// Its endpoints.
    pub(crate) endpoints: Vec<Endpoint>,
    /// Endpoints with a body that a call may be shown with.
    pub(crate) calls: Vec<(String, Value)>,
    /// The servers that its models name.
    pub(crate) servers: Vec<ServerConfig>,
    /// The folder as it was read, where it is followed.
    pub(crate) watched: Option<Watched>,
}

/// Serves until a signal.
pub(crate) fn run(context: &Context, arguments: &Serve) -> Result<u8, Failure> {
    let folder = context.folder(arguments.folder.as_deref());
    let watched = arguments.hosting.watch.then(|| Watched::new(folder, Work::Import));
    let resources = resources::load_if_any(context, folder)?;
    let interrupt = Interrupt::watch()?;
    let plan = imports::Plan { folder, resources: &resources, names: &[], force: false, dry_run: false };
    imports::import(context, plan)?;
    let servers = servers::of(folder, &resources);
    let endpoints = resources.endpoints.into_iter().map(|located| located.value).collect();
    let hosted = Hosted { folder, endpoints, calls: Vec::new(), servers, watched };
    host(context, &interrupt, hosted, &arguments.hosting)
}

/// Serves what is hosted until a signal, then drains.
pub(crate) fn host(
    context: &Context,
    interrupt: &Interrupt,
    hosted: Hosted<'_>,
    hosting: &Hosting,
) -> Result<u8, Failure> {
    let store = stores::of_folder(context, hosted.folder)?;
    let running = ModelServers::default();
    let config = ServeConfig {
        grpc_listen: hosting.grpc_listen,
        endpoints: hosted.endpoints,
        changes: hosted.watched.map(|watched| watched.follow(context, running.clone())).transpose()?,
        threads: context.threads(),
        compute: context.compute()?,
        insecure: hosting.insecure,
        drain: DRAIN,
        max_body: MAX_BODY,
        keys: hosting.keys.clone(),
        tls: tls(hosting),
        memory: hosting.memory.map(|bytes| bytes.0),
        origins: hosting.allow_origin.clone(),
        tei_metrics: hosting.tei_metrics,
        otlp_endpoint: hosting.otlp_endpoint.clone(),
        servers: running.clone(),
        ..ServeConfig::new(hosting.listen, store.clone())
    };
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(context.threads())
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::new(ErrorCode::Unavailable, format!("cannot start the server's threads: {error}"))
        })?;
    let stop = interrupt.serving(running.clone());
    servers::declare(&running, hosted.servers)?;
    let colour = context.style.stdout;
    let place = store.place();
    let ready = |address: SocketAddr| announce((scheme, address), &place, &hosted.calls, colour);
    follow(store);
    let served = runtime.block_on(loquat_serve::serve(config, ready, async move { stop.notified().await }));
    servers::declare(&running, Vec::new())?;
    served?;
    output::say("drained");
    Ok(0)
}

/// Keeps the mirror of a registry in an object store up to date while the process lives; the server follows the mirror.
fn follow(store: Store) {
    if store.root() == store.place() {
        return;
    }
    std::thread::spawn(move || {
        let mut reachable = true;
        loop {
            std::thread::sleep(LOOK);
            let refreshed = store.refresh();
            match &refreshed {
                Err(error) if reachable => {
                    tracing::warn!(%error, "registry not refreshed; what is there keeps answering")
                }
                Ok(()) if !reachable => tracing::info!("registry refreshed again"),
                _ => {}
            }
            reachable = refreshed.is_ok();
        }
    });
}

/// The files of TLS, where they are given.
fn tls(hosting: &Hosting) -> Option<TlsFiles> {
    let (certificate, key) = hosting.tls_cert.clone().zip(hosting.tls_key.clone())?;
    Some(TlsFiles { certificate, key, client_authority: hosting.client_ca.clone() })
}

/// Says where the server listens and shows a call. A closed standard output does not end a server.
fn announce((scheme, address): (&str, SocketAddr), store: &Path, calls: &[(String, Value)], colour: bool) {
    let url = paint(&format!("{scheme}://{}", call::reachable(address)), Colour::Bold, colour);
    let mut text = format!("serving {} on {url}; end with Ctrl-C\n", store.display());
    if !calls.is_empty() {
        text.push_str("try\n");
    }
    for (endpoint, input) in calls {
        text.push_str(&format!("  {}\n", call::curl(address, endpoint, input)));
    }
    if let Err(failure) = output::answer(&text) {
        output::say(failure.text().unwrap_or("nobody reads standard output; the server goes on"));
    }
}
