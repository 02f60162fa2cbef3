//! A small hub: one model, its files, and the faults that a test asks for.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loquat_connect::hub::{Hub, HubConfig, Token};
use sha2::{Digest, Sha256};

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// The model is at home under this name; under `some/old` it was before.
pub(crate) const MODEL: &str = "some/model";

/// The same files as a data set.
pub(crate) const DATASET: &str = "some/data";

/// What is served, what goes wrong, and what was asked.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Small files by path.
    pub(crate) small: BTreeMap<String, Vec<u8>>,
    /// Files of the large file store by path.
    pub(crate) large: BTreeMap<String, Vec<u8>>,
    /// Names listed without a content.
    pub(crate) listed: Vec<String>,
    /// The token without which nothing is answered.
    pub(crate) token: Option<String>,
    /// Bytes after which the next transfers of large files break off.
    pub(crate) breaks: Vec<usize>,
    /// Whether ranges are ignored.
    pub(crate) no_ranges: bool,
    /// Whether large files come with a byte changed.
    pub(crate) corrupt: bool,
    /// Requests to answer with 503 first.
    pub(crate) unable: usize,
    /// Method, path, range and whether a token came along.
    pub(crate) asked: Vec<(String, String, Option<String>, bool)>,
}

/// A hub that answers until it is dropped, and a cache for its client.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) state: Arc<Mutex<State>>,
    address: SocketAddr,
    pub(crate) cache: tempfile::TempDir,
}

impl Server {
    /// A model with the files that models have.
    pub(crate) fn start() -> Self {
        let mut state = State::default();
        state.small.insert("config.json".into(), b"{\"model_type\": \"bert\"}".to_vec());
        state.small.insert("1_Pooling/config.json".into(), b"{}".to_vec());
        state.small.insert("vocab.txt".into(), b"[PAD]\n".to_vec());
        state.large.insert("model.safetensors".into(), (0..200_000_u32).map(|byte| byte as u8).collect());
        state.listed = vec!["README.md".into(), "pytorch_model.bin".into()];
        let state = Arc::new(Mutex::new(state));
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || drop(answer(stream, &state, address)));
            }
        });
        Self { state, address, cache: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn config(&self) -> HubConfig {
        HubConfig {
            endpoint: format!("http://{}", self.address),
            timeout: Duration::from_secs(20),
            pause: Duration::ZERO,
            retries: 3,
            ..HubConfig::new(self.cache.path().to_owned())
        }
    }

    pub(crate) fn hub(&self) -> Hub {
        Hub::new(self.config())
    }

    pub(crate) fn hub_with_token(&self, token: &str) -> Hub {
        Hub::new(HubConfig { token: Token::new(token), ..self.config() })
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    /// Requests since the last call.
    pub(crate) fn asked(&self) -> Vec<(String, String, Option<String>, bool)> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }
}

struct Asked {
    method: String,
    path: String,
    range: Option<usize>,
}

fn answer(stream: TcpStream, state: &Mutex<State>, address: SocketAddr) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.insert(name.to_lowercase(), value.to_owned()),
            None => break,
        };
    }
    let range = headers.get("range").cloned();
    let token = headers.get("authorization").cloned();
    let mut state = state.lock().unwrap();
    state.asked.push((method.clone(), path.clone(), range.clone(), token.is_some()));
    let from = range.and_then(|range| range.strip_prefix("bytes=")?.trim_end_matches('-').parse().ok());
    let asked = Asked { method, path, range: from };
    respond(stream, &mut state, &asked, (address, token))
}

