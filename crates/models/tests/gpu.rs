//! Encoders on a GPU against `transformers`, by the tiny models of `tests/reference`; run by `cargo xtask gpu-test`.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::path::Path;

use loquat_kernels::Kernels;
use loquat_models::{Encoder, EncoderScratch, Head, ModelError, PackedBatch};
use serde::Deserialize;

const TOLERANCE: f32 = 1e-3;
/// The models whose blocks compute on a GPU; the others are refused.
const FAMILY: [&str; 4] = ["bert-", "distilbert-", "roberta-", "xlm-roberta-"];

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

/// One of a family answers as transformers does with all of its cases in one batch, of different lengths; another is refused.
fn check(name: &str, path: &Path) {
    let loaded = Encoder::load_on_gpu(path, Kernels::detect());
    if !FAMILY.iter().any(|family| name.starts_with(family)) {
        let error = loaded.unwrap_err();
        assert!(matches!(error, ModelError::NoGpu), "{name}: {error}");
        return;
    }
    let text = std::fs::read_to_string(path.join("reference.json")).unwrap();
    let reference: Reference = serde_json::from_str(&text).unwrap();
    let mut batch = PackedBatch::default();
    reference.cases.iter().for_each(|case| batch.push(&case.ids, &case.type_ids));
    let found = answer(&loaded.unwrap(), &batch);
    let expected: Vec<f32> = reference.cases.into_iter().flat_map(|case| case.output).collect();
    assert_eq!(found.len(), expected.len(), "{name}");
    let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < TOLERANCE, "{name} is off by {worst}");
}

#[test]
fn the_family_of_bert_answers_as_transformers_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
    let mut checked = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.join("reference.json").is_file() && !path.join("model.onnx").is_file() {
            check(&path.file_name().unwrap().to_string_lossy(), &path);
            checked += 1;
        }
    }
    assert!(checked > 10, "{checked} models were found");
}
