//! What a server hosts: endpoints, the pipelines that answer them, and the state that every route shares.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use loquat_infer::{Compute, Device, Pipeline};
use loquat_spec::{ErrorCode, ModelReference, Name, Requests, Selector, Task, ZeroShot};
use loquat_store::Store;

use crate::cascade::Cascade;
use crate::cors::Cors;
use crate::gate::Gate;
use crate::keys::Doorman;
use crate::metrics::{HostMetrics, Metrics};
use crate::problem::Problem;
use crate::recent::Recent;
use crate::resources::{Condition, Declared, Imports, Serving, Standings};
use crate::traces::Traces;
use crate::wake::Waker;

/// Versions loaded because a request named them; the one unused longest leaves first.
const PINNED_VERSIONS: usize = 4;

/// Why the version that should answer an endpoint doesn't.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// In one word, as conditions of Kubernetes have it.
    pub(crate) reason: &'static str,
    /// In a sentence with the remedy.
    pub(crate) message: String,
}

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
    /// Where its models compute.
    pub(crate) device: Device,
    /// Limits of requests.
    pub(crate) requests: Requests,
    /// The queue before its threads.
    pub(crate) gate: Arc<Gate>,
    /// Measurements.
    pub(crate) metrics: Arc<HostMetrics>,
    /// The loaded version, once there is one.
    pub(crate) pipeline: Option<Arc<Pipeline>>,
    /// Why the version that should answer doesn't.
    pub(crate) failure: Option<Failure>,
    /// How it fares, for those who ask for the resource.
    pub(crate) condition: Condition,
    /// The generation of the resource that this follows; 1 where none declares it.
    pub(crate) generation: u64,
    /// Registered versions of the model, ascending.
    pub(crate) versions: Vec<u32>,
    /// What the model does, as soon as it was loaded once.
    pub(crate) task: Option<Task>,
    /// Other versions with their percent of the requests.
    pub(crate) splits: Vec<(Arc<Pipeline>, f64)>,
    /// Versions whose answers are compared and never returned.
    pub(crate) shadows: Vec<Arc<Pipeline>>,
    /// The versions that are asked before it, where they are calibrated.
    pub(crate) cascade: Option<Arc<Cascade>>,
    /// How they fare, where the resource names any.
    pub(crate) cascade_condition: Option<Condition>,
    /// Whether no version is loaded because none is needed now.
    pub(crate) asleep: bool,
    /// Whether the model was unloaded on request, to stay away until it is loaded on request.
    pub(crate) unloaded: bool,
    /// Loads the model of an endpoint that is asleep.
    pub(crate) waker: Waker,
    /// The version that this request, or another that came with it, woke.
    pub(crate) woken: OnceLock<Arc<Pipeline>>,
}

impl Host {
    /// The version that answers this request, loaded now where the endpoint is asleep, or the problem to answer with. Versions
    /// with a share of the traffic get theirs.
    pub(crate) fn pipeline(&self) -> Result<&Arc<Pipeline>, Problem> {
        self.metrics.touch();
        if let Some(pipeline) = self.share().or_else(|| self.woken.get()) {
            return match pipeline.down() {
                None => Ok(pipeline),
                Some(error) => Err(self.unavailable(&error.to_string())),
            };
        }
        if self.asleep {
            let pipeline = self.waker.wake(&self.name).map_err(|reason| self.unavailable(&reason))?;
            return Ok(self.woken.get_or_init(|| pipeline));
        }
        Err(self.unavailable(&self.condition.message))
    }

    /// Whether requests are answered, if need be after loading.
    pub(crate) fn is_ready(&self) -> bool {
        (self.pipeline.is_some() && self.down().is_none()) || self.asleep
    }

    /// Why the loaded version can't answer now, where it can't: a server answers for it, and is down.
    pub(crate) fn down(&self) -> Option<String> {
        self.pipeline.as_ref()?.down().map(|error| error.to_string())
    }

    /// The version whose turn it is.
    fn share(&self) -> Option<&Arc<Pipeline>> {
        if self.splits.is_empty() {
            return self.pipeline.as_ref();
        }
        // Multiples of the golden ratio spread evenly over 0 to 1, so that shares hold for any number of requests.
        let turn = self.metrics.turns.fetch_add(1, Ordering::Relaxed);
        let mut draw = (turn as f64 * 0.618_033_988_749_894_9).fract() * 100.0;
        for (pipeline, percent) in &self.splits {
            if draw < *percent {
                return Some(pipeline);
            }
            draw -= percent;
        }
        self.pipeline.as_ref()
    }

