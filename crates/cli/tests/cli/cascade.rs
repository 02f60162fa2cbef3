//! `loquat models cascade`, and the calibration that `train` makes on its own.
#![cfg(feature = "train")]

use std::path::Path;

use crate::support::{run, starter, write};

const CASCADE: &str = "---
apiVersion: loquat.dev/v1alpha1
kind: Training
metadata: { name: small }
spec:
  dataset: demo
  crossValidation: { folds: 2 }
  search: { families: [linear], trials: 2, seed: 3 }
---
apiVersion: loquat.dev/v1alpha1
kind: Endpoint
metadata: { name: quick }
spec:
  model: demo
  cascade: [ { model: small, agreement: AGREEMENT } ]
";

/// A folder with two trainings on the same rows, one asked before the other.
fn folder(at: &Path, agreement: &str) {
    let demo = starter(at, "text-classification");
    std::fs::write(demo.join("cascade.yaml"), CASCADE.replace("AGREEMENT", agreement)).unwrap();
}

#[test]
fn training_calibrates_the_cascades_that_endpoints_state() {
    let folder_ = tempfile::tempdir().unwrap();
    let at = folder_.path();
    folder(at, "0.6");
    let trained = run(at, &["train", "demo"]).expect_status(0);
    assert!(trained.stdout.contains("quick: small:1 answers before demo:1"), "{}", trained.stdout);
    let shown = run(at, &["models", "show", "demo", "--dir", "demo"]).expect_status(0).stdout;
    assert!(shown.contains("small:1 answers"), "{shown}");
    let again = run(at, &["train", "demo"]).expect_status(0);
    assert!(!again.stdout.contains("quick"), "it is calibrated already: {}", again.stdout);
}

#[test]
fn an_agreement_that_the_rows_cannot_show_is_said_and_trains_all_the_same() {
    let folder_ = tempfile::tempdir().unwrap();
    let at = folder_.path();
    folder(at, "0.999");
    let trained = run(at, &["train", "demo"]).expect_status(0);
    assert!(
        trained.stderr.contains("warning: quick: small@champion is not asked before demo@champion"),
        "{}",
        trained.stderr
    );
    assert!(trained.stderr.contains("4603 are needed"), "{}", trained.stderr);

    let arguments = ["models", "cascade", "small", "demo", "--dir", "demo", "--dataset", "demo"];
    let refused = run(at, &arguments).expect_status(2).stderr;
    assert!(
        refused.contains("can't show an agreement of 0.98 at a confidence of 0.99: 228 are needed"),
        "{refused}"
    );

    let with = |more: &[&str]| run(at, &[&arguments[..], more].concat());
    let text = with(&["--agreement", "0.7", "--rows", "all"]).expect_status(0).stdout;
    assert!(text.starts_with("small:1 before demo:1, measured on "), "{text}");
    assert!(text.contains("0.7 *"), "{text}");
    assert!(text.contains("cascade: [{ model: small@champion, agreement: 0.7 }]"), "{text}");
    let found = with(&["--agreement", "0.7", "--confidence", "0.9", "--rows", "all", "--format", "json"])
        .expect_status(0)
        .json();
    assert_eq!(found["cheap"]["name"], "small");
    let chosen = &found["chosen"];
    assert!(chosen["least"].as_f64().unwrap() >= 0.7, "{found}");
    assert!(chosen["early"].as_f64().unwrap() > 0.0, "{found}");

    let same = run(at, &["models", "cascade", "demo", "demo", "--dir", "demo", "--dataset", "demo"])
        .expect_status(2);
    assert!(same.stderr.contains("are the same artifact"), "{}", same.stderr);
    let mistyped = run(at, &["models", "cascade", "small", "demo", "--dir", "demo", "--dataset", "dmo"])
        .expect_status(3);
    assert!(mistyped.stderr.contains("did you mean \"demo\"?"), "{}", mistyped.stderr);
    let beyond = with(&["--agreement", "1"]).expect_status(2);
    assert!(beyond.stderr.contains("agreement 1 is not above 0 and below 1"), "{}", beyond.stderr);
}

const ZERO_SHOT: &str = "apiVersion: loquat.dev/v1alpha1
kind: Model
metadata: { name: likeness }
spec: { task: embedding, source: { path: vectors } }
---
apiVersion: loquat.dev/v1alpha1
kind: Model
metadata: { name: nli }
spec:
  task: text-pair-classification
  source: { path: entailment }
  labels: [contradiction, neutral, entailment]
---
apiVersion: loquat.dev/v1alpha1
kind: Dataset
metadata: { name: news }
spec:
  task: text-classification
  source: { path: news.jsonl }
  columns: { text: text, label: label }
---
apiVersion: loquat.dev/v1alpha1
kind: Dataset
metadata: { name: pairs }
spec:
  task: text-pair-classification
  source: { path: pairs.jsonl }
---
apiVersion: loquat.dev/v1alpha1
kind: Endpoint
metadata: { name: topics }
spec:
  model: nli
  labels: [rain, music]
  cascade: [ { model: likeness, agreement: 0.05 } ]
";

#[test]
fn likeness_is_calibrated_before_entailment_for_the_labels_that_an_endpoint_declares() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    loquat_testkit::tiny_model("bert-embedding", &at.join("vectors"));
    loquat_testkit::tiny_model("bert-sequence", &at.join("entailment"));
    write(at, "resources.yaml", ZERO_SHOT);
    let words = ["rain", "otto", "anna", "parcel", "song", "köln", "wet", "long"];
    let text = |row: usize| format!("{} {} {row}", words[row % 8], words[(row / 8) % 8]);
    let rows = |row: usize| format!("{{\"text\": \"{}\", \"label\": \"{}\"}}\n", text(row), row % 2);
    write(at, "news.jsonl", &(0..128).map(rows).collect::<String>());
    let pairs = |row: usize| {
        format!(
            "{{\"premise\": \"{}\", \"hypothesis\": \"{}\", \"label\": \"{}\"}}\n",
            text(row),
            text(row + 1),
            row % 2
        )
    };
    write(at, "pairs.jsonl", &(0..128).map(pairs).collect::<String>());
    let trained = run(at, &["train"]).expect_status(0);
    assert!(
        trained.stderr.contains("run loquat models cascade likeness@champion nli@champion --dataset NAME"),
        "{}",
        trained.stderr
    );
    let cascade = |more: &[&str]| run(at, &[&["models", "cascade", "likeness", "nli"], more].concat());
    let unmeasured = cascade(&["--dataset", "pairs", "--rows", "all"]).expect_status(2);
    assert!(unmeasured.stderr.contains("pairs holds pairs of texts"), "{}", unmeasured.stderr);
    let target = ["--dataset", "news", "--rows", "all", "--agreement", "0.05", "--format", "json"];
    let found = cascade(&target).expect_status(0).json();
    assert_eq!(found["zeroShot"]["labels"], serde_json::json!(["rain", "music"]), "the endpoint's");
    assert_eq!(found["rows"], 128);
    let own = [&target[..], &["--labels", "rain,sun,snow", "--template", "It is {label}."]].concat();
    let found = cascade(&own).expect_status(0).json();
    let wanted = serde_json::json!({ "labels": ["rain", "sun", "snow"], "template": "It is {label}." });
    assert_eq!(found["zeroShot"], wanted);
    let again = run(at, &["train"]).expect_status(0);
    assert!(!again.stderr.contains("topics"), "it is calibrated: {}", again.stderr);
}
