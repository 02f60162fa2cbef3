//! ONNX files as models: the answers of the same weights in safetensors, and what an import makes of their folders.

use std::fs;
use std::path::Path;

use loquat_infer::{InferError, Input, Pipeline, source_files};
use loquat_models::Manifest;
use loquat_spec::{ErrorCode, Precision, PredictParameters, Task, ZeroShot};
use serde_json::Value;

use crate::fixture::{folder, import_folder, none, pipeline, predict, resource};

/// Texts of several lengths.
fn texts() -> Vec<Input> {
    ["a cat", "what a long way to go, said the fox!", "", "no."].map(Input::new).to_vec()
}

/// Holds two answers against each other, numbers to within `tolerance`.
fn same(left: &Value, right: &Value, tolerance: f64, name: &str) {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            let (left, right) = (left.as_f64().unwrap(), right.as_f64().unwrap());
            assert!((left - right).abs() <= tolerance, "{name}: {left} and {right}");
        }
        (Value::Array(left), Value::Array(right)) => {
            assert_eq!(left.len(), right.len(), "{name}");
            left.iter().zip(right).for_each(|(left, right)| same(left, right, tolerance, name));
        }
        (Value::Object(left), Value::Object(right)) => {
            assert_eq!(left.len(), right.len(), "{name}");
            left.iter().for_each(|(key, value)| same(value, &right[key], tolerance, name));
        }
        _ => assert_eq!(left, right, "{name}"),
    }
}

#[test]
fn every_task_is_answered_as_by_the_same_weights_in_safetensors() {
    struct Case {
        onnx: &'static str,
        other: &'static str,
        task: Task,
    }
    let cases = [
        Case { onnx: "onnx/sequence", other: "bert-sequence", task: Task::TextClassification },
        Case { onnx: "onnx/sequence", other: "bert-sequence", task: Task::MultiLabelClassification },
        Case { onnx: "onnx/sequence", other: "bert-sequence", task: Task::TextPairClassification },
        Case { onnx: "onnx/tokens", other: "distilbert-tokens", task: Task::TokenClassification },
        Case { onnx: "onnx/embedding", other: "bert-embedding", task: Task::Embedding },
    ];
    for Case { onnx, other, task } in cases {
        let mut inputs = texts();
        if task == Task::TextPairClassification {
            inputs = inputs.iter().map(|input| Input::pair(&input.text, "it is so")).collect();
        }
        if task == Task::TokenClassification {
            // Longer than the model reads.
            inputs.push(Input::new("otto lives in a house by the sea ".repeat(5)));
        }
        let answers = |name| predict(&pipeline(name, task, |_| ()), &inputs, &none(), 2);
        same(&answers(onnx).into(), &answers(other).into(), 1e-4, onnx);
    }
}

#[test]
fn labels_of_a_request_are_scored_by_an_entailment_model() {
    let labels = ["contradiction", "neutral", "entailment"].map(str::to_owned).to_vec();
    let answers = |name| {
        let labels = Some(labels.clone());
        let pipeline = pipeline(name, Task::TextPairClassification, |model| model.labels = labels);
        let scored = pipeline.answering(Some(&ZeroShot::default())).unwrap();
        let labels = Some(vec!["rain".to_owned(), "a sunny day".to_owned()]);
        predict(&scored, &texts(), &PredictParameters { labels, ..none() }, 1)
    };
    same(&answers("onnx/sequence").into(), &answers("bert-sequence").into(), 1e-4, "zero-shot");
}

