//! A model's server as a process of its own: a second Loquat, which speaks the same protocol.
#![cfg(all(unix, feature = "serve", feature = "train"))]

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::server::{Server, post};
use crate::support::{run, write};

/// Longest wait for what happens soon.
const SOON: Duration = Duration::from_secs(60);

fn soon(what: &str, check: impl Fn() -> bool) {
    let start = Instant::now();
    while !check() {
        assert!(start.elapsed() < SOON, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A `Model` in `FOLDER/tiny.yaml`.
fn model(folder: &Path, spec: &str) {
    let text =
        format!("apiVersion: loquat.dev/v1alpha1\nkind: Model\nmetadata: {{ name: tiny }}\nspec:\n{spec}");
    write(folder, "tiny.yaml", &text);
}

/// The process that listens as the inner server does.
fn inner(folder: &Path) -> Option<String> {
    std::fs::read_to_string(folder.join("inner/pid")).ok().map(|text| text.trim().to_owned())
}

#[test]
fn a_server_is_started_fronted_started_again_and_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (outer, behind) = (folder.path().join("outer"), folder.path().join("inner"));
    loquat_testkit::tiny_model("bert-sequence", &behind.join("tiny"));
    model(&behind, "  task: text-classification\n  source: { path: tiny }\n");
    run(&behind, &["train"]).expect_status(0);
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let script =
        format!("cd ../inner; echo $$ > pid; exec {} serve --listen {address}", env!("CARGO_BIN_EXE_loquat"));
    let spec = format!(
        "  task: text-classification\n  labels: [alpha, beta, gamma]\n  server: {{ command: [sh, -c, \"{script}\"], \
         url: \"http://{address}\", protocol: oip-v2 }}\n"
    );
    model(&outer, &spec);
    let mut server = Server::start(&outer, &["serve", "--listen", "127.0.0.1:0"]);
    let front = server.url().trim_start_matches("http://").to_owned();
    let ask = |address: &str| {
        post(address, "/models/tiny/predict", r#"{"inputs": ["a cat", "no"], "parameters": {"top_k": 3}}"#)
    };
    let answers = || ask(&front).starts_with("HTTP/1.1 200");
    soon("the model's server is ready", answers);
    let body = |answer: String| answer.split_once("predictions").unwrap().1.to_owned();
    assert_eq!(body(ask(&front)), body(ask(&address)), "the same answers, in front and behind");

    let first = inner(folder.path()).unwrap();
    Command::new("kill").args(["-KILL", &first]).status().unwrap();
    soon("it is started again", || inner(folder.path()).is_some_and(|pid| pid != first) && answers());

    let (status, errors) = server.signal_and_wait("-TERM");
    assert_eq!(status, Some(0), "{errors}");
    soon("it has ended", || TcpStream::connect(&address).is_err());
}
