//! ONNX files against ONNX Runtime: the folders of `tests/reference/onnx` hold tiny graphs and the outputs that it gives for
//! them (`make_onnx.py` beside them writes both).

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::path::{Path, PathBuf};

use loquat_kernels::Kernels;
use loquat_models::{Compute, Device, Head, ModelError, OnnxModel, OnnxRuntime, OnnxScratch, PackedBatch};
use loquat_spec::ErrorCode;
use serde::Deserialize;

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

/// A folder, what it answers, and how far it may be from ONNX Runtime.
const MODELS: [(&str, Head, f32); 7] = [
    ("sequence", Head::Sequence, 1e-4),
    ("tokens", Head::Tokens, 1e-4),
    ("embedding", Head::Embedding, 1e-4),
    ("states", Head::Embedding, 1e-4),
    ("vector", Head::Embedding, 1e-4),
    ("external", Head::Sequence, 1e-4),
    // Rounding to eight bits turns the last bits of a sum into a step here and there.
    ("quantised", Head::Sequence, 2e-2),
];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/onnx").join(name)
}

fn load(name: &str, head: Head) -> Result<OnnxModel, ModelError> {
    OnnxModel::load(&folder(name), head, Kernels::detect())
}

fn cases(name: &str) -> Vec<Case> {
    let text = std::fs::read_to_string(folder(name).join("reference.json")).unwrap();
    serde_json::from_str::<Reference>(&text).unwrap().cases
}

fn answer<'c>(model: &OnnxModel, cases: impl IntoIterator<Item = &'c Case>) -> Vec<f32> {
    let mut batch = PackedBatch::default();
    cases.into_iter().for_each(|case| batch.push(&case.ids, &case.type_ids));
    model.answer(&batch, &mut OnnxScratch::default()).unwrap().to_vec()
}

