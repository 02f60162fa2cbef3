//! One look: which endpoints there should be, and which version of each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use loquat_infer::Device;
use loquat_spec::{Endpoint, ModelReference, Name, Selector};
use loquat_store::{ModelSummary, Store};

use super::loading::device_of;
use super::stamp::Stamp;
use super::target::{target, versions_of};
use crate::gate::Gate;
use crate::host::{App, Failure, Host, Table};
use crate::metrics::HostMetrics;
use crate::resources::{Condition, DeclaredEndpoint};

/// First pause before a version that failed is tried again; it doubles up to [`LONGEST_RETRY`].
const FIRST_RETRY: Duration = Duration::from_secs(2);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// The alias that gives a registered model an endpoint of its own.
const IMPLICIT_ALIAS: &str = "champion";

/// What the thread that follows the store knows.
pub(super) struct Watcher {
    pub(super) app: Arc<App>,
    pub(super) store: Store,
    pub(super) declared: BTreeMap<String, DeclaredEndpoint>,
    revision: u64,
    pub(super) threads: usize,
    pub(super) memory: u64,
    pub(super) models: Vec<ModelSummary>,
    /// What each endpoint was placed as.
    placed: BTreeMap<String, Endpoint>,
    pub(super) hosts: BTreeMap<String, Host>,
    dormant: BTreeSet<String>,
    detail: Option<String>,
    pub(super) failed: BTreeMap<String, Failed>,
    seen: Option<Stamp>,
}

/// A version that could not be taken into service.
pub(super) struct Failed {
    version: u32,
    pause: Duration,
    next: Instant,
}

/// An endpoint that should be hosted.
struct Wanted {
    endpoint: Endpoint,
    generation: u64,
    implicit: bool,
}

impl Watcher {
    /// Has looked at nothing yet.
    pub(super) fn new(app: Arc<App>, threads: usize, memory: u64) -> Self {
        let store = app.store().clone();
        Self {
            app,
            store,
            declared: BTreeMap::new(),
            revision: 0,
            threads,
            memory,
            models: Vec::new(),
            placed: BTreeMap::new(),
            hosts: BTreeMap::new(),
            dormant: BTreeSet::new(),
            detail: None,
            failed: BTreeMap::new(),
            seen: None,
        }
    }

