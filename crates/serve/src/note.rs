//! What is noted about a request while it is answered: for the access log, for response headers and for `loquat why`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use loquat_infer::Pipeline;
use loquat_infer::batcher::Company;

use crate::host::Host;
use crate::keys::Caller;

/// Notes on one request; handlers write them, the edge reads them.
#[derive(Debug, Default)]
pub(crate) struct Note {
    caller: Caller,
    answering: OnceLock<Answering>,
    inputs: AtomicU64,
    tokens: AtomicU64,
    allowed: AtomicU64,
    company: OnceLock<Company>,
    tokenise: AtomicU64,
    queue: AtomicU64,
    inference: AtomicU64,
    early: Mutex<Vec<Early>>,
}

/// Inputs that a version asked early answered.
#[derive(Debug, Clone)]
pub(crate) struct Early {
    /// The version.
    pub(crate) pipeline: Arc<Pipeline>,
    /// How many.
    pub(crate) inputs: usize,
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

    /// Notes what answers. The first part of a request names it.
    pub(crate) fn answering(&self, host: &Host, pipeline: &Arc<Pipeline>) {
        self.answering
            .get_or_init(|| Answering { endpoint: host.name.clone(), pipeline: Arc::clone(pipeline) });
    }

    /// Notes how many tokens a model is given, and how long cutting them took.
    pub(crate) fn given(&self, tokens: u64, tokenise: Duration) {
        self.tokens.fetch_add(tokens, Ordering::Relaxed);
        add(&self.tokenise, tokenise);
    }

    /// Notes how many inputs it has and how long it may take; a request of several parts adds its inputs up.
    pub(crate) fn admitted(&self, inputs: usize, allowed: Duration) {
        self.inputs.fetch_add(inputs as u64, Ordering::Relaxed);
        self.allowed.store(nanoseconds(allowed), Ordering::Relaxed);
    }

    /// Notes how many inputs a version asked early answered.
    pub(crate) fn answered_early(&self, pipeline: &Arc<Pipeline>, inputs: usize) {
        if inputs > 0 {
            let mut early = self.early.lock().unwrap_or_else(PoisonError::into_inner);
            early.push(Early { pipeline: Arc::clone(pipeline), inputs });
        }
    }

    /// What versions asked early answered.
    pub(crate) fn early(&self) -> Vec<Early> {
        self.early.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes what it shared queue and batch with. That of its first part stays.
    pub(crate) fn beside(&self, company: Company) {
        self.company.get_or_init(|| company);
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

    /// Inputs.
    pub(crate) fn inputs(&self) -> u64 {
        self.inputs.load(Ordering::Relaxed)
    }

    /// Time that the request was allowed to take.
    pub(crate) fn allowed(&self) -> Duration {
        Duration::from_nanos(self.allowed.load(Ordering::Relaxed))
    }

    /// What it shared queue and batch with; none where it was answered at once.
    pub(crate) fn company(&self) -> Option<Company> {
        self.company.get().copied()
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
    sum.fetch_add(nanoseconds(time), Ordering::Relaxed);
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
