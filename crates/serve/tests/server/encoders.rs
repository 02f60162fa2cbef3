//! Encoders behind the server: their tasks over both of its protocols.

use std::path::Path;

use loquat_infer::{Import, Kernels, import, source_files};
use loquat_spec::{Model, ModelSource, Precision, Requests, Share, Task, ZeroShot};
use loquat_store::NewVersion;
use serde_json::{Value, json};

use crate::harness::{Registry, Server, endpoint, name};

/// Registers a tiny random model of the repository under `model`, with a tokenizer that knows letters.
fn register(registry: &Registry, model: &str, (reference, task): (&str, Task), labels: &[&str]) {
    let source = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/reference").join(reference);
    for file in ["config.json", "model.safetensors", "modules.json", "1_Pooling/config.json"] {
        if from.join(file).is_file() {
            std::fs::create_dir_all(source.path().join(file).parent().unwrap()).unwrap();
            std::fs::copy(from.join(file), source.path().join(file)).unwrap();
        }
    }
    let letters = ('a'..='z').map(String::from).chain(('a'..='z').map(|letter| format!("##{letter}")));
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned).into_iter();
    let all: Vec<String> = special.chain(letters).chain([".", ",", "!", "?"].map(str::to_owned)).collect();
    std::fs::write(source.path().join("vocab.txt"), all.join("\n") + "\n").unwrap();
    let resource = Model {
        name: name(model),
        task,
        source: ModelSource::Folder(String::new()),
        labels: (!labels.is_empty()).then(|| labels.iter().map(|label| (*label).to_owned()).collect()),
        max_length: None,
        template: None,
        precision: Precision::F32,
        agreement: Share::parse("98%").unwrap(),
        dataset: None,
    };
    let files = source_files(source.path()).unwrap();
    let kernels = Kernels::detect();
    let request =
        Import { model: &resource, files: &files, source: reference, texts: &[], kernels, threads: 1 };
    let staging = registry.store.stage().unwrap();
    import(&request, staging.path()).unwrap();
    let new = NewVersion { outcome: "imported".to_owned(), ..NewVersion::default() };
    registry.store.register(&name(model), staging, new).unwrap();
    registry.promote(model, 1);
}

fn predictions(server: &Server, model: &str, body: &Value) -> Vec<Value> {
    let reply = server.post(&format!("/models/{model}/predict"), body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["predictions"].as_array().unwrap().clone()
}

#[test]
fn each_task_answers_in_its_own_form() {
    let registry = Registry::new();
    register(&registry, "vectors", ("bert-embedding", Task::Embedding), &[]);
    register(&registry, "names", ("bert-tokens", Task::TokenClassification), &[]);
    let server = registry.serve();
    let body = json!({ "inputs": ["a cat", { "text_a": "a cat", "text_b": "a dog" }] });
    let found = predictions(&server, "vectors", &body);
    assert_eq!(found[0]["embedding"].as_array().unwrap().len(), 16);
    assert!(found[1]["score"].is_number());
    let found = predictions(&server, "names", &json!({ "inputs": "otto in riga" }));
    assert!(found[0]["entities"].is_array());

    let tensor =
        json!({ "name": "text", "shape": [2], "datatype": "BYTES", "data": ["a cat", "otto in riga"] });
    let vectors = server.post("/v2/models/vectors/infer", &json!({ "inputs": [tensor] })).json();
    assert_eq!(vectors["outputs"][0]["name"], "embedding");
    assert_eq!(vectors["outputs"][0]["shape"], json!([2, 16]));
    assert_eq!(vectors["outputs"][0]["data"].as_array().unwrap().len(), 32);
    let names = server.post("/v2/models/names/infer", &json!({ "inputs": [tensor] })).json();
    assert_eq!(
        (&names["outputs"][0]["name"], &names["outputs"][0]["shape"]),
        (&json!("entities"), &json!([2]))
    );
    let first = names["outputs"][0]["data"][1].as_str().unwrap();
    let listed: Value = serde_json::from_str(first).unwrap();
    assert_eq!(listed, found[0]["entities"]);
}

#[test]
fn an_endpoint_scores_labels_with_the_model_of_another() {
    let registry = Registry::new();
    let labels = ["contradiction", "neutral", "entailment"];
    register(&registry, "nli", ("bert-sequence", Task::TextPairClassification), &labels);
    register(&registry, "other", ("bert-sequence", Task::TextPairClassification), &[]);
    let requests = || Requests { max_length: Some(40), ..Requests::default() };
    let declared = ZeroShot { template: None, labels: vec!["rain".to_owned(), "sun".to_owned()] };
    let topics =
        loquat_spec::Endpoint { zero_shot: Some(declared.clone()), ..endpoint("topics", "nli", requests()) };
    let broken =
        loquat_spec::Endpoint { zero_shot: Some(declared), ..endpoint("broken", "other", requests()) };
    let server = registry.serve_with(|config| config.endpoints = vec![topics, broken]);
    let pairs = json!({ "inputs": { "premise": "it rains", "hypothesis": "it is wet" } });
    assert!(predictions(&server, "nli", &pairs)[0]["label"].is_string());
    let found = predictions(&server, "topics", &json!({ "inputs": ["it rains", "it is dry"] }));
    assert_eq!(found.len(), 2);
    assert_eq!(found[0]["labels"].as_array().unwrap().len(), 2);
    let own = json!({ "inputs": "it rains", "parameters": { "labels": ["a", "b", "c"], "exclusive": true } });
    let scores = predictions(&server, "topics", &own);
    let sum: f64 =
        scores[0]["labels"].as_array().unwrap().iter().map(|scored| scored["score"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-5, "{scores:?}");

    let long = server.post("/models/nli/predict", &json!({ "inputs": { "premise": 1, "hypothesis": "b" } }));
    assert_eq!((long.status, &long.json()["field"]), (422, &json!("inputs.premise")));
    let tensor = json!({ "name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"] });
    let refused = server.post("/v2/models/nli/infer", &json!({ "inputs": [tensor] }));
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(refused.text().contains("not yet supported"), "{}", refused.text());
    let failed = server.post("/models/broken/predict", &json!({ "inputs": "a" }));
    assert_eq!(failed.status, 503, "{}", failed.text());
    assert!(failed.text().contains("alpha, beta, gamma"), "{}", failed.text());
}

#[test]
fn limits_name_the_column_that_exceeds_them() {
    let registry = Registry::new();
    register(&registry, "pairs", ("bert-sequence", Task::TextPairClassification), &[]);
    let requests = Requests { max_length: Some(10), ..Requests::default() };
    let server = registry.serve_with(|config| config.endpoints = vec![endpoint("pairs", "pairs", requests)]);
    let body = json!({ "inputs": [{ "premise": "short", "hypothesis": "much too long" }] });
    let refused = server.post("/models/pairs/predict", &body);
    assert_eq!(refused.status, 413, "{}", refused.text());
    assert_eq!(refused.json()["field"], "inputs[0].hypothesis");
}