fn respond(
    mut stream: TcpStream,
    state: &mut State,
    asked: &Asked,
    (address, token): (SocketAddr, Option<String>),
) -> std::io::Result<()> {
    if state.unable > 0 {
        state.unable -= 1;
        return send(&mut stream, asked, "503 Service Unavailable", &[], b"");
    }
    if let Some(digest) = asked.path.strip_prefix("/store/") {
        return send_large(&mut stream, state, asked, digest);
    }
    if state.token.as_ref().is_some_and(|wanted| token != Some(format!("Bearer {wanted}"))) {
        return send(&mut stream, asked, "401 Unauthorized", &["X-Error-Message: Invalid credentials"], b"");
    }
    if let Some(rest) = asked.path.strip_prefix("/api/models/some/old/") {
        let location = format!("Location: /api/models/{MODEL}/{rest}");
        return send(&mut stream, asked, "307 Temporary Redirect", &[&location], b"");
    }
    if let Some(rest) = asked.path.strip_prefix("/some/old/") {
        let location = format!("Location: /{MODEL}/{rest}");
        return send(&mut stream, asked, "307 Temporary Redirect", &[&location], b"");
    }
    if asked.path == format!("/api/models/{MODEL}/revision/main")
        || asked.path == format!("/api/models/{MODEL}/revision/refs%2Fpr%2F1")
        || asked.path == format!("/api/models/{MODEL}/revision/{COMMIT}")
        || asked.path == format!("/api/datasets/{DATASET}/revision/refs%2Fconvert%2Fparquet")
    {
        let names = state.small.keys().chain(state.large.keys()).chain(&state.listed);
        let siblings: Vec<String> = names.map(|name| format!("{{\"rfilename\":{name:?}}}")).collect();
        let body = format!("{{\"sha\":\"{COMMIT}\",\"siblings\":[{}]}}", siblings.join(","));
        return send(&mut stream, asked, "200 OK", &[], body.as_bytes());
    }
    let of_model = asked.path.strip_prefix(&format!("/{MODEL}/resolve/{COMMIT}/"));
    let of_dataset = || asked.path.strip_prefix(&format!("/datasets/{DATASET}/resolve/{COMMIT}/"));
    let Some(path) = of_model.or_else(of_dataset) else {
        return send(&mut stream, asked, "404 Not Found", &[], b"");
    };
    let commit = format!("X-Repo-Commit: {COMMIT}");
    if let Some(content) = state.small.get(path) {
        let etag = format!("ETag: W/\"{:040x}\"", content.len() + path.len());
        return send(&mut stream, asked, "200 OK", &[&commit, &etag], content);
    }
    let Some(content) = state.large.get(path) else {
        return send(&mut stream, asked, "404 Not Found", &[], b"");
    };
    let digest = hex(content);
    // Another host as far as a client can tell.
    let location = format!("Location: http://localhost:{}/store/{digest}", address.port());
    let etag = format!("X-Linked-Etag: \"{digest}\"");
    let size = format!("X-Linked-Size: {}", content.len());
    send(&mut stream, asked, "302 Found", &[&commit, &etag, &size, "ETag: \"other\"", &location], b"")
}

fn send_large(stream: &mut TcpStream, state: &mut State, asked: &Asked, digest: &str) -> std::io::Result<()> {
    let mut content =
        state.large.values().find(|content| hex(content) == digest).cloned().unwrap_or_default();
    if state.corrupt {
        content[7] ^= 1;
    }
    let from = asked.range.filter(|_| !state.no_ranges).unwrap_or(0);
    let rest = &content[from..];
    let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
    let range = format!("Content-Range: bytes {from}-{}/{}", content.len() - 1, content.len());
    let length = format!("Content-Length: {}", rest.len());
    write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\n{length}\r\n{range}\r\n\r\n")?;
    let sent = if state.breaks.is_empty() { rest.len() } else { state.breaks.remove(0) };
    stream.write_all(&rest[..sent.min(rest.len())])
}

fn send(
    stream: &mut TcpStream,
    asked: &Asked,
    status: &str,
    headers: &[&str],
    body: &[u8],
) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n", body.len())?;
    for header in headers {
        write!(stream, "{header}\r\n")?;
    }
    stream.write_all(b"\r\n")?;
    if asked.method == "HEAD" { Ok(()) } else { stream.write_all(body) }
}

pub(crate) fn hex(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}
