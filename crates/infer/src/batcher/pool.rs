//! Threads and a clock around a [`Queue`].
//!
//! Threads start when work waits and none is idle, and end after a while without work. A request whose [`Pending`] is dropped
//! leaves the queue. A panic of the engine fails the request that causes it and no other.

use std::collections::HashMap;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::cost::CostModel;
use super::queue::{Arrival, Batch, Limits, Queue, Reason, Refusal, Step, Ticket};

/// How long a thread without work stays.
const LINGER: Duration = Duration::from_secs(10);

/// Texts of one job in a batch.
#[derive(Debug)]
pub struct Part<'a, J> {
    /// The job.
    pub job: &'a J,
    /// Which of its texts.
    pub texts: Range<usize>,
}

/// What the threads of a [`Batcher`] run.
pub trait Compute: Send + Sync + 'static {
    /// A request with its texts.
    type Job: Send + Sync + 'static;
    /// The answer to one text.
    type Output: Send + 'static;
    /// Why a job has no answer.
    type Error: Send + 'static;

    /// The answers of each part in order, one a text, on up to `threads` threads.
    fn compute(
        &self,
        parts: &[Part<'_, Self::Job>],
        threads: usize,
    ) -> Vec<Result<Vec<Self::Output>, Self::Error>>;
}

/// What stood before a request in the queue, and what was computed together with its last text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Company {
    /// Requests that waited when it came.
    pub waiting: usize,
    /// Tokens of theirs that no thread had taken.
    pub waiting_tokens: u64,
    /// Requests in the batch, its own included.
    pub batch_requests: usize,
    /// Texts in the batch.
    pub batch_texts: usize,
    /// Tokens in the batch.
    pub batch_tokens: u64,
}

/// A request that has been answered.
#[derive(Debug)]
pub struct Done<T> {
    /// One answer a text, in order.
    pub outputs: Vec<T>,
    /// Time until its first text was taken.
    pub queued: Duration,
    /// Time from then until its last text was done.
    pub computed: Duration,
    /// What it shared the queue and its batch with.
    pub company: Company,
}

/// Why a request has no answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure<E> {
    /// It was refused, displaced or too late.
    Refused(Refusal),
    /// The engine failed on it.
    Failed(E),
    /// The engine panicked on it.
    Panicked,
}

/// The answer to a request of `C`.
pub type Reply<C> = Result<Done<<C as Compute>::Output>, Failure<<C as Compute>::Error>>;

/// The answers to a part of a batch.
type Outcome<C> = Result<Vec<<C as Compute>::Output>, Failure<<C as Compute>::Error>>;

/// A request under way; dropping it gives up its place.
pub struct Pending<C: Compute> {
    shared: Arc<Shared<C>>,
    ticket: Ticket,
    reply: oneshot::Receiver<Reply<C>>,
}

/// A queue with threads that empty it. Clones share both.
pub struct Batcher<C: Compute> {
    shared: Arc<Shared<C>>,
}

struct Shared<C: Compute> {
    compute: C,
    limits: Limits,
    epoch: Instant,
    state: Mutex<State<C>>,
    work: Condvar,
}

struct State<C: Compute> {
    queue: Queue,
    open: HashMap<Ticket, Open<C>>,
    threads: usize,
    idle: usize,
    busy: usize,
    closed: bool,
}

struct Open<C: Compute> {
    job: Arc<C::Job>,
    outputs: Vec<Option<C::Output>>,
    missing: usize,
    arrived: Duration,
    started: Option<Duration>,
    company: Company,
    reply: oneshot::Sender<Reply<C>>,
}

/// A slice of a batch with the job that it belongs to.
struct Taken<J> {
    ticket: Ticket,
    job: Arc<J>,
    texts: Range<usize>,
}

impl<C: Compute> Batcher<C> {
    /// A queue before `compute`.
    pub fn new(compute: C, limits: Limits, cost: CostModel) -> Self {
        let limits = Limits { threads: limits.threads.max(1), ..limits };
        let state = State {
            queue: Queue::new(limits, cost),
            open: HashMap::new(),
            threads: 0,
            idle: 0,
            busy: 0,
            closed: false,
        };
        let shared =
            Shared { compute, limits, epoch: Instant::now(), state: Mutex::new(state), work: Condvar::new() };
        Self { shared: Arc::new(shared) }
    }

    /// Replaces the cost model, as when another version of the model takes over.
    pub fn set_cost(&self, cost: CostModel) {
        self.shared.lock().queue.set_cost(cost);
    }

