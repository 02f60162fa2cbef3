//! The queue of one model: who may wait, who goes next, what leaves unserved.
//!
//! - Callers share the model equally by tokens: the next text is of the caller that was served least. A priority orders
//!   the requests of one caller; it takes nothing from another.
//! - A batch is filled with texts up to the budget of the [`CostModel`]. A request of many texts is served in pieces.
//! - A thread waits for more only while arrivals outrun batches of the present size, at most the fixed cost of a batch.
//! - What waits past its deadline leaves before it costs anything, and what could not be answered in time is refused at
//!   once. A full queue refuses; where the caller with the most requests has more than the newcomer, its newest makes room.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::arrivals::Arrivals;
use super::cost::CostModel;

/// Waits shorter than this end later than asked and are not begun.
const SHORTEST_WAIT: Duration = Duration::from_micros(100);
/// Callers looked past because their next text does not fit.
const MOST_SKIPPED: usize = 8;
/// Callers remembered before those that were served no more than others are forgotten.
const REMEMBERED: usize = 1024;
/// A wait held against a deadline is taken to be longer than expected by this part of it.
const CAUTION: u32 = 4;

/// Identifies a request in a queue; later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// Bounds of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most requests waiting.
    pub requests: usize,
    /// Most tokens in a batch; a longer text goes alone.
    pub batch_tokens: u64,
    /// Threads that run batches; at least 1 is assumed.
    pub threads: usize,
}

/// A request as it arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Who asks; shares are equal between callers.
    pub caller: Arc<str>,
    /// Orders the requests of one caller, the lowest first.
    pub priority: u32,
    /// When the answer is of no use any more.
    pub deadline: Duration,
    /// Tokens of each text.
    pub tokens: Vec<u64>,
}

/// Why a request was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// What bound it met.
    pub reason: Reason,
    /// Expected time until the queue has room for it.
    pub retry_after: Duration,
}

/// Why a request leaves without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The queue holds as many requests as it may.
    Full,
    /// What waits before it would take longer than it has.
    Hopeless,
    /// Its deadline came before its turn.
    Expired,
}

/// A request that left the queue without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// The request.
    pub ticket: Ticket,
    /// Why, and when to ask again.
    pub refusal: Refusal,
}

/// Texts of one request in a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// The request.
    pub ticket: Ticket,
    /// Which of its texts.
    pub texts: Range<usize>,
}

/// What one thread computes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Texts by request, each request once.
    pub slices: Vec<Slice>,
    /// Sum of their tokens.
    pub tokens: u64,
    /// Whether nothing else waits, so that idle threads may help.
    pub last: bool,
}

/// What a thread that asks shall do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Compute this and report to [`Queue::finished`].
    Run(Batch),
    /// Ask again at this time, or when a request arrives.
    Wait(Duration),
    /// Ask again when a request arrives.
    Idle,
}

/// A request that has texts left to compute.
#[derive(Debug)]
struct Waiting {
    caller: Arc<str>,
    priority: u32,
    deadline: Duration,
    arrived: Duration,
    tokens: Vec<u64>,
    next: usize,
    /// Tokens of the texts from `next` on.
    left: u64,
}

#[derive(Debug, Default)]
struct Caller {
    /// Tokens served, counted from where the least served caller stood when this one came.
    served: u64,
    /// Its requests, the next first.
    requests: BTreeSet<(u32, Ticket)>,
    /// Tokens left in them.
    left: u64,
}

/// The queue of one model. Times are since any fixed moment and must not run backwards; if they do, nothing worse happens than
/// an early or late decision.
#[derive(Debug)]
pub struct Queue {
    limits: Limits,
    cost: CostModel,
    waiting: BTreeMap<Ticket, Waiting>,
    deadlines: BTreeSet<(Duration, Ticket)>,
    callers: BTreeMap<Arc<str>, Caller>,
    /// Callers with requests by tokens served.
    order: BTreeSet<(u64, Arc<str>)>,
    /// Where the caller served last stood.
    floor: u64,
    left: u64,
    running: u64,
    arrivals: Arrivals,
    next: u64,
    dropped: Vec<Dropped>,
}

impl Queue {
    /// An empty queue.
    pub fn new(limits: Limits, cost: CostModel) -> Self {
        Self {
            limits,
            cost,
            waiting: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            callers: BTreeMap::new(),
            order: BTreeSet::new(),
            floor: 0,
            left: 0,
            running: 0,
            arrivals: Arrivals::default(),
            next: 0,
            dropped: Vec::new(),
        }
    }

    /// Replaces the cost model, as when another version of the model takes over.
    pub fn set_cost(&mut self, cost: CostModel) {
        self.cost = cost;
    }

    /// What batches are expected to cost.
    pub fn cost(&self) -> &CostModel {
        &self.cost
    }

    /// Requests with texts that no thread has taken.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether no text waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Tokens that wait.
    pub fn tokens(&self) -> u64 {
        self.left
    }

