//! Encoders against `transformers`: the folders of `tests/reference` hold tiny random models and the outputs that it gives
//! for them (`make.py` there writes both).

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::path::{Path, PathBuf};

use loquat_kernels::Kernels;
use loquat_models::{Encoder, EncoderScratch, Head, ModelError, PackedBatch, Precision};
use serde::Deserialize;

const TOLERANCE: f32 = 1e-4;

#[derive(Deserialize)]
struct Reference {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    ids: Vec<u32>,
    type_ids: Vec<u32>,
    output: Vec<f32>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference")
}

/// Every reference model, in order of its name.
fn models() -> Vec<(String, PathBuf, Vec<Case>)> {
    let mut models: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("reference.json").is_file())
        .map(|path| {
            let text = std::fs::read_to_string(path.join("reference.json")).unwrap();
            let reference: Reference = serde_json::from_str(&text).unwrap();
            (path.file_name().unwrap().to_string_lossy().into_owned(), path, reference.cases)
        })
        .collect();
    models.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(!models.is_empty());
    models
}

fn load(path: &Path, precision: Precision) -> Encoder {
    Encoder::load(path, Kernels::detect(), precision).unwrap()
}

fn answer(encoder: &Encoder, batch: &PackedBatch) -> Vec<f32> {
    let mut scratch = EncoderScratch::default();
    match encoder.head() {
        Head::Sequence => encoder.logits(batch, &mut scratch),
        Head::Tokens => encoder.token_logits(batch, &mut scratch),
        Head::Embedding => encoder.embeddings(batch, &mut scratch),
        Head::States => encoder.states(batch, &mut scratch),
    }
    .unwrap()
    .to_vec()
}

fn batch<'c>(cases: impl IntoIterator<Item = &'c Case>) -> PackedBatch {
    let mut batch = PackedBatch::default();
    cases.into_iter().for_each(|case| batch.push(&case.ids, &case.type_ids));
    batch
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn every_model_answers_as_transformers_does() {
    let mut failures = Vec::new();
    for (name, path, cases) in models() {
        for kernels in Kernels::all() {
            let encoder = match Encoder::load(&path, kernels, Precision::F32) {
                Ok(encoder) => encoder,
                Err(error) => {
                    failures.push(format!("{name}: {error}"));
                    continue;
                }
            };
            for (number, case) in cases.iter().enumerate() {
                let found = answer(&encoder, &batch([case]));
                let wrong = found.iter().zip(&case.output).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                if found.len() != case.output.len() || wrong.is_nan() || wrong > TOLERANCE {
                    let lengths = (found.len(), case.output.len());
                    failures.push(format!("{name} {kernels:?} case {number}: off by {wrong}, {lengths:?}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Sequences of a batch that layers cut into groups.
const MANY: usize = 2000;

#[test]
fn neither_the_batch_nor_its_order_changes_a_bit() {
    for (name, path, cases) in models() {
        for precision in [Precision::F32, Precision::Int8] {
            let encoder = load(&path, precision);
            let alone: Vec<Vec<f32>> = cases.iter().map(|case| answer(&encoder, &batch([case]))).collect();
            let together = answer(&encoder, &batch(&cases));
            assert_eq!(together, alone.concat(), "{name} {precision:?}");
            let reversed = answer(&encoder, &batch(cases.iter().rev()));
            let expected: Vec<f32> = alone.iter().rev().flatten().copied().collect();
            assert_eq!(reversed, expected, "{name} {precision:?} reversed");
            // More tokens than a layer takes at once.
            let many: Vec<&Case> = cases.iter().cycle().take(MANY).collect();
            let expected: Vec<f32> = alone.iter().cycle().take(MANY).flatten().copied().collect();
            assert_eq!(answer(&encoder, &batch(many)), expected, "{name} {precision:?} of {MANY}");
        }
    }
}

#[test]
fn eight_bits_stay_close_to_single_precision() {
    for (name, path, cases) in models() {
        let encoder = load(&path, Precision::Int8);
        let found: Vec<f32> = cases.iter().flat_map(|case| answer(&encoder, &batch([case]))).collect();
        let expected: Vec<f32> = cases.iter().flat_map(|case| case.output.clone()).collect();
        let cosine = cosine(&found, &expected);
        assert!(cosine > 0.99, "{name}: {cosine}");
        assert_ne!(found, expected, "{name}: the weights were not quantised");
    }
}

#[test]
fn a_batch_that_does_not_fit_is_refused_with_its_reason() {
    let encoder = load(&folder().join("bert-sequence"), Precision::F32);
    let refusal = |ids: &[u32], types: &[u32]| {
        let mut batch = PackedBatch::default();
        batch.push(&[3, 4], &[]);
        batch.push(ids, types);
        encoder.logits(&batch, &mut EncoderScratch::default()).unwrap_err().to_string()
    };
    assert_eq!(refusal(&[], &[]), "sequence 1 has no tokens");
    assert!(refusal(&[4; 41], &[]).starts_with("sequence 1 has 41 tokens and the model takes 40"));
    assert!(refusal(&[61], &[]).contains("token id 61 and the model knows 61"));
    assert!(refusal(&[4], &[2]).contains("token type 2 and the model knows 2"));
    let batch = batch([&models()[0].2[0]]);
    let error = encoder.embeddings(&batch, &mut EncoderScratch::default()).unwrap_err();
    assert!(matches!(error, ModelError::Head { .. }));
    assert!(error.to_string().contains("1_Pooling/config.json"), "{error}");
}

#[test]
fn an_empty_batch_has_an_empty_answer() {
    for (name, path, _) in models() {
        assert!(answer(&load(&path, Precision::F32), &PackedBatch::default()).is_empty(), "{name}");
    }
}