#[test]
fn an_artifact_holds_the_graph_and_golden_examples_that_are_replayed() {
    let source = folder("onnx/sequence");
    let (artifact, imported) = import_folder(source.path(), &resource(Task::TextClassification)).unwrap();
    assert_eq!(imported.summary, "ONNX, 3 labels, f32");
    let mut names: Vec<String> = fs::read_dir(artifact.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["config.json", "loquat.json", "model-card.md", "model.onnx", "vocab.txt"]);
    let mut manifest = Manifest::load(artifact.path()).unwrap();
    assert_eq!((manifest.golden.len(), manifest.precision), (8, None));
    assert_eq!(manifest.labels, ["alpha", "beta", "gamma"]);
    let bytes = Pipeline::load(artifact.path()).unwrap().resident_bytes();
    assert_eq!(bytes, fs::metadata(artifact.path().join("model.onnx")).unwrap().len());
    manifest.golden[3].scores[2] += 0.01;
    manifest.save(artifact.path()).unwrap();
    let error = Pipeline::load(artifact.path()).unwrap_err();
    assert!(matches!(error, InferError::GoldenMismatch { input: 3, .. }), "{error}");
}

#[test]
fn a_graph_is_found_where_exporters_put_it() {
    let plain = folder("onnx/sequence");
    let task = resource(Task::TextClassification);
    let graph = |folder: &Path| fs::read(folder.join("model.onnx")).unwrap();
    let wanted = graph(plain.path());
    let by_path = import_folder(&plain.path().join("model.onnx"), &task).unwrap().0;
    assert_eq!(graph(by_path.path()), wanted);

    fs::create_dir(plain.path().join("onnx")).unwrap();
    fs::rename(plain.path().join("model.onnx"), plain.path().join("onnx/model.onnx")).unwrap();
    let below = import_folder(plain.path(), &task).unwrap().0;
    assert_eq!(graph(below.path()), wanted);
    fs::copy(plain.path().join("onnx/model.onnx"), plain.path().join("onnx/other.onnx")).unwrap();
    let other = import_folder(&plain.path().join("onnx/other.onnx"), &task).unwrap().0;
    assert_eq!(graph(other.path()), wanted);
    assert!(other.path().join("vocab.txt").is_file(), "the tokenizer lies above");

    // Safetensors are computed by Loquat's own engine, and are taken where they are there.
    loquat_testkit::tiny_model("bert-sequence", plain.path());
    let own = import_folder(plain.path(), &task).unwrap().1;
    assert!(own.summary.starts_with("Bert"), "{}", own.summary);
}

#[test]
fn weights_in_a_file_of_their_own_come_along() {
    let source = folder("onnx/external");
    fs::write(source.path().join("config.json"), r#"{"model_type": "bert"}"#).unwrap();
    fs::write(source.path().join("unrelated.onnx_data"), "no").unwrap();
    let mut model = resource(Task::TextClassification);
    let error = import_folder(source.path(), &model).unwrap_err();
    assert!(error.to_string().contains("give maxLength"), "{error}");
    model.max_length = Some(16);
    let (artifact, _) = import_folder(source.path(), &model).unwrap();
    assert!(artifact.path().join("weights.onnx_data").is_file());
    assert!(!artifact.path().join("unrelated.onnx_data").exists());
    assert!(Pipeline::load(artifact.path()).is_ok());
    let digest = || source_files(source.path()).unwrap().digest().unwrap();
    let before = digest();
    fs::write(source.path().join("weights.onnx_data"), "changed").unwrap();
    assert_ne!(digest(), before);
}

#[test]
fn what_a_graph_can_not_be_is_refused_with_the_remedy() {
    let refused = |name: &str, task: Task, change: fn(&mut loquat_spec::Model)| {
        let source = folder(name);
        let mut model = resource(task);
        change(&mut model);
        let error = import_folder(source.path(), &model).unwrap_err();
        (error.code(), error.to_string())
    };
    let classification = Task::TextClassification;
    let (code, message) = refused("onnx/sequence", classification, |model| model.precision = Precision::Int8);
    assert_eq!(code, ErrorCode::Unsupported);
    assert!(message.contains("onnxruntime.quantization"), "{message}");
    let (code, message) = refused("onnx/strange", classification, |model| model.max_length = Some(16));
    assert_eq!(code, ErrorCode::Unsupported);
    assert!(message.contains("LpPool") && message.contains("spec.server"), "{message}");
    let source = folder("onnx/sequence");
    fs::remove_file(source.path().join("vocab.txt")).unwrap();
    let error = source_files(source.path()).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json"), "{error}");
}
