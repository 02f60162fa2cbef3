//! Fine-tuning through the public surface, on tiny models.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::cell::Cell;
use std::path::Path;

use loquat_kernels::{Kernels, Pooling};
use loquat_models::Checkpoint;
use loquat_nn::{
    AdamW, Example, FineTune, Interrupt, NnError, Outcome, Schedule, Targets, TextClassifier, Watch,
};

/// Examples whose label follows from the order of two tokens, which no bag of tokens tells.
fn examples(count: u32) -> Vec<Example> {
    let one = |number: u32| {
        let (first, second) = if number.is_multiple_of(2) { (10, 11) } else { (11, 10) };
        let filler = |place: u32| 20 + (number * 31 + place * 17) % 40;
        let mut ids = vec![2, filler(0), first, filler(1), second];
        ids.extend((0..number % 5).map(|place| filler(place + 2)));
        ids.push(3);
        Example {
            type_ids: vec![0; ids.len()],
            ids,
            labels: vec![number % 2],
            shares: Vec::new(),
            words: Vec::new(),
            weight: 1.0,
            taught: None,
        }
    };
    (0..count).map(one).collect()
}

fn model() -> TextClassifier {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/reference/bert-plain");
    let head = ((0..32).map(|place| ((place % 5) as f32 - 2.0) / 10.0).collect(), vec![0.0; 2]);
    let checkpoint = Checkpoint::open(&folder).unwrap();
    TextClassifier::new(Kernels::detect(), &checkpoint, Some(Pooling::Mean), Targets::SingleLabel, head)
        .unwrap()
}

fn plan() -> FineTune {
    FineTune {
        epochs: 12,
        run: 12,
        batch: 8,
        schedule: Schedule { rate: 5e-3, warm_up: 0.1 },
        optimiser: AdamW::default(),
        dropout: 0.05,
        patience: 12,
        seed: 3,
        checkpoint_every: 5,
        keep: false,
    }
}

/// Stops after some steps, and scores on examples.
struct Watcher {
    left: Cell<usize>,
    held_out: Vec<Example>,
}

impl Watcher {
    fn new(steps: usize) -> Self {
        Self { left: Cell::new(steps), held_out: Vec::new() }
    }
}

impl Watch for Watcher {
    fn step(&self) -> Result<(), Interrupt> {
        self.left.set(self.left.get().saturating_sub(1));
        if self.left.get() == 0 { Err(Interrupt) } else { Ok(()) }
    }

    fn score(&self, model: &TextClassifier) -> Option<f64> {
        (!self.held_out.is_empty()).then(|| accuracy(model, &self.held_out))
    }
}

fn accuracy(model: &TextClassifier, examples: &[Example]) -> f64 {
    let logits = model.logits(examples);
    let right = logits.chunks_exact(2).zip(examples);
    right.filter(|(logits, example)| u32::from(logits[1] > logits[0]) == example.labels[0]).count() as f64
        / examples.len() as f64
}

fn weights(model: &TextClassifier) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        model.trunk_tensors().values().flat_map(|tensor| tensor.bytes().to_vec()).collect();
    bytes.extend(model.head().0.iter().chain(model.head().1).flat_map(|value| value.to_le_bytes()));
    bytes
}

