//! `loquat up` and `loquat serve`: the call that is printed works, and a signal drains.
#![cfg(all(unix, feature = "serve", feature = "train"))]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{loquat, run, starter};

/// A server that ends with its test.
pub(crate) struct Server {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
    errors: BufReader<std::process::ChildStderr>,
}

impl Server {
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = loquat(folder);
        command.args(arguments);
        Self::of(command)
    }

    pub(crate) fn of(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let errors = BufReader::new(child.stderr.take().unwrap());
        Self { child, lines, errors }
    }

    /// Reads lines until one contains `word`.
    pub(crate) fn line_with(&mut self, word: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            let read = self.lines.read_line(&mut line).unwrap();
            if read == 0 {
                let mut errors = String::new();
                self.errors.read_to_string(&mut errors).unwrap();
                panic!("the server ended without {word:?}: {errors}");
            }
            if line.contains(word) {
                return line.trim().to_owned();
            }
        }
    }

    /// Waits for a line on standard error that contains `word`.
    pub(crate) fn complains_of(&mut self, word: &str) {
        let mut line = String::new();
        while !line.contains(word) {
            line.clear();
            assert_ne!(self.errors.read_line(&mut line).unwrap(), 0, "the server ended without {word:?}");
        }
    }

    /// The URL in the line that says where it listens.
    pub(crate) fn url(&mut self) -> String {
        let line = self.line_with("http://");
        let address = line.split_once("http://").unwrap().1.split(';').next().unwrap();
        format!("http://{address}")
    }

    pub(crate) fn signal_and_wait(mut self, signal: &str) -> (Option<i32>, String) {
        Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "the server does not end");
            std::thread::sleep(Duration::from_millis(20));
        };
        let mut errors = String::new();
        self.errors.read_to_string(&mut errors).unwrap();
        (status.code(), errors)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server that ended already can't be killed, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address, path and body of a printed `curl` line.
fn parts(curl: &str) -> (String, String, String) {
    let url = curl.split_whitespace().find_map(|word| word.strip_prefix("http://")).unwrap();
    let (address, path) = url.split_once('/').unwrap();
    let body = curl.split_once(" -d '").unwrap().1.trim_end_matches('\'');
    (address.to_owned(), format!("/{path}"), body.to_owned())
}

pub(crate) fn post(address: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
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