    fn unavailable(&self, reason: &str) -> Problem {
        Problem::new(ErrorCode::Unavailable, format!("endpoint {} can't answer: {reason}", self.name))
            .remedy("wait until GET /health/ready answers 200; its body names what is missing")
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

    /// Whether every endpoint has a version that answers; one unloaded on request is not missed.
    pub(crate) fn is_ready(&self) -> bool {
        let blind = self.hosts.is_empty() && self.detail.is_some();
        !blind && self.hosts.values().all(|host| host.is_ready() || host.unloaded)
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
    /// What models compute with.
    pub(crate) compute: Compute,
    /// Checks the keys of requests.
    pub(crate) doorman: Doorman,
    /// Whose pages may ask.
    pub(crate) cors: Cors,
    /// What resources declare.
    pub(crate) declared: Declared,
    /// Asks the thread that follows the store.
    pub(crate) waker: Waker,
    /// The requests answered last.
    pub(crate) recent: Recent,
    /// Where requests are traced to, if anywhere.
    pub(crate) traces: Option<Traces>,
    /// The servers that answer for models without weights.
    pub(crate) serving: Serving,
    /// How the imports of applied models went.
    pub(crate) imports: Imports,
    /// Whether applied models are imported.
    pub(crate) may_import: bool,
    /// How resources that answer nothing themselves fare.
    pub(crate) standings: Standings,
    store: Store,
    table: RwLock<Arc<Table>>,
    phase: AtomicU8,
    pinned: tokio::sync::Mutex<Vec<Arc<Pipeline>>>,
}

impl App {
    /// Nothing hosted yet.
    pub(crate) fn new(
        (store, serving, may_import): (Store, Serving, bool),
        (max_body, compute): (usize, Compute),
        (doorman, cors): (Doorman, Cors),
        (declared, waker): (Declared, Waker),
        (metrics, traces): (Metrics, Option<Traces>),
    ) -> Self {
        Self {
            max_body,
            metrics,
            compute,
            doorman,
            cors,
            declared,
            waker,
            recent: Recent::default(),
            traces,
            serving,
            imports: Imports::default(),
            may_import,
            standings: Standings::default(),
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

    /// Makes the servers of models those that resources name. Blocks until those that are gone have ended.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn follow_servers(&self) -> std::io::Result<()> {
        let models = self.declared.models();
        self.serving.follow(models.iter().map(|(model, _)| model))
    }

    /// Takes over resources that changed. Blocks as [`App::follow_servers`] does.
    pub(crate) fn look_again(&self) {
        if let Err(error) = self.follow_servers() {
            tracing::error!(%error, "the server of a model can't be watched");
        }
        self.waker.look();
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
            // Who names the version gets its own answers: a copy is not what a cascade stands before.
            let alone = host.cascade.is_some();
            return Ok(if alone { Arc::new(Pipeline::clone(pipeline)) } else { Arc::clone(pipeline) });
        }
        let name = &host.reference.name;
        if !host.versions.contains(&version) {
            return Err(unknown_version(host, &version.to_string()));
        }
        let mut pinned = self.pinned.lock().await;
        let is_wanted = |held: &Arc<Pipeline>| {
            held.model() == name.as_str() && held.version() == version && held.device() == host.device
        };
        let found = pinned.iter().position(is_wanted);
        if let Some(place) = found {
            let pipeline = pinned.remove(place);
            pinned.push(Arc::clone(&pipeline));
            return answering(host, &pipeline);
        }
        let pipeline = self.load_version(name.clone(), version, host.device).await?;
        if pinned.len() == PINNED_VERSIONS {
            pinned.remove(0);
        }
        pinned.push(Arc::clone(&pipeline));
        answering(host, &pipeline)
    }

    async fn load_version(
        self: &Arc<Self>,
        name: Name,
        version: u32,
        device: Device,
    ) -> Result<Arc<Pipeline>, Problem> {
        let reference = ModelReference { name, selector: Selector::Version(version) };
        let app = Arc::clone(self);
        let shown = reference.to_string();
        let load = move || {
            let compute = app.compute.on(device);
            Pipeline::from_store_with(&app.store, &reference, compute, &app.serving.servers)
        };
        let loaded = tokio::task::spawn_blocking(load).await;
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
fn answering(host: &Host, pipeline: &Arc<Pipeline>) -> Result<Arc<Pipeline>, Problem> {
    if host.zero_shot.is_none() {
        return Ok(Arc::clone(pipeline));
    }
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
