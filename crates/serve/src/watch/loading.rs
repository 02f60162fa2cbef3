//! Taking versions into service and out of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use loquat_infer::{Device, Pipeline};
use loquat_spec::{Endpoint, ModelReference, Selector, ZeroShot};
use loquat_store::ModelSummary;

use super::memory::held_by;
use super::target::target;
use super::watcher::Watcher;
use crate::exchange::contained;
use crate::host::Failure;

/// The reason of an endpoint whose version does not load or fails its golden inputs.
const NOT_LOADED: &str = "VersionNotLoaded";
const GONE: &str = "the endpoint is gone";

impl Watcher {
    /// Loads the model of an endpoint that is asleep.
    pub(super) fn wake(&mut self, name: &str) -> Result<Arc<Pipeline>, String> {
        let host = self.hosts.get(name).ok_or(GONE)?;
        if let Some(pipeline) = &host.pipeline {
            return Ok(Arc::clone(pipeline));
        }
        let (reference, zero_shot) = (host.reference.clone(), host.zero_shot.clone());
        let device = host.device;
        let loaded = target(&reference, &self.models)
            .and_then(|(version, _)| self.load((&reference, zero_shot.as_ref(), device), version));
        match loaded {
            Ok(pipeline) => {
                self.swap(name, Arc::clone(&pipeline));
                self.line_up_again(name);
                self.fit(name);
                self.publish();
                Ok(pipeline)
            }
            Err(failure) => {
                let message = failure.message.clone();
                self.fail(name, failure);
                self.publish();
                Err(message)
            }
        }
    }

    /// Loads the model of an endpoint that was unloaded on request, or is asleep.
    pub(super) fn load_again(&mut self, name: &str) -> Result<Arc<Pipeline>, String> {
        if let Some(host) = self.hosts.get_mut(name) {
            host.unloaded = false;
        }
        self.wake(name)
    }

    /// Unloads the model of an endpoint until it is asked to load again.
    pub(super) fn unload(&mut self, name: &str) -> Result<(), String> {
        let host = self.hosts.get_mut(name).ok_or(GONE)?;
        tracing::info!(endpoint = name, "model unloaded on request");
        host.metrics.unloads.fetch_add(1, Ordering::Relaxed);
        host.pipeline = None;
        host.splits.clear();
        host.shadows.clear();
        host.rest_cascade();
        host.asleep = false;
        host.unloaded = true;
        self.publish();
        Ok(())
    }

    /// Loads the versions that share the traffic of an endpoint or shadow it; whether anything changed. One that can't be loaded
    /// leaves its share to the model.
    pub(super) fn accompany(&mut self, endpoint: &Endpoint, models: &[ModelSummary]) -> bool {
        if self.hosts.get(endpoint.name.as_str()).is_none_or(|host| host.unloaded) {
            return false;
        }
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
        let alike = |old: &(Arc<Pipeline>, f64), new: &(Arc<Pipeline>, f64)| {
            Arc::ptr_eq(&old.0, &new.0) && old.1 == new.1
        };
        let same = host.splits.len() == splits.len()
            && host.shadows.len() == shadows.len()
            && host.splits.iter().zip(&splits).all(|(old, new)| alike(old, new))
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
        let wanted = (reference, endpoint.zero_shot.as_ref(), device_of(endpoint));
        let loaded = target(reference, models).and_then(|(version, _)| self.load(wanted, version));
        loaded
            .map_err(|failure| {
                tracing::warn!(version = %reference, reason = failure.message, "version not asked");
            })
            .ok()
    }

    /// A pipeline of the version: another endpoint's when it holds it already, else loaded and proven by its golden inputs.
    /// It answers zero-shot classification where the endpoint does.
    pub(super) fn load(
        &self,
        (reference, zero_shot, device): (&ModelReference, Option<&ZeroShot>, Device),
        version: u32,
    ) -> Result<Arc<Pipeline>, Failure> {
        let is_wanted = |pipeline: &&Arc<Pipeline>| {
            pipeline.model() == reference.name.as_str()
                && pipeline.version() == version
                && pipeline.device() == device
        };
        let held: Vec<&Arc<Pipeline>> = self.hosts.values().flat_map(held_by).filter(is_wanted).collect();
        if let Some(alike) = held.iter().find(|pipeline| pipeline.answers_as(zero_shot)) {
            return Ok(Arc::clone(alike));
        }
        let pipeline = match held.first() {
            Some(pipeline) => Pipeline::clone(pipeline),
            None => self.load_version(reference, version, device).map_err(|why| not_loaded(version, &why))?,
        };
        let answering = pipeline.answering(zero_shot);
        answering.map(Arc::new).map_err(|error| not_loaded(version, &error.to_string()))
    }

    fn load_version(
        &self,
        reference: &ModelReference,
        version: u32,
        device: Device,
    ) -> Result<Pipeline, String> {
        let fixed = ModelReference { name: reference.name.clone(), selector: Selector::Version(version) };
        let compute = self.app.compute.on(device);
        let servers = &self.app.serving.servers;
        match contained(|| Pipeline::from_store_with(&self.store, &fixed, compute, servers)) {
            Some(Ok(pipeline)) => Ok(pipeline),
            Some(Err(error)) => Err(error.to_string()),
            None => Err("loading it panicked".to_owned()),
        }
    }

    /// Lets `pipeline` answer an endpoint from now on.
    pub(super) fn swap(&mut self, name: &str, pipeline: Arc<Pipeline>) -> bool {
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
}

/// Where the models of an endpoint compute.
pub(super) fn device_of(endpoint: &Endpoint) -> Device {
    if endpoint.gpu { Device::Gpu } else { Device::Processor }
}

fn not_loaded(version: u32, why: &str) -> Failure {
    Failure { reason: NOT_LOADED, message: format!("version {version} can't be taken into service: {why}") }
}
