//! Commands that ask a running server: `apply`, `diff`, `get`, `delete`, `why`, and the folder that it follows.
#![cfg(all(unix, feature = "serve", feature = "train"))]

use std::path::Path;
use std::time::{Duration, Instant};

use crate::server::{Server, post};
use crate::support::{Run, run, run_with_input, starter, write};

fn manifest(name: &str, spec: &str) -> String {
    format!("apiVersion: loquat.dev/v1alpha1\nkind: Endpoint\nmetadata: {{ name: {name} }}\nspec: {spec}\n")
}

/// A trained starter, served.
fn served(folder: &Path, arguments: &[&str]) -> (Server, String) {
    starter(folder, "text-classification");
    run(folder, &["train", "demo"]).expect_status(0);
    let mut server =
        Server::start(folder, &[&["serve", "demo", "--listen", "127.0.0.1:0"], arguments].concat());
    let url = server.url();
    (server, url)
}

#[track_caller]
fn eventually(what: &str, check: impl Fn() -> bool) {
    let start = Instant::now();
    while !check() {
        assert!(start.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn endpoints_are_applied_compared_shown_explained_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (_server, url) = served(at, &[]);
    let ask = |arguments: &[&str]| -> Run { run(at, &[arguments, &["--server", &url]].concat()) };
    write(at, "one.yaml", &manifest("one", "{ model: demo }"));
    write(at, "two.yaml", &manifest("two", "{ model: \"demo:1\" }"));

    let differs = ask(&["diff", "-f", "one.yaml"]).expect_status(1);
    assert_eq!(differs.stdout, "endpoint/one\n+ spec.model: \"demo@champion\"\n");
    let applied = ask(&["apply", "-f", "one.yaml", "two.yaml"]).expect_status(0);
    assert_eq!(applied.stdout, "endpoint/one created\nendpoint/two created\n");
    assert_eq!(ask(&["apply", "-f", "one.yaml"]).expect_status(0).stdout, "endpoint/one unchanged\n");
    assert_eq!(ask(&["diff", "-f", "one.yaml"]).expect_status(0).stdout, "");
    let ready = || ask(&["get", "endpoint", "one", "--format", "json"]).expect_status(0).json();
    eventually("it is ready", || ready()["status"]["conditions"][0]["status"] == "True");
    let listed = ask(&["get"]).expect_status(0).stdout;
    let row: Vec<&str> =
        listed.lines().find(|line| line.starts_with("one ")).unwrap().split_whitespace().collect();
    assert_eq!(row[..6], ["one", "demo@champion", "1", "True", "Serving", "loquat-apply"], "{listed}");

    // A bad resource changes nothing, those beside it neither.
    write(at, "bad.yaml", &manifest("bad", "{ model: demo, colour: red }"));
    let bad = ask(&["apply", "-f", "bad.yaml", "one.yaml"]).expect_status(2);
    assert!(bad.stderr.contains("bad.yaml:4:"), "{}", bad.stderr);
    let changed = manifest("one", "{ model: \"demo:1\" }")
        + "---\n"
        + &manifest("three", "{ model: demo, default: true }");
    let stream = changed.clone() + "---\n" + &manifest("s", "{}").replace("Endpoint", "Stream");
    let other = run_with_input(at, &["apply", "-f", "-", "--server", &url], stream.as_bytes());
    let other = other.expect_status(2);
    assert!(other.stderr.contains("Stream is not yet supported"), "{}", other.stderr);
    ask(&["get", "streams"]).expect_status(2);
    assert_eq!(ready()["spec"]["model"], "demo@champion");

    let pruned = run_with_input(at, &["diff", "--prune", "-f", "-", "--server", &url], changed.as_bytes());
    assert_eq!(
        pruned.expect_status(1).stdout,
        "endpoint/one\n- spec.model: \"demo@champion\"\n+ spec.model: \"demo:1\"\nendpoint/three\n+ spec.default: true\n\
         + spec.model: \"demo@champion\"\nendpoint/two\n- spec.model: \"demo:1\"\n"
    );
    let pruned = run_with_input(at, &["apply", "--prune", "-f", "-", "--server", &url], changed.as_bytes());
    let pruned = pruned.expect_status(0).stdout;
    assert_eq!(pruned, "endpoint/one configured\nendpoint/three created\nendpoint/two pruned\n");

    let address = url.trim_start_matches("http://");
    let answer = post(address, "/models/one/predict", "{\"inputs\": \"a refund, please\"}");
    let id = answer.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap();
    let why = ask(&["why", id]).expect_status(0).stdout;
    assert!(why.contains("answered by endpoint one, demo:1") && why.contains("because"), "{why}");
    let why = ask(&["why", "one"]).expect_status(0).stdout;
    assert!(
        why.starts_with("endpoint one: ready (Serving)") && why.contains(&format!("loquat why {id}")),
        "{why}"
    );
    assert!(why.lines().count() < 24, "one screen: {why}");
    ask(&["why", "nobody"]).expect_status(3);

    assert_eq!(ask(&["delete", "endpoint", "one"]).expect_status(0).stdout, "endpoint/one deleted\n");
    ask(&["delete", "endpoint", "one"]).expect_status(3);
    ask(&["get", "endpoints", "one"]).expect_status(3);
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
    let gone = run(folder.path(), &["get", "--server", &format!("http://{free}")]).expect_status(4);
    assert!(
        gone.stderr.contains(&free.to_string()) && gone.stderr.contains("loquat serve"),
        "{}",
        gone.stderr
    );
}

#[test]
fn a_watched_folder_is_followed_and_a_bad_file_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (mut server, url) = served(at, &["--watch"]);
    let names = || -> Vec<String> {
        let found = run(at, &["get", "--format", "json", "--server", &url]).expect_status(0).json();
        let declared = found.as_array().unwrap().iter();
        declared.map(|one| one["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(), ["demo"]);
    write(at, "demo/help.yaml", &manifest("help", "{ model: demo }"));
    eventually("the new endpoint is there", || names() == ["demo", "help"]);
    write(at, "demo/bad.yaml", &manifest("other", "{ modle: demo }"));
    std::fs::remove_file(at.join("demo/help.yaml")).unwrap();
    server.complains_of("modle");
    assert_eq!(names(), ["demo", "help"], "the folder breaks a rule");
    write(at, "demo/bad.yaml", &manifest("other", "{ model: demo }"));
    eventually("the folder is taken over as a whole", || names() == ["demo", "other"]);
}