    /// Expected time until everything that waits or runs is computed.
    pub fn backlog(&self) -> Duration {
        let tokens = self.left.saturating_add(self.running);
        self.cost.backlog(tokens, self.budget(), self.limits.threads)
    }

    /// Takes a request, or refuses it. Another one may have made room: see [`Queue::take_dropped`].
    pub fn push(&mut self, now: Duration, arrival: Arrival) -> Result<Ticket, Refusal> {
        self.expire(now);
        let total = arrival.tokens.iter().fold(0, |sum: u64, tokens| sum.saturating_add(*tokens));
        self.arrivals.add(now, total);
        self.admit(now, &arrival, total)?;
        let ticket = Ticket(self.next);
        self.next += 1;
        if arrival.tokens.is_empty() {
            return Ok(ticket);
        }
        let Arrival { caller, priority, deadline, tokens } = arrival;
        let floor = self.floor;
        let entry = self.callers.entry(Arc::clone(&caller)).or_default();
        if entry.requests.is_empty() {
            entry.served = entry.served.max(floor);
            self.order.insert((entry.served, Arc::clone(&caller)));
        }
        entry.requests.insert((priority, ticket));
        entry.left = entry.left.saturating_add(total);
        self.left = self.left.saturating_add(total);
        self.deadlines.insert((deadline, ticket));
        let waiting = Waiting { caller, priority, deadline, arrived: now, tokens, next: 0, left: total };
        self.waiting.insert(ticket, waiting);
        Ok(ticket)
    }

    /// Forgets what is left of a request: nobody waits for its answer.
    pub fn withdraw(&mut self, ticket: Ticket) {
        let Some(gone) = self.waiting.remove(&ticket) else { return };
        self.deadlines.remove(&(gone.deadline, ticket));
        self.left = self.left.saturating_sub(gone.left);
        let Some(caller) = self.callers.get_mut(&gone.caller) else { return };
        caller.requests.remove(&(gone.priority, ticket));
        caller.left = caller.left.saturating_sub(gone.left);
        if caller.requests.is_empty() {
            caller.left = 0;
            self.order.remove(&(caller.served, Arc::clone(&gone.caller)));
            self.forget();
        }
    }

    /// What a thread that has nothing to do shall do.
    pub fn next(&mut self, now: Duration) -> Step {
        self.expire(now);
        if self.waiting.is_empty() {
            return Step::Idle;
        }
        if let Some(until) = self.worth_waiting(now) {
            return Step::Wait(until);
        }
        let batch = self.fill();
        self.running = self.running.saturating_add(batch.tokens);
        Step::Run(batch)
    }

    /// Hears that a batch has been computed, and in which time; `None` when that says nothing about the next one.
    pub fn finished(&mut self, batch: &Batch, elapsed: Option<Duration>) {
        self.running = self.running.saturating_sub(batch.tokens);
        if let Some(elapsed) = elapsed {
            self.cost.observe(batch.tokens, elapsed);
        }
    }

    /// The requests that left without an answer since the last call.
    pub fn take_dropped(&mut self) -> Vec<Dropped> {
        std::mem::take(&mut self.dropped)
    }

    /// Tokens of a full batch.
    fn budget(&self) -> u64 {
        self.cost.full_batch().min(self.limits.batch_tokens).max(1)
    }

    fn admit(&mut self, now: Duration, arrival: &Arrival, total: u64) -> Result<(), Refusal> {
        if arrival.deadline <= now {
            return Err(Refusal { reason: Reason::Expired, retry_after: Duration::ZERO });
        }
        let wait = self.expected_wait(&arrival.caller, total);
        let wait = wait.saturating_add(wait / CAUTION);
        let allowed = arrival.deadline - now;
        // With nothing before it a request is taken whatever the model expects: else a wrong expectation could never mend.
        if !self.waiting.is_empty() && wait > allowed {
            return Err(Refusal { reason: Reason::Hopeless, retry_after: wait - allowed });
        }
        if self.waiting.len() < self.limits.requests.max(1) {
            return Ok(());
        }
        let refusal = Refusal { reason: Reason::Full, retry_after: self.backlog() };
        let own = self.callers.get(&arrival.caller).map_or(0, |caller| caller.requests.len());
        let largest = self.callers.values().max_by_key(|caller| caller.requests.len());
        let newest = largest.filter(|caller| caller.requests.len() > own + 1).and_then(|caller| {
            caller
                .requests
                .iter()
                .map(|(_, ticket)| *ticket)
                .filter(|ticket| self.is_untouched(*ticket))
                .max()
        });
        let Some(displaced) = newest else { return Err(refusal) };
        self.withdraw(displaced);
        self.dropped.push(Dropped { ticket: displaced, refusal });
        Ok(())
    }

    fn is_untouched(&self, ticket: Ticket) -> bool {
        self.waiting.get(&ticket).is_some_and(|waiting| waiting.next == 0)
    }

