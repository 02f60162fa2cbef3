//! What stays loaded: models unused for long enough leave, and those that need not stay leave to make room.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use loquat_infer::Pipeline;
use loquat_spec::Scaling;

use super::watcher::Watcher;
use crate::host::Host;

impl Watcher {
    /// Unloads what has been idle for long enough.
    pub(super) fn rest(&mut self) {
        let idle = |host: &&Host| {
            let scaling = self.scaling(&host.name);
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
    pub(super) fn fit(&mut self, newest: &str) {
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

    /// Whether an endpoint without a loaded model need not get one before a request comes: its resource says so, or the memory
    /// is spent.
    pub(super) fn may_stay_away(&self, name: &str) -> bool {
        match self.scaling(name) {
            Some(scaling) => !scaling.keep_loaded,
            None => self.hosts.get(name).is_some_and(|host| host.asleep) || self.resident() >= self.memory,
        }
    }

    /// Whether the model of an endpoint may be unloaded: one that no resource mentions, or with `minReplicas: 0`.
    fn may_leave(&self, name: &str) -> bool {
        self.scaling(name).is_none_or(|scaling| !scaling.keep_loaded)
    }

    /// What the resource of an endpoint says; none where no resource declares it.
    fn scaling(&self, name: &str) -> Option<&Scaling> {
        self.declared.get(name).map(|declaration| &declaration.endpoint.scaling)
    }

    fn sleep(&mut self, name: &str) {
        if let Some(host) = self.hosts.get_mut(name) {
            tracing::info!(endpoint = name, "model unloaded");
            host.metrics.unloads.fetch_add(1, Ordering::Relaxed);
            host.pipeline = None;
            host.rest_cascade();
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
}

/// Every version that an endpoint holds.
pub(super) fn held_by(host: &Host) -> impl Iterator<Item = &Arc<Pipeline>> {
    let main = host.pipeline.iter().chain(&host.shadows);
    let early = host.cascade.iter().flat_map(|cascade| &cascade.stages).map(|stage| &stage.pipeline);
    main.chain(host.splits.iter().map(|(pipeline, _)| pipeline)).chain(early)
}
