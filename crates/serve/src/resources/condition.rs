//! How an endpoint fares, in the words of Kubernetes: condition `Ready`, and `Cascade` where cheaper versions are to be asked
//! first, each with a reason, a message and the time of its last change.

use std::time::SystemTime;

use serde_json::{Value, json};

use crate::host::Host;

/// A condition of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    /// Its type.
    kind: &'static str,
    /// Whether it holds: requests are answered, if need be after loading; cheaper versions are asked first.
    pub(crate) ready: bool,
    /// Why, in one word.
    pub(crate) reason: &'static str,
    /// Why, in a sentence.
    pub(crate) message: String,
    /// Since when it is ready or not.
    since: SystemTime,
}

impl Condition {
    /// The condition of an endpoint that nothing is known of yet.
    pub(crate) fn loading() -> Self {
        let message = "its version is still loading".to_owned();
        Self { kind: "Ready", ready: false, reason: "Loading", message, since: SystemTime::now() }
    }

    /// The condition of `host` now, which was this before.
    pub(crate) fn follow(&self, host: &Host) -> Self {
        let (ready, reason, message) = state(host);
        let since = if ready == self.ready { self.since } else { SystemTime::now() };
        Self { kind: self.kind, ready, reason, message, since }
    }

    /// Condition `Cascade` now, which was `before`.
    pub(crate) fn cascade(before: Option<&Self>, ready: bool, reason: &'static str, message: String) -> Self {
        let since = before.filter(|before| before.ready == ready).map(|before| before.since);
        Self { kind: "Cascade", ready, reason, message, since: since.unwrap_or_else(SystemTime::now) }
    }

    /// As `status.conditions` lists it, about the resource at `generation`.
    pub(crate) fn to_json(&self, generation: u64) -> Value {
        json!({
            "type": self.kind,
            "status": if self.ready { "True" } else { "False" },
            "reason": self.reason,
            "message": self.message,
            "lastTransitionTime": timestamp(self.since),
            "observedGeneration": generation,
        })
    }
}

fn state(host: &Host) -> (bool, &'static str, String) {
    if let Some(reason) = host.down() {
        return (false, "ServerDown", reason);
    }
    match (&host.pipeline, &host.failure) {
        (Some(_), Some(failure)) => (true, "PreviousVersionServing", failure.message.clone()),
        (Some(pipeline), None) => {
            (true, "Serving", format!("version {} of {} answers", pipeline.version(), pipeline.model()))
        }
        (None, _) if host.unloaded => {
            let load = format!("POST /v2/repository/models/{}/load", host.name);
            (false, "Unloaded", format!("its model was unloaded on request; {load} loads it"))
        }
        (None, Some(failure)) => (false, failure.reason, failure.message.clone()),
        (None, None) if host.asleep => {
            (true, "Idle", "its model is loaded when a request asks for it".to_owned())
        }
        (None, None) => (false, "Loading", "its version is still loading".to_owned()),
    }
}

/// A moment as RFC 3339 in UTC, whole seconds.
pub(crate) fn timestamp(moment: SystemTime) -> String {
    let seconds = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let seconds = i64::try_from(seconds).unwrap_or_default();
    jiff::Timestamp::from_second(seconds).unwrap_or_default().to_string()
}
