//! `loquat up` and `loquat serve`: the call that is printed works, and a signal drains.
#![cfg(all(unix, feature = "serve", feature = "train"))]

use crate::server::{Server, post};
use crate::support::{run, starter};

/// The address, path and body of a printed `curl` line.
fn parts(curl: &str) -> (String, String, String) {
    let url = curl.split_whitespace().find_map(|word| word.strip_prefix("http://")).unwrap();
    let (address, path) = url.split_once('/').unwrap();
    let body = curl.split_once(" -d '").unwrap().1.trim_end_matches('\'');
    (address.to_owned(), format!("/{path}"), body.to_owned())
}

#[test]
fn up_trains_serves_prints_a_call_that_works_and_drains() {
    let folder = tempfile::tempdir().unwrap();
    starter(folder.path(), "text-classification");
    let mut server = Server::start(folder.path(), &["up", "demo", "--listen", "127.0.0.1:0"]);
    let (address, path, body) = parts(&server.line_with("curl "));
    assert_eq!(path, "/models/demo/predict");
    let answer = post(&address, &path, &body);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\"model\":\"demo\",\"version\":1"), "{answer}");
    let data = std::fs::read_to_string(folder.path().join("demo/data/demo.jsonl")).unwrap();
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert!(data.contains(body["inputs"].as_str().unwrap()), "the call shows a row of the data");
    let (status, errors) = server.signal_and_wait("-TERM");
    assert_eq!(status, Some(0), "{errors}");
    assert!(errors.ends_with("drained\n"), "{errors}");
}

#[test]
fn serve_hosts_a_store_without_resources() {
    let folder = tempfile::tempdir().unwrap();
    starter(folder.path(), "text-classification");
    run(folder.path(), &["train", "demo"]).expect_status(0);
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let store = folder.path().join("demo/.loquat/store");
    let arguments = ["serve", "empty", "--store", store.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    let mut server = Server::start(folder.path(), &arguments);
    let address = server.url().trim_start_matches("http://").to_owned();
    let answer = post(&address, "/models/demo/predict", "{\"inputs\": [\"a refund, please\"]}");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (status, errors) = server.signal_and_wait("-INT");
    assert_eq!(status, Some(0), "{errors}");
}

#[test]
fn flags_and_addresses_that_cannot_be_served_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let second = run(at, &["serve", "--grpc-listen", "0.0.0.0:0"]).expect_status(2);
    assert!(second.stderr.contains("--insecure"), "{}", second.stderr);
    let exposed = run(at, &["serve", "--listen", "0.0.0.0:0"]).expect_status(2);
    assert!(exposed.stderr.contains("--insecure"), "{}", exposed.stderr);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let busy = run(at, &["serve", "--listen", &address]).expect_status(4);
    assert!(busy.stderr.contains(&address), "{}", busy.stderr);
}
