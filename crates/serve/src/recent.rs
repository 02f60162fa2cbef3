//! The requests answered last, and of the slow and failed ones somewhat more, for `loquat why`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use loquat_infer::batcher::Company;

use crate::note::{Early, Note, Times};

/// Requests remembered whatever they were.
pub(crate) const REMEMBERED: usize = 4096;
/// Slow or failed requests remembered.
pub(crate) const SLOW_REMEMBERED: usize = 1024;
/// A request that takes longer is slow.
const SLOW: Duration = Duration::from_millis(50);
/// Statuses from here on are failures.
const FAILED: u16 = 400;

/// A request that has been answered. It holds no text of the request.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    /// Its id.
    pub(crate) id: String,
    /// When the answer was ready.
    pub(crate) at: SystemTime,
    /// Method and path.
    pub(crate) asked: (String, String),
    /// The kind of its route.
    pub(crate) route: &'static str,
    /// Status of the answer.
    pub(crate) status: u16,
    /// Why it was refused, where it was.
    pub(crate) problem: Option<String>,
    /// Who asked.
    pub(crate) caller: Arc<str>,
    /// Time from its head to the answer.
    pub(crate) total: Duration,
    /// What answered.
    pub(crate) by: Option<AnsweredBy>,
}

/// What answered a request, and at what cost.
#[derive(Debug, Clone)]
pub(crate) struct AnsweredBy {
    /// The endpoint.
    pub(crate) endpoint: String,
    /// The model and its version.
    pub(crate) version: (String, u32),
    /// Inputs that versions asked early answered.
    pub(crate) early: Vec<Early>,
    /// Inputs and their tokens.
    pub(crate) size: (u64, u64),
    /// Time that the request was allowed to take.
    pub(crate) allowed: Duration,
    /// Where the time went.
    pub(crate) times: Times,
    /// What it shared queue and batch with; none where it was answered at once.
    pub(crate) company: Option<Company>,
}

impl AnsweredBy {
    /// What is noted about a request, where an endpoint took it.
    pub(crate) fn of(note: &Note) -> Option<Self> {
        let answering = note.answered_by()?;
        Some(Self {
            endpoint: answering.endpoint.clone(),
            version: (answering.pipeline.model().to_owned(), answering.pipeline.version()),
            early: note.early(),
            size: (note.inputs(), note.tokens()),
            allowed: note.allowed(),
            times: note.times(),
            company: note.company(),
        })
    }
}

/// What is remembered.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    all: Mutex<VecDeque<Arc<Answered>>>,
    slow: Mutex<VecDeque<Arc<Answered>>>,
}

impl Recent {
    /// Remembers a request, and forgets the oldest past the bounds.
    pub(crate) fn remember(&self, answered: &Arc<Answered>) {
        if answered.total > SLOW || answered.status >= FAILED {
            push(&self.slow, answered, SLOW_REMEMBERED);
        }
        push(&self.all, answered, REMEMBERED);
    }

    /// The newest request with this id.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Answered>> {
        let find = |held: &Mutex<VecDeque<Arc<Answered>>>| {
            lock(held).iter().rev().find(|answered| answered.id == id).cloned()
        };
        find(&self.all).or_else(|| find(&self.slow))
    }

    /// The slowest requests of an endpoint that are remembered, slowest first.
    pub(crate) fn slowest(&self, endpoint: &str, most: usize) -> Vec<Arc<Answered>> {
        let of_endpoint =
            |answered: &&Arc<Answered>| answered.by.as_ref().is_some_and(|by| by.endpoint == endpoint);
        let mut found: Vec<_> = lock(&self.all).iter().filter(of_endpoint).cloned().collect();
        found.extend(lock(&self.slow).iter().filter(of_endpoint).cloned());
        found.sort_by(|left, right| right.total.cmp(&left.total).then_with(|| left.id.cmp(&right.id)));
        found.dedup_by(|left, right| Arc::ptr_eq(left, right));
        found.truncate(most);
        found
    }
}

fn push(held: &Mutex<VecDeque<Arc<Answered>>>, answered: &Arc<Answered>, most: usize) {
    let mut held = lock(held);
    if held.len() == most {
        held.pop_front();
    }
    held.push_back(Arc::clone(answered));
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(number: usize, milliseconds: u64) -> Arc<Answered> {
        Arc::new(Answered {
            id: format!("r{number}"),
            at: SystemTime::UNIX_EPOCH,
            asked: ("POST".to_owned(), "/".to_owned()),
            route: "other",
            status: 200,
            problem: None,
            caller: "anybody".into(),
            total: Duration::from_millis(milliseconds),
            by: None,
        })
    }

    #[test]
    fn a_slow_request_outlives_many_fast_ones() {
        let recent = Recent::default();
        recent.remember(&answered(0, 1));
        recent.remember(&answered(1, 500));
        (2..REMEMBERED + 2).for_each(|number| recent.remember(&answered(number, 1)));
        assert!(recent.find("r0").is_none());
        assert_eq!(recent.find("r1").map(|found| found.total), Some(Duration::from_millis(500)));
        assert!(recent.find(&format!("r{}", REMEMBERED + 1)).is_some());
    }
}