    /// Time until `tokens` more of `caller` are computed: every other caller takes at most as much in between.
    fn expected_wait(&self, caller: &Arc<str>, tokens: u64) -> Duration {
        let own = self.callers.get(caller).map_or(0, |caller| caller.left).saturating_add(tokens);
        let others = self.callers.iter().filter(|(name, _)| *name != caller);
        let others = others.fold(0, |sum: u64, (_, other)| sum.saturating_add(other.left.min(own)));
        let before = own.saturating_add(others).saturating_add(self.running);
        self.cost.backlog(before, self.budget(), self.limits.threads)
    }

    /// Drops what can't be answered in time.
    fn expire(&mut self, now: Duration) {
        while let Some((deadline, ticket)) = self.deadlines.first().copied() {
            if deadline > now {
                break;
            }
            self.withdraw(ticket);
            let refusal = Refusal { reason: Reason::Expired, retry_after: self.backlog() };
            self.dropped.push(Dropped { ticket, refusal });
        }
    }

    /// Until when it pays to leave a thread idle: while the tokens that arrive outrun batches of the present size, no longer
    /// than the fixed cost that a fuller batch saves, and never past the moment from which a deadline could be missed.
    fn worth_waiting(&self, now: Duration) -> Option<Duration> {
        if self.left >= self.budget() {
            return None;
        }
        let threads = self.limits.threads.max(1) as f64;
        let arriving = self.arrivals.rate(now) * self.cost.time(self.left).as_secs_f64();
        if arriving <= threads * self.left as f64 {
            return None;
        }
        let oldest = self.waiting.values().next()?.arrived;
        let urgent = self.deadlines.first()?.0.saturating_sub(self.cost.time(self.left).saturating_mul(2));
        let until = oldest.saturating_add(self.cost.fixed()).min(urgent);
        (until >= now.saturating_add(SHORTEST_WAIT)).then_some(until)
    }

    /// Takes texts for one batch.
    fn fill(&mut self) -> Batch {
        let budget = self.budget();
        let mut slices: BTreeMap<Ticket, Range<usize>> = BTreeMap::new();
        let mut tokens: u64 = 0;
        let mut skipped = Vec::new();
        while tokens < budget && skipped.len() < MOST_SKIPPED {
            let Some((served, name)) = self.order.pop_first() else { break };
            // Small texts may fill the room that a large one leaves, until their caller is a batch ahead of its caller.
            if skipped.first().is_some_and(|(least, _): &(u64, _)| served >= least.saturating_add(budget)) {
                skipped.push((served, name));
                break;
            }
            let Some((ticket, text)) = self.head(&name) else { continue };
            let size = self.size(ticket, text);
            if !slices.is_empty() && tokens.saturating_add(size) > budget {
                skipped.push((served, name));
                continue;
            }
            tokens = tokens.saturating_add(size);
            slices.entry(ticket).or_insert(text..text).end = text + 1;
            self.floor = self.floor.max(served);
            self.serve(&name, ticket, size);
        }
        self.order.extend(skipped);
        let slices = slices.into_iter().map(|(ticket, texts)| Slice { ticket, texts }).collect();
        Batch { slices, tokens, last: self.waiting.is_empty() }
    }

    /// The next text of a caller.
    fn head(&self, name: &Arc<str>) -> Option<(Ticket, usize)> {
        let (_, ticket) = self.callers.get(name)?.requests.first()?;
        Some((*ticket, self.waiting.get(ticket)?.next))
    }

    fn size(&self, ticket: Ticket, text: usize) -> u64 {
        self.waiting.get(&ticket).and_then(|waiting| waiting.tokens.get(text)).copied().unwrap_or(0)
    }

    /// Charges a caller, which stands outside `order`, for a text taken, and puts it back while it has more.
    fn serve(&mut self, name: &Arc<str>, ticket: Ticket, size: u64) {
        self.left = self.left.saturating_sub(size);
        let Some(caller) = self.callers.get_mut(name) else { return };
        caller.left = caller.left.saturating_sub(size);
        // Even a text without tokens costs something.
        caller.served = caller.served.saturating_add(size.max(1));
        if let Some(waiting) = self.waiting.get_mut(&ticket) {
            waiting.next += 1;
            waiting.left = waiting.left.saturating_sub(size);
            if waiting.next == waiting.tokens.len() {
                caller.requests.remove(&(waiting.priority, ticket));
                self.deadlines.remove(&(waiting.deadline, ticket));
                self.waiting.remove(&ticket);
            }
        }
        if caller.requests.is_empty() {
            self.forget();
        } else {
            self.order.insert((caller.served, Arc::clone(name)));
        }
    }

    /// Keeps the memory of callers bounded: one without requests that stands no higher than a newcomer would is no loss.
    fn forget(&mut self) {
        if self.callers.len() > REMEMBERED {
            let floor = self.floor;
            self.callers.retain(|_, caller| !caller.requests.is_empty() || caller.served > floor);
        }
    }
}