#[test]
fn every_graph_answers_as_onnx_runtime_does() {
    let mut failures = Vec::new();
    for (name, head, tolerance) in MODELS {
        let model = load(name, head).unwrap();
        for (number, case) in cases(name).iter().enumerate() {
            let found = answer(&model, [case]);
            let wrong = found.iter().zip(&case.output).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            if found.len() != case.output.len() || wrong.is_nan() || wrong > tolerance {
                let lengths = (found.len(), case.output.len());
                failures.push(format!("{name} case {number}: off by {wrong}, {lengths:?}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn neither_the_batch_nor_its_order_changes_more_than_the_rounding() {
    for (name, head, _) in MODELS {
        let (model, cases) = (load(name, head).unwrap(), cases(name));
        let alone: Vec<Vec<f32>> = cases.iter().map(|case| answer(&model, [case])).collect();
        let together = answer(&model, cases.iter().rev().chain(&cases));
        let expected: Vec<f32> = alone.iter().rev().chain(&alone).flatten().copied().collect();
        assert_eq!(together.len(), expected.len(), "{name}");
        let wrong = together.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // A graph that quantises is asked for one text at a time, so that nothing differs.
        let allowed = if model.quantises() { 0.0 } else { 1e-6 };
        assert!(wrong <= allowed, "{name}: {wrong}");
    }
}

#[test]
fn what_stands_beside_a_graph_is_honoured() {
    let sequence = load("sequence", Head::Sequence).unwrap();
    assert_eq!(sequence.labels(), ["alpha", "beta", "gamma"]);
    assert_eq!((sequence.max_tokens(), sequence.quantises()), (Some(40), false));
    let external = load("external", Head::Sequence).unwrap();
    assert_eq!(external.labels(), ["LABEL_0", "LABEL_1", "LABEL_2"]);
    assert_eq!(external.max_tokens(), None);
    assert!(load("quantised", Head::Sequence).unwrap().quantises());
    let mut batch = PackedBatch::default();
    batch.push(&[3, 4, 5, 2], &[]);
    let scratch = &mut OnnxScratch::default();
    assert_eq!(load("states", Head::Embedding).unwrap().states(&batch, scratch).unwrap().len(), 4 * 16);
    assert!(matches!(sequence.states(&batch, scratch), Err(ModelError::Head { .. })));
    let unknown = |batch: &PackedBatch| sequence.answer(batch, &mut OnnxScratch::default()).map(<[f32]>::len);
    assert_eq!(unknown(&batch).unwrap(), 3);
    batch.push(&[61], &[]);
    assert!(matches!(unknown(&batch), Err(ModelError::Onnx { .. })), "an id beyond the vocabulary");
}

#[test]
fn graphs_that_would_give_wrong_numbers_are_refused_with_the_remedy() {
    struct Refused {
        name: &'static str,
        head: Head,
        words: [&'static str; 2],
    }
    let cases = [
        Refused { name: "strange", head: Head::Sequence, words: ["LpPool", "spec.server"] },
        Refused { name: "fixed", head: Head::Sequence, words: ["[2, 7]", "dynamic"] },
        Refused { name: "probabilities", head: Head::Sequence, words: ["probabilities", "logits"] },
        Refused {
            name: "sequence",
            head: Head::Tokens,
            words: ["logits of shape [2, 3]", "sequence, labels]"],
        },
    ];
    for Refused { name, head, words } in cases {
        let error = load(name, head).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unsupported, "{name}");
        let message = error.to_string();
        assert!(message.contains(&format!("{name}/model.onnx")), "{message}");
        assert!(words.iter().all(|word| message.contains(word)), "{name}: {message}");
    }
}

#[test]
fn modules_that_were_made_for_another_model_are_refused() {
    let mixed = tempfile::tempdir().unwrap();
    std::fs::copy(folder("states").join("model.onnx"), mixed.path().join("model.onnx")).unwrap();
    let dense = folder("..").join("bert-dense");
    for name in ["modules.json", "1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors"]
    {
        std::fs::create_dir_all(mixed.path().join(name).parent().unwrap()).unwrap();
        std::fs::copy(dense.join(name), mixed.path().join(name)).unwrap();
    }
    let load = || OnnxModel::load(mixed.path(), Head::Embedding, Kernels::detect());
    assert!(load().is_ok());
    let both = r#"{ "pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true }"#;
    std::fs::write(mixed.path().join("1_Pooling/config.json"), both).unwrap();
    let message = load().unwrap_err().to_string();
    assert!(message.contains("width 16"), "{message}");
}

#[test]
fn damaged_files_and_missing_weights_are_refused() {
    let copy = |from: &str, name: &str| {
        let folder_of = tempfile::tempdir().unwrap();
        std::fs::copy(folder(from).join(name), folder_of.path().join(name)).unwrap();
        folder_of
    };
    let load = |folder: &Path| OnnxModel::load(folder, Head::Sequence, Kernels::detect());
    let lacking = copy("external", "model.onnx");
    let message = load(lacking.path()).unwrap_err().to_string();
    assert!(message.contains("external data"), "{message}");
    let whole = std::fs::read(folder("sequence").join("model.onnx")).unwrap();
    for length in [0, 100, whole.len() / 2] {
        let damaged = tempfile::tempdir().unwrap();
        std::fs::write(damaged.path().join("model.onnx"), &whole[..length]).unwrap();
        assert!(load(damaged.path()).is_err(), "{length} bytes");
    }
}

#[test]
fn a_gpu_needs_a_library() {
    let compute = Compute::from(Kernels::detect()).on(Device::Gpu);
    let error = OnnxModel::load(&folder("sequence"), Head::Sequence, compute).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unsupported);
    let message = error.to_string();
    assert!(message.contains("--onnxruntime") && message.contains("gpu: 0"), "{message}");
}

#[test]
fn what_is_no_library_is_refused_before_anything_runs_on_it() {
    let place = tempfile::tempdir().unwrap();
    let none = place.path().join("libonnxruntime.so");
    let refusal = || OnnxRuntime::open(&none, 1).unwrap_err().to_string();
    assert!(refusal().contains("no such file"), "{}", refusal());
    assert!(refusal().contains(none.to_str().unwrap()), "{}", refusal());
    std::fs::write(&none, "not a library").unwrap();
    assert!(refusal().contains("name one of version 1.17 or later"), "{}", refusal());
}
