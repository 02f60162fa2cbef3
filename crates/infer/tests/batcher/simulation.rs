//! Tens of thousands of random schedules under a virtual clock: what holds in every one of them.

use std::collections::BTreeMap;
use std::time::Duration;

use loquat_infer::batcher::{Arrival, Batch, CostModel, Limits, Queue, Reason, Step, Ticket};
use proptest::prelude::*;

/// What has become of a request.
#[derive(Debug)]
struct Fate {
    caller: usize,
    priority: u32,
    deadline: Duration,
    tokens: Vec<u64>,
    taken: usize,
    gone: bool,
}

/// One thing that happens.
#[derive(Debug, Clone)]
enum Event {
    Pass(u64),
    Push { caller: usize, priority: u32, allowed: u64, tokens: Vec<u64> },
    Next,
    Finish { slowness: u64 },
    Withdraw(usize),
}

struct World {
    queue: Queue,
    limits: Limits,
    now: Duration,
    fates: BTreeMap<Ticket, Fate>,
    running: Vec<Batch>,
}

impl World {
    fn new(limits: Limits, cost: CostModel) -> Self {
        let queue = Queue::new(limits, cost);
        Self { queue, limits, now: Duration::ZERO, fates: BTreeMap::new(), running: Vec::new() }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Pass(microseconds) => self.now += Duration::from_micros(microseconds),
            Event::Push { caller, priority, allowed, tokens } => self.push(caller, priority, allowed, tokens),
            Event::Next => self.next(),
            Event::Finish { slowness } => self.finish(slowness),
            Event::Withdraw(place) => self.withdraw(place),
        }
        self.note_dropped();
        self.agree();
    }

    fn push(&mut self, caller: usize, priority: u32, allowed: u64, tokens: Vec<u64>) {
        let deadline = self.now + Duration::from_micros(allowed);
        let arrival =
            Arrival { caller: caller.to_string().into(), priority, deadline, tokens: tokens.clone() };
        let idle = self.queue.is_empty();
        match self.queue.push(self.now, arrival) {
            Ok(ticket) => {
                let gone = tokens.is_empty();
                let fate = Fate { caller, priority, deadline, tokens, taken: 0, gone };
                assert!(self.fates.insert(ticket, fate).is_none(), "a ticket is given once");
            }
            Err(refusal) => {
                assert!(!idle || allowed == 0, "an empty queue takes what has time: {refusal:?}");
                assert!(allowed == 0 || refusal.retry_after > Duration::ZERO, "{refusal:?}");
            }
        }
    }

    fn next(&mut self) {
        if self.running.len() >= self.limits.threads {
            return;
        }
        let budget = self.queue.cost().full_batch().min(self.limits.batch_tokens).max(1);
        let fixed = self.queue.cost().fixed();
        match self.queue.next(self.now) {
            Step::Idle => assert!(self.queue.is_empty()),
            Step::Wait(until) => {
                assert!(!self.queue.is_empty() && self.queue.tokens() < budget);
                assert!(until > self.now && until <= self.now + fixed, "no longer than a batch's fixed cost");
            }
            Step::Run(batch) => {
                self.note_dropped();
                self.note(&batch, budget);
                self.running.push(batch);
            }
        }
    }

    fn note(&mut self, batch: &Batch, budget: u64) {
        let mut tokens = 0;
        let mut texts = 0;
        assert!(!batch.slices.is_empty());
        for slice in &batch.slices {
            let fate = self.fates.get_mut(&slice.ticket).unwrap();
            assert!(!fate.gone, "nothing that left is computed");
            assert!(fate.deadline > self.now, "nothing past its deadline is computed");
            assert_eq!(slice.texts.start, fate.taken, "texts in order, each once");
            tokens += fate.tokens[slice.texts.clone()].iter().sum::<u64>();
            texts += slice.texts.len();
            fate.taken = slice.texts.end;
            fate.gone = fate.taken == fate.tokens.len();
        }
        assert_eq!(tokens, batch.tokens);
        assert!(tokens <= budget || texts == 1, "{tokens} tokens in {texts} texts, budget {budget}");
        let before = |fate: &&Fate, other: &Fate| {
            fate.caller == other.caller && fate.priority < other.priority && !fate.gone
        };
        for slice in &batch.slices {
            let served = &self.fates[&slice.ticket];
            let passed = self.fates.values().find(|fate| before(fate, served));
            assert!(passed.is_none(), "a caller's lower priority number goes first: {passed:?} {served:?}");
        }
    }

    fn finish(&mut self, slowness: u64) {
        if let Some(batch) = self.running.pop() {
            let elapsed = (slowness > 0).then(|| Duration::from_micros(slowness * 50));
            self.queue.finished(&batch, elapsed);
        }
    }

    fn withdraw(&mut self, place: usize) {
        let Some(ticket) = self.fates.keys().nth(place % self.fates.len().max(1)).copied() else { return };
        self.queue.withdraw(ticket);
        self.fates.get_mut(&ticket).unwrap().gone = true;
    }

    fn note_dropped(&mut self) {
        for dropped in self.queue.take_dropped() {
            let fate = self.fates.get_mut(&dropped.ticket).unwrap();
            assert!(!fate.gone, "what left can't leave again");
            match dropped.refusal.reason {
                Reason::Expired => assert!(fate.deadline <= self.now),
                Reason::Full => assert_eq!(fate.taken, 0, "work begun is not displaced"),
                Reason::Hopeless => panic!("what was taken is not hopeless"),
            }
            fate.gone = true;
        }
    }

    /// The queue's sums are those of what waits.
    fn agree(&self) {
        let waiting: Vec<&Fate> = self.fates.values().filter(|fate| !fate.gone).collect();
        assert_eq!(self.queue.len(), waiting.len());
        assert!(self.queue.len() <= self.limits.requests.max(1));
        let tokens: u64 = waiting.iter().flat_map(|fate| &fate.tokens[fate.taken..]).sum();
        assert_eq!(self.queue.tokens(), tokens);
    }

    /// Lets threads work until nothing waits.
    fn drain(&mut self) {
        for _ in 0..100_000 {
            if self.queue.is_empty() {
                return;
            }
            self.finish(1);
            self.happen(Event::Next);
            self.now += Duration::from_micros(200);
        }
        panic!("the queue never empties: {:?}", self.queue);
    }
}

