//! What must hold for any request body; the fuzz targets `http_predict`, `http_infer` and
//! `http_protocols` call it too.
//!
//! An input is a request in short: a line with the model as the path names it
//! or with the whole path, lines with headers, an empty line, the
//! body. Framing is ours, so that a server that answers nothing is at fault.

use loquat_serve::ServeConfig;
use loquat_spec::{Requests, Task};

use crate::harness::{Client, Registry, Reply, Server, endpoint, tiny_model};

/// Largest body that the server takes; inputs of a fuzzer reach over it.
const MAX_BODY: usize = 1024;
/// What the server says of a request that took longer than its own limit allows, in contrast to the client's wish.
const OWN_LIMIT: &str = "within 10000 ms";
/// Headers that frame the message or end the connection.
const FRAMING: [&str; 5] = ["content-length", "transfer-encoding", "connection", "upgrade", "host"];
const MOST_HEADERS: usize = 16;

/// The routes that take a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/models/{endpoint}/predict`
    Predict,
    /// `/v2/models/{model}/infer`
    Infer,
    /// Any path: the first line of the input is it.
    Any,
}

/// A server with a single-label endpoint `tickets`, two versions of it, and a multi-label endpoint `topics`.
pub(crate) struct Edge {
    client: Client,
    server: Server,
    _registry: Registry,
}

impl Edge {
    /// Starts the server.
    pub(crate) fn start() -> Self {
        let registry = Registry::with_tickets();
        registry.register("tickets", &tiny_model(Task::TextClassification, 1));
        registry.register("topics", &tiny_model(Task::MultiLabelClassification, 0));
        registry.promote("topics", 1);
        let server = registry.serve_with(|config: &mut ServeConfig| {
            let requests = Requests { max_inputs: 8, max_length: Some(64), ..Requests::default() };
            config.endpoints = vec![endpoint("topics", "topics", requests)];
            config.max_body = MAX_BODY;
        });
        Self { client: server.client(), server, _registry: registry }
    }

    /// Sends the request that `input` describes. The answer is no fault of the server, and JSON where it says so.
    pub(crate) fn request(&mut self, route: Route, input: &[u8]) {
        let request = Request::of(route, input);
        self.client.send(&request.bytes);
        let reply = self.answer();
        assert!(reply.status < 500 || is_wished_timeout(&reply), "{reply:?}");
        let media = reply.header("content-type").unwrap_or_default();
        if media.ends_with("json") && !reply.body.trim_ascii().is_empty() {
            check_json(&reply, request.body, route);
        }
        if reply.header("connection") == Some("close") {
            self.client = self.server.client();
        }
    }

    /// The final answer: one that only permits to go on comes before it.
    fn answer(&mut self) -> Reply {
        loop {
            let reply = self.client.read().expect("an answer");
            if reply.status >= 200 {
                return reply;
            }
        }
    }
}

/// A client of the Open Inference Protocol may ask for less time than the answer takes.
fn is_wished_timeout(reply: &Reply) -> bool {
    reply.status == 504 && !reply.text().contains(OWN_LIMIT)
}

fn check_json(reply: &Reply, sent: &[u8], route: Route) {
    let answer = reply.json();
    // OpenAI's and MLflow's errors have it as their message.
    let reason = ["detail", "message", "error"].into_iter().find_map(|name| answer.get(name)?.as_str());
    match reply.status {
        200 if route == Route::Any => {}
        200 => assert!(answer.get("predictions").or_else(|| answer.get("outputs")).is_some(), "{answer}"),
        _ => assert!(reason.is_some_and(|reason| !reason.is_empty()), "{answer} to {sent:?}"),
    }
}

/// A request ready to be sent.
struct Request<'a> {
    bytes: Vec<u8>,
    body: &'a [u8],
}

impl<'a> Request<'a> {
    fn of(route: Route, input: &'a [u8]) -> Self {
        let blank = input.windows(2).position(|pair| pair == b"\n\n");
        let (head, body) = match blank {
            Some(blank) => (&input[..blank], &input[blank + 2..]),
            None => (input, &[][..]),
        };
        let mut lines = head.split(|byte| *byte == b'\n');
        let model = encoded(lines.next().unwrap_or_default());
        let path = match route {
            Route::Predict => format!("/models/{model}/predict"),
            Route::Infer => format!("/v2/models/{model}/infer"),
            Route::Any => format!("/{}", model.trim_start_matches('/')),
        };
        let mut bytes = format!("POST {path} HTTP/1.1\r\nhost: fuzz\r\n").into_bytes();
        for line in lines.filter(|line| is_header(line)).take(MOST_HEADERS) {
            bytes.extend_from_slice(line);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        bytes.extend_from_slice(body);
        Self { bytes, body }
    }
}

/// The model with every byte encoded that no path may hold.
fn encoded(model: &[u8]) -> String {
    let mut path = String::new();
    for byte in model {
        if byte.is_ascii_alphanumeric() || b"-_.~%/@:".contains(byte) {
            path.push(char::from(*byte));
        } else {
            path.push_str(&format!("%{byte:02x}"));
        }
    }
    path
}

/// Whether the line is a header that HTTP allows and that frames nothing.
fn is_header(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return false };
    let (name, value) = line.split_at(colon);
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let is_value = |byte: &u8| matches!(byte, b'\t' | 0x20..=0x7e | 0x80..=0xff);
    !name.is_empty()
        && name.iter().all(is_name)
        && value.iter().all(is_value)
        && !FRAMING.iter().any(|framing| name.eq_ignore_ascii_case(framing.as_bytes()))
}
