//! A small object store that speaks S3, with conditional writes, and serves the same objects as plain files.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::request::Request;

const WRITTEN: &str = "Sat, 21 Nov 2026 00:00:00 GMT";

/// What is stored, what goes wrong, and what was asked.
#[derive(Debug, Default)]
pub struct ObjectState {
    /// Contents by `BUCKET/KEY`.
    pub objects: BTreeMap<String, Vec<u8>>,
    /// Bytes after which the next answers with a content break off.
    pub breaks: Vec<usize>,
    /// Requests to answer with 503 first.
    pub unable: usize,
    /// Whether entity tags are left out.
    pub untagged: bool,
    /// Whether listings say that everything was written long ago.
    pub old: bool,
    /// Whether requests without a signature are refused.
    pub private: bool,
    /// The requests, in order.
    pub asked: Vec<Asked>,
}

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its method.
    pub method: String,
    /// `BUCKET/KEY`, or `BUCKET` for a listing.
    pub path: String,
    /// The first byte asked for, where it was not all.
    pub from: Option<usize>,
}

/// A server on a loopback port that answers as long as the process lives.
#[derive(Debug, Clone)]
pub struct ObjectServer {
    state: Arc<Mutex<ObjectState>>,
    address: SocketAddr,
}

impl ObjectServer {
    /// Starts with nothing stored.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let server = Self { state: Arc::default(), address: listener.local_addr()? };
        let state = Arc::clone(&server.state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&state);
                // A client that went away is no concern of the server.
                std::thread::spawn(move || drop(answer(stream, &state)));
            }
        });
        Ok(server)
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The variables with which a client of S3 finds this server.
    pub fn variables(&self) -> Vec<(String, String)> {
        let variables = [
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_ACCESS_KEY_ID", "tester".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "hush-hush".to_owned()),
            ("AWS_REGION", "eu-central-1".to_owned()),
        ];
        variables.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    /// The state, to look at or to change.
    pub fn state(&self) -> MutexGuard<'_, ObjectState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores a content under `BUCKET/KEY`.
    pub fn put(&self, path: &str, content: impl Into<Vec<u8>>) {
        self.state().objects.insert(path.to_owned(), content.into());
    }

    /// Requests since the last call.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state().asked)
    }
}

/// What goes back.
struct Answer {
    status: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn bare(status: &'static str) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }
}

fn answer(mut stream: TcpStream, state: &Mutex<ObjectState>) -> std::io::Result<()> {
    let request = Request::read(&stream)?;
    let (answer, cut) = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let path = request.path.trim_matches('/').to_owned();
        state.asked.push(Asked {
            method: request.method.clone(),
            path: path.clone(),
            from: first_byte(&request),
        });
        let answer = respond(&mut state, &request, &path);
        let breaks = !answer.body.is_empty() && request.method == "GET" && !state.breaks.is_empty();
        let cut = if breaks { state.breaks.remove(0) } else { usize::MAX };
        (answer, cut)
    };
    let mut head = format!(
        "HTTP/1.1 {}\r\ncontent-length: {}\r\nconnection: close\r\n",
        answer.status,
        answer.body.len()
    );
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    let sent = if request.method == "HEAD" { 0 } else { answer.body.len().min(cut) };
    stream.write_all(&answer.body[..sent])
}

fn respond(state: &mut ObjectState, request: &Request, path: &str) -> Answer {
    if state.unable > 0 {
        state.unable -= 1;
        return Answer::bare("503 Service Unavailable");
    }
    if state.private && request.header("authorization").is_none() {
        return Answer::bare("403 Forbidden");
    }
    match request.method.as_str() {
        "GET" if request.query.contains_key("list-type") => list(state, request, path),
        "GET" | "HEAD" => get(state, request, path),
        "PUT" => put(state, request, path),
        "DELETE" => {
            state.objects.remove(path);
            Answer::bare("204 No Content")
        }
        _ => Answer::bare("405 Method Not Allowed"),
    }
}

fn get(state: &ObjectState, request: &Request, path: &str) -> Answer {
    let Some(content) = state.objects.get(path) else { return Answer::bare("404 Not Found") };
    let tag = tag(content);
    let is_tag = |name: &str| request.header(name).map(|wanted| wanted == tag);
    if is_tag("if-none-match") == Some(true) {
        return Answer::bare("304 Not Modified");
    }
    if is_tag("if-match") == Some(false) {
        return Answer::bare("412 Precondition Failed");
    }
    let mut headers = vec![("last-modified", WRITTEN.to_owned())];
    if !state.untagged {
        headers.push(("etag", tag.clone()));
    }
    let from = first_byte(request).filter(|_| is_tag("if-range") != Some(false));
    match from {
        Some(from) if from >= content.len() => Answer::bare("416 Range Not Satisfiable"),
        Some(from) => {
            headers.push(("content-range", format!("bytes {from}-{}/{}", content.len() - 1, content.len())));
            Answer { status: "206 Partial Content", headers, body: content[from..].to_vec() }
        }
        None => Answer { status: "200 OK", headers, body: content.clone() },
    }
}

fn put(state: &mut ObjectState, request: &Request, path: &str) -> Answer {
    let present = state.objects.get(path).map(|content| tag(content));
    let refused = match (request.header("if-match"), request.header("if-none-match")) {
        (Some(wanted), _) => present.as_deref() != Some(wanted),
        (None, Some("*")) => present.is_some(),
        _ => false,
    };
    if refused {
        return Answer::bare("412 Precondition Failed");
    }
    let headers = vec![("etag", tag(&request.body))];
    state.objects.insert(path.to_owned(), request.body.clone());
    Answer { status: "200 OK", headers, body: Vec::new() }
}

fn list(state: &ObjectState, request: &Request, bucket: &str) -> Answer {
    let prefix = request.query.get("prefix").map_or("", String::as_str);
    let written = if state.old { "2001-01-01T00:00:00.000Z" } else { "2999-12-31T00:00:00.000Z" };
    let mut body = String::from("<?xml version=\"1.0\"?><ListBucketResult>");
    for (path, content) in &state.objects {
        let key = path.strip_prefix(bucket).and_then(|rest| rest.strip_prefix('/'));
        if let Some(key) = key.filter(|key| key.starts_with(prefix)) {
            let (tag, size) = (tag(content).replace('"', "&quot;"), content.len());
            body.push_str(&format!(
                "<Contents><Key>{key}</Key><LastModified>{written}</LastModified><ETag>{tag}</ETag><Size>{size}</Size></Contents>"
            ));
        }
    }
    body.push_str("<IsTruncated>false</IsTruncated></ListBucketResult>");
    let headers = vec![("content-type", "application/xml".to_owned())];
    Answer { status: "200 OK", headers, body: body.into_bytes() }
}

fn first_byte(request: &Request) -> Option<usize> {
    request.header("range")?.strip_prefix("bytes=")?.split('-').next()?.parse().ok()
}

fn tag(content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}
