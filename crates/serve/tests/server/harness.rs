//! A store with tiny models, a server on a free port, and a client that can also send what is malformed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use loquat_models::{
    Calibration, Component, FeatureConfig, Golden, Manifest, Model, Norm, TermFrequency, Vocabulary,
    WeightRows,
};
use loquat_serve::{Grant, Scope, ServeConfig, ServeError};
use loquat_spec::{Endpoint, Located, Name, Requests, Resources, Task};
use loquat_store::{NewVersion, Store};
use loquat_text::{Ngrams, Normalisation, Prepared};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;

/// Labels of the tiny models, in order.
pub(crate) const LABELS: [&str; 3] = ["refund", "delivery", "login"];
const WORDS: [&str; 3] = ["money", "parcel", "password"];

/// A hash of one word.
fn hash(word: &str) -> u32 {
    let mut prepared = Prepared::default();
    prepared.fill(word, Normalisation::default());
    let mut found = None;
    Ngrams::Words { max: 1 }.for_each(&prepared, |hash, _, _| found = Some(hash));
    found.unwrap()
}

/// A model in which word n speaks for label n + `turn`.
pub(crate) fn tiny_model(task: Task, turn: usize) -> Model {
    model_with(task, turn, 0)
}

/// The tiny model with `padding` further features that no text has, for the size of a real vocabulary.
pub(crate) fn model_with(task: Task, turn: usize, padding: u32) -> Model {
    let row = |word: usize| -> Vec<f32> {
        (0..LABELS.len())
            .map(|label| if label == (word + turn) % LABELS.len() { 3.0 } else { -1.0 })
            .collect()
    };
    let mut rows: Vec<(u32, Vec<f32>)> =
        WORDS.iter().enumerate().map(|(number, word)| (hash(word), row(number))).collect();
    let spread = u32::MAX / padding.max(1);
    rows.extend((0..padding).map(|number| (number * spread, vec![0.0; LABELS.len()])));
    rows.sort_by_key(|(hash, _)| *hash);
    rows.dedup_by_key(|(hash, _)| *hash);
    let multi_label = task == Task::MultiLabelClassification;
    let calibration = if multi_label {
        Calibration::Platt { slope: vec![1.0; LABELS.len()], intercept: vec![0.0; LABELS.len()] }
    } else {
        Calibration::Temperature(0.5)
    };
    let component = Component {
        features: FeatureConfig {
            normalisation: Normalisation::default(),
            groups: vec![Ngrams::Words { max: 1 }],
            term_frequency: TermFrequency::Sublinear,
            norm: Norm::L2,
        },
        vocabulary: Vocabulary::new(
            rows.iter().map(|(hash, _)| *hash).collect(),
            vec![Vocabulary::round_idf(1.0); rows.len()],
        )
        .unwrap(),
        weights: WeightRows::quantise(LABELS.len(), rows.iter().map(|(_, weights)| Some(&weights[..]))),
        bias: vec![0.0; LABELS.len()],
        background: Vec::new(),
        calibration,
        weight: 1.0,
    };
    let labels = LABELS.map(str::to_owned).to_vec();
    let mut manifest = Manifest::new(task, labels, vec!["en".to_owned()]);
    manifest.thresholds = multi_label.then(|| vec![0.5; LABELS.len()]);
    let mut model = Model::new(manifest, vec![component]);
    let scores = model.probabilities(&["where is my parcel"], 1).remove(0);
    model.manifest_mut().golden = vec![Golden::new("where is my parcel", scores)];
    model
}

/// A store in a folder of its own.
pub(crate) struct Registry {
    /// The folder, removed at the end.
    pub(crate) folder: TempDir,
    /// The store in it.
    pub(crate) store: Store,
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A key of scope predict without limits, the least that `loquat keys new` makes.
pub(crate) fn grant(name: &str) -> Grant {
    Grant { name: name.to_owned(), models: None, rate: None, scopes: vec![Scope::Predict] }
}

impl Registry {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        Self { folder, store }
    }

