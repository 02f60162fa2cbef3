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

/// How much a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Microseconds an input.
    Light,
    /// This many sequences through an encoder, milliseconds each.
    Sequences(usize),
}

/// Most inputs of a request that runs on the worker that read it: a hand-off costs more than predicting them.
const INLINE_INPUTS: usize = 4;
/// Most bytes of text of such a request.
const INLINE_BYTES: usize = 4096;
/// Inputs between two looks at the deadline, per thread.
const CHUNK: usize = 256;
/// The same, where each takes an encoder milliseconds.
const ENCODER_CHUNK: usize = 16;
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

    /// Adds threads that nobody else wants now.
    fn widen(&self, permit: &mut OwnedSemaphorePermit, inputs: usize, effort: Effort) -> usize {
        let shares = match effort {
            Effort::Light => inputs / SHARE,
            Effort::Sequences(sequences) => sequences,
        };
        let wanted = shares.clamp(1, self.most_threads);
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
    (inputs, effort): (Vec<Input>, Effort),
    start: Instant,
    limit: Option<Duration>,
    work: impl Work<T>,
) -> Result<Vec<T>, Problem> {
    let allowed = limit.map_or(host.requests.timeout, |limit| limit.min(host.requests.timeout));
    let deadline = start + allowed;
    host.metrics.inputs.record_count(inputs.len());
    let done = if effort == Effort::Light && is_small(&inputs) {
        inline(host, &inputs, &work)
    } else {
        queued(host, (inputs, effort), deadline, work).await
    };
    done.map_err(|refusal| explain(host, refusal, allowed))
}

fn is_small(inputs: &[Input]) -> bool {
    inputs.len() <= INLINE_INPUTS
        && inputs.iter().map(|input| input.text.len()).sum::<usize>() <= INLINE_BYTES
}

fn inline<T>(host: &Host, inputs: &[Input], work: &impl Work<T>) -> Result<Vec<T>, Refusal> {
    let start = Instant::now();
    let done = contained(|| work(inputs, 1));
    host.metrics.predict.record_duration(start.elapsed());
    done.ok_or(Refusal::Panicked)?.map_err(Refusal::Failed)
}

async fn queued<T: Send + 'static>(
    host: &Host,
    (inputs, effort): (Vec<Input>, Effort),
    deadline: Instant,
    work: impl Work<T>,
) -> Result<Vec<T>, Refusal> {
    let queued = Instant::now();
    let mut permit = host.gate.thread(deadline).await?;
    host.metrics.queue.record_duration(queued.elapsed());
    let threads = host.gate.widen(&mut permit, inputs.len(), effort);
    let metrics = Arc::clone(&host.metrics);
    let task = tokio::task::spawn_blocking(move || {
        let start = Instant::now();
        let done = chunks((&inputs, effort), threads, deadline, &work);
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

fn chunks<T>(
    (inputs, effort): (&[Input], Effort),
    threads: usize,
    deadline: Instant,
    work: &impl Work<T>,
) -> Result<Vec<T>, Refusal> {
    let mut done = Vec::with_capacity(inputs.len());
    let most = if effort == Effort::Light { CHUNK } else { ENCODER_CHUNK };
    for chunk in inputs.chunks(most * threads) {
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
            let detail =
                format!("endpoint {} already holds {} waiting requests", host.name, host.gate.most_waiting);
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use loquat_spec::{ModelReference, Requests};

    use super::*;
    use crate::metrics::HostMetrics;
    use crate::problem::Form;

    fn host(threads: usize, max_queue: usize, timeout: Duration) -> Host {
        let reference: ModelReference = "m".parse().expect("a reference");
        Host {
            name: "m".to_owned(),
            reference,
            default: false,
            implicit: false,
            zero_shot: None,
            requests: Requests { timeout, max_queue, ..Requests::default() },
            gate: Arc::new(Gate::new(threads, max_queue)),
            metrics: Arc::new(HostMetrics::new()),
            pipeline: None,
            failure: None,
            versions: Vec::new(),
        }
    }

    fn inputs(count: usize) -> Vec<Input> {
        (0..count).map(|number| Input::new(number.to_string())).collect()
    }

    fn lengths(inputs: &[Input], _threads: usize) -> Result<Vec<usize>, InferError> {
        Ok(inputs.iter().map(|input| input.text.len()).collect())
    }

    fn slowly(inputs: &[Input], threads: usize) -> Result<Vec<usize>, InferError> {
        std::thread::sleep(Duration::from_millis(100));
        lengths(inputs, threads)
    }

    fn status<T>(done: Result<T, Problem>) -> u16 {
        done.map_or_else(|problem| problem.response(Form::Problem, "").status().as_u16(), |_| 200)
    }

    #[tokio::test]
    async fn keeps_the_order_across_chunks_and_threads() {
        let host = host(2, 8, Duration::from_secs(5));
        let texts = inputs(2000);
        let expected: Vec<usize> = texts.iter().map(|input| input.text.len()).collect();
        let done =
            run(&host, (texts, Effort::Light), Instant::now(), None, lengths).await.expect("an answer");
        assert_eq!(done, expected);
    }

    #[tokio::test]
    async fn a_request_past_its_deadline_is_answered_504_in_time() {
        let host = host(1, 8, Duration::from_millis(20));
        let start = Instant::now();
        assert_eq!(status(run(&host, (inputs(10), Effort::Light), start, None, slowly).await), 504);
        assert!(start.elapsed() < Duration::from_millis(95), "{:?}", start.elapsed());
        assert_eq!(host.metrics.late.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_client_may_shorten_the_time_but_not_lengthen_it() {
        let host = host(1, 8, Duration::from_millis(20));
        let long = Some(Duration::from_secs(60));
        assert_eq!(status(run(&host, (inputs(10), Effort::Light), Instant::now(), long, slowly).await), 504);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_full_queue_refuses_with_429_and_the_rest_is_answered() {
        let host = Arc::new(host(1, 2, Duration::from_secs(5)));
        let tasks: Vec<_> = (0..6)
            .map(|_| {
                let host = Arc::clone(&host);
                tokio::spawn(async move {
                    status(run(&host, (inputs(10), Effort::Light), Instant::now(), None, slowly).await)
                })
            })
            .collect();
        let mut answers = Vec::new();
        for task in tasks {
            answers.push(task.await.expect("no panic"));
        }
        assert_eq!(answers.iter().filter(|status| **status == 200).count(), 3, "{answers:?}");
        assert_eq!(answers.iter().copied().collect::<BTreeSet<_>>(), BTreeSet::from([200, 429]));
        assert_eq!(host.gate.waiting(), 0);
    }

    #[tokio::test]
    async fn a_panic_is_answered_500_inline_and_queued() {
        fn panics(inputs: &[Input], _threads: usize) -> Result<Vec<usize>, InferError> {
            assert!(inputs.is_empty(), "on purpose");
            Ok(Vec::new())
        }
        let host = host(1, 8, Duration::from_secs(5));
        for count in [1, 10] {
            assert_eq!(
                status(run(&host, (inputs(count), Effort::Light), Instant::now(), None, panics).await),
                500
            );
        }
        assert_eq!(status(run(&host, (inputs(10), Effort::Light), Instant::now(), None, lengths).await), 200);
    }
}
