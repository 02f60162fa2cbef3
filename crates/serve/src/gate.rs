//! Where predictions run: what is cheap at once on the caller's worker while nothing waits, all else through the batcher of
//! its endpoint, both within the request's deadline.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use loquat_infer::batcher::{
    Batcher, Company, CostModel, Failure, Limits, Output, Pending, PipelineJob, Pipelines, Reason, Refusal,
};
use loquat_infer::{InferError, Pipeline};
use loquat_spec::{ErrorCode, Requests};

use crate::cascade::Cascade;
use crate::exchange::{Exchange, contained};
use crate::host::Host;
use crate::problem::Problem;
use crate::shadow;

/// Expected time up to which a request runs on the worker that read it: other connections wait for that long.
const INLINE: Duration = Duration::from_micros(200);

/// The queue of one endpoint, over all versions that answer it.
#[derive(Clone)]
pub(crate) struct Gate {
    batcher: Batcher<Pipelines>,
}

/// How long a request may take, and how it stands to the others of its caller.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Terms {
    /// The time that the client allows, where it is shorter than the endpoint's.
    pub(crate) timeout: Option<Duration>,
    /// Orders the requests of one caller, the lowest first.
    pub(crate) priority: u32,
}

impl Gate {
    /// A gate to `threads` threads within the limits of `requests`.
    pub(crate) fn new(threads: usize, requests: &Requests) -> Self {
        let limits = Limits {
            requests: requests.max_queue,
            batch_tokens: requests.max_batch_tokens as u64,
            threads: threads.max(1),
        };
        Self { batcher: Batcher::new(Pipelines, limits, CostModel::default()) }
    }

    /// Expects batches to cost what `pipeline` is measured to take.
    pub(crate) fn measure(&self, pipeline: &Pipeline) {
        self.batcher.set_cost(pipeline.measure_cost());
    }

    /// Takes work that nobody waits for, where there is room.
    pub(crate) fn submit(
        &self,
        caller: Arc<str>,
        deadline: Instant,
        job: PipelineJob,
    ) -> Option<Pending<Pipelines>> {
        let tokens = job.tokens();
        self.batcher.submit(caller, u32::MAX, deadline, (job, tokens)).ok()
    }

    /// The bounds of the queue.
    pub(crate) fn limits(&self) -> Limits {
        self.batcher.limits()
    }

    /// Requests waiting.
    pub(crate) fn waiting(&self) -> usize {
        self.batcher.waiting()
    }

    /// Tokens waiting.
    pub(crate) fn waiting_tokens(&self) -> u64 {
        self.batcher.waiting_tokens()
    }
}

/// Why a job has no answer.
enum Refused {
    Queue(Refusal),
    Late,
    Failed(InferError),
    Panicked,
}

/// What came out, and when.
#[derive(Default)]
pub(crate) struct Computed {
    /// One for each input, in order.
    pub(crate) outputs: Vec<Output>,
    queued: Duration,
    inference: Duration,
    /// None for what went past the queue.
    company: Option<Company>,
}

impl Computed {
    /// Adds the times of `part` and gives its outputs.
    pub(crate) fn add(&mut self, part: Self) -> Vec<Output> {
        self.queued += part.queued;
        self.inference += part.inference;
        self.company = self.company.or(part.company);
        part.outputs
    }
}

/// One request under way to the versions that answer it.
pub(crate) struct Call<'a> {
    /// The endpoint.
    pub(crate) host: &'a Host,
    /// The exchange that it belongs to.
    pub(crate) exchange: &'a Exchange,
    priority: u32,
    allowed: Duration,
    deadline: Instant,
}

impl Call<'_> {
    /// What a version says to `job`, through `gate`, which knows what it costs where it is `measured`.
    pub(crate) async fn ask(
        &self,
        gate: &Gate,
        measured: bool,
        job: PipelineJob,
    ) -> Result<Computed, Problem> {
        let note = &self.exchange.note;
        let start = Instant::now();
        let tokens = job.tokens();
        let total = tokens.iter().sum();
        note.given(total, start.elapsed());
        let waits = job.pipeline.is_remote();
        let cheap = !waits && measured && gate.batcher.alone(total).is_some_and(|time| time <= INLINE);
        let done = if cheap {
            inline(&job)
        } else {
            let work = (job, tokens);
            match gate.batcher.submit(note.caller().name(), self.priority, self.deadline, work) {
                Ok(pending) => queued(pending, self.deadline).await,
                Err(refusal) => Err(Refused::Queue(refusal)),
            }
        };
        done.map_err(|refused| explain(self.host, refused, self.allowed))
    }
}

