//! How a resource fares, in the words of Kubernetes: condition `Ready`, and `Cascade` where cheaper versions are to be asked
//! first, each with a reason, a message and the time of its last change.

use std::time::SystemTime;

use serde_json::{Value, json};

use crate::host::Host;

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It holds.
    True,
    /// It does not.
    False,
    /// The server does not know.
    Unknown,
}

impl From<bool> for Standing {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// A condition of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    /// Its type.
    kind: &'static str,
    /// Whether it holds: requests are answered, if need be after loading; cheaper versions are asked first.
    standing: Standing,
    /// Why, in one word.
    pub(crate) reason: &'static str,
    /// Why, in a sentence.
    pub(crate) message: String,
    /// Since when it holds or not.
    since: SystemTime,
}

impl Condition {
    /// The condition of an endpoint that nothing is known of yet.
    pub(crate) fn loading() -> Self {
        let message = "its version is still loading".to_owned();
        Self::ready(None, Standing::False, "Loading", message)
    }

    /// Whether it holds.
    pub(crate) fn holds(&self) -> bool {
        self.standing == Standing::True
    }

    /// The condition of `host` now, which was this before.
    pub(crate) fn follow(&self, host: &Host) -> Self {
        let (ready, reason, message) = state(host);
        Self::ready(Some(self), ready.into(), reason, message)
    }

    /// Condition `Ready` now, which was `before`.
    pub(crate) fn ready(
        before: Option<&Self>,
        standing: Standing,
        reason: &'static str,
        message: String,
    ) -> Self {
        Self { kind: "Ready", standing, reason, message, since: since(before, standing) }
    }

    /// Condition `Cascade` now, which was `before`.
    pub(crate) fn cascade(before: Option<&Self>, ready: bool, reason: &'static str, message: String) -> Self {
        let standing = ready.into();
        Self { kind: "Cascade", standing, reason, message, since: since(before, standing) }
    }

    /// As `status.conditions` lists it, about the resource at `generation`.
    pub(crate) fn to_json(&self, generation: u64) -> Value {
        json!({
            "type": self.kind,
            "status": match self.standing {
                Standing::True => "True",
                Standing::False => "False",
                Standing::Unknown => "Unknown",
            },
            "reason": self.reason,
            "message": self.message,
            "lastTransitionTime": timestamp(self.since),
            "observedGeneration": generation,
        })
    }
}

/// Since when it stands as it does: now, unless it did so before.
fn since(before: Option<&Condition>, standing: Standing) -> SystemTime {
    before.filter(|before| before.standing == standing).map_or_else(SystemTime::now, |before| before.since)
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

/// The moment that [`timestamp`] wrote.
pub(super) fn moment(text: &str) -> Option<SystemTime> {
    let seconds = text.parse::<jiff::Timestamp>().ok()?.as_second();
    SystemTime::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(u64::try_from(seconds).ok()?))
}
