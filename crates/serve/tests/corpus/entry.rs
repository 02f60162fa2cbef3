//! What must hold for any request; the fuzz targets whose names begin with `http` or `grpc` call it too.
//!
//! An input of `http_predict`, `http_infer` and `http_protocols` is a request in short: a line with the model as the path
//! names it or with the whole path, lines with headers, an empty line, the body. One of `http_structured` and
//! `grpc_structured` is a row of choices. Framing is ours, so that a server that answers nothing is at fault.

use axum::body::Body;
use axum::http::{self, HeaderMap};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use loquat_serve::ServeConfig;
use loquat_spec::{Endpoint, Requests, Task, ZeroShot};
use tokio::runtime::Runtime;

use crate::bodies::MODELS;
use crate::calls::Call;
use crate::harness::{Client, Registry, Reply, Server, declaring, endpoint, tiny_model};
use crate::structured::Structured;
use crate::tiny_encoders::{PROMPTED, RELEVANCE, register};

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
    calls: Option<Calls>,
    server: Server,
    _registry: Registry,
}

/// A connection for calls over gRPC.
struct Calls {
    runtime: Runtime,
    sender: SendRequest<Full<Bytes>>,
}

/// Statuses of gRPC that mean a fault of the server: unknown, internal, unavailable, data loss.
const FAULTS: [&str; 4] = ["2", "13", "14", "15"];

impl Edge {
    /// Starts the server.
    pub(crate) fn start() -> Self {
        Self::of(Registry::with_tickets(), vec![])
    }

    /// Starts the server with tiny encoders of every kind as well.
    pub(crate) fn with_encoders() -> Self {
        let registry = Registry::with_tickets();
        let entailment = ["contradiction", "neutral", "entailment"];
        register(&registry, PROMPTED, ("bert-embedding", Task::Embedding), &[]);
        register(&registry, "pairs", ("bert-sequence", Task::TextPairClassification), &entailment);
        register(&registry, "tokens", ("bert-tokens", Task::TokenClassification), &[]);
        register(&registry, "ranks", ("bert-sequence", Task::TextPairClassification), &[RELEVANCE]);
        let zero_shot = Some(ZeroShot { template: None, labels: vec!["rain".to_owned(), "sun".to_owned()] });
        let declared = Endpoint { zero_shot, ..endpoint("zero-shot", "pairs", limits()) };
        Self::of(registry, vec![declared])
    }

    fn of(registry: Registry, mut endpoints: Vec<Endpoint>) -> Self {
        registry.register("tickets", &tiny_model(Task::TextClassification, 1));
        registry.register("topics", &tiny_model(Task::MultiLabelClassification, 0));
        registry.promote("topics", 1);
        let server = registry.serve_with(|config: &mut ServeConfig| {
            endpoints.push(endpoint("topics", "topics", limits()));
            config.resources = declaring(endpoints);
            config.origins = vec!["https://a.example".to_owned()];
            config.max_body = MAX_BODY;
        });
        Self { client: server.client(), calls: None, server, _registry: registry }
    }

    /// Sends the request that `input` describes. The answer is no fault of the server, and JSON where it says so.
    pub(crate) fn request(&mut self, route: Route, input: &[u8]) {
        let request = Request::of(route, input);
        self.send(&request.bytes, request.body, route);
        if let (Route::Any, Some(name)) = (route, request.unloaded()) {
            self.load(&name);
        }
    }

    /// Sends the request that the choices of `input` make. The same holds.
    pub(crate) fn structured(&mut self, input: &[u8]) {
        let request = Structured::of(input);
        let mut bytes =
            format!("{} {} HTTP/1.1\r\nhost: fuzz\r\n", request.method, request.path).into_bytes();
        for (name, value) in &request.headers {
            bytes.extend(format!("{name}: {value}\r\n").into_bytes());
        }
        bytes.extend(format!("content-length: {}\r\n\r\n", request.body.len()).into_bytes());
        bytes.extend_from_slice(&request.body);
        self.send(&bytes, &request.body, Route::Any);
        if let Some(name) = unloaded(&request.path) {
            self.load(name);
        }
    }

