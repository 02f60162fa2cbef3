//! Servers of models: watched, asked, started and ended.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use loquat_connect::servers::{ModelServers, ServerConfig, ServerError, Values};
use loquat_spec::{ErrorCode, Name};
use loquat_testkit::InferenceServer;
use serde_json::{Value, json};

/// Longest wait for what happens soon.
const SOON: Duration = Duration::from_secs(30);

fn config(url: &str, command: Option<&[&str]>, folder: &Path) -> ServerConfig {
    ServerConfig {
        model: Name::new("mood").unwrap(),
        url: url.to_owned(),
        command: command.map(|words| words.iter().map(|word| (*word).to_owned()).collect()),
        folder: folder.to_owned(),
        launcher: Vec::new(),
    }
}

fn declared(config: ServerConfig) -> ModelServers {
    let servers = ModelServers::default();
    servers.declare(vec![config]).unwrap();
    servers
}

/// Waits until `probe` gives something.
fn soon<T>(probe: impl Fn() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(start.elapsed() < SOON, "it did not happen in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_up(servers: &ModelServers) -> Option<()> {
    servers.down("mood").is_none().then_some(())
}

/// A server that counts the letters of texts.
fn letters(body: &Value) -> (u16, Value) {
    let texts = body["inputs"][0]["data"].as_array().unwrap();
    let lengths: Vec<[usize; 1]> = texts.iter().map(|text| [text.as_str().unwrap().len()]).collect();
    let scores =
        json!({ "name": "scores", "datatype": "FP32", "shape": [lengths.len(), 1], "data": lengths });
    let names = json!({ "name": "labels", "datatype": "BYTES", "shape": [1], "data": ["length"] });
    (200, json!({ "model_name": "mood", "outputs": [scores, names] }))
}

#[test]
fn a_server_is_asked_once_it_is_ready_and_not_before() {
    let server = InferenceServer::start(letters).unwrap();
    let servers = declared(config(&server.url(), None, Path::new(".")));
    let error = soon(|| servers.down("mood").filter(|error| error.to_string().contains("503")));
    assert_eq!(error.code(), ErrorCode::Unavailable);
    let refused = servers.infer("mood", &[vec!["a"]]).unwrap_err();
    assert!(matches!(refused, ServerError::Down { .. }), "{refused}");
    assert!(server.asked().is_empty(), "a server that is down is not asked");

    server.set_ready(true);
    soon(|| is_up(&servers));
    let outputs = servers.infer("mood", &[vec!["four", "é", ""]]).unwrap();
    assert_eq!((outputs[0].name.as_str(), &outputs[0].shape[..]), ("scores", &[3, 1][..]));
    assert_eq!(outputs[0].values, Values::Numbers(vec![4.0, 2.0, 0.0]));
    assert_eq!(outputs[1].values, Values::Texts(vec!["length".to_owned()]));
    let input = &server.asked()[0]["inputs"][0];
    assert_eq!(
        (&input["name"], &input["shape"], &input["datatype"]),
        (&json!("text"), &json!([3]), &json!("BYTES"))
    );

    server.set_ready(false);
    soon(|| servers.down("mood"));
    assert!(matches!(servers.infer("other", &[]), Err(ServerError::Unknown { .. })));
}

#[test]
fn inputs_are_named_and_shaped_as_the_server_describes_them() {
    let server = InferenceServer::start(letters).unwrap();
    server.set_inputs(json!([
        { "name": "ids", "datatype": "INT64", "shape": [-1] },
        { "name": "premise", "datatype": "BYTES", "shape": [-1, 1] },
        { "name": "hypothesis", "datatype": "BYTES", "shape": [-1] },
    ]));
    server.set_ready(true);
    let servers = declared(config(&server.url(), None, Path::new(".")));
    soon(|| is_up(&servers));
    servers.infer("mood", &[vec!["a", "b"], vec!["c", "d"]]).unwrap();
    let inputs = &server.asked()[0]["inputs"];
    assert_eq!((&inputs[0]["name"], &inputs[0]["shape"]), (&json!("premise"), &json!([2, 1])));
    assert_eq!((&inputs[1]["name"], &inputs[1]["data"]), (&json!("hypothesis"), &json!(["c", "d"])));
}

#[test]
fn answers_that_are_none_are_told_apart() {
    struct Case {
        status: u16,
        body: Value,
        code: ErrorCode,
        says: &'static str,
    }
    let output = |shape: Value, datatype: &str, data: Value| json!({ "outputs": [{ "name": "scores", "shape": shape, "datatype": datatype, "data": data }] });
    let cases = [
        Case { status: 503, body: json!({}), code: ErrorCode::Unavailable, says: "503" },
        Case { status: 400, body: json!({ "error": "too long" }), code: ErrorCode::Failed, says: "too long" },
        Case { status: 200, body: json!({ "predictions": [1] }), code: ErrorCode::Failed, says: "outputs" },
        Case {
            status: 200,
            body: output(json!([2]), "FP32", json!([1.0])),
            code: ErrorCode::Failed,
            says: "[2] holds 1 values",
        },
        Case {
            status: 200,
            body: output(json!([1]), "FP32", json!(["x"])),
            code: ErrorCode::Failed,
            says: "does not hold the FP32",
        },
    ];
    for Case { status, body, code, says } in cases {
        let server = InferenceServer::start(move |_| (status, body.clone())).unwrap();
        server.set_ready(true);
        let servers = declared(config(&server.url(), None, Path::new(".")));
        soon(|| is_up(&servers));
        let error = servers.infer("mood", &[vec!["a"]]).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

/// An address where nothing answers.
fn free() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn lines(path: &PathBuf) -> usize {
    std::fs::read_to_string(path).unwrap_or_default().lines().count()
}

#[test]
fn a_server_that_ends_is_started_again_and_one_that_is_no_program_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{}", free());
    let ends = config(&url, Some(&["sh", "-c", "echo started >> starts; exit 3"]), folder.path());
    let servers = declared(ends);
    let starts = folder.path().join("starts");
    soon(|| (lines(&starts) >= 2).then_some(()));
    let told = |words: &'static str| {
        soon(|| servers.down("mood").map(|error| error.to_string()).filter(|text| text.contains(words)))
    };
    let message = told("tried again after");
    assert!(message.contains("exit status: 3"), "{message}");

    servers.declare(vec![config(&url, Some(&["./no-such-program"]), folder.path())]).unwrap();
    told("server.command");
    servers.declare(Vec::new()).unwrap();
    assert!(matches!(servers.down("mood"), Some(ServerError::Unknown { .. })));
}

#[test]
fn a_process_ends_with_those_who_declared_it_and_takes_its_children_along() {
    let folder = tempfile::tempdir().unwrap();
    // It ignores the friendly signal, and so does what it starts.
    let script = "trap '' TERM; sh -c 'trap \"\" TERM; while true; do echo on >> beats; sleep 0.05; done' & echo $$ > pid; wait";
    let command = ["sh", "-c", script];
    let servers = declared(config(&format!("http://{}", free()), Some(&command), folder.path()));
    let beats = folder.path().join("beats");
    soon(|| (lines(&beats) >= 2).then_some(()));
    drop(servers);
    let before = lines(&beats);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(lines(&beats), before, "what it started goes on");
}

#[test]
fn a_program_that_was_not_started_here_is_not_taken_for_the_server() {
    let stranger = InferenceServer::start(letters).unwrap();
    stranger.set_ready(true);
    let folder = tempfile::tempdir().unwrap();
    let servers = declared(config(&stranger.url(), Some(&["sleep", "100"]), folder.path()));
    let message =
        soon(|| servers.down("mood").map(|error| error.to_string()).filter(|text| text.contains("end it")));
    assert!(message.contains("did not start"), "{message}");
}
