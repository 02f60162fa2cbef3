//! What is applied to a running server survives the server; `https://`; and what a server started ends with it.
#![cfg(all(unix, feature = "serve"))]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use loquat_testkit::Authority;
use serde_json::Value;

use crate::server::{Server, post};
use crate::support::{Run, run, run_with_input, write};

fn manifest(kind: &str, name: &str, spec: &str) -> String {
    format!("apiVersion: loquat.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n")
}

#[track_caller]
fn eventually(what: &str, check: impl Fn() -> bool) {
    let start = Instant::now();
    while !check() {
        assert!(start.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A folder `demo` with an imported model `tiny`.
fn demo(at: &Path) {
    loquat_testkit::tiny_model("bert-sequence", &at.join("demo/tiny"));
    let model = manifest("Model", "tiny", "{ task: text-classification, source: { path: tiny } }");
    write(at, "demo/tiny.yaml", &model);
}

fn serve(at: &Path, arguments: &[&str]) -> (Server, String) {
    let mut server = Server::start(at, &[&["serve", "demo", "--listen", "127.0.0.1:0"], arguments].concat());
    let url = server.url();
    (server, url)
}

fn answers(url: &str, endpoint: &str) -> bool {
    let address = url.trim_start_matches("http://");
    let answer = post(address, &format!("/models/{endpoint}/predict"), r#"{"inputs": "a cat"}"#);
    answer.starts_with("HTTP/1.1 200")
}

/// Everything of the kinds without how it fares, as JSON. What a folder declares begins when a server reads it, so its time is
/// left out too.
fn listed(at: &Path, url: &str) -> Vec<Value> {
    let kinds = ["endpoints", "models", "trainings", "datasets"];
    let all = kinds
        .map(|kind| run(at, &["get", kind, "--format", "json", "--server", url]).expect_status(0).json());
    let mut all: Vec<Value> = all.into_iter().flat_map(|list| list.as_array().unwrap().clone()).collect();
    for one in &mut all {
        one.as_object_mut().unwrap().remove("status");
        if one["metadata"]["managedFields"][0]["manager"] != "loquat-apply" {
            one["metadata"].as_object_mut().unwrap().remove("creationTimestamp");
        }
    }
    all
}

#[test]
fn what_is_applied_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    demo(at);
    loquat_testkit::tiny_model("bert-sequence", &at.join("demo/second"));
    let (server, url) = serve(at, &[]);
    let dataset = "{ task: text-classification, source: { path: a.jsonl }, columns: { text: t, label: l } }";
    let parts = [
        manifest("Training", "news", "{ dataset: data }"),
        manifest("Endpoint", "help", "{ model: tiny }"),
        manifest("Model", "second", "{ task: text-classification, source: { path: second } }"),
        manifest("Dataset", "data", dataset),
    ];
    let text = parts.join("---\n");
    let apply = |words: &[&str], text: &str| -> Run {
        run_with_input(at, &[words, &["-f", "-", "--server", &url]].concat(), text.as_bytes())
    };
    let differs = apply(&["diff"], &text).expect_status(1).stdout;
    assert!(differs.contains("training/news\n+ spec.dataset: \"data\"\n"), "{differs}");
    let applied = apply(&["apply"], &text).expect_status(0).stdout;
    assert_eq!(
        applied,
        "dataset/data created\ntraining/news created\nmodel/second created\nendpoint/help created\n"
    );
    assert_eq!(apply(&["diff"], &text).expect_status(0).stdout, "");
    eventually("the endpoint answers", || answers(&url, "help"));
    eventually("the applied model is imported and answers", || answers(&url, "second"));
    let shown = run(at, &["get", "trainings", "--server", &url]).expect_status(0).stdout;
    assert!(shown.contains("NotTrained") && shown.contains("loquat train DIR"), "{shown}");
    let before = listed(at, &url);
    assert_eq!(before.len(), 3 + 2 + 1 + 1, "{before:?}");
    server.signal_and_wait("-KILL");

    let (_server, url) = serve(at, &[]);
    assert_eq!(listed(at, &url), before);
    eventually("the endpoint answers", || answers(&url, "help"));
    eventually("the model answers", || answers(&url, "second"));
    let model =
        || run(at, &["get", "model", "second", "--format", "json", "--server", &url]).expect_status(0).json();
    eventually("it is still imported", || model()["status"]["conditions"][0]["reason"] == "Imported");
    assert_eq!(model()["status"]["version"], 1, "what did not change is not imported again");

    let pruned = run_with_input(at, &["apply", "--prune", "-f", "-", "--server", &url], parts[1].as_bytes());
    let pruned = pruned.expect_status(0).stdout;
    assert_eq!(
        pruned,
        "endpoint/help unchanged\nmodel/second pruned\ntraining/news pruned\ndataset/data pruned\n"
    );
    assert_eq!(
        run(at, &["delete", "endpoint", "help", "--server", &url]).expect_status(0).stdout,
        "endpoint/help deleted\n"
    );
    run(at, &["delete", "training", "help", "--server", &url]).expect_status(3);
}

#[test]
fn a_watched_folder_shows_every_kind() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    demo(at);
    let (_server, url) = serve(at, &["--watch"]);
    let reason = |kind: &str, name: &str| -> Value {
        let found = run(at, &["get", kind, name, "--format", "json", "--server", &url]);
        if found.status != 0 {
            Value::Null
        } else {
            found.json()["status"]["conditions"][0]["reason"].clone()
        }
    };
    assert_eq!(reason("models", "tiny"), "Imported");
    let dataset = "{ task: text-classification, source: { path: a.jsonl }, columns: { text: t, label: l } }";
    let both =
        manifest("Dataset", "data", dataset) + "---\n" + &manifest("Training", "news", "{ dataset: data }");
    let path = write(at, "demo/news.yaml", &both);
    eventually("the training is shown", || reason("training", "news") == "NotTrained");
    assert_eq!(reason("datasets", "data"), "NotRead");
    std::fs::remove_file(path).unwrap();
    eventually("it is gone with its file", || reason("training", "news") == Value::Null);
}

#[test]
fn a_server_is_asked_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    demo(at);
    let ours = Authority::new(at, "ours");
    let theirs = Authority::new(at, "theirs");
    let word = |path: &PathBuf| path.to_str().unwrap().to_owned();
    let (certificate, key) = ours.sign("localhost");
    let (friend, friend_key) = ours.sign("friend");
    let (ca, other) = (word(&ours.certificate()), word(&theirs.certificate()));
    let words = [word(&certificate), word(&key), word(&friend), word(&friend_key)];
    let [certificate, key, friend, friend_key] = words.each_ref().map(String::as_str);
    let tls = ["--tls-cert", certificate, "--tls-key", key, "--client-ca", &ca];
    let mut server = Server::start(at, &[&["serve", "demo", "--listen", "127.0.0.1:0"], &tls[..]].concat());
    let line = server.line_with("https://127.0.0.1:");
    let port = line.split_once("https://127.0.0.1:").unwrap().1.split(';').next().unwrap().trim().to_owned();
    let url = format!("https://localhost:{port}");
    let identity = ["--cert", friend, "--cert-key", friend_key];

    let good = run(at, &[&["get", "--server", &url, "--ca", &ca], &identity[..]].concat()).expect_status(0);
    assert!(good.stdout.contains("tiny"), "{}", good.stdout);
    let stranger =
        run(at, &[&["get", "--server", &url, "--ca", &other], &identity[..]].concat()).expect_status(4);
    assert!(
        stranger.stderr.contains("not trusted") && stranger.stderr.contains("--ca"),
        "{}",
        stranger.stderr
    );
    let nobody = run(at, &["get", "--server", &url, "--ca", &ca]).expect_status(4);
    assert!(nobody.stderr.contains("--cert"), "{}", nobody.stderr);
    run(at, &["get", "--server", &url, "--ca", &ca, "--cert", friend]).expect_status(2);
    let missing = run(at, &["get", "--server", &url, "--ca", "absent.pem"]).expect_status(2);
    assert!(missing.stderr.contains("absent.pem"), "{}", missing.stderr);

    let target = format!("loquat={url}/models/tiny/predict");
    let load = ["bench", "serve", &target, "--rate", "20", "--seconds", "1", "--warm-up", "0", "--json"];
    let measured = run(at, &[&load[..], &["--ca", &ca], &identity[..]].concat()).expect_status(0).json();
    assert_eq!((&measured[0]["answered"], &measured[0]["failed"]), (&20.into(), &0.into()), "{measured}");
    let stranger = run(at, &[&load[..], &["--ca", &other], &identity[..]].concat()).expect_status(4);
    assert!(stranger.stderr.contains("--ca"), "{}", stranger.stderr);
}

#[test]
#[cfg(target_os = "linux")]
fn a_model_s_server_ends_with_a_killed_loquat() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let spec = format!(
        "{{ task: text-classification, labels: [a, b], server: {{ command: [sh, -c, \"echo $$ > pid; exec sleep 600\"], \
         url: \"http://127.0.0.1:{port}\" }} }}"
    );
    write(at, "demo/mood.yaml", &manifest("Model", "mood", &spec));
    let (server, _) = serve(at, &[]);
    let pid = || std::fs::read_to_string(at.join("demo/pid")).ok().filter(|text| text.ends_with('\n'));
    eventually("its server runs", || pid().is_some());
    let pid = pid().unwrap().trim().to_owned();
    let runs = || {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // One that has ended may wait for somebody to ask how.
        !state.is_empty() && !state.contains(") Z")
    };
    assert!(runs(), "it runs");
    server.signal_and_wait("-KILL");
    eventually("it has ended", || !runs());

    let orphan = run(at, &["launch", "1", "--", "sleep", "600"]);
    assert_ne!(orphan.status, 0, "a process that another one started is not waited for");
    assert!(orphan.stderr.contains("process 1") && orphan.stderr.contains("ended"), "{}", orphan.stderr);
    let absent = run(at, &["launch", &std::process::id().to_string(), "no-such-program"]).expect_status(4);
    assert!(absent.stderr.contains("no-such-program"), "{}", absent.stderr);
    let kept = Command::new(env!("CARGO_BIN_EXE_loquat"))
        .args(["launch", &std::process::id().to_string(), "--", "sh", "-c", "echo $0 --threads", "--dir"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(kept.stdout).unwrap(), "--dir --threads\n");
}
