//! What a server hosts: endpoints, the pipelines that answer them, and the state that every route shares.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use loquat_infer::{Kernels, Pipeline};
use loquat_spec::{ErrorCode, ModelReference, Name, Requests, Selector, ZeroShot};
use loquat_store::Store;

use crate::gate::Gate;
use crate::metrics::{HostMetrics, Metrics};
use crate::problem::Problem;

/// Versions loaded because a request named them; the one unused longest leaves first.
const PINNED_VERSIONS: usize = 4;

/// One endpoint as it stands now. A change makes a new `Host`; requests in flight keep the one they started with.
#[derive(Clone)]
pub(crate) struct Host {
    /// Its name on the wire.
    pub(crate) name: String,
    /// Which version answers.
    pub(crate) reference: ModelReference,
    /// Whether it answers its task's routes that name no model.
    pub(crate) default: bool,
    /// Whether it stands for a registered model that no resource mentions.
    pub(crate) implicit: bool,
    /// How it answers zero-shot classification, where it does.
    pub(crate) zero_shot: Option<ZeroShot>,
    /// Limits of requests.
    pub(crate) requests: Requests,
    /// Admission of large requests.
    pub(crate) gate: Arc<Gate>,
    /// Measurements.
    pub(crate) metrics: Arc<HostMetrics>,
    /// The loaded version, once there is one.
    pub(crate) pipeline: Option<Arc<Pipeline>>,
    /// Why the version that should answer doesn't.
    pub(crate) failure: Option<String>,
    /// Registered versions of the model, ascending.
    pub(crate) versions: Vec<u32>,
}

impl Host {
    /// The loaded version, or the problem to answer with.
    pub(crate) fn pipeline(&self) -> Result<&Arc<Pipeline>, Problem> {
        self.pipeline.as_ref().ok_or_else(|| {
            let reason = self.failure.as_deref().unwrap_or("its version is still loading");
            Problem::new(ErrorCode::Unavailable, format!("endpoint {} can't answer: {reason}", self.name))
                .remedy("wait until GET /health/ready answers 200; its body names what is missing")
        })
    }
}

/// Every endpoint at one moment.
#[derive(Default)]
pub(crate) struct Table {
    /// Endpoints by name.
    pub(crate) hosts: BTreeMap<String, Arc<Host>>,
    /// Registered models without an endpoint and without the alias that would give them one.
    pub(crate) dormant: BTreeSet<String>,
    /// What is wrong with the store as a whole.
    pub(crate) detail: Option<String>,
}

impl Table {
    /// The endpoint called `name`, or a problem that says which exist.
    pub(crate) fn host(&self, name: &str) -> Result<&Arc<Host>, Problem> {
        if let Some(host) = self.hosts.get(name) {
            return Ok(host);
        }
        if self.dormant.contains(name) {
            let detail =
                format!("model {name} is registered, but no alias champion says which version answers");
            let remedy = format!("run loquat models promote {name} VERSION");
            return Err(Problem::new(ErrorCode::NotFound, detail).field("endpoint").remedy(remedy));
        }
        let shown: String = name.chars().take(80).collect();
        let remedy = if self.hosts.is_empty() {
            "no endpoint exists yet; train a model with loquat train".to_owned()
        } else {
            let names: Vec<&str> = self.hosts.keys().map(String::as_str).take(20).collect();
            format!("endpoints are {}", names.join(", "))
        };
        Err(Problem::new(ErrorCode::NotFound, format!("no endpoint is called {shown:?}"))
            .field("endpoint")
            .remedy(remedy))
    }

    /// Whether every endpoint has a version that answers.
    pub(crate) fn is_ready(&self) -> bool {
        let blind = self.hosts.is_empty() && self.detail.is_some();
        !blind && self.hosts.values().all(|host| host.pipeline.is_some())
    }
}

/// Where a server stands between start and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The first look at the store has not ended.
    Starting,
    /// Answering.
    Serving,
    /// The shutdown signal came.
    Draining,
}

impl Phase {
    const ALL: [Self; 3] = [Self::Starting, Self::Serving, Self::Draining];
}

/// What all routes share.
pub(crate) struct App {
    /// Largest request body in bytes.
    pub(crate) max_body: usize,
    /// Measurements.
    pub(crate) metrics: Metrics,
    /// CPU kernels that encoders compute with.
    pub(crate) kernels: Kernels,
    store: Store,
    table: RwLock<Arc<Table>>,
    phase: AtomicU8,
    pinned: tokio::sync::Mutex<Vec<Arc<Pipeline>>>,
}

