//! `loquat models`: the registry, on versions that were really trained.
#![cfg(feature = "train")]

use std::path::Path;

use crate::support::{run, starter, write};

/// A folder whose `demo` has two versions.
fn two_versions() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let demo = starter(folder.path(), "text-classification");
    run(folder.path(), &["train", "demo"]).expect_status(0);
    let resources = demo.join("demo.yaml");
    let text = std::fs::read_to_string(&resources).unwrap();
    std::fs::write(&resources, text.replace("trials: 4", "trials: 5, seed: 5")).unwrap();
    run(folder.path(), &["train", "demo"]).expect_status(0);
    folder
}

fn champion(folder: &Path) -> u64 {
    let listed =
        run(folder, &["models", "list", "--dir", "demo", "--format", "json"]).expect_status(0).json();
    listed[0]["aliases"]["champion"].as_u64().unwrap()
}

#[test]
fn the_registry_lists_moves_copies_and_removes() {
    let folder = two_versions();
    let at = folder.path();
    let text = run(at, &["models", "list", "--dir", "demo"]).expect_status(0).stdout;
    let rows: Vec<&str> = text.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(rows, ["MODEL", "demo:2", "demo:1"]);

    run(at, &["models", "promote", "demo:1", "--dir", "demo"]).expect_status(0);
    assert_eq!(champion(at), 1);
    let moved = run(at, &["models", "promote", "demo:2", "--dir", "demo"]).expect_status(0);
    assert_eq!(moved.stdout, "demo@champion is version 2, before 1\n");
    let back = run(at, &["models", "rollback", "demo", "--dir", "demo"]).expect_status(0);
    assert_eq!(back.stdout, "demo@champion is version 1 again\n");
    assert_eq!(champion(at), 1);
    run(at, &["models", "promote", "demo:2", "challenger", "--dir", "demo"]).expect_status(0);

    let diff = run(at, &["models", "diff", "demo:1", "demo:2", "--dir", "demo"]).expect_status(0).stdout;
    assert!(diff.contains("seed"), "{diff}");
    assert!(diff.contains("trials: 5, seed: 5"), "{diff}");

    let held = run(at, &["models", "rm", "demo:2", "--dir", "demo"]).expect_status(1);
    assert!(held.stderr.contains("challenger"), "{}", held.stderr);

    run(at, &["models", "export", "demo:2", "out", "--dir", "demo"]).expect_status(0);
    assert!(at.join("out/model.safetensors").exists());
    let imported = run(at, &["models", "import", "copy", "out", "--dir", "demo"]).expect_status(0);
    assert!(imported.stdout.starts_with("copy:1 is registered, no alias moved"), "{}", imported.stdout);
    let shown = run(at, &["models", "show", "copy:1", "--dir", "demo"]).expect_status(0).stdout;
    assert!(shown.contains("origin"), "{shown}");
    let report = run(at, &["report", "copy:1", "--dir", "demo"]).expect_status(0).stdout;
    assert!(report.starts_with("copy:1  "), "the report travels with the artifact: {report}");

    run(at, &["models", "rm", "copy:1", "--dir", "demo"]).expect_status(0);
    let swept = run(at, &["models", "gc", "--dir", "demo"]).expect_status(0).stdout;
    assert!(swept.starts_with("removed 0 artifacts"), "demo:2 still has the same artifact: {swept}");
}

#[test]
fn a_version_is_reproduced_from_its_own_record() {
    let folder = two_versions();
    let at = folder.path();
    let first =
        run(at, &["models", "reproduce", "demo:1", "--dir", "demo", "--threads", "1"]).expect_status(0);
    assert!(first.stdout.starts_with("demo:1 is reproduced: weights "), "{}", first.stdout);
    let listed = run(at, &["models", "list", "--dir", "demo", "--format", "json"]).expect_status(0).json();
    assert_eq!(listed[0]["versions"].as_array().unwrap().len(), 2, "the registry stays as it is");

    let rows = at.join("demo/data/demo.jsonl");
    let text = std::fs::read_to_string(&rows).unwrap();
    std::fs::write(&rows, text.replace("dark mode", "night mode")).unwrap();
    let changed = run(at, &["models", "reproduce", "demo:1", "--dir", "demo"]).expect_status(1);
    assert!(changed.stderr.starts_with("error: the data of demo:1 changed: "), "{}", changed.stderr);
}

#[test]
fn the_nearest_registry_that_has_the_name_is_proposed() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    starter(at, "text-classification");
    run(at, &["train", "demo"]).expect_status(0);
    let elsewhere = run(at, &["report", "demo"]).expect_status(3);
    assert_eq!(
        elsewhere.stderr,
        "error: no model \"demo\" in .loquat/store: demo/.loquat/store has it; add --dir demo\n"
    );
    let mistyped = run(at, &["report", "dmeo", "--dir", "demo"]).expect_status(3);
    assert_eq!(mistyped.stderr, "error: no model \"dmeo\" in demo/.loquat/store: did you mean demo?\n");
    let version = run(at, &["report", "demo:7", "--dir", "demo"]).expect_status(3);
    assert_eq!(version.stderr, "error: demo has no version 7: its versions are 1\n");
    run(at, &["report", "demo", "--store", "demo/.loquat/store"]).expect_status(0);
}

#[test]
fn pickled_weights_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "hub/pytorch_model.bin", "not really");
    let refused = run(folder.path(), &["models", "import", "demo", "hub"]);
    assert_ne!(refused.status, 0);
    assert!(refused.stderr.contains("pytorch_model.bin"), "{}", refused.stderr);
    assert!(refused.stderr.contains("safetensors"), "{}", refused.stderr);
}
