//! Lining up the versions that an endpoint asks early. A threshold belongs to two artifacts: where one of them moved on, the
//! endpoint's version answers alone until the pair is calibrated.

use std::sync::Arc;

use loquat_infer::{Device, Pipeline, check_cascade};
use loquat_spec::{CascadeStage, Endpoint, Name};
use loquat_store::{CascadeCalibration, ModelSummary};

use super::target::target;
use super::watcher::Watcher;
use crate::cascade::{Cascade, Live, Stage};
use crate::gate::Gate;
use crate::host::{Failure, Host};
use crate::resources::Condition;

/// A stage that may answer.
type Found = (Arc<Pipeline>, CascadeCalibration);

impl Watcher {
    /// Lines up what the resource of an endpoint asks early, or notes why it can't be asked; whether anything changed.
    pub(super) fn line_up(&mut self, endpoint: &Endpoint, models: &[ModelSummary]) -> bool {
        let Some(host) = self.hosts.get(endpoint.name.as_str()) else { return false };
        if endpoint.cascade.is_empty() && host.cascade_condition.is_none() {
            return false;
        }
        let found = host.pipeline.as_ref().ok_or_else(idle).and_then(|dear| {
            let stages = endpoint.cascade.iter();
            stages.map(|stage| self.stage(endpoint, stage, (dear, models))).collect::<Result<Vec<Found>, _>>()
        });
        let threads = endpoint.threads.unwrap_or(self.threads);
        let Some(host) = self.hosts.get_mut(endpoint.name.as_str()) else { return false };
        let before = (host.cascade.clone(), host.cascade_condition.clone());
        if endpoint.cascade.is_empty() {
            (host.cascade, host.cascade_condition) = (None, None);
            return true;
        }
        match found {
            Ok(found) => {
                host.note_cascade(true, "Calibrated", calibrated(&found));
                let same = host.cascade.as_ref().is_some_and(|cascade| is_same(cascade, &found));
                if !same {
                    let stages = found.into_iter().map(|found| stage_of(found, threads, endpoint)).collect();
                    host.cascade = Some(Arc::new(Cascade { stages }));
                }
            }
            Err(failure) => host.drop_cascade(&failure),
        }
        let same = match (&before.0, &host.cascade) {
            (Some(before), Some(now)) => Arc::ptr_eq(before, now),
            (before, now) => before.is_none() && now.is_none(),
        };
        !same || before.1 != host.cascade_condition
    }

    /// The same for an endpoint that was woken by a request.
    pub(super) fn line_up_again(&mut self, name: &str) {
        let Some(endpoint) = self.declared.get(name).map(|declaration| declaration.endpoint.clone()) else {
            return;
        };
        let models = std::mem::take(&mut self.models);
        self.line_up(&endpoint, &models);
        self.models = models;
    }

    fn stage(
        &self,
        endpoint: &Endpoint,
        stage: &CascadeStage,
        (dear, models): (&Arc<Pipeline>, &[ModelSummary]),
    ) -> Result<Found, Failure> {
        let (version, digest) = target(&stage.model, models)?;
        let unreadable = |error: &dyn std::fmt::Display| Failure {
            reason: "CalibrationUnreadable",
            message: format!("calibrations of {} can't be read: {error}", dear.model()),
        };
        let name = Name::new(dear.model()).map_err(|error| unreadable(&error))?;
        let known = self.store.cascades(&name, dear.version()).map_err(|error| unreadable(&error))?;
        let fits = |known: &CascadeCalibration| {
            known.fits((digest, dear.digest()), endpoint.zero_shot.as_ref(), stage.agreement)
        };
        let calibration = known.into_iter().find(fits).ok_or_else(|| Failure {
            reason: "NotCalibrated",
            message: format!(
                "{name}:{dear} answers alone: {cheap}:{version} before it is not calibrated for an agreement of {agreement}; run \
                 loquat models cascade {cheap}:{version} {name}:{dear} --dataset NAME --agreement {agreement}",
                dear = dear.version(),
                cheap = stage.model.name,
                agreement = stage.agreement
            ),
        })?;
        // The cheap ones answer on the processor, whatever the dear one computes on.
        let wanted = (&stage.model, endpoint.zero_shot.as_ref(), Device::Processor);
        let pipeline = self.load(wanted, version)?;
        check_cascade(&pipeline, dear)
            .map_err(|error| Failure { reason: "VersionsDiffer", message: error.to_string() })?;
        Ok((pipeline, calibration))
    }
}

impl Host {
    /// Lets the endpoint's version answer alone, and says why.
    pub(super) fn drop_cascade(&mut self, failure: &Failure) {
        self.cascade = None;
        self.note_cascade(false, failure.reason, failure.message.clone());
    }

    /// Forgets the versions that are asked early while the endpoint's own is unloaded.
    pub(super) fn rest_cascade(&mut self) {
        if self.cascade_condition.is_some() {
            self.drop_cascade(&idle());
        }
    }

    fn note_cascade(&mut self, ready: bool, reason: &'static str, message: String) {
        let before = self.cascade_condition.take();
        if !ready && before.as_ref().is_none_or(|before| before.message != message) {
            tracing::warn!(endpoint = self.name, reason = message, "no version is asked early");
        }
        self.cascade_condition = Some(Condition::cascade(before.as_ref(), ready, reason, message));
    }
}

fn idle() -> Failure {
    Failure { reason: "Idle", message: "the endpoint's own version is not loaded".to_owned() }
}

fn calibrated(found: &[Found]) -> String {
    let parts: Vec<String> = found
        .iter()
        .map(|(pipeline, calibration)| {
            let chosen = &calibration.chosen;
            format!(
                "version {} of {} answers where it is sure by {:.4} or more, {:.0} % of {} calibration rows, for an agreement of {}",
                pipeline.version(),
                pipeline.model(),
                chosen.threshold,
                100.0 * chosen.early,
                calibration.rows,
                chosen.agreement
            )
        })
        .collect();
    parts.join("; ")
}

fn is_same(cascade: &Cascade, found: &[Found]) -> bool {
    let alike = |(stage, found): (&Stage, &Found)| {
        Arc::ptr_eq(&stage.pipeline, &found.0) && stage.calibration == found.1
    };
    cascade.stages.len() == found.len() && cascade.stages.iter().zip(found).all(alike)
}

fn stage_of((pipeline, calibration): Found, threads: usize, endpoint: &Endpoint) -> Stage {
    let gate = Gate::new(threads, &endpoint.requests);
    gate.measure(&pipeline);
    let live = Live::new(calibration.chosen.early);
    Stage { pipeline, calibration, gate, live }
}
