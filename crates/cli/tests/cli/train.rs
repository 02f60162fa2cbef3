//! From a starter folder to a registered version, for each task that can be trained.
#![cfg(feature = "train")]

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{copy_folder, loquat, run, run_with_input, starter};

fn weights(folder: &Path, version: &str) -> String {
    let record = run(folder, &["models", "show", version, "--dir", "demo", "--format", "json"])
        .expect_status(0)
        .json();
    record["weightsDigest"].as_str().unwrap().to_owned()
}

fn replace(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from:?} is not in {}", path.display());
    std::fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn every_starter_checks_trains_predicts_and_reports() {
    struct Case {
        task: &'static str,
        text: &'static str,
        metric: &'static str,
    }
    let cases = [
        Case { task: "text-classification", text: "please send me a refund", metric: "macro-f1" },
        Case {
            task: "multi-label-classification",
            text: "the waiter was rude and the soup cold",
            metric: "macro-f1",
        },
        Case { task: "language-identification", text: "wo ist der nächste Bahnhof", metric: "accuracy" },
        Case { task: "token-classification", text: "Anna Berger moved to Riga.", metric: "entity-f1" },
    ];
    for case in cases {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let demo = starter(at, case.task);
        run(at, &["check", "demo"]).expect_status(0);
        let trained = run(at, &["train", "demo"]).expect_status(0);
        assert!(trained.stdout.starts_with("demo:1  "), "{}", trained.stdout);
        assert!(trained.stdout.contains("demo:1 is the champion"), "{}", trained.stdout);

        let line =
            run_with_input(at, &["predict", "demo", "--dir", "demo"], case.text.as_bytes()).expect_status(0);
        let prediction = &line.json_lines()[0];
        let answer = match case.task {
            "multi-label-classification" => "labels",
            "token-classification" => "entities",
            _ => "label",
        };
        for key in ["label", "labels", "entities"] {
            assert_eq!(prediction.get(key).is_some(), key == answer, "{prediction}");
        }

        let report =
            run(at, &["report", "demo", "--dir", "demo", "--format", "json"]).expect_status(0).json();
        assert_eq!(report["formatVersion"], "1.0");
        assert_eq!(report["task"], case.task);
        assert_eq!(report["metric"], case.metric);
        assert_eq!(report["version"], 1);
        assert_eq!(report["outcome"], "completed");
        let summary = run(at, &["report", "demo", "--dir", "demo"]).expect_status(0).stdout;
        assert_eq!(
            summary.lines().next(),
            trained.stdout.lines().next(),
            "the report repeats what training printed"
        );
        run(at, &["report", "demo:1", "--dir", "demo", "--format", "markdown", "-o", "demo.md"])
            .expect_status(0);
        assert!(std::fs::read_to_string(at.join("demo.md")).unwrap().starts_with('#'));

        let files = demo.join(".loquat/runs/demo");
        for file in ["report.html", "report.json", "report.md", "model-card.md", "endpoint.yaml"] {
            assert!(files.join(file).exists(), "{file}");
        }
    }
}

#[test]
fn the_endpoint_that_training_writes_is_a_valid_resource() {
    let folder = tempfile::tempdir().unwrap();
    let demo = starter(folder.path(), "text-classification");
    run(folder.path(), &["train", "demo"]).expect_status(0);
    let alone = folder.path().join("alone");
    std::fs::create_dir(&alone).unwrap();
    std::fs::copy(demo.join(".loquat/runs/demo/endpoint.yaml"), alone.join("endpoint.yaml")).unwrap();
    let report = run(folder.path(), &["check", "alone", "--format", "json"]).expect_status(0).json();
    assert_eq!(report["resources"], 1);
}

#[test]
fn a_model_without_a_champion_gets_an_endpoint_of_its_version() {
    let folder = tempfile::tempdir().unwrap();
    let demo = starter(folder.path(), "text-classification");
    replace(&demo.join("demo.yaml"), "metric: macro-f1 ", "promote: never\n  metric: macro-f1 ");
    let trained = run(folder.path(), &["train", "demo"]).expect_status(0);
    assert!(trained.stdout.contains("demo:1 is registered, no alias moved"), "{}", trained.stdout);
    let endpoint = std::fs::read_to_string(demo.join(".loquat/runs/demo/endpoint.yaml")).unwrap();
    assert!(endpoint.contains("demo:1"), "{endpoint}");
}