    /// One look at the store and the resources.
    pub(super) fn look(&mut self) {
        let stamp = Stamp::of(self.store.root());
        let (revision, declared) = self.app.declared.endpoints();
        let now = Instant::now();
        let due = self.failed.values().any(|failed| failed.next <= now);
        let same = self.seen == Some(stamp) && self.revision == revision;
        if same && stamp.is_settled() && !due && self.detail.is_none() {
            return;
        }
        (self.seen, self.revision, self.declared) = (Some(stamp), revision, declared);
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
            let endpoint = &wanted.endpoint;
            let changed = self.aim(endpoint, models) | self.accompany(endpoint, models);
            if changed | self.line_up(endpoint, models) {
                self.fit(wanted.endpoint.name.as_str());
                self.publish();
            }
        }
        self.app.forget_missing(|model, version| versions_of(models, model).contains(&version));
    }

    /// Without a readable store, declared endpoints still show as not ready instead of missing.
    fn follow_blind(&mut self) {
        let mut changed = false;
        for wanted in self.wanted(&[]) {
            let known = self.hosts.get(wanted.endpoint.name.as_str()).map(|host| host.versions.clone());
            changed |= self.place(&wanted, known.unwrap_or_default());
        }
        if changed {
            self.publish();
        }
    }

    /// Declared endpoints, then registered models that no declared endpoint shadows.
    fn wanted(&self, models: &[ModelSummary]) -> Vec<Wanted> {
        let declared = self.declared.values().map(|declaration| Wanted {
            endpoint: declaration.endpoint.clone(),
            generation: declaration.generation,
            implicit: false,
        });
        let undeclared = models.iter().filter(|model| {
            !self.declared.contains_key(&model.name) && model.aliases.contains_key(IMPLICIT_ALIAS)
        });
        let implicit = undeclared.filter_map(|model| {
            // A name that the store lists and an alias that it holds are valid names.
            let name = Name::new(&model.name).ok()?;
            let selector = Selector::Alias(Name::new(IMPLICIT_ALIAS).ok()?);
            let model = ModelReference { name: name.clone(), selector };
            Some(Wanted { endpoint: Endpoint::new(name, model), generation: 1, implicit: true })
        });
        declared.chain(implicit).collect()
    }

    fn drop_unwanted(&mut self, wanted: &[Wanted], models: &[ModelSummary]) -> bool {
        let names: BTreeSet<&str> = wanted.iter().map(|wanted| wanted.endpoint.name.as_str()).collect();
        let before = self.hosts.len();
        self.hosts.retain(|name, _| names.contains(name.as_str()));
        self.failed.retain(|name, _| names.contains(name.as_str()));
        self.placed.retain(|name, _| names.contains(name.as_str()));
        let dormant: BTreeSet<String> = models
            .iter()
            .map(|model| model.name.clone())
            .filter(|name| !names.contains(name.as_str()))
            .collect();
        let changed = dormant != self.dormant || before != self.hosts.len();
        self.dormant = dormant;
        changed
    }

    /// Makes room for an endpoint, changes it as its resource says now, or renews the list of its versions; whether anything
    /// changed.
    fn place(&mut self, wanted: &Wanted, versions: Vec<u32>) -> bool {
        let endpoint = &wanted.endpoint;
        let name = endpoint.name.as_str();
        let before = self.placed.insert(name.to_owned(), endpoint.clone());
        if let Some(host) = self.hosts.get_mut(name) {
            let mut changed = host.versions != versions || host.generation != wanted.generation;
            changed |= host.implicit != wanted.implicit;
            host.versions = versions;
            host.generation = wanted.generation;
            host.implicit = wanted.implicit;
            if before.as_ref() == Some(endpoint) {
                return changed;
            }
            self.failed.remove(name);
            redeclare(host, endpoint, before.as_ref(), self.threads);
            return true;
        }
        let host = Host {
            name: endpoint.name.to_string(),
            reference: endpoint.model.clone(),
            default: endpoint.default,
            implicit: wanted.implicit,
            generation: wanted.generation,
            zero_shot: endpoint.zero_shot.clone(),
            device: device_of(endpoint),
            task: None,
            splits: Vec::new(),
            shadows: Vec::new(),
            cascade: None,
            cascade_condition: None,
            asleep: false,
            unloaded: false,
            waker: self.app.waker.clone(),
            woken: OnceLock::new(),
            gate: Arc::new(Gate::new(endpoint.threads.unwrap_or(self.threads), &endpoint.requests)),
            requests: endpoint.requests.clone(),
            metrics: Arc::new(HostMetrics::new()),
            pipeline: None,
            failure: None,
            condition: Condition::loading(),
            versions,
        };
        self.hosts.insert(host.name.clone(), host);
        true
    }

    /// Points an endpoint at the version that its reference names now; whether anything changed.
    fn aim(&mut self, endpoint: &Endpoint, models: &[ModelSummary]) -> bool {
        let (name, reference) = (endpoint.name.as_str(), &endpoint.model);
        let target = match target(reference, models) {
            Ok(target) => target,
            Err(failure) => {
                self.failed.remove(name);
                return self.fail(name, failure);
            }
        };
        let Some(host) = self.hosts.get_mut(name) else { return false };
        let answers = host.pipeline.as_ref().is_some_and(|pipeline| {
            pipeline.model() == reference.name.as_str()
                && (pipeline.version(), pipeline.digest()) == target
                && pipeline.answers_as(endpoint.zero_shot.as_ref())
                && pipeline.device() == device_of(endpoint)
        });
        if answers || host.unloaded {
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
        match self.load((reference, endpoint.zero_shot.as_ref(), device_of(endpoint)), target.0) {
            Ok(pipeline) => self.swap(name, pipeline),
            Err(failure) => self.postpone(name, target.0, failure),
        }
    }

    fn postpone(&mut self, name: &str, version: u32, failure: Failure) -> bool {
        let known = self.failed.get(name).filter(|failed| failed.version == version);
        let pause = known.map_or(FIRST_RETRY, |failed| (failed.pause * 2).min(LONGEST_RETRY));
        self.failed.insert(name.to_owned(), Failed { version, pause, next: Instant::now() + pause });
        if let Some(host) = self.hosts.get(name) {
            host.metrics.load_failures.fetch_add(1, Ordering::Relaxed);
        }
        self.fail(name, failure)
    }

    /// Notes why the version that should answer doesn't; whether that is news.
    pub(super) fn fail(&mut self, name: &str, mut failure: Failure) -> bool {
        let Some(host) = self.hosts.get_mut(name) else { return false };
        if let Some(pipeline) = &host.pipeline {
            failure.message.push_str(&format!("; version {} keeps answering", pipeline.version()));
        }
        if host.failure.as_ref() == Some(&failure) {
            return false;
        }
        tracing::warn!(endpoint = name, reason = failure.message, "version not taken into service");
        host.failure = Some(failure);
        true
    }

    /// Shows endpoints again whose servers came up or went down since they were shown.
    pub(super) fn listen(&mut self) {
        let mut changed = false;
        for host in self.hosts.values().filter(|host| host.pipeline.as_ref().is_some_and(|p| p.is_remote())) {
            let down = host.down();
            if down.is_none() == host.condition.holds() {
                continue;
            }
            changed = true;
            match down {
                Some(reason) => tracing::warn!(endpoint = host.name, reason, "the model's server is down"),
                None => tracing::info!(endpoint = host.name, "the model's server answers"),
            }
        }
        if changed {
            self.publish();
        }
    }

    /// Shows every endpoint as it is now to the routes.
    pub(super) fn publish(&mut self) {
        for host in self.hosts.values_mut() {
            host.condition = host.condition.follow(host);
        }
        let hosts = self.hosts.iter().map(|(name, host)| (name.clone(), Arc::new(host.clone()))).collect();
        self.app.set_table(Table { hosts, dormant: self.dormant.clone(), detail: self.detail.clone() });
    }
}

/// Changes an endpoint to what its resource says now. The version that answers stays until its successor has loaded.
fn redeclare(host: &mut Host, endpoint: &Endpoint, before: Option<&Endpoint>, threads: usize) {
    let same_gate = before
        .is_some_and(|before| (before.threads, &before.requests) == (endpoint.threads, &endpoint.requests));
    if !same_gate {
        let gate = Gate::new(endpoint.threads.unwrap_or(threads), &endpoint.requests);
        if let Some(pipeline) = &host.pipeline {
            gate.measure(pipeline);
        }
        host.gate = Arc::new(gate);
    }
    // Lined up again with the threads and limits of now.
    host.cascade = None;
    host.reference = endpoint.model.clone();
    host.default = endpoint.default;
    host.zero_shot.clone_from(&endpoint.zero_shot);
    if device_of(endpoint) == Device::Gpu && host.device != Device::Gpu {
        // Who asks for a GPU is not answered by the processor meanwhile.
        host.pipeline = None;
        host.splits.clear();
        host.shadows.clear();
    }
    host.device = device_of(endpoint);
    host.requests = endpoint.requests.clone();
}
