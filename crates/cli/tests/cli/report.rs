//! `loquat report`: forms, files, and two versions side by side.
#![cfg(feature = "train")]

use crate::support::{run, starter};

#[test]
fn the_page_is_written_beside_the_report_and_printed_again() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let demo = starter(at, "text-classification");
    run(at, &["train", "demo"]).expect_status(0);
    let written = std::fs::read_to_string(demo.join(".loquat/runs/demo/report.html")).unwrap();
    assert!(
        written.starts_with("<!doctype html>") && written.contains("<title>demo:1, training report</title>")
    );
    let printed = run(at, &["report", "demo", "--dir", "demo", "--format", "html"]).expect_status(0);
    assert_eq!(printed.stdout, written);
    run(at, &["report", "demo", "--dir", "demo", "--format", "html", "-o", "page.html"]).expect_status(0);
    assert_eq!(std::fs::read_to_string(at.join("page.html")).unwrap(), written);
}

#[test]
fn the_stored_report_knows_its_version() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let demo = starter(at, "text-classification");
    run(at, &["train", "demo"]).expect_status(0);
    let stored = demo.join(".loquat/store/models/demo/versions/1.report.json");
    let stored: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(stored).unwrap()).unwrap();
    assert_eq!(stored["body"]["version"], 1);
    run(at, &["models", "export", "demo", "exported", "--dir", "demo"]).expect_status(0);
    run(at, &["models", "import", "other", "exported", "--dir", "demo"]).expect_status(0);
    let imported =
        run(at, &["report", "other:1", "--dir", "demo", "--format", "json"]).expect_status(0).json();
    assert_eq!((imported["name"].as_str(), imported["version"].as_u64()), (Some("other"), Some(1)));
}

#[test]
fn two_versions_stand_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    starter(at, "text-classification");
    run(at, &["train", "demo"]).expect_status(0);
    run(at, &["train", "demo", "--force"]).expect_status(0);
    let compare = ["report", "--dir", "demo", "--compare", "demo:1", "demo:2"];
    let found = run(at, &[&compare[..], &["--format", "json"]].concat()).expect_status(0).json();
    assert_eq!(found["left"]["name"], "demo:1");
    assert_eq!(found["difference"]["value"], 0.0, "the same inputs give the same weights");
    assert_eq!(found["changed"], serde_json::json!([]));
    let text = run(at, &compare).expect_status(0).stdout;
    assert!(text.starts_with("# demo:2 beside demo:1\n"), "{text}");
    let html = run(at, &[&compare[..], &["--format", "html"]].concat()).expect_status(0).stdout;
    assert!(html.contains("<title>demo:2 beside demo:1</title>"));
    run(at, &["report", "demo", "--compare", "demo:1", "demo:2"]).expect_status(2);
    run(at, &["report", "--dir", "demo", "--compare", "demo:1", "demo:7"]).expect_status(3);
}