    /// The bounds of the queue.
    pub fn limits(&self) -> Limits {
        self.shared.limits
    }

    /// Requests waiting.
    pub fn waiting(&self) -> usize {
        self.shared.lock().queue.len()
    }

    /// Tokens waiting.
    pub fn waiting_tokens(&self) -> u64 {
        self.shared.lock().queue.tokens()
    }

    /// Expected time of a request of `tokens` that is computed now by the thread that asks; `None` when others are served first.
    pub fn alone(&self, tokens: u64) -> Option<Duration> {
        let state = self.shared.lock();
        let free = state.queue.is_empty() && state.busy < self.shared.limits.threads;
        free.then(|| state.queue.cost().time(tokens))
    }

    /// Takes a job with `deadline`, refuses it, or lets it displace another. `tokens` holds a number for each of its texts.
    pub fn submit(
        &self,
        caller: Arc<str>,
        priority: u32,
        deadline: Instant,
        (job, tokens): (C::Job, Vec<u64>),
    ) -> Result<Pending<C>, Refusal> {
        let shared = &self.shared;
        let now = shared.now();
        let texts = tokens.len();
        let deadline = deadline.saturating_duration_since(shared.epoch);
        let (send, reply) = oneshot::channel();
        let mut state = shared.lock();
        let (waiting, waiting_tokens) = (state.queue.len(), state.queue.tokens());
        let company = Company { waiting, waiting_tokens, ..Company::default() };
        let pushed = state.queue.push(now, Arrival { caller, priority, deadline, tokens });
        state.report_dropped();
        let ticket = pushed?;
        if texts == 0 {
            let (queued, computed) = (Duration::ZERO, Duration::ZERO);
            let nothing = Done { outputs: Vec::new(), queued, computed, company };
            // The receiver lives: it stands in this function.
            let _ = send.send(Ok(nothing));
        } else {
            let outputs = std::iter::repeat_with(|| None).take(texts).collect();
            let job = Arc::new(job);
            let open =
                Open { job, outputs, missing: texts, arrived: now, started: None, company, reply: send };
            state.open.insert(ticket, open);
        }
        if !shared.staff(&mut state) {
            state.queue.withdraw(ticket);
            state.open.remove(&ticket);
            return Err(Refusal { reason: Reason::Full, retry_after: LINGER });
        }
        Ok(Pending { shared: Arc::clone(shared), ticket, reply })
    }
}

impl<C: Compute> Clone for Batcher<C> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<C: Compute> Drop for Batcher<C> {
    fn drop(&mut self) {
        // Each thread holds one reference and each request under way another; the last handle ends idle threads early.
        let mut state = self.shared.lock();
        if Arc::strong_count(&self.shared) == state.threads + state.open.len() + 1 {
            state.closed = true;
            self.shared.work.notify_all();
        }
    }
}

impl<C: Compute> Pending<C> {
    /// The answer.
    pub async fn answer(mut self) -> Reply<C> {
        // The sender lives in the queue until it has sent.
        (&mut self.reply).await.unwrap_or(Err(Failure::Panicked))
    }

    /// The answer, for a thread that may wait.
    pub fn wait(mut self) -> Reply<C> {
        let (_, none) = oneshot::channel();
        let reply = std::mem::replace(&mut self.reply, none);
        reply.blocking_recv().unwrap_or(Err(Failure::Panicked))
    }
}

impl<C: Compute> Drop for Pending<C> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if state.open.remove(&self.ticket).is_some() {
            state.queue.withdraw(self.ticket);
        }
    }
}

impl<C: Compute> Shared<C> {
    fn lock(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// Sees to it that a thread looks at what waits; false when none can be had.
    fn staff(self: &Arc<Self>, state: &mut State<C>) -> bool {
        if state.queue.is_empty() {
            return true;
        }
        if state.idle > 0 {
            self.work.notify_one();
            return true;
        }
        if state.threads < self.limits.threads {
            let shared = Arc::clone(self);
            let thread = std::thread::Builder::new().name("loquat-batch".to_owned());
            if thread.spawn(move || shared.work()).is_ok() {
                state.threads += 1;
            }
        }
        state.threads > 0
    }

    fn work(self: Arc<Self>) {
        let mut state = self.lock();
        loop {
            let now = self.now();
            let step = state.queue.next(now);
            state.report_dropped();
            let pause = match step {
                Step::Run(batch) => {
                    state = self.run(state, &batch, now);
                    continue;
                }
                Step::Wait(until) => until.saturating_sub(now),
                Step::Idle if state.closed => break,
                Step::Idle => LINGER,
            };
            state.idle += 1;
            let (after, waited) =
                self.work.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner);
            state = after;
            state.idle -= 1;
            if waited.timed_out() && state.queue.is_empty() {
                break;
            }
        }
        state.threads -= 1;
    }

