//! What is noted about a request while it is answered: for the access log, for response headers and for `loquat why`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use loquat_infer::Pipeline;

use crate::host::Host;
use crate::keys::Caller;

/// Notes on one request; handlers write them, the edge reads them.
#[derive(Debug, Default)]
pub(crate) struct Note {
    caller: Caller,
    answering: OnceLock<Answering>,
    tokens: AtomicU64,
    tokenise: AtomicU64,
    queue: AtomicU64,
    inference: AtomicU64,
}

/// What answers a request.
#[derive(Debug, Clone)]
pub(crate) struct Answering {
    /// The endpoint.
    pub(crate) endpoint: String,
    /// The version.
    pub(crate) pipeline: Arc<Pipeline>,
}

/// Where the time of a request went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Times {
    /// Cutting the inputs into tokens.
    pub(crate) tokenise: Duration,
    /// Waiting for a thread.
    pub(crate) queue: Duration,
    /// Computing.
    pub(crate) inference: Duration,
}

impl Note {
    /// Nothing noted but who asks.
    pub(crate) fn new(caller: Caller) -> Self {
        Self { caller, ..Self::default() }
    }

    /// Who asks.
    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Notes what answers, and how many tokens it is given. The first part of a request names it.
    pub(crate) fn answering(&self, host: &Host, pipeline: &Arc<Pipeline>, tokens: u64, tokenise: Duration) {
        self.answering
            .get_or_init(|| Answering { endpoint: host.name.clone(), pipeline: Arc::clone(pipeline) });
        self.tokens.fetch_add(tokens, Ordering::Relaxed);
        add(&self.tokenise, tokenise);
    }

    /// Notes how long the prediction waited and took; a request of several parts adds them up.
    pub(crate) fn computed(&self, queue: Duration, inference: Duration) {
        add(&self.queue, queue);
        add(&self.inference, inference);
    }

    /// What answered.
    pub(crate) fn answered_by(&self) -> Option<&Answering> {
        self.answering.get()
    }

    /// Tokens computed.
    pub(crate) fn tokens(&self) -> u64 {
        self.tokens.load(Ordering::Relaxed)
    }

    /// Where the time went.
    pub(crate) fn times(&self) -> Times {
        let read = |time: &AtomicU64| Duration::from_nanos(time.load(Ordering::Relaxed));
        Times { tokenise: read(&self.tokenise), queue: read(&self.queue), inference: read(&self.inference) }
    }
}

fn add(sum: &AtomicU64, time: Duration) {
    sum.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
}