    fn send(&mut self, bytes: &[u8], body: &[u8], route: Route) {
        self.client.send(bytes);
        let reply = self.answer();
        assert!(reply.status < 500 || is_wished_timeout(&reply), "{reply:?} to {}", bytes.escape_ascii());
        let media = reply.header("content-type").unwrap_or_default();
        if media.ends_with("json") && !reply.body.trim_ascii().is_empty() {
            check_json(&reply, body, route);
        }
        if reply.header("connection") == Some("close") {
            self.client = self.server.client();
        }
    }

    /// Undoes an unload, so that the next request finds every model.
    fn load(&mut self, name: &str) {
        let path = format!("/v2/repository/models/{name}/load");
        self.send(
            format!("POST {path} HTTP/1.1\r\nhost: fuzz\r\ncontent-length: 0\r\n\r\n").as_bytes(),
            &[],
            Route::Any,
        );
    }

    /// Makes the call over gRPC that the choices of `input` make: it is answered, and not with a fault.
    pub(crate) fn call(&mut self, input: &[u8]) {
        let call = Call::of(input);
        let shown = format!("{} {:?} {}", call.path, call.headers, call.body.escape_ascii());
        let calls = self.calls.take().filter(|calls| !calls.sender.is_closed());
        let mut calls = calls.unwrap_or_else(|| Calls::open(&self.server));
        let (is_framed, unloads) = (call.is_framed, call.path.ends_with("/RepositoryModelUnload"));
        let (status, found) = calls.make(call);
        if status == 200 && is_framed {
            let found = found.unwrap_or_else(|| panic!("no status to {shown}"));
            assert!(!FAULTS.contains(&found.as_str()), "status {found} to {shown}");
        } else {
            assert!(status == 200 || (400..500).contains(&status), "{status} to {shown}");
        }
        self.calls = Some(calls);
        if unloads {
            // Its own connection may have idled for too long meanwhile.
            self.client = self.server.client();
            MODELS.iter().for_each(|model| self.load(model));
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

impl Calls {
    fn open(server: &Server) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let address = server.address;
        let sender = runtime.block_on(async move {
            let stream = tokio::net::TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                    .await
                    .unwrap();
            tokio::spawn(connection);
            sender
        });
        Self { runtime, sender }
    }

    /// The status of HTTP and that of gRPC.
    fn make(&mut self, call: Call) -> (u16, Option<String>) {
        let mut request = http::Request::post(format!("http://fuzz{}", call.path)).header("te", "trailers");
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(Bytes::from(call.body))).unwrap();
        let sender = &mut self.sender;
        self.runtime.block_on(async move {
            let response = sender.send_request(request).await.unwrap();
            let (status, mut headers): (u16, HeaderMap) =
                (response.status().as_u16(), response.headers().clone());
            let collected = Body::new(response.into_body()).collect().await.unwrap();
            headers.extend(collected.trailers().cloned().unwrap_or_default());
            (status, headers.get("grpc-status").map(|value| value.to_str().unwrap().to_owned()))
        })
    }
}

fn limits() -> Requests {
    Requests { max_inputs: 8, max_length: Some(64), ..Requests::default() }
}

/// The model that a path unloads.
fn unloaded(path: &str) -> Option<&str> {
    path.strip_prefix("/v2/repository/models/")?.split_once("/unload").map(|(name, _)| name)
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
        200 | 201 if route == Route::Any => {}
        200 => assert!(answer.get("predictions").or_else(|| answer.get("outputs")).is_some(), "{answer}"),
        _ => assert!(reason.is_some_and(|reason| !reason.is_empty()), "{answer} to {sent:?}"),
    }
}

/// A request ready to be sent.
struct Request<'a> {
    path: String,
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
        Self { path, bytes, body }
    }

    fn unloaded(&self) -> Option<String> {
        unloaded(&self.path).map(str::to_owned)
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