    /// A store with `tickets:1` as champion.
    pub(crate) fn with_tickets() -> Self {
        let registry = Self::new();
        registry.register("tickets", &tiny_model(Task::TextClassification, 0));
        registry.promote("tickets", 1);
        registry
    }

    pub(crate) fn register(&self, model: &str, artifact: &Model) -> u32 {
        let staging = self.store.stage().unwrap();
        artifact.save(staging.path()).unwrap();
        let new = NewVersion { outcome: "completed".to_owned(), ..NewVersion::default() };
        self.store.register(&name(model), staging, new).unwrap().version
    }

    pub(crate) fn promote(&self, model: &str, version: u32) {
        self.store.set_alias(&name(model), &name("champion"), version).unwrap();
    }

    /// Serves this store without declared endpoints.
    pub(crate) fn serve(&self) -> Server {
        self.serve_with(|_| ())
    }

    pub(crate) fn serve_with(&self, change: impl FnOnce(&mut ServeConfig)) -> Server {
        let mut config = ServeConfig {
            threads: 2,
            drain: Duration::from_secs(5),
            max_body: 1 << 20,
            ..ServeConfig::new("127.0.0.1:0".parse().unwrap(), self.store.clone())
        };
        change(&mut config);
        Server::start(config)
    }
}

pub(crate) fn endpoint(own: &str, model: &str, requests: Requests) -> Endpoint {
    Endpoint { requests, ..Endpoint::new(name(own), model.parse().unwrap()) }
}

/// A folder of resources that declares these endpoints.
pub(crate) fn declaring(endpoints: Vec<Endpoint>) -> Resources {
    let located = |value: Endpoint| Located { value, path: "demo.yaml".into(), line: 1, text: String::new() };
    Resources { endpoints: endpoints.into_iter().map(located).collect(), ..Resources::default() }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
}

impl Server {
    fn start(config: ServeConfig) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(loquat_serve::serve(
                config,
                move |address| tell.send(address).unwrap(),
                async move {
                    let _ = stopped.await;
                },
            ))
        });
        let address = told.recv_timeout(Duration::from_secs(30)).expect("the server starts");
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.client().request("GET", path, &[], b"")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.client().post(path, body)
    }

    pub(crate) fn put(&self, path: &str, body: &str) -> Reply {
        self.client().request("PUT", path, &[], body.as_bytes())
    }

    pub(crate) fn delete(&self, path: &str) -> Reply {
        self.client().request("DELETE", path, &[], b"")
    }

    /// Sends the shutdown signal.
    pub(crate) fn signal(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    /// Waits for the end.
    pub(crate) fn join(&mut self) -> Result<(), ServeError> {
        self.thread.take().unwrap().join().unwrap()
    }

    /// Asks `check` until it holds.
    pub(crate) fn eventually(&self, what: &str, check: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !check(self) {
            assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A kept connection.
pub(crate) struct Client {
    reader: BufReader<TcpStream>,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server accepts");
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self { reader: BufReader::new(stream) }
    }

    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Reply {
        let body = serde_json::to_vec(body).unwrap();
        self.request("POST", path, &[("content-type", "application/json")], &body)
    }

    pub(crate) fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        let mut bytes = head(method, path, headers, body.len());
        bytes.extend_from_slice(body);
        self.send(&bytes);
        self.read().expect("a reply")
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).unwrap();
    }

    /// The next reply; `None` when the connection ended instead.
    pub(crate) fn read(&mut self) -> Option<Reply> {
        let mut line = String::new();
        if self.reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).ok()?;
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').expect("a header");
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut reply = Reply { status, headers, body: Vec::new() };
        let length = reply.header("content-length").map_or(0, |length| length.parse().unwrap());
        reply.body.resize(length, 0);
        self.reader.read_exact(&mut reply.body).ok()?;
        Some(reply)
    }
}

pub(crate) fn head(method: &str, path: &str, headers: &[(&str, &str)], length: usize) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if matches!(method, "POST" | "PUT") {
        head.push_str(&format!("content-length: {length}\r\n"));
    }
    head.push_str("\r\n");
    head.into_bytes()
}
