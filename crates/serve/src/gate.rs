//! Where predictions run: small ones at once on the caller's worker, large ones on blocking threads behind a bounded
//! queue, both within the request's deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use loquat_infer::{InferError, Input};
use loquat_spec::ErrorCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::exchange::contained;
use crate::host::Host;
use crate::problem::Problem;

/// Most inputs of a request that runs on the worker that read it: a hand-off costs more than predicting them.
const INLINE_INPUTS: usize = 4;
/// Most bytes of text of such a request.
const INLINE_BYTES: usize = 4096;
/// Inputs between two looks at the deadline, per thread.
const CHUNK: usize = 256;
/// Inputs per thread from which a request takes further idle threads.
const SHARE: usize = 64;

/// Admission of the large requests of one endpoint.
#[derive(Debug)]
pub(crate) struct Gate {
    threads: Arc<Semaphore>,
    most_threads: usize,
    most_waiting: usize,
    waiting: AtomicUsize,
}

/// A place in the queue, given up when dropped.
struct Waiting<'a>(&'a Gate);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Gate {
    /// A gate to `threads` threads with at most `most_waiting` requests before it.
    pub(crate) fn new(threads: usize, most_waiting: usize) -> Self {
        let most_threads = threads.max(1);
        Self {
            threads: Arc::new(Semaphore::new(most_threads)),
            most_threads,
            most_waiting,
            waiting: AtomicUsize::new(0),
        }
    }

    /// Requests waiting for a thread.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    fn join(&self) -> Option<Waiting<'_>> {
        let joined = self.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, |waiting| {
            (waiting < self.most_waiting).then_some(waiting + 1)
        });
        joined.is_ok().then(|| Waiting(self))
    }

    /// One thread, waited for until `deadline`.
    async fn thread(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, Refusal> {
        if let Ok(permit) = Arc::clone(&self.threads).try_acquire_owned() {
            return Ok(permit);
        }
        let place = self.join().ok_or(Refusal::Full)?;
        let permit = Arc::clone(&self.threads).acquire_owned();
        let waited = tokio::time::timeout_at(deadline.into(), permit).await;
        drop(place);
        match waited {
            Ok(Ok(permit)) => Ok(permit),
            // The semaphore is never closed, so only the deadline ends the wait.
            Ok(Err(_)) | Err(_) => Err(Refusal::Late),
        }
    }

    /// Adds threads that nobody else wants now, for `inputs` inputs.
    fn widen(&self, permit: &mut OwnedSemaphorePermit, inputs: usize) -> usize {
        let wanted = (inputs / SHARE).clamp(1, self.most_threads);
        while permit.num_permits() < wanted && self.waiting() == 0 {
            match Arc::clone(&self.threads).try_acquire_owned() {
                Ok(more) => permit.merge(more),
                Err(_) => break,
            }
        }
        permit.num_permits()
    }
}

/// Why a prediction has no result.
enum Refusal {
    Full,
    Late,
    Failed(InferError),
    Panicked,
}

/// The work of a request: how to predict inputs on a number of threads.
pub(crate) trait Work<T>: Fn(&[Input], usize) -> Result<Vec<T>, InferError> + Send + 'static {}

impl<T, F: Fn(&[Input], usize) -> Result<Vec<T>, InferError> + Send + 'static> Work<T> for F {}

/// Runs `work` over `inputs` for `host` within the time that its endpoint allows, counted from `start`.
pub(crate) async fn run<T: Send + 'static>(
    host: &Host,
    inputs: Vec<Input>,
    start: Instant,
    limit: Option<Duration>,
    work: impl Work<T>,
) -> Result<Vec<T>, Problem> {
    let allowed = limit.map_or(host.requests.timeout, |limit| limit.min(host.requests.timeout));
    let deadline = start + allowed;
    host.metrics.inputs.record_count(inputs.len());
    let done = if is_small(&inputs) { inline(host, &inputs, &work) } else { queued(host, inputs, deadline, work).await };
    done.map_err(|refusal| explain(host, refusal, allowed))
}

fn is_small(inputs: &[Input]) -> bool {
    inputs.len() <= INLINE_INPUTS && inputs.iter().map(|input| input.text.len()).sum::<usize>() <= INLINE_BYTES
}

fn inline<T>(host: &Host, inputs: &[Input], work: &impl Work<T>) -> Result<Vec<T>, Refusal> {
    let start = Instant::now();
    let done = contained(|| work(inputs, 1));
    host.metrics.predict.record_duration(start.elapsed());
    done.ok_or(Refusal::Panicked)?.map_err(Refusal::Failed)
}

async fn queued<T: Send + 'static>(
    host: &Host,
    inputs: Vec<Input>,
    deadline: Instant,
    work: impl Work<T>,
) -> Result<Vec<T>, Refusal> {
    let queued = Instant::now();
    let mut permit = host.gate.thread(deadline).await?;
    host.metrics.queue.record_duration(queued.elapsed());
    let threads = host.gate.widen(&mut permit, inputs.len());
    let metrics = Arc::clone(&host.metrics);
    let task = tokio::task::spawn_blocking(move || {
        let start = Instant::now();
        let done = chunks(&inputs, threads, deadline, &work);
        metrics.predict.record_duration(start.elapsed());
        drop(permit);
        done
    });
    match tokio::time::timeout_at(deadline.into(), task).await {
        Ok(Ok(done)) => done,
        Ok(Err(_)) => Err(Refusal::Panicked),
        // The thread itself stops at its next look at the deadline.
        Err(_) => Err(Refusal::Late),
    }
}

fn chunks<T>(inputs: &[Input], threads: usize, deadline: Instant, work: &impl Work<T>) -> Result<Vec<T>, Refusal> {
    let mut done = Vec::with_capacity(inputs.len());
    for chunk in inputs.chunks(CHUNK * threads) {
        if Instant::now() >= deadline {
            return Err(Refusal::Late);
        }
        done.extend(work(chunk, threads).map_err(Refusal::Failed)?);
    }
    Ok(done)
}

fn explain(host: &Host, refusal: Refusal, allowed: Duration) -> Problem {
    match refusal {
        Refusal::Full => {
            host.metrics.refused.fetch_add(1, Ordering::Relaxed);
            let detail = format!("endpoint {} already holds {} waiting requests", host.name, host.gate.most_waiting);
            Problem::new(ErrorCode::Overloaded, detail)
                .remedy("send again after the time in header retry-after, or raise requests.maxQueue")
        }
        Refusal::Late => {
            host.metrics.late.fetch_add(1, Ordering::Relaxed);
            let detail = format!("endpoint {} did not answer within {} ms", host.name, allowed.as_millis());
            Problem::new(ErrorCode::DeadlineExceeded, detail)
                .remedy("send fewer inputs a request, or raise requests.timeout")
        }
        Refusal::Failed(error) => {
            host.metrics.failed.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, endpoint = %host.name, "prediction failed");
            Problem::new(error.code(), format!("endpoint {}: {error}", host.name))
        }
        Refusal::Panicked => {
            host.metrics.failed.fetch_add(1, Ordering::Relaxed);
            tracing::error!(endpoint = %host.name, "prediction panicked");
            Problem::new(ErrorCode::Internal, format!("endpoint {} failed on this input", host.name))
        }
    }
}
