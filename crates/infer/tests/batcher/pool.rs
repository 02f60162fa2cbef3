//! The threads around the queue: answers, refusals, panics, requests given up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use loquat_infer::batcher::{Batcher, Compute, CostModel, Failure, Limits, Part, Pending, Reason};

/// Doubles numbers; 13 makes it panic, 7 is an error. It begins a batch only when it is let through.
struct Doubles {
    gate: Option<Mutex<Receiver<()>>>,
    computed: Arc<AtomicUsize>,
    largest: Arc<AtomicUsize>,
}

impl Compute for Doubles {
    type Job = Vec<u64>;
    type Output = u64;
    type Error = &'static str;

    fn compute(&self, parts: &[Part<'_, Vec<u64>>], _: usize) -> Vec<Result<Vec<u64>, &'static str>> {
        if let Some(gate) = &self.gate {
            gate.lock().unwrap().recv().unwrap();
        }
        self.largest.fetch_max(parts.len(), Ordering::SeqCst);
        let double = |part: &Part<'_, Vec<u64>>| {
            let numbers = &part.job[part.texts.clone()];
            assert!(!numbers.contains(&13), "on purpose");
            if numbers.contains(&7) {
                return Err("seven");
            }
            self.computed.fetch_add(numbers.len(), Ordering::SeqCst);
            Ok(numbers.iter().map(|number| 2 * number).collect())
        };
        parts.iter().map(double).collect()
    }
}

struct Bench {
    batcher: Batcher<Doubles>,
    computed: Arc<AtomicUsize>,
    largest: Arc<AtomicUsize>,
}

fn limits(requests: usize, threads: usize) -> Limits {
    Limits { requests, batch_tokens: 8, threads }
}

fn bench(limits: Limits, gate: Option<Receiver<()>>) -> Bench {
    let (computed, largest) = (Arc::default(), Arc::default());
    let engine = Doubles {
        gate: gate.map(Mutex::new),
        computed: Arc::clone(&computed),
        largest: Arc::clone(&largest),
    };
    Bench { batcher: Batcher::new(engine, limits, CostModel::default()), computed, largest }
}

impl Bench {
    fn ask(&self, numbers: Vec<u64>) -> Pending<Doubles> {
        self.ask_within(numbers, Duration::from_secs(60)).unwrap()
    }

    fn ask_within(
        &self,
        numbers: Vec<u64>,
        allowed: Duration,
    ) -> Result<Pending<Doubles>, loquat_infer::batcher::Refusal> {
        let tokens = vec![1; numbers.len()];
        self.batcher.submit("someone".into(), 0, Instant::now() + allowed, (numbers, tokens))
    }
}

/// Waits until everything given up or taken has left the queue.
fn until_nothing_waits(bench: &Bench) {
    while bench.batcher.waiting() > 0 {
        std::thread::yield_now();
    }
}

fn gate() -> (Sender<()>, Receiver<()>) {
    channel()
}

#[test]
fn every_text_of_a_large_request_is_answered_in_order() {
    let bench = bench(limits(8, 3), None);
    let numbers: Vec<u64> = (100..400).collect();
    let expected: Vec<u64> = numbers.iter().map(|number| 2 * number).collect();
    assert_eq!(bench.ask(numbers).wait().unwrap().outputs, expected);
    assert_eq!(bench.ask(Vec::new()).wait().unwrap().outputs, Vec::<u64>::new());
}

#[test]
fn what_arrives_while_a_thread_is_busy_is_computed_together() {
    let (open, closed) = gate();
    let bench = bench(limits(8, 1), Some(closed));
    let first = bench.ask(vec![1]);
    until_nothing_waits(&bench);
    let rest: Vec<_> = (2..6).map(|number| bench.ask(vec![number])).collect();
    open.send(()).unwrap();
    open.send(()).unwrap();
    assert_eq!(first.wait().unwrap().outputs, [2]);
    for (number, pending) in (2..6).zip(rest) {
        assert_eq!(pending.wait().unwrap().outputs, [2 * number]);
    }
    assert_eq!(bench.largest.load(Ordering::SeqCst), 4);
}

#[test]
fn a_panic_and_an_error_fail_the_request_at_fault_alone() {
    let (open, closed) = gate();
    let bench = bench(limits(8, 1), Some(closed));
    let first = bench.ask(vec![1]);
    until_nothing_waits(&bench);
    let (good, panics, fails) = (bench.ask(vec![2]), bench.ask(vec![13]), bench.ask(vec![7]));
    for _ in 0..10 {
        open.send(()).unwrap();
    }
    assert_eq!(first.wait().unwrap().outputs, [2]);
    assert_eq!(good.wait().unwrap().outputs, [4]);
    assert_eq!(panics.wait().unwrap_err(), Failure::Panicked);
    assert_eq!(fails.wait().unwrap_err(), Failure::Failed("seven"));
    assert_eq!(bench.ask(vec![4]).wait().unwrap().outputs, [8]);
}

#[test]
fn a_request_given_up_is_not_computed() {
    let (open, closed) = gate();
    let bench = bench(limits(8, 1), Some(closed));
    let first = bench.ask(vec![1]);
    until_nothing_waits(&bench);
    let gone = bench.ask(vec![2; 50]);
    let last = bench.ask(vec![3]);
    drop(gone);
    for _ in 0..10 {
        open.send(()).unwrap();
    }
    assert_eq!(first.wait().unwrap().outputs, [2]);
    assert_eq!(last.wait().unwrap().outputs, [6]);
    assert_eq!(bench.computed.load(Ordering::SeqCst), 2);
}

#[test]
fn a_full_queue_refuses_and_what_it_took_is_answered() {
    let (open, closed) = gate();
    let bench = bench(limits(2, 1), Some(closed));
    let first = bench.ask(vec![1]);
    until_nothing_waits(&bench);
    let taken = [bench.ask(vec![2]), bench.ask(vec![3])];
    let Err(refusal) = bench.ask_within(vec![4], Duration::from_secs(60)) else {
        panic!("the queue holds two already")
    };
    assert_eq!(refusal.reason, Reason::Full);
    for _ in 0..3 {
        open.send(()).unwrap();
    }
    assert_eq!(first.wait().unwrap().outputs, [2]);
    for (number, pending) in (2..4).zip(taken) {
        assert_eq!(pending.wait().unwrap().outputs, [2 * number]);
    }
}

#[test]
fn what_expires_behind_a_slow_batch_is_refused_without_being_computed() {
    let (open, closed) = gate();
    let bench = bench(limits(8, 1), Some(closed));
    let first = bench.ask(vec![1]);
    until_nothing_waits(&bench);
    let late = bench.ask_within(vec![2], Duration::from_millis(50)).unwrap();
    std::thread::sleep(Duration::from_millis(60));
    open.send(()).unwrap();
    assert_eq!(first.wait().unwrap().outputs, [2]);
    let Err(Failure::Refused(refusal)) = late.wait() else { panic!("its time was over") };
    assert_eq!(refusal.reason, Reason::Expired);
    assert_eq!(bench.computed.load(Ordering::SeqCst), 1);
}