#[test]
fn unchanged_inputs_are_not_trained_again_and_changed_ones_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let demo = starter(at, "text-classification");
    let dry = run(at, &["train", "demo", "--dry-run"]).expect_status(0);
    assert_eq!(dry.stdout, "demo: no version yet, would be trained\n");
    assert!(!demo.join(".loquat/store").exists(), "a dry run writes no registry");

    run(at, &["train", "demo"]).expect_status(0);
    let again = run(at, &["train", "demo"]).expect_status(0);
    assert!(
        again.stderr.contains("demo: unchanged since version 1, not trained again\n"),
        "{}",
        again.stderr
    );
    assert_eq!(again.stdout, "");

    // Comments, threads and the endpoint are no inputs.
    replace(&demo.join("demo.yaml"), "# How a model is looked for", "# How models are looked for");
    let comment = run(at, &["train", "demo", "--threads", "1"]).expect_status(0);
    assert!(comment.stderr.contains("unchanged since version 1"), "{}", comment.stderr);

    replace(&demo.join("demo.yaml"), "trials: 4", "trials: 4, seed: 3");
    let dry = run(at, &["train", "demo", "--dry-run"]).expect_status(0);
    assert_eq!(dry.stdout, "demo: seed changed since version 1, would be trained\n");

    let rows = demo.join("data/demo.jsonl");
    let mut text = std::fs::read_to_string(&rows).unwrap();
    text.push_str("{\"text\": \"Kindly forward my mail to the office\", \"label\": \"request\"}\n");
    std::fs::write(&rows, text).unwrap();
    let dry = run(at, &["train", "demo", "--dry-run"]).expect_status(0);
    assert_eq!(dry.stdout, "demo: data, seed changed since version 1, would be trained\n");
    run(at, &["train", "demo"]).expect_status(0);
    let listed = run(at, &["models", "list", "--dir", "demo", "--format", "json"]).expect_status(0).json();
    assert_eq!(listed[0]["versions"].as_array().unwrap().len(), 2);
}

#[test]
fn a_dry_run_says_that_encoders_start_from_scratch() {
    let folder = tempfile::tempdir().unwrap();
    let demo = starter(folder.path(), "text-classification");
    replace(&demo.join("demo.yaml"), "families: [linear]", "families: [linear, encoder]");
    let dry = run(folder.path(), &["train", "demo", "--dry-run"]).expect_status(0);
    assert_eq!(
        dry.stdout,
        "demo: no version yet, would be trained, encoders from scratch with a vocabulary of their own\n"
    );
}

#[test]
fn force_trains_the_same_weights_again() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    starter(at, "text-classification");
    run(at, &["train", "demo"]).expect_status(0);
    let forced = run(at, &["train", "demo", "--force", "--threads", "1"]).expect_status(0);
    assert!(forced.stderr.contains("unchanged since version 1, trained again as asked"), "{}", forced.stderr);
    assert_eq!(weights(at, "demo:1"), weights(at, "demo:2"));
}

#[test]
fn names_choose_what_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    starter(folder.path(), "text-classification");
    let unknown = run(folder.path(), &["train", "demo", "dmo"]).expect_status(3);
    assert_eq!(unknown.stderr, "error: no Training or Model is named \"dmo\": did you mean \"demo\"?\n");
    let dry = run(folder.path(), &["train", "demo", "demo", "--dry-run"]).expect_status(0);
    assert_eq!(dry.stdout, "demo: no version yet, would be trained\n");
}

