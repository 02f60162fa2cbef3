//! Decisions of the queue, one at a time.

use std::time::Duration;

use loquat_infer::batcher::{Arrival, Batch, CostModel, Limits, Queue, Reason, Refusal, Step, Ticket};

const MILLISECOND: Duration = Duration::from_millis(1);
const LATER: Duration = Duration::from_secs(1000);

/// A millisecond a batch and ten microseconds a token: a full batch has about 1900 tokens.
fn cost() -> CostModel {
    CostModel::new(MILLISECOND, Duration::from_micros(10))
}

fn queue(requests: usize, batch_tokens: u64) -> Queue {
    Queue::new(Limits { requests, batch_tokens, threads: 1 }, cost())
}

fn push(queue: &mut Queue, now: Duration, caller: &str, tokens: &[u64]) -> Result<Ticket, Refusal> {
    let tokens = tokens.to_vec();
    queue.push(now, Arrival { caller: caller.into(), priority: 0, deadline: LATER, tokens })
}

fn run(queue: &mut Queue, now: Duration) -> Batch {
    match queue.next(now) {
        Step::Run(batch) => batch,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_lone_request_runs_at_once() {
    let mut queue = queue(8, 100);
    assert_eq!(queue.next(MILLISECOND), Step::Idle);
    let ticket = push(&mut queue, MILLISECOND, "a", &[5, 6]).unwrap();
    let batch = run(&mut queue, MILLISECOND);
    assert_eq!((batch.slices.len(), batch.tokens, batch.last), (1, 11, true));
    assert_eq!((batch.slices[0].ticket, batch.slices[0].texts.clone()), (ticket, 0..2));
    assert_eq!(queue.next(MILLISECOND), Step::Idle);
}

#[test]
fn texts_of_several_callers_share_a_batch_up_to_the_budget() {
    let mut queue = queue(8, 100);
    for caller in ["a", "b", "c"] {
        push(&mut queue, Duration::ZERO, caller, &[40]).unwrap();
    }
    let first = run(&mut queue, Duration::ZERO);
    assert_eq!((first.slices.len(), first.tokens, first.last), (2, 80, false));
    assert_eq!(run(&mut queue, Duration::ZERO).tokens, 40);
}

#[test]
fn a_text_longer_than_the_budget_goes_alone() {
    let mut queue = queue(8, 100);
    push(&mut queue, Duration::ZERO, "a", &[500]).unwrap();
    push(&mut queue, Duration::ZERO, "b", &[1]).unwrap();
    assert_eq!(run(&mut queue, Duration::ZERO).tokens, 500);
}

#[test]
fn a_small_request_is_not_kept_waiting_by_a_large_one() {
    let mut queue = queue(8, 100);
    push(&mut queue, Duration::ZERO, "bulk", &[10; 1000]).unwrap();
    run(&mut queue, Duration::ZERO);
    let small = push(&mut queue, MILLISECOND, "person", &[10]).unwrap();
    let batch = run(&mut queue, MILLISECOND);
    assert!(batch.slices.iter().any(|slice| slice.ticket == small), "{batch:?}");
}

#[test]
fn a_priority_orders_the_requests_of_its_caller_and_takes_nothing_from_others() {
    let mut queue = queue(8, 10);
    let mut push = |caller: &str, priority| {
        let arrival = Arrival { caller: caller.into(), priority, deadline: LATER, tokens: vec![10] };
        queue.push(Duration::ZERO, arrival).unwrap()
    };
    let (late, early, other) = (push("a", 2), push("a", 1), push("b", 9));
    let order: Vec<Ticket> = (0..3).map(|_| run(&mut queue, Duration::ZERO).slices[0].ticket).collect();
    assert_eq!(order, [early, other, late]);
}

#[test]
fn what_waits_past_its_deadline_is_dropped_and_never_computed() {
    let mut queue = queue(8, 10);
    let arrival = Arrival { caller: "a".into(), priority: 0, deadline: 5 * MILLISECOND, tokens: vec![1] };
    let ticket = queue.push(Duration::ZERO, arrival).unwrap();
    assert_eq!(queue.next(5 * MILLISECOND), Step::Idle);
    let dropped = queue.take_dropped();
    assert_eq!((dropped[0].ticket, dropped[0].refusal.reason), (ticket, Reason::Expired));
    assert_eq!((queue.len(), queue.tokens()), (0, 0));
}

#[test]
fn what_can_not_be_answered_in_time_is_refused_at_once_with_the_time_to_come_back() {
    let mut queue = queue(100, 100);
    for _ in 0..50 {
        push(&mut queue, Duration::ZERO, "a", &[100]).unwrap();
    }
    let arrival = Arrival { caller: "a".into(), priority: 0, deadline: 20 * MILLISECOND, tokens: vec![100] };
    let refusal = queue.push(Duration::ZERO, arrival.clone()).unwrap_err();
    assert_eq!(refusal.reason, Reason::Hopeless);
    // 51 batches of 2 ms, a quarter more for caution, less the 20 ms allowed.
    assert!((100..120).contains(&refusal.retry_after.as_millis()), "{refusal:?}");
    let other = Arrival { caller: "b".into(), ..arrival };
    assert!(queue.push(Duration::ZERO, other).is_ok(), "its share is served before the backlog of a");
}

#[test]
fn a_full_queue_refuses_its_largest_caller_and_makes_room_for_others() {
    let mut queue = queue(3, 100);
    let mut tickets = Vec::new();
    for _ in 0..3 {
        tickets.push(push(&mut queue, Duration::ZERO, "flood", &[1]).unwrap());
    }
    let refusal = push(&mut queue, Duration::ZERO, "flood", &[1]).unwrap_err();
    assert_eq!(refusal.reason, Reason::Full);
    assert!(refusal.retry_after > Duration::ZERO);
    push(&mut queue, Duration::ZERO, "person", &[1]).unwrap();
    let dropped = queue.take_dropped();
    assert_eq!((dropped.len(), dropped[0].ticket, dropped[0].refusal.reason), (1, tickets[2], Reason::Full));
    assert_eq!(push(&mut queue, Duration::ZERO, "person", &[1]).unwrap_err().reason, Reason::Full);
}

#[test]
fn a_request_that_was_given_up_costs_nothing() {
    let mut queue = queue(8, 10);
    let gone = push(&mut queue, Duration::ZERO, "a", &[10; 5]).unwrap();
    run(&mut queue, Duration::ZERO);
    queue.withdraw(gone);
    assert_eq!(queue.next(Duration::ZERO), Step::Idle);
    assert_eq!(queue.tokens(), 0);
}

#[test]
fn it_waits_only_while_arrivals_outrun_batches_of_the_present_size() {
    let mut slow = queue(1000, 10_000);
    let mut now = Duration::ZERO;
    for _ in 0..100 {
        now += 5 * MILLISECOND;
        push(&mut slow, now, "a", &[10]).unwrap();
        assert_eq!(run(&mut slow, now).tokens, 10);
    }
    let mut fast = queue(1000, 10_000);
    for _ in 0..500 {
        now += Duration::from_micros(200);
        push(&mut fast, now, "a", &[10]).unwrap();
        match fast.next(now) {
            Step::Wait(until) => assert!(until > now && until <= now + cost().fixed()),
            Step::Run(batch) => fast.finished(&batch, None),
            Step::Idle => panic!("a request waits"),
        }
    }
    let waited = fast.tokens() > 10;
    now += cost().fixed();
    assert!(waited || matches!(fast.next(now), Step::Run(_) | Step::Idle));
}
