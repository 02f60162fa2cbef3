//! `loquat serve`: hosts the endpoints of the folder and the models of the store.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loquat_infer::ModelServers;
use loquat_serve::{Importer, ServeConfig, TlsFiles};
use loquat_spec::{ErrorCode, Resources};
use loquat_store::{AppliedFolder, Store};
use serde_json::Value;

use crate::arguments::{Hosting, Serve};
use crate::context::{Context, applied_folder};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::{self, Colour, paint};
use crate::watching::{Watched, Work};
use crate::{call, imports, resources, stores};

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
    /// What it declares.
    pub(crate) resources: Resources,
    /// Endpoints with a body that a call may be shown with.
    pub(crate) calls: Vec<(String, Value)>,
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
    let hosted = Hosted { folder, resources, calls: Vec::new(), watched };
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
        resources: hosted.resources,
        changes: hosted.watched.map(|watched| watched.follow(context)).transpose()?,
        folder: hosted.folder.to_owned(),
        launcher: launcher(),
        applied: Some(AppliedFolder::new(&applied_folder(hosted.folder))),
        importer: Some(importer(context, hosted.folder)),
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
    let colour = context.style.stdout;
    let place = store.place();
    let ready = |address: SocketAddr| announce((scheme, address), &place, &hosted.calls, colour);
    follow(store);
    let served = runtime.block_on(loquat_serve::serve(config, ready, async move { stop.notified().await }));
    // Ending some starts none, which is all that can fail.
    drop(running.declare(Vec::new()));
    served?;
    output::say("drained");
    Ok(0)
}

/// The words that start a model's server so that it ends with this process, however that ends.
fn launcher() -> Vec<OsString> {
    // On Linux the path names the running program even after an update has put another in its place.
    let linux = cfg!(target_os = "linux").then(|| PathBuf::from("/proc/self/exe"));
    // Where the system does not tell which program runs, servers are started as they are.
    let Some(program) = linux.or_else(|| std::env::current_exe().ok()) else { return Vec::new() };
    vec![program.into(), "launch".into(), std::process::id().to_string().into(), "--".into()]
}

/// Imports models that are applied, as those of the folder are.
fn importer(context: &Context, folder: &Path) -> Importer {
    let (context, folder) = (context.clone(), folder.to_owned());
    Importer::new(move |resources, name| {
        let names = [name.to_string()];
        let plan = imports::Plan { folder: &folder, resources, names: &names, force: false, dry_run: false };
        imports::import(&context, plan).map_err(|failure| failure.text().unwrap_or_default().to_owned())
    })
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
