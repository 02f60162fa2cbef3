//! `Model` resources: imported by `train`, answered by `predict`.
#![cfg(feature = "train")]

use std::path::Path;

use crate::support::{run, run_with_input, write};

/// A tiny random model of the repository, in the folder `tiny`.
fn model(folder: &Path, name: &str) {
    loquat_testkit::tiny_model(name, &folder.join("tiny"));
}

fn resource(folder: &Path, spec: &str) {
    let text =
        format!("apiVersion: loquat.dev/v1alpha1\nkind: Model\nmetadata: {{ name: tiny }}\nspec:\n{spec}");
    write(folder, "tiny.yaml", &text);
}

#[test]
fn a_model_is_imported_once_and_again_when_it_changed() {
    let folder = tempfile::tempdir().unwrap();
    model(folder.path(), "bert-embedding");
    resource(folder.path(), "  task: embedding\n  source: { path: ./tiny }\n");
    let first = run(folder.path(), &["train"]).expect_status(0);
    assert!(first.stdout.starts_with("tiny:1 is the champion: "), "{}", first.stdout);
    assert_eq!(first.stderr, "tiny: no version yet, importing\n");
    let second = run(folder.path(), &["train"]).expect_status(0);
    assert_eq!(second.stderr, "tiny: unchanged since version 1, not imported again\n");

    resource(folder.path(), "  task: embedding\n  source: { path: ./tiny }\n  precision: int8\n");
    let dry = run(folder.path(), &["train", "--dry-run"]).expect_status(0);
    assert_eq!(dry.stdout, "tiny: the resource changed since version 1, would be imported\n");
    let changed = run(folder.path(), &["train"]).expect_status(0);
    assert!(
        changed.stdout.contains("tiny:2 is the champion") && changed.stdout.contains("int8"),
        "{}",
        changed.stdout
    );
    let shown = run(folder.path(), &["models", "show", "tiny", "--format", "json"]).expect_status(0).json();
    assert_eq!((&shown["version"], &shown["origin"]), (&2.into(), &"./tiny".into()));
    assert!(shown["metrics"]["agreement"].as_f64().unwrap() > 0.98);

    write(folder.path(), "tiny/tokenizer_config.json", "{}");
    let files = run(folder.path(), &["train", "--dry-run"]).expect_status(0);
    assert_eq!(files.stdout, "tiny: its files changed since version 2, would be imported\n");
}

#[test]
fn each_task_takes_its_columns_and_gives_its_answers() {
    struct Case {
        model: &'static str,
        spec: &'static str,
        arguments: &'static [&'static str],
        input: &'static str,
        member: &'static str,
    }
    let cases = [
        Case {
            model: "bert-embedding",
            spec: "  task: embedding\n  source: { path: tiny }\n",
            arguments: &[],
            input: "{\"id\": 1, \"text_a\": \"a cat\", \"text_b\": \"a dog\"}\n",
            member: "score",
        },
        Case {
            model: "bert-embedding",
            spec: "  task: embedding\n  source: { path: tiny }\n",
            arguments: &[],
            input: "{\"id\": 1, \"text\": \"a cat\"}\n",
            member: "embedding",
        },
        Case {
            model: "bert-tokens",
            spec: "  task: token-classification\n  source: { path: tiny }\n",
            arguments: &[],
            input: "{\"id\": 1, \"text\": \"otto in riga\"}\n",
            member: "entities",
        },
        Case {
            model: "bert-sequence",
            spec: "  task: text-pair-classification\n  source: { path: tiny }\n",
            arguments: &[],
            input: "{\"id\": 1, \"premise\": \"it rains\", \"hypothesis\": \"it is wet\"}\n",
            member: "label",
        },
        Case {
            model: "bert-sequence",
            spec: "  task: zero-shot-classification\n  source: { path: tiny }\n  labels: [contradiction, neutral, entailment]\n",
            arguments: &["--labels", "rain,sun", "--template", "It is {label}."],
            input: "{\"id\": 1, \"text\": \"it rains\"}\n",
            member: "labels",
        },
    ];
    for case in cases {
        let folder = tempfile::tempdir().unwrap();
        model(folder.path(), case.model);
        resource(folder.path(), case.spec);
        run(folder.path(), &["train"]).expect_status(0);
        let mut arguments = vec!["predict", "tiny", "--input-format", "jsonl"];
        arguments.extend(case.arguments);
        let answers =
            run_with_input(folder.path(), &arguments, case.input.as_bytes()).expect_status(0).json_lines();
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0]["id"], 1);
        assert!(!answers[0][case.member].is_null(), "{}", answers[0]);
        let missing = run_with_input(folder.path(), &arguments, b"{\"other\": \"x\"}\n").expect_status(1);
        assert!(missing.stderr.contains("is missing (found other)"), "{}", missing.stderr);
    }
}

