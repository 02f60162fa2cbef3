//! Learning from pairs through the public surface, on a tiny model.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use loquat_kernels::{Kernels, Pooling};
use loquat_models::Checkpoint;
use loquat_nn::{
    AdamW, Contrast, FineTune, Interrupt, NnError, PairedText, Schedule, TextEmbedder, TextPair, Watch,
};

fn text(number: u32, tokens: [u32; 3]) -> Arc<PairedText> {
    let ids = [&[2], &tokens[..], &[3]].concat();
    Arc::new(PairedText { number, type_ids: vec![0; ids.len()], ids })
}

/// Tokens of a first text stand for those of its second, twenty places on.
fn pairs(count: u32) -> Vec<TextPair> {
    let pair = |number: u32| {
        let token = |place: u32| 10 + (number * 7 + place * 11 + number * place) % 20;
        let first = [token(0), token(1), token(2)];
        TextPair {
            first: text(2 * number, first),
            second: text(2 * number + 1, first.map(|token| token + 20)),
            negative: None,
            score: 0.0,
            weight: 1.0,
        }
    };
    (0..count).map(pair).collect()
}

fn model(contrast: Contrast) -> TextEmbedder {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/reference/bert-plain");
    let checkpoint = Checkpoint::open(&folder).unwrap();
    TextEmbedder::new(Kernels::detect(), &checkpoint, Some(Pooling::Mean), contrast).unwrap()
}

fn plan() -> FineTune {
    FineTune {
        epochs: 20,
        run: 20,
        batch: 16,
        schedule: Schedule { rate: 5e-3, warm_up: 0.1 },
        optimiser: AdamW::default(),
        dropout: 0.05,
        patience: 20,
        seed: 3,
        checkpoint_every: 3,
        keep: false,
    }
}

const TOGETHER: Contrast = Contrast::Together { scale: 20.0, both_ways: true };

struct Watcher(Cell<usize>);

impl Watch<TextEmbedder> for Watcher {
    fn step(&self) -> Result<(), Interrupt> {
        self.0.set(self.0.get().saturating_sub(1));
        if self.0.get() == 0 { Err(Interrupt) } else { Ok(()) }
    }

    fn score(&self, _model: &TextEmbedder) -> Option<f64> {
        None
    }
}

/// Share of the first texts whose second is the nearest of all.
fn found(model: &TextEmbedder, pairs: &[TextPair]) -> f64 {
    let unit = |texts: Vec<Arc<PairedText>>| -> Vec<Vec<f32>> {
        let vectors = model.vectors(&texts);
        let unit = |vector: &[f32]| {
            let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
            vector.iter().map(|value| value / length).collect()
        };
        vectors.chunks_exact(16).map(unit).collect()
    };
    let firsts = unit(pairs.iter().map(|pair| Arc::clone(&pair.first)).collect());
    let seconds = unit(pairs.iter().map(|pair| Arc::clone(&pair.second)).collect());
    let cosine = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let is_found = |place: usize| {
        let own = cosine(&firsts[place], &seconds[place]);
        (0..seconds.len()).all(|other| other == place || cosine(&firsts[place], &seconds[other]) < own)
    };
    (0..pairs.len()).filter(|place| is_found(*place)).count() as f64 / pairs.len() as f64
}

fn bytes(model: &TextEmbedder) -> Vec<u8> {
    model.trunk_tensors().values().flat_map(|tensor| tensor.bytes().to_vec()).collect()
}

fn on(threads: usize, work: impl FnOnce() -> Vec<u8> + Send) -> Vec<u8> {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

#[test]
fn learns_which_texts_belong_together() {
    let pairs = pairs(160);
    let mut model = model(TOGETHER);
    let before = found(&model, &pairs[128..]);
    let watch = Watcher(Cell::new(usize::MAX));
    let plan = FineTune { epochs: 40, run: 40, ..plan() };
    let outcome = plan.contrast(&mut model, &pairs[..128], (None, ""), &watch).unwrap().unwrap();
    let after = found(&model, &pairs[128..]);
    // By chance one of 32 is found.
    assert!(after > before + 0.2, "{before} to {after}, {:?}", outcome.epochs);
}

#[test]
fn the_weights_depend_neither_on_threads_nor_on_interruptions() {
    let pairs = pairs(40);
    let plan = FineTune { run: 3, ..plan() };
    let run = || {
        let mut model = model(TOGETHER);
        let watch = Watcher(Cell::new(usize::MAX));
        plan.contrast(&mut model, &pairs, (None, ""), &watch).unwrap().unwrap();
        bytes(&model)
    };
    let expected = on(1, run);
    assert!(on(3, run) == expected);
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    for steps in [1, 4, 5] {
        let ended =
            plan.contrast(&mut model(TOGETHER), &pairs, (Some(&state), "key"), &Watcher(Cell::new(steps)));
        assert_eq!(ended.unwrap(), None, "stopped after {steps} steps");
    }
    let mut last = model(TOGETHER);
    let watch = Watcher(Cell::new(usize::MAX));
    plan.contrast(&mut last, &pairs, (Some(&state), "key"), &watch).unwrap().unwrap();
    assert!(bytes(&last) == expected, "bit for bit");
}

#[test]
fn a_rate_that_is_far_too_high_is_an_error_and_no_model() {
    for contrast in [TOGETHER, Contrast::Ordered { scale: 20.0 }] {
        let mut pairs = pairs(40);
        pairs.iter_mut().zip(0..).for_each(|(pair, number)| pair.score = number as f32);
        let plan = FineTune { schedule: Schedule { rate: 1e30, warm_up: 0.1 }, ..plan() };
        let watch = Watcher(Cell::new(usize::MAX));
        let error = plan.contrast(&mut model(contrast), &pairs, (None, ""), &watch).unwrap_err();
        assert!(matches!(error, NnError::Diverged { .. }), "{error}");
    }
}
