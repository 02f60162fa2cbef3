//! Follows the store: hosts what its aliases name and swaps a pipeline once its successor has loaded.
//!
//! A thread of its own looks at the modification times of the store's folders and reads it only where they moved.
//! A version that can't be taken into service leaves the old one answering, shows in the readiness detail and is
//! tried again with growing pauses.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use loquat_infer::Pipeline;
use loquat_spec::{Endpoint, ModelReference, Name, Scaling, Selector, ZeroShot};
use loquat_store::{ModelSummary, Store};
use tokio::sync::oneshot;

use crate::exchange::contained;
use crate::gate::Gate;
use crate::host::{App, Host, Table};
use crate::metrics::HostMetrics;
use crate::wake::{Message, Waker};

/// Pause between two looks at the store.
const LOOK: Duration = Duration::from_millis(250);
/// A modification time younger than this may hide a second change within the file system's clock tick.
const UNSETTLED: Duration = Duration::from_secs(2);
/// First pause before a version that failed is tried again; it doubles up to [`LONGEST_RETRY`].
const FIRST_RETRY: Duration = Duration::from_secs(2);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// The alias that gives a registered model an endpoint of its own.
const IMPLICIT_ALIAS: &str = "champion";

/// A thread that follows the store until this is dropped.
pub(crate) struct Follower {
    messages: Sender<Message>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        // A thread that has ended already needs no telling.
        let _ = self.messages.send(Message::Stop);
    }
}

/// An endpoint that should be hosted.
struct Wanted {
    endpoint: Endpoint,
    implicit: bool,
}

/// A version that could not be taken into service.
struct Failed {
    version: u32,
    pause: Duration,
    next: Instant,
}

struct Watcher {
    app: Arc<App>,
    store: Store,
    declared: Vec<Endpoint>,
    threads: usize,
    memory: u64,
    waker: Waker,
    models: Vec<ModelSummary>,
    scaling: BTreeMap<String, Scaling>,
    hosts: BTreeMap<String, Host>,
    dormant: BTreeSet<String>,
    detail: Option<String>,
    failed: BTreeMap<String, Failed>,
    seen: Option<Stamp>,
}

/// The newest modification and the number of folders that the store's state hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    newest: SystemTime,
    /// Sum over all modification times, so that a folder replaced by an older one shows as well.
    sum: u128,
    folders: usize,
}

/// Starts following the store; the receiver resolves after the first look.
pub(crate) fn follow(
    app: Arc<App>,
    declared: Vec<Endpoint>,
    (threads, memory): (usize, Option<u64>),
) -> std::io::Result<(Follower, oneshot::Receiver<()>)> {
    let (messages, received) = channel();
    let (first, looked) = oneshot::channel();
    let store = app.store().clone();
    let watcher = Watcher {
        app,
        store,
        declared,
        threads: threads.max(1),
        memory: memory.unwrap_or(u64::MAX),
        waker: Waker::new(messages.clone()),
        models: Vec::new(),
        scaling: BTreeMap::new(),
        hosts: BTreeMap::new(),
        dormant: BTreeSet::new(),
        detail: None,
        failed: BTreeMap::new(),
        seen: None,
    };
    std::thread::Builder::new()
        .name("loquat-follow".to_owned())
        .spawn(move || watcher.run(first, &received))?;
    Ok((Follower { messages }, looked))
}