#[cfg(not(feature = "onnx"))]
#[test]
fn a_build_without_an_engine_for_onnx_says_so() {
    let folder = tempfile::tempdir().unwrap();
    model(folder.path(), "onnx/sequence");
    resource(folder.path(), "  task: text-classification\n  source: { path: tiny/model.onnx }\n");
    let refused = run(folder.path(), &["train"]).expect_status(2);
    assert!(refused.stderr.contains("build loquat with the feature onnx"), "{}", refused.stderr);
    let library = run(folder.path(), &["--onnxruntime", "tiny/model.onnx", "train"]).expect_status(2);
    assert!(library.stderr.contains("this build runs no ONNX files"), "{}", library.stderr);
}

#[cfg(feature = "onnx")]
#[test]
fn an_onnx_file_is_a_model() {
    let folder = tempfile::tempdir().unwrap();
    model(folder.path(), "onnx/sequence");
    resource(folder.path(), "  task: text-classification\n  source: { path: tiny/model.onnx }\n");
    let trained = run(folder.path(), &["train"]).expect_status(0);
    assert!(trained.stdout.contains("tiny:1 is the champion: ONNX, 3 labels"), "{}", trained.stdout);
    let answer = run_with_input(folder.path(), &["predict", "tiny"], b"a cat\n").expect_status(0);
    assert!(answer.json_lines()[0]["label"].is_string());
    let again = run(folder.path(), &["train"]).expect_status(0);
    assert!(again.stderr.contains("unchanged since version 1"), "{}", again.stderr);

    model(folder.path(), "onnx/strange");
    std::fs::remove_file(folder.path().join("tiny/config.json")).unwrap();
    let strange = run(folder.path(), &["train"]).expect_status(2);
    assert!(strange.stderr.contains("LpPool"), "{}", strange.stderr);
}

#[test]
fn a_model_that_a_server_answers_for_is_asked_where_it_is_served() {
    let folder = tempfile::tempdir().unwrap();
    resource(
        folder.path(),
        "  task: text-classification\n  labels: [down, up]\n  server: { url: \"http://127.0.0.1:9\" }\n",
    );
    let trained = run(folder.path(), &["train"]).expect_status(0);
    assert!(trained.stdout.contains("answered by a server, 2 labels"), "{}", trained.stdout);
    let refused = run_with_input(folder.path(), &["predict", "tiny"], b"up\n").expect_status(2);
    assert!(refused.stderr.contains("loquat serve"), "{}", refused.stderr);
}

#[test]
fn what_can_not_be_imported_says_why() {
    let folder = tempfile::tempdir().unwrap();
    resource(folder.path(), "  task: embedding\n  source: { path: ./tiny }\n");
    let absent = run(folder.path(), &["train"]).expect_status(3);
    assert!(absent.stderr.contains("tiny: no such folder"), "{}", absent.stderr);
    let checked = run(folder.path(), &["check"]).expect_status(1);
    assert!(checked.stdout.contains("no such folder"), "{}", checked.stdout);
    write(folder.path(), "tiny/config.json", "{}");
    write(folder.path(), "tiny/pytorch_model.bin", "");
    let pickle = run(folder.path(), &["train"]).expect_status(2);
    assert!(pickle.stderr.contains("save_pretrained"), "{}", pickle.stderr);
}

#[test]
fn kernels_by_name_are_taken_and_give_the_same_answers() {
    let folder = tempfile::tempdir().unwrap();
    model(folder.path(), "bert-sequence");
    resource(folder.path(), "  task: text-classification\n  source: { path: tiny }\n");
    run(folder.path(), &["--kernels", "portable", "train"]).expect_status(0);
    let label = |kernels: &str| {
        let arguments = ["--kernels", kernels, "predict", "tiny"];
        let answer = run_with_input(folder.path(), &arguments, b"a cat and a dog\n").expect_status(0);
        answer.json_lines()[0]["label"].clone()
    };
    assert_eq!(label("portable"), label("auto"));
}

#[cfg(feature = "onnx")]
#[test]
fn a_library_that_is_none_is_refused_where_it_would_be_used() {
    let folder = tempfile::tempdir().unwrap();
    model(folder.path(), "bert-sequence");
    resource(folder.path(), "  task: text-classification\n  source: { path: tiny }\n");
    run(folder.path(), &["train"]).expect_status(0);
    let predict = ["--onnxruntime", "tiny/config.json", "predict", "tiny"];
    let refused = run_with_input(folder.path(), &predict, b"a cat\n").expect_status(2);
    assert!(
        refused.stderr.contains("--onnxruntime tiny/config.json: not a usable libonnxruntime"),
        "{}",
        refused.stderr
    );
    run(folder.path(), &["--onnxruntime", "tiny/config.json", "models", "list"]).expect_status(0);
}