/// Answers `job` for `host` within the time that its endpoint allows, counted from the start of the exchange.
pub(crate) async fn answer(
    host: &Host,
    job: PipelineJob,
    exchange: &Exchange,
    terms: Terms,
) -> Result<Vec<Output>, Problem> {
    let most = host.requests.timeout;
    let allowed = terms.timeout.map_or(most, |limit| limit.min(most));
    host.metrics.inputs.record_count(job.inputs.len());
    exchange.note.caller().may_ask(&host.name)?;
    exchange.note.admitted(job.inputs.len(), allowed);
    exchange.note.answering(host, &job.pipeline);
    let (priority, deadline) = (terms.priority, exchange.start + allowed);
    let call = Call { host, exchange, priority, allowed, deadline };
    let shadowed = (!host.shadows.is_empty()).then(|| job.clone());
    let computed = match Cascade::of(host, &job) {
        Some(cascade) => cascade.answer(&call, job).await?,
        None => call.ask(&host.gate, is_measured(host, &job), job).await?,
    };
    host.metrics.queue.record_duration(computed.queued);
    host.metrics.predict.record_duration(computed.inference);
    exchange.note.computed(computed.queued, computed.inference);
    if let Some(company) = computed.company {
        exchange.note.beside(company);
    }
    if let Some(job) = shadowed {
        shadow::compare(host, job, &computed.outputs);
    }
    Ok(computed.outputs)
}

/// Whether what the queue measures is what `job` costs: versions beside the main one may be of another kind, and an encoder
/// is too dear to be guessed.
fn is_measured(host: &Host, job: &PipelineJob) -> bool {
    let is_main = host.pipeline.as_ref().is_some_and(|main| Arc::ptr_eq(main, &job.pipeline));
    is_main || job.pipeline.sequences(1, &job.parameters).is_none()
}

fn inline(job: &PipelineJob) -> Result<Computed, Refused> {
    let start = Instant::now();
    let done = contained(|| job.answer(0..job.inputs.len(), 1));
    let outputs = done.ok_or(Refused::Panicked)?.map_err(Refused::Failed)?;
    Ok(Computed { outputs, queued: Duration::ZERO, inference: start.elapsed(), company: None })
}

async fn queued(pending: Pending<Pipelines>, deadline: Instant) -> Result<Computed, Refused> {
    match tokio::time::timeout_at(deadline.into(), pending.answer()).await {
        Ok(Ok(done)) => {
            let (queued, inference) = (done.queued, done.computed);
            Ok(Computed { outputs: done.outputs, queued, inference, company: Some(done.company) })
        }
        Ok(Err(Failure::Refused(refusal))) => Err(Refused::Queue(refusal)),
        Ok(Err(Failure::Failed(error))) => Err(Refused::Failed(error)),
        Ok(Err(Failure::Panicked)) => Err(Refused::Panicked),
        // Dropping what is pending takes it out of the queue.
        Err(_) => Err(Refused::Late),
    }
}

fn explain(host: &Host, refused: Refused, allowed: Duration) -> Problem {
    match refused {
        Refused::Queue(Refusal { reason: Reason::Expired, .. }) | Refused::Late => {
            host.metrics.late.fetch_add(1, Ordering::Relaxed);
            let detail = format!("endpoint {} did not answer within {} ms", host.name, allowed.as_millis());
            Problem::new(ErrorCode::DeadlineExceeded, detail)
                .remedy("send fewer inputs a request, or raise requests.timeout")
        }
        Refused::Queue(Refusal { reason, retry_after }) => {
            host.metrics.refused.fetch_add(1, Ordering::Relaxed);
            let detail = match reason {
                Reason::Full => format!(
                    "endpoint {} already holds {} waiting requests",
                    host.name,
                    host.gate.batcher.limits().requests
                ),
                _ => format!(
                    "what waits before endpoint {} takes longer than the {} ms allowed",
                    host.name,
                    allowed.as_millis()
                ),
            };
            Problem::new(ErrorCode::Overloaded, detail)
                .remedy("send again after the time in header retry-after, or raise requests.maxQueue")
                .retry_after(retry_after)
        }
        Refused::Failed(error) => {
            host.metrics.failed.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, endpoint = %host.name, "prediction failed");
            Problem::new(error.code(), format!("endpoint {}: {error}", host.name))
        }
        Refused::Panicked => {
            host.metrics.failed.fetch_add(1, Ordering::Relaxed);
            tracing::error!(endpoint = %host.name, "prediction panicked");
            Problem::new(ErrorCode::Internal, format!("endpoint {} failed on this input", host.name))
        }
    }
}