impl App {
    /// Nothing hosted yet.
    pub(crate) fn new(store: Store, max_body: usize, kernels: Kernels) -> Self {
        Self {
            max_body,
            metrics: Metrics::new(),
            kernels,
            store,
            table: RwLock::default(),
            phase: AtomicU8::new(Phase::Starting as u8),
            pinned: tokio::sync::Mutex::default(),
        }
    }

    /// The store behind the endpoints.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The endpoints as they stand now.
    pub(crate) fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the endpoints; requests in flight keep the ones they started with.
    pub(crate) fn set_table(&self, table: Table) {
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }

    /// Where the server stands.
    pub(crate) fn phase(&self) -> Phase {
        Phase::ALL[usize::from(self.phase.load(Ordering::Acquire)).min(Phase::ALL.len() - 1)]
    }

    /// Moves on to `phase`; a server never moves back.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
    }

    /// Whether the shutdown signal came.
    pub(crate) fn is_draining(&self) -> bool {
        self.phase() == Phase::Draining
    }

    /// Whether the server should be sent requests.
    pub(crate) fn is_ready(&self) -> bool {
        self.phase() == Phase::Serving && self.table().is_ready()
    }

    /// The pipeline of `host`, or of one version of its model, loaded now where no request asked for it before.
    pub(crate) async fn version(
        self: &Arc<Self>,
        host: &Host,
        version: Option<u32>,
    ) -> Result<Arc<Pipeline>, Problem> {
        let Some(version) = version else { return host.pipeline().cloned() };
        if let Some(pipeline) = &host.pipeline
            && pipeline.version() == version
        {
            return Ok(Arc::clone(pipeline));
        }
        let name = &host.reference.name;
        if !host.versions.contains(&version) {
            return Err(unknown_version(host, &version.to_string()));
        }
        let mut pinned = self.pinned.lock().await;
        let found = pinned.iter().position(|held| held.model() == name.as_str() && held.version() == version);
        if let Some(place) = found {
            let pipeline = pinned.remove(place);
            pinned.push(Arc::clone(&pipeline));
            return answering(host, &pipeline);
        }
        let pipeline = self.load_version(name.clone(), version).await?;
        if pinned.len() == PINNED_VERSIONS {
            pinned.remove(0);
        }
        pinned.push(Arc::clone(&pipeline));
        answering(host, &pipeline)
    }

    async fn load_version(self: &Arc<Self>, name: Name, version: u32) -> Result<Arc<Pipeline>, Problem> {
        let reference = ModelReference { name, selector: Selector::Version(version) };
        let app = Arc::clone(self);
        let shown = reference.to_string();
        let loaded =
            tokio::task::spawn_blocking(move || Pipeline::from_store_on(&app.store, &reference, app.kernels))
                .await;
        match loaded {
            Ok(Ok(pipeline)) => Ok(Arc::new(pipeline)),
            Ok(Err(error)) => {
                tracing::warn!(%error, version = %shown, "version not loaded");
                Err(Problem::new(ErrorCode::Unavailable, format!("version {shown} can't answer: {error}")))
            }
            Err(error) => {
                tracing::error!(%error, version = %shown, "loading a version panicked");
                Err(Problem::new(ErrorCode::Internal, format!("loading version {shown} failed")))
            }
        }
    }

    /// Forgets versions that requests named and that are gone from the store.
    pub(crate) fn forget_missing(&self, exists: impl Fn(&str, u32) -> bool) {
        if let Ok(mut pinned) = self.pinned.try_lock() {
            pinned.retain(|held| exists(held.model(), held.version()));
        }
    }
}

/// The pipeline as the endpoint answers with it.
fn answering(host: &Host, pipeline: &Pipeline) -> Result<Arc<Pipeline>, Problem> {
    let answering = pipeline.answering(host.zero_shot.as_ref());
    answering.map(Arc::new).map_err(|error| Problem::new(error.code(), error.to_string()))
}

/// The problem of a version that the model doesn't have.
pub(crate) fn unknown_version(host: &Host, found: &str) -> Problem {
    let versions: Vec<String> = host.versions.iter().map(u32::to_string).collect();
    let shown: String = found.chars().take(80).collect();
    Problem::new(ErrorCode::NotFound, format!("model {} has no version {shown:?}", host.name))
        .field("version")
        .remedy(format!("versions are {}", versions.join(", ")))
}
