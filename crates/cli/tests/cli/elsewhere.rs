//! Data and registries in an object store, which is a server of this process.
#![cfg(all(unix, feature = "serve", feature = "train"))]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use loquat_testkit::ObjectServer;

use crate::server::{Server, post};
use crate::support::{Run, loquat, run, starter};

const REGISTRY: &str = "s3://bucket/registry";

/// The binary with the variables of the object store.
fn with_store(folder: &Path, store: &ObjectServer, arguments: &[&str]) -> Command {
    let mut command = loquat(folder);
    command.args(arguments).envs(store.variables());
    command
}

/// Runs the binary with the variables of the object store, and checks that their secret is in no output.
fn run_with(folder: &Path, store: &ObjectServer, arguments: &[&str]) -> Run {
    let mut command = with_store(folder, store, arguments);
    let output = command.args(["--log", "trace"]).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(!stdout.contains("hush-hush") && !stderr.contains("hush-hush"), "{stdout}{stderr}");
    Run { status: output.status.code().unwrap_or(-1), stdout, stderr }
}

fn digests(shown: &Run) -> [String; 3] {
    let record = shown.json();
    ["digest", "dataHash", "inputsHash"].map(|field| record[field].as_str().unwrap().to_owned())
}

#[test]
fn the_same_training_from_an_object_store_and_from_disk_gives_the_same_version() {
    let (folder, store) = (tempfile::tempdir().unwrap(), ObjectServer::start().unwrap());
    let at = folder.path();
    let demo = starter(at, "text-classification");
    run(at, &["train", "demo"]).expect_status(0);
    let local = run(at, &["models", "show", "demo", "--dir", "demo", "--format", "json"]).expect_status(0);
    store.put("bucket/data/demo.jsonl", std::fs::read(demo.join("data/demo.jsonl")).unwrap());
    let resource = std::fs::read_to_string(demo.join("demo.yaml")).unwrap();
    let remote = resource.replace("path: data/demo.jsonl", "path: s3://bucket/data/demo.jsonl");
    assert_ne!(resource, remote);
    std::fs::create_dir(at.join("away")).unwrap();
    std::fs::write(at.join("away/demo.yaml"), remote).unwrap();
    run_with(at, &store, &["check", "away"]).expect_status(0);
    run_with(at, &store, &["--store", REGISTRY, "train", "away"]).expect_status(0);
    let shown = ["--store", REGISTRY, "models", "show", "demo", "--format", "json"];
    assert_eq!(digests(&run_with(at, &store, &shown).expect_status(0)), digests(&local));
}

#[test]
fn every_command_of_the_registry_works_from_any_machine() {
    let (folder, store) = (tempfile::tempdir().unwrap(), ObjectServer::start().unwrap());
    let at = folder.path();
    starter(at, "text-classification");
    std::fs::create_dir(at.join("other")).unwrap();
    let here = |arguments: &[&str]| run_with(at, &store, &[&["--store", REGISTRY], arguments].concat());
    let there = |arguments: &[&str]| {
        run_with(&at.join("other"), &store, &[&["--store", REGISTRY], arguments].concat())
    };
    here(&["train", "demo"]).expect_status(0);
    assert!(here(&["train", "demo"]).expect_status(0).stderr.contains("unchanged since version 1"));
    there(&["models", "export", "demo", "copy"]).expect_status(0);
    there(&["models", "import", "demo", "copy"]).expect_status(0);
    assert!(here(&["models", "list"]).expect_status(0).stdout.contains("demo:2"));
    assert_eq!(
        here(&["models", "promote", "demo:2"]).expect_status(0).stdout,
        "demo@champion is version 2, before 1\n"
    );
    assert_eq!(
        there(&["models", "rollback", "demo"]).expect_status(0).stdout,
        "demo@champion is version 1 again\n"
    );
    there(&["models", "diff", "demo:1", "demo:2"]).expect_status(0);
    here(&["models", "rm", "demo:2"]).expect_status(0);
    there(&["models", "gc"]).expect_status(0);
    there(&["report", "demo"]).expect_status(0);
    let missing = there(&["models", "show", "demo:2"]).expect_status(3);
    assert!(missing.stderr.contains("demo:2 was removed"), "{}", missing.stderr);
    let unknown = there(&["models", "show", "nobody"]).expect_status(3);
    assert!(unknown.stderr.contains("no model \"nobody\" in s3://bucket/registry"), "{}", unknown.stderr);
    store.state().unable = usize::MAX;
    there(&["models", "list"]).expect_status(0);
    there(&["models", "promote", "demo:1", "other"]).expect_status(4);
}

#[test]
fn a_server_follows_a_registry_in_an_object_store() {
    let (folder, store) = (tempfile::tempdir().unwrap(), ObjectServer::start().unwrap());
    let at = folder.path();
    starter(at, "text-classification");
    std::fs::create_dir(at.join("empty")).unwrap();
    run_with(at, &store, &["--store", REGISTRY, "train", "demo"]).expect_status(0);
    let arguments = ["serve", "empty", "--store", REGISTRY, "--listen", "127.0.0.1:0"];
    let mut server = Server::of(with_store(at, &store, &arguments));
    let line = server.line_with("http://");
    assert!(line.contains("serving s3://bucket/registry"), "{line}");
    let address = line.split_once("http://").unwrap().1.split(';').next().unwrap().to_owned();
    let ask = || post(&address, "/models/demo/predict", "{\"inputs\": [\"a refund, please\"]}");
    assert!(ask().contains("\"version\":1"), "{}", ask());
    run_with(at, &store, &["--store", REGISTRY, "train", "demo", "--force"]).expect_status(0);
    run_with(at, &store, &["--store", REGISTRY, "models", "promote", "demo:2"]).expect_status(0);
    let start = Instant::now();
    while !ask().contains("\"version\":2") {
        assert!(start.elapsed() < Duration::from_secs(60), "the server does not follow the alias");
        std::thread::sleep(Duration::from_millis(100));
    }
    store.state().unable = usize::MAX;
    assert!(ask().starts_with("HTTP/1.1 200"), "{}", ask());
    let (status, errors) = server.signal_and_wait("-TERM");
    assert_eq!(status, Some(0), "{errors}");
}