impl Watcher {
    fn run(mut self, first: oneshot::Sender<()>, messages: &Receiver<Message>) {
        self.look();
        // A server that ended meanwhile no longer listens.
        let _ = first.send(());
        let mut next = Instant::now() + LOOK;
        loop {
            match messages.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(Message::Wake(name, reply)) => {
                    // Who asked may have given up.
                    let _ = reply.send(self.wake(&name));
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.rest();
                    self.look();
                    next = Instant::now() + LOOK;
                }
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Loads the model of an endpoint that is asleep.
    fn wake(&mut self, name: &str) -> Result<Arc<Pipeline>, String> {
        let host = self.hosts.get(name).ok_or("the endpoint is gone")?;
        if let Some(pipeline) = &host.pipeline {
            return Ok(Arc::clone(pipeline));
        }
        let (reference, zero_shot) = (host.reference.clone(), host.zero_shot.clone());
        let version = target(&reference, &self.models)?.0;
        match self.load((&reference, zero_shot.as_ref()), version) {
            Ok(pipeline) => {
                self.swap(name, Arc::clone(&pipeline));
                self.fit(name);
                self.publish();
                Ok(pipeline)
            }
            Err(reason) => {
                self.fail(name, &reason);
                self.publish();
                Err(reason)
            }
        }
    }

    /// Unloads what has been idle for long enough.
    fn rest(&mut self) {
        let idle = |host: &&Host| {
            let scaling = self.scaling.get(&host.name);
            host.pipeline.is_some()
                && scaling
                    .is_some_and(|scaling| !scaling.keep_loaded && host.metrics.idle() > scaling.idle_timeout)
        };
        let names: Vec<String> = self.hosts.values().filter(idle).map(|host| host.name.clone()).collect();
        for name in &names {
            self.sleep(name);
        }
        if !names.is_empty() {
            self.publish();
        }
    }

    /// Unloads models that need not stay, the one unused longest first, until the rest fits; never that of `newest`.
    fn fit(&mut self, newest: &str) {
        while self.resident() > self.memory {
            let may_leave =
                |host: &&Host| host.pipeline.is_some() && host.name != newest && self.may_leave(&host.name);
            let unused = self.hosts.values().filter(may_leave).max_by_key(|host| host.metrics.idle());
            let Some(name) = unused.map(|host| host.name.clone()) else {
                tracing::warn!(
                    resident = self.resident(),
                    budget = self.memory,
                    "models exceed the memory allowed"
                );
                return;
            };
            self.sleep(&name);
        }
    }

    /// Whether the model of an endpoint may be unloaded: one that no resource mentions, or with `minReplicas: 0`.
    fn may_leave(&self, name: &str) -> bool {
        self.scaling.get(name).is_none_or(|scaling| !scaling.keep_loaded)
    }

    fn sleep(&mut self, name: &str) {
        if let Some(host) = self.hosts.get_mut(name) {
            tracing::info!(endpoint = name, "model unloaded");
            host.metrics.unloads.fetch_add(1, Ordering::Relaxed);
            host.pipeline = None;
            host.asleep = true;
        }
    }

    /// Bytes of all loaded models; one that several endpoints share counts once.
    fn resident(&self) -> u64 {
        let all = self.hosts.values().flat_map(held_by);
        let distinct: BTreeMap<(&str, u32), u64> =
            all.map(|pipeline| ((pipeline.model(), pipeline.version()), pipeline.resident_bytes())).collect();
        distinct.values().sum()
    }

    /// One look at the store.
    fn look(&mut self) {
        let stamp = stamp(self.store.root());
        let settled = stamp.newest.elapsed().is_ok_and(|age| age > UNSETTLED);
        let now = Instant::now();
        let due = self.failed.values().any(|failed| failed.next <= now);
        if self.seen == Some(stamp) && settled && !due && self.detail.is_none() {
            return;
        }
        self.seen = Some(stamp);
        match self.store.models() {
            Ok(models) => {
                self.note(None);
                self.follow(&models);
                self.models = models;
            }
            Err(error) => {
                self.note(Some(format!("the store can't be read: {error}")));
                self.follow_blind();
            }
        }
    }

    /// Remembers and logs, once, what is wrong with the store as a whole.
    fn note(&mut self, detail: Option<String>) {
        if self.detail == detail {
            return;
        }
        match &detail {
            Some(detail) => tracing::warn!(detail, "store not readable; what is loaded keeps answering"),
            None => tracing::info!("store readable again"),
        }
        self.detail = detail;
        self.publish();
    }

    fn follow(&mut self, models: &[ModelSummary]) {
        let wanted = self.wanted(models);
        let mut changed = self.drop_unwanted(&wanted, models);
        for wanted in &wanted {
            let versions = versions_of(models, wanted.endpoint.model.name.as_str());
            changed |= self.place(wanted, versions);
        }
        if changed {
            self.publish();
        }
        for wanted in &wanted {
            if self.aim(wanted, models) | self.accompany(wanted, models) {
                self.fit(wanted.endpoint.name.as_str());
                self.publish();
            }
        }
        self.app.forget_missing(|model, version| versions_of(models, model).contains(&version));
    }

    /// Without a readable store, declared endpoints still show as not ready instead of missing.
    fn follow_blind(&mut self) {
        let mut changed = false;
        for endpoint in self.declared.clone() {
            let known = self.hosts.get(endpoint.name.as_str()).map(|host| host.versions.clone());
            changed |= self.place(&Wanted { endpoint, implicit: false }, known.unwrap_or_default());
        }
        if changed {
            self.publish();
        }
    }

    /// Declared endpoints, then registered models that no declared endpoint shadows.
    fn wanted(&self, models: &[ModelSummary]) -> Vec<Wanted> {
        let mut wanted: Vec<Wanted> = self
            .declared
            .iter()
            .map(|endpoint| Wanted { endpoint: endpoint.clone(), implicit: false })
            .collect();
        for model in models {
            let declared = self.declared.iter().any(|endpoint| endpoint.name.as_str() == model.name);
            if declared || !model.aliases.contains_key(IMPLICIT_ALIAS) {
                continue;
            }
            // A name that the store lists and an alias that it holds are valid names.
            if let (Ok(name), Ok(alias)) = (Name::new(&model.name), Name::new(IMPLICIT_ALIAS)) {
                let model = ModelReference { name: name.clone(), selector: Selector::Alias(alias) };
                wanted.push(Wanted { endpoint: Endpoint::new(name, model), implicit: true });
            }
        }
        wanted
    }

    fn drop_unwanted(&mut self, wanted: &[Wanted], models: &[ModelSummary]) -> bool {
        let names: BTreeSet<&str> = wanted.iter().map(|wanted| wanted.endpoint.name.as_str()).collect();
        let before = self.hosts.len();
        self.hosts.retain(|name, _| names.contains(name.as_str()));
        self.failed.retain(|name, _| names.contains(name.as_str()));
        self.scaling.retain(|name, _| names.contains(name.as_str()));
        let dormant: BTreeSet<String> = models
            .iter()
            .map(|model| model.name.clone())
            .filter(|name| !names.contains(name.as_str()))
            .collect();
        let changed = dormant != self.dormant || before != self.hosts.len();
        self.dormant = dormant;
        changed
    }

    /// Makes room for an endpoint, or renews the list of its versions; whether anything changed.
    fn place(&mut self, wanted: &Wanted, versions: Vec<u32>) -> bool {
        let endpoint = &wanted.endpoint;
        if let Some(host) = self.hosts.get_mut(endpoint.name.as_str()) {
            let changed = host.versions != versions;
            host.versions = versions;
            return changed;
        }
        if !wanted.implicit {
            self.scaling.insert(endpoint.name.to_string(), endpoint.scaling.clone());
        }
        let host = Host {
            name: endpoint.name.to_string(),
            reference: endpoint.model.clone(),
            default: endpoint.default,
            implicit: wanted.implicit,
            zero_shot: endpoint.zero_shot.clone(),
            task: None,
            splits: Vec::new(),
            shadows: Vec::new(),
            asleep: false,
            waker: self.waker.clone(),
            woken: OnceLock::new(),
            gate: Arc::new(Gate::new(endpoint.threads.unwrap_or(self.threads), &endpoint.requests)),
            requests: endpoint.requests.clone(),
            metrics: Arc::new(HostMetrics::new()),
            pipeline: None,
            failure: None,
            versions,
        };
        self.hosts.insert(host.name.clone(), host);
        true
    }

    /// Points an endpoint at the version that its reference names now; whether anything changed.
    fn aim(&mut self, wanted: &Wanted, models: &[ModelSummary]) -> bool {
        let name = wanted.endpoint.name.as_str();
        let reference = &wanted.endpoint.model;
        let target = match target(reference, models) {
            Ok(target) => target,
            Err(reason) => {
                self.failed.remove(name);
                return self.fail(name, &reason);
            }
        };
        let Some(host) = self.hosts.get_mut(name) else { return false };
        if host
            .pipeline
            .as_ref()
            .is_some_and(|pipeline| pipeline.version() == target.0 && pipeline.digest() == target.1)
        {
            self.failed.remove(name);
            return host.failure.take().is_some();
        }
        if host.pipeline.is_none() && self.may_stay_away(name) {
            let host = self.hosts.get_mut(name);
            return host.is_some_and(|host| !std::mem::replace(&mut host.asleep, true));
        }
        let now = Instant::now();
        if self.failed.get(name).is_some_and(|failed| failed.version == target.0 && failed.next > now) {
            return false;
        }
        match self.load((reference, wanted.endpoint.zero_shot.as_ref()), target.0) {
            Ok(pipeline) => self.swap(name, pipeline),
            Err(reason) => self.postpone(name, target.0, &reason),
        }
    }

    /// Whether an endpoint without a loaded model need not get one before a request comes: its resource says so, or the memory
    /// is spent.
    fn may_stay_away(&self, name: &str) -> bool {
        match self.scaling.get(name) {
            Some(scaling) => !scaling.keep_loaded,
            None => self.hosts.get(name).is_some_and(|host| host.asleep) || self.resident() >= self.memory,
        }
    }

    /// Loads the versions that share the traffic of an endpoint or shadow it; whether anything changed. One that can't be loaded
    /// leaves its share to the model.
    fn accompany(&mut self, wanted: &Wanted, models: &[ModelSummary]) -> bool {
        let endpoint = &wanted.endpoint;
        let splits: Vec<(Arc<Pipeline>, f64)> = endpoint
            .traffic
            .iter()
            .filter_map(|portion| Some((self.companion(endpoint, &portion.model, models)?, portion.percent)))
            .collect();
        let shadows: Vec<Arc<Pipeline>> = endpoint
            .shadow
            .iter()
            .filter_map(|reference| self.companion(endpoint, reference, models))
            .collect();
        let Some(host) = self.hosts.get_mut(endpoint.name.as_str()) else { return false };
        let same = host.splits.len() == splits.len()
            && host.shadows.len() == shadows.len()
            && host.splits.iter().zip(&splits).all(|(old, new)| Arc::ptr_eq(&old.0, &new.0))
            && host.shadows.iter().zip(&shadows).all(|(old, new)| Arc::ptr_eq(old, new));
        host.splits = splits;
        host.shadows = shadows;
        !same
    }

    fn companion(
        &self,
        endpoint: &Endpoint,
        reference: &ModelReference,
        models: &[ModelSummary],
    ) -> Option<Arc<Pipeline>> {
        let wanted = (reference, endpoint.zero_shot.as_ref());
        let loaded = target(reference, models).and_then(|(version, _)| self.load(wanted, version));
        loaded.map_err(|reason| tracing::warn!(version = %reference, reason, "version not asked")).ok()
    }

    /// A pipeline of the version: another endpoint's when it holds it already, else loaded and proven by its golden inputs.
    /// It answers zero-shot classification where the endpoint does.
    fn load(
        &self,
        (reference, zero_shot): (&ModelReference, Option<&ZeroShot>),
        version: u32,
    ) -> Result<Arc<Pipeline>, String> {
        let is_wanted = |pipeline: &&Arc<Pipeline>| {
            pipeline.model() == reference.name.as_str() && pipeline.version() == version
        };
        let mut held = self.hosts.values().filter_map(|host| Some((host, held_by(host).find(is_wanted)?)));
        let alike = held.clone().find(|(host, _)| host.zero_shot.as_ref() == zero_shot);
        let pipeline = match alike.or_else(|| held.next()) {
            Some((host, pipeline)) if host.zero_shot.as_ref() == zero_shot => {
                return Ok(Arc::clone(pipeline));
            }
            Some((_, pipeline)) => Pipeline::clone(pipeline),
            None => self.load_version(reference, version)?,
        };
        let answering = pipeline.answering(zero_shot);
        answering
            .map(Arc::new)
            .map_err(|error| format!("version {version} can't be taken into service: {error}"))
    }

    fn load_version(&self, reference: &ModelReference, version: u32) -> Result<Pipeline, String> {
        let fixed = ModelReference { name: reference.name.clone(), selector: Selector::Version(version) };
        match contained(|| Pipeline::from_store_on(&self.store, &fixed, self.app.kernels)) {
            Some(Ok(pipeline)) => Ok(pipeline),
            Some(Err(error)) => Err(format!("version {version} can't be taken into service: {error}")),
            None => Err(format!("version {version} can't be taken into service: loading it panicked")),
        }
    }

    fn swap(&mut self, name: &str, pipeline: Arc<Pipeline>) -> bool {
        self.failed.remove(name);
        let Some(host) = self.hosts.get_mut(name) else { return false };
        let before = host.pipeline.as_ref().map(|pipeline| pipeline.version());
        tracing::info!(
            endpoint = name,
            model = pipeline.model(),
            version = pipeline.version(),
            ?before,
            "version in service"
        );
        host.gate.measure(&pipeline);
        host.metrics.swaps.fetch_add(1, Ordering::Relaxed);
        host.metrics.touch();
        host.task = Some(pipeline.task());
        host.pipeline = Some(pipeline);
        host.failure = None;
        host.asleep = false;
        true
    }

    fn postpone(&mut self, name: &str, version: u32, reason: &str) -> bool {
        let known = self.failed.get(name).filter(|failed| failed.version == version);
        let pause = known.map_or(FIRST_RETRY, |failed| (failed.pause * 2).min(LONGEST_RETRY));
        self.failed.insert(name.to_owned(), Failed { version, pause, next: Instant::now() + pause });
        if let Some(host) = self.hosts.get(name) {
            host.metrics.load_failures.fetch_add(1, Ordering::Relaxed);
        }
        self.fail(name, reason)
    }

    fn fail(&mut self, name: &str, reason: &str) -> bool {
        let Some(host) = self.hosts.get_mut(name) else { return false };
        let failure = match &host.pipeline {
            Some(pipeline) => format!("{reason}; version {} keeps answering", pipeline.version()),
            None => reason.to_owned(),
        };
        if host.failure.as_ref() == Some(&failure) {
            return false;
        }
        tracing::warn!(endpoint = name, reason = failure, "version not taken into service");
        host.failure = Some(failure);
        true
    }

    fn publish(&self) {
        let hosts = self.hosts.iter().map(|(name, host)| (name.clone(), Arc::new(host.clone()))).collect();
        self.app.set_table(Table { hosts, dormant: self.dormant.clone(), detail: self.detail.clone() });
    }
}

/// Every version that an endpoint holds.
fn held_by(host: &Host) -> impl Iterator<Item = &Arc<Pipeline>> {
    let main = host.pipeline.iter().chain(&host.shadows);
    main.chain(host.splits.iter().map(|(pipeline, _)| pipeline))
}

fn versions_of(models: &[ModelSummary], name: &str) -> Vec<u32> {
    let model = models.iter().find(|model| model.name == name);
    model.map(|model| model.versions.iter().map(|record| record.version).collect()).unwrap_or_default()
}

/// Number and digest of the version that `reference` names now, or why it names none.
fn target<'a>(reference: &ModelReference, models: &'a [ModelSummary]) -> Result<(u32, &'a str), String> {
    let name = &reference.name;
    let Some(model) = models.iter().find(|model| model.name == name.as_str()) else {
        return Err(format!("no model {name} is registered; train it with loquat train"));
    };
    let version = match &reference.selector {
        Selector::Version(version) => *version,
        Selector::Alias(alias) => *model
            .aliases
            .get(alias.as_str())
            .ok_or_else(|| format!("model {name} has no alias {alias}; set it with loquat models promote"))?,
    };
    let record = model.versions.iter().find(|record| record.version == version);
    record
        .map(|record| (version, record.digest.as_str()))
        .ok_or_else(|| format!("model {name} has no version {version}"))
}

/// The modification times of the folders whose entries change whenever a version or an alias does: the store
/// renames every file into place.
fn stamp(root: &Path) -> Stamp {
    let mut stamp = Stamp { newest: SystemTime::UNIX_EPOCH, sum: 0, folders: 0 };
    let models = root.join("models");
    add(&mut stamp, &models);
    let Ok(entries) = std::fs::read_dir(&models) else { return stamp };
    for entry in entries.flatten() {
        let model = entry.path();
        add(&mut stamp, &model);
        add(&mut stamp, &model.join("versions"));
    }
    stamp
}

fn add(stamp: &mut Stamp, folder: &Path) {
    let Ok(modified) = std::fs::metadata(folder).and_then(|metadata| metadata.modified()) else { return };
    let age = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    stamp.newest = stamp.newest.max(modified);
    stamp.sum = stamp.sum.wrapping_add(age.as_nanos());
    stamp.folders += 1;
}