fn event() -> impl Strategy<Value = Event> {
    let tokens = prop_oneof![
        4 => prop::collection::vec(0_u64..200, 1..4),
        1 => prop::collection::vec(0_u64..50, 0..60),
    ];
    let allowed = prop_oneof![1 => Just(0_u64), 3 => 1_u64..20_000, 6 => 20_000_u64..10_000_000];
    prop_oneof![
        3 => (0_u64..3000).prop_map(Event::Pass),
        6 => (0_usize..4, 0_u32..3, allowed, tokens)
            .prop_map(|(caller, priority, allowed, tokens)| Event::Push { caller, priority, allowed, tokens }),
        5 => Just(Event::Next),
        3 => (0_u64..100).prop_map(|slowness| Event::Finish { slowness }),
        1 => (0_usize..1000).prop_map(Event::Withdraw),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_schedule_keeps_the_rules(
        requests in 0_usize..12,
        batch_tokens in 0_u64..400,
        threads in 0_usize..4,
        (fixed, per_token) in (0_u64..3000, 0_u64..200),
        events in prop::collection::vec(event(), 1..60),
    ) {
        let cost = CostModel::new(Duration::from_micros(fixed), Duration::from_micros(per_token));
        let mut world = World::new(Limits { requests, batch_tokens, threads: threads.max(1) }, cost);
        for event in events {
            world.happen(event);
        }
        world.drain();
    }

    #[test]
    fn callers_with_enough_to_do_get_equal_shares(
        sizes in prop::collection::vec(1_u64..50, 2..6),
        steps in 20_usize..80,
    ) {
        let limits = Limits { requests: 10_000, batch_tokens: 100, threads: 1 };
        let mut queue = Queue::new(limits, CostModel::default());
        let mut owner = BTreeMap::new();
        for (caller, size) in sizes.iter().enumerate() {
            for _ in 0..(steps as u64 * 100).div_ceil(10 * size) {
                let tokens = vec![*size; 10];
                let deadline = Duration::from_secs(100_000);
                let arrival = Arrival { caller: caller.to_string().into(), priority: 0, deadline, tokens };
                owner.insert(queue.push(Duration::ZERO, arrival).unwrap(), caller);
            }
        }
        let mut served = vec![0; sizes.len()];
        for _ in 0..steps {
            let Step::Run(batch) = queue.next(Duration::ZERO) else { panic!("all have work") };
            for slice in &batch.slices {
                let caller = owner[&slice.ticket];
                served[caller] += sizes[caller] * slice.texts.len() as u64;
            }
            queue.finished(&batch, None);
            let (least, most) = (served.iter().min().unwrap(), served.iter().max().unwrap());
            prop_assert!(most - least <= 250, "{served:?}");
        }
    }

    #[test]
    fn hostile_numbers_break_nothing(
        numbers in prop::collection::vec(any::<u64>(), 1..20),
        times in prop::collection::vec(any::<u64>(), 1..20),
    ) {
        let most = numbers[0];
        let cost = CostModel::through((most, Duration::from_nanos(times[0])), (0, Duration::MAX));
        let mut queue = Queue::new(Limits { requests: 3, batch_tokens: most, threads: most as usize }, cost);
        for (number, time) in numbers.iter().zip(&times) {
            let now = Duration::from_nanos(*time);
            let tokens = numbers.clone();
            let deadline = Duration::MAX;
            let arrival = Arrival { caller: number.to_string().into(), priority: *time as u32, deadline, tokens };
            let _ = queue.push(now, arrival);
            if let Step::Run(batch) = queue.next(Duration::from_nanos(*number)) {
                queue.finished(&batch, Some(now));
            }
            let _ = queue.backlog();
        }
    }
}