    fn run<'a>(
        self: &'a Arc<Self>,
        mut state: MutexGuard<'a, State<C>>,
        batch: &Batch,
        now: Duration,
    ) -> MutexGuard<'a, State<C>> {
        let taken = state.take(batch, now);
        state.busy += 1;
        let helpers = if batch.last { self.limits.threads.saturating_sub(state.busy) } else { 0 };
        self.staff(&mut state);
        drop(state);
        let start = Instant::now();
        let results = self.compute(&taken, 1 + helpers);
        let elapsed = start.elapsed();
        let mut state = self.lock();
        state.busy -= 1;
        let sound = results.iter().all(Result::is_ok);
        state.queue.finished(batch, sound.then_some(elapsed));
        let now = self.now();
        for (taken, result) in taken.into_iter().zip(results) {
            state.deliver(taken, result, now);
        }
        state
    }

    fn compute(&self, taken: &[Taken<C::Job>], threads: usize) -> Vec<Outcome<C>> {
        let parts: Vec<Part<'_, C::Job>> =
            taken.iter().map(|taken| Part { job: taken.job.as_ref(), texts: taken.texts.clone() }).collect();
        if let Some(results) = self.contained(&parts, threads) {
            return results;
        }
        let alone = |part| self.contained(std::slice::from_ref(part), threads)?.pop();
        parts.iter().map(|part| alone(part).unwrap_or(Err(Failure::Panicked))).collect()
    }

    /// The results of a computation that neither panicked nor gave another number of results than asked for.
    fn contained(&self, parts: &[Part<'_, C::Job>], threads: usize) -> Option<Vec<Outcome<C>>> {
        let run = AssertUnwindSafe(|| self.compute.compute(parts, threads));
        let results = std::panic::catch_unwind(run).ok()?;
        let whole = results.len() == parts.len()
            && parts.iter().zip(&results).all(|(part, result)| {
                result.as_ref().map_or(true, |outputs| outputs.len() == part.texts.len())
            });
        whole.then(|| results.into_iter().map(|result| result.map_err(Failure::Failed)).collect())
    }
}

impl<C: Compute> State<C> {
    /// The jobs of a batch. One that was given up while its thread was on the way is left out.
    fn take(&mut self, batch: &Batch, now: Duration) -> Vec<Taken<C::Job>> {
        let batch_texts = batch.slices.iter().map(|slice| slice.texts.len()).sum();
        let taken = batch.slices.iter().filter_map(|slice| {
            let open = self.open.get_mut(&slice.ticket)?;
            open.started.get_or_insert(now);
            open.company.batch_requests = batch.slices.len();
            open.company.batch_texts = batch_texts;
            open.company.batch_tokens = batch.tokens;
            Some(Taken { ticket: slice.ticket, job: Arc::clone(&open.job), texts: slice.texts.clone() })
        });
        taken.collect()
    }

    fn deliver(&mut self, taken: Taken<C::Job>, result: Outcome<C>, now: Duration) {
        let Some(open) = self.open.get_mut(&taken.ticket) else { return };
        match result {
            Ok(outputs) => {
                for (text, output) in taken.texts.zip(outputs) {
                    open.outputs[text] = Some(output);
                    open.missing -= 1;
                }
                if open.missing == 0 {
                    self.finish(taken.ticket, now);
                }
            }
            Err(failure) => {
                self.queue.withdraw(taken.ticket);
                self.fail(taken.ticket, failure);
            }
        }
    }

    fn finish(&mut self, ticket: Ticket, now: Duration) {
        let Some(open) = self.open.remove(&ticket) else { return };
        let started = open.started.unwrap_or(now);
        let done = Done {
            outputs: open.outputs.into_iter().flatten().collect(),
            queued: started.saturating_sub(open.arrived),
            computed: now.saturating_sub(started),
            company: open.company,
        };
        // Who asked may have gone meanwhile.
        let _ = open.reply.send(Ok(done));
    }

    fn fail(&mut self, ticket: Ticket, failure: Failure<C::Error>) {
        if let Some(open) = self.open.remove(&ticket) {
            // Who asked may have gone meanwhile.
            let _ = open.reply.send(Err(failure));
        }
    }

    fn report_dropped(&mut self) {
        for dropped in self.queue.take_dropped() {
            self.fail(dropped.ticket, Failure::Refused(dropped.refusal));
        }
    }
}
