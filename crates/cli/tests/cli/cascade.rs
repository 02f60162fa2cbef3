//! `loquat models cascade`, and the calibration that `train` makes on its own.
#![cfg(feature = "train")]

use std::path::Path;

use crate::support::{run, starter};

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