fn on(threads: usize, work: impl FnOnce() -> Vec<u8> + Send) -> Vec<u8> {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

fn trained(plan: FineTune, examples: &[Example]) -> (TextClassifier, Outcome) {
    let mut model = model();
    let outcome = plan.train(&mut model, examples, (None, ""), &Watcher::new(usize::MAX)).unwrap().unwrap();
    (model, outcome)
}

#[test]
fn learns_what_no_bag_of_tokens_tells() {
    let examples = examples(160);
    assert!(accuracy(&model(), &examples[128..]) < 0.8);
    let (model, outcome) = trained(FineTune { epochs: 30, run: 30, ..plan() }, &examples[..128]);
    assert!(outcome.epochs[29].loss < 0.5 * outcome.epochs[0].loss, "{:?}", outcome.epochs);
    let found = accuracy(&model, &examples[128..]);
    assert!(found > 0.9, "{found} {:?}", outcome.epochs);
}

#[test]
fn the_weights_do_not_depend_on_threads() {
    let examples = examples(48);
    let run = || weights(&trained(FineTune { run: 3, ..plan() }, &examples).0);
    let expected = on(1, run);
    assert!(on(2, run) == expected && on(5, run) == expected);
}

#[test]
fn an_interrupted_training_goes_on_to_the_same_weights() {
    let examples = examples(48);
    let held_out = examples[40..].to_vec();
    let plan = FineTune { run: 6, ..plan() };
    let watcher = |steps| Watcher { held_out: held_out.clone(), ..Watcher::new(steps) };
    let mut whole = model();
    let expected =
        plan.train(&mut whole, &examples[..40], (None, ""), &watcher(usize::MAX)).unwrap().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    for steps in [1, 4, 7, 9, 13] {
        let mut model = model();
        let ended = plan.train(&mut model, &examples[..40], (Some(&state), "key"), &watcher(steps)).unwrap();
        assert_eq!(ended, None, "stopped after {steps} steps");
    }
    assert!(state.is_dir());
    let mut model = model();
    let found = plan.train(&mut model, &examples[..40], (Some(&state), "key"), &watcher(usize::MAX)).unwrap();
    assert_eq!(found, Some(expected));
    assert!(weights(&model) == weights(&whole), "bit for bit");
    assert!(!state.exists(), "nothing is left of a training that is over");
}

#[test]
fn a_training_that_keeps_its_checkpoint_gives_its_weights_again_at_once() {
    let examples = examples(48);
    let held_out = examples[40..].to_vec();
    let plan = FineTune { run: 4, keep: true, ..plan() };
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let train = |steps| {
        let (mut model, watch) = (model(), Watcher { held_out: held_out.clone(), ..Watcher::new(steps) });
        let outcome = plan.train(&mut model, &examples[..40], (Some(&state), "key"), &watch).unwrap();
        (outcome.unwrap(), weights(&model))
    };
    let first = train(usize::MAX);
    assert!(state.is_dir());
    assert!(train(1) == first, "without a step");
}

#[test]
fn a_checkpoint_of_another_training_or_a_damaged_one_is_not_believed() {
    let examples = examples(40);
    let plan = FineTune { run: 2, ..plan() };
    let expected = weights(&trained(plan, &examples).0);
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    for damage in [false, true] {
        let key = if damage { "key" } else { "other" };
        plan.train(&mut model(), &examples, (Some(&state), key), &Watcher::new(8)).unwrap();
        assert!(state.is_dir());
        if damage {
            let file = state.join("model.safetensors");
            let bytes = std::fs::read(&file).unwrap();
            std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
        }
        let mut model = model();
        plan.train(&mut model, &examples, (Some(&state), "key"), &Watcher::new(usize::MAX)).unwrap().unwrap();
        assert!(weights(&model) == expected);
    }
}

#[test]
fn training_stops_when_the_score_gets_no_better() {
    let examples = examples(40);
    // Labels of the held-out examples are turned around: what is learned makes the score worse.
    let mut held_out = examples[32..].to_vec();
    held_out.iter_mut().for_each(|example| example.labels = vec![1 - example.labels[0]]);
    let plan = FineTune { epochs: 40, run: 40, patience: 3, ..plan() };
    let mut model = model();
    let watcher = Watcher { held_out, ..Watcher::new(usize::MAX) };
    let outcome = plan.train(&mut model, &examples[..32], (None, ""), &watcher).unwrap().unwrap();
    assert!(outcome.epochs.len() < 40 && outcome.epochs.len() == outcome.taken + 3, "{outcome:?}");
    let best = outcome.epochs[outcome.taken - 1].score.unwrap();
    assert_eq!(accuracy(&model, &watcher.held_out), best, "the weights are those of the best epoch");
}

#[test]
fn a_rate_that_is_far_too_high_is_an_error_and_no_model() {
    let examples = examples(40);
    let plan = FineTune { schedule: Schedule { rate: 1e30, warm_up: 0.1 }, ..plan() };
    let error = plan.train(&mut model(), &examples, (None, ""), &Watcher::new(usize::MAX)).unwrap_err();
    assert!(matches!(error, NnError::Diverged { .. }), "{error}");
    assert!(error.to_string().contains("lower the learning rate"));
}

#[test]
fn what_has_no_backward_pass_is_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/reference");
    let try_with = |name: &str, pooling| {
        let checkpoint = Checkpoint::open(&folder.join(name)).unwrap();
        let head = (vec![0.0; 32], vec![0.0; 2]);
        TextClassifier::new(Kernels::detect(), &checkpoint, pooling, Targets::SingleLabel, head)
            .unwrap_err()
            .to_string()
    };
    assert!(try_with("deberta-v3-sequence", Some(Pooling::Mean)).contains("deberta-v2 is not yet supported"));
    assert!(try_with("bert-plain", Some(Pooling::Max)).contains("pools by mean"));
    assert!(try_with("bert-plain", None).contains("pools by mean"));
}