#[test]
fn broken_resources_are_status_2_and_broken_data_status_1() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let demo = starter(at, "text-classification");
    let resources = std::fs::read_to_string(demo.join("demo.yaml")).unwrap();
    std::fs::write(demo.join("demo.yaml"), resources.replace("dataset: demo", "dataset: dmo")).unwrap();
    let broken = run(at, &["train", "demo"]).expect_status(2);
    assert!(
        broken.stderr.contains("demo/demo.yaml:20:12: error[unknown-resource]: spec.dataset: "),
        "{}",
        broken.stderr
    );

    std::fs::write(demo.join("demo.yaml"), resources).unwrap();
    std::fs::write(demo.join("data/demo.jsonl"), "{\"text\": \"one\", \"label\": \"alone\"}\n").unwrap();
    let broken = run(at, &["train", "demo"]).expect_status(1);
    assert!(broken.stderr.contains("error["), "{}", broken.stderr);
    assert!(
        broken
            .stderr
            .ends_with("error: the data of demo has errors, nothing is trained: mend them and run again\n")
    );
    assert!(!demo.join(".loquat/store").exists());
}

#[test]
fn a_killed_training_continues_with_the_weights_of_an_uninterrupted_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let demo = starter(at, "text-classification");
    replace(&demo.join("demo.yaml"), "trials: 4", "trials: 12");
    let calm = tempfile::tempdir().unwrap();
    copy_folder(&demo, &calm.path().join("demo"));
    let start = Instant::now();
    run(calm.path(), &["train", "demo"]).expect_status(0);
    let whole = start.elapsed();
    for share in [0.1, 0.4, 0.8] {
        let mut child =
            loquat(at).args(["train", "demo"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole.mul_f64(share));
        // SIGKILL: no handler runs.
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let last = run(at, &["train", "demo"]).expect_status(0);
    assert_eq!(weights(at, "demo"), weights(calm.path(), "demo"), "{}", last.stderr);
    assert_eq!(run(at, &["train", "demo"]).stdout, "", "the version is complete");
}

#[test]
fn a_training_killed_after_it_registered_its_version_moves_the_alias_when_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let demo = starter(at, "text-classification");
    run(at, &["train", "demo"]).expect_status(0);
    let journal = demo.join(".loquat/runs/demo/journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    let (unfinished, last) = text.trim_end().rsplit_once('\n').unwrap();
    assert!(last.contains("finished"), "{last}");
    std::fs::write(&journal, format!("{unfinished}\n")).unwrap();
    std::fs::remove_file(demo.join(".loquat/store/models/demo/aliases.json")).unwrap();
    let again = run(at, &["train", "demo"]).expect_status(0);
    assert!(again.stderr.contains("the run of version 1 was killed before its end"), "{}", again.stderr);
    let listed = run(at, &["models", "list", "--dir", "demo", "--format", "json"]).expect_status(0).json();
    assert_eq!(listed[0]["versions"].as_array().unwrap().len(), 1, "it is not registered twice");
    assert_eq!(listed[0]["aliases"]["champion"], 1);
    assert_eq!(run(at, &["train", "demo"]).stdout, "", "the version is complete");
}

#[cfg(unix)]
#[test]
fn an_interrupted_training_registers_the_best_so_far_and_moves_no_alias() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let demo = starter(at, "text-classification");
    replace(&demo.join("demo.yaml"), "trials: 4", "trials: 100000");
    let child =
        loquat(at).args(["train", "demo"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let journal = demo.join(".loquat/runs/demo/journal.jsonl");
    let start = Instant::now();
    // The journal grows with every round, so a few lines mean that there is a best configuration.
    while std::fs::read_to_string(&journal).map_or(0, |text| text.lines().count()) < 4 {
        assert!(start.elapsed() < Duration::from_secs(60), "no round was finished");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(130), "{stdout}\n{stderr}");
    assert!(stderr.contains("refitting the best configuration so far"), "{stderr}");
    let listed = run(at, &["models", "list", "--dir", "demo", "--format", "json"]).expect_status(0).json();
    assert_eq!(listed[0]["versions"][0]["outcome"], "stopped-early");
    assert_eq!(listed[0]["aliases"], serde_json::json!({}));
    let dry = run(at, &["train", "demo", "--dry-run"]).expect_status(0);
    assert_eq!(dry.stdout, "demo: version 1 was stopped early, would be trained\n");
}
