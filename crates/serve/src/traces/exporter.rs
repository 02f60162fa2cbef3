//! The thread that sends spans to a collector. A collector that can't keep up costs spans, never requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use prost::Message;
use ureq::Agent;

use super::messages::{ExportRequest, KeyValue, Resource, ResourceSpans, Scope, ScopeSpans, Span};
use super::parent::Parent;
use super::spans::spans;
use crate::recent::Answered;

/// Requests that wait to be sent.
const WAITING: usize = 8192;
/// Spans sent at once.
const TOGETHER: usize = 512;
/// Longest time that a span waits for others.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest time for the collector to take spans.
const PATIENCE: Duration = Duration::from_secs(5);
/// Where collectors take traces, behind the address that users give.
const PATH: &str = "/v1/traces";

/// A finished request with the span that it was sent by.
type Finished = (Arc<Answered>, Option<Parent>);

/// Where finished requests go to be traced.
#[derive(Debug)]
pub(crate) struct Traces {
    queue: SyncSender<Finished>,
    dropped: AtomicU64,
}

impl Traces {
    /// Sends spans to the collector at `endpoint`, such as `http://127.0.0.1:4318`, on a thread of its own that ends with the
    /// server.
    pub(crate) fn to(endpoint: &str) -> std::io::Result<Self> {
        let (queue, finished) = sync_channel(WAITING);
        let base = endpoint.trim_end_matches('/');
        let url = if base.ends_with(PATH) { base.to_owned() } else { format!("{base}{PATH}") };
        let config = Agent::config_builder().timeout_global(Some(PATIENCE)).build();
        let collector = Collector { agent: config.into(), url, reached: true };
        std::thread::Builder::new()
            .name("loquat-traces".to_owned())
            .spawn(move || send_task(collector, &finished))?;
        Ok(Self { queue, dropped: AtomicU64::new(0) })
    }

    /// Traces a finished request, unless its sender said that it is not recorded.
    pub(crate) fn record(&self, answered: Arc<Answered>, parent: Option<Parent>) {
        if parent.is_some_and(|parent| !parent.sampled) {
            return;
        }
        if self.queue.try_send((answered, parent)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Requests that were not traced because the collector can't keep up.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// The collector, and whether it took what was sent last.
struct Collector {
    agent: Agent,
    url: String,
    reached: bool,
}

fn send_task(mut collector: Collector, finished: &Receiver<Finished>) {
    let mut held: Vec<Span> = Vec::new();
    let mut due = Instant::now() + PAUSE;
    loop {
        let ended = match finished.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok((answered, parent)) => {
                held.extend(spans(&answered, parent));
                false
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        };
        if held.len() >= TOGETHER || ended || Instant::now() >= due {
            if !held.is_empty() {
                collector.send(std::mem::take(&mut held));
            }
            due = Instant::now() + PAUSE;
        }
        if ended {
            return;
        }
    }
}

impl Collector {
    /// Sends spans; says once when the collector does not take them, and once when it does again.
    fn send(&mut self, spans: Vec<Span>) {
        let count = spans.len();
        let body = request(spans).encode_to_vec();
        let sent =
            self.agent.post(&self.url).header("content-type", "application/x-protobuf").send(&body[..]);
        let reached = sent.is_ok();
        match sent {
            Err(error) if self.reached => {
                tracing::warn!(%error, collector = self.url, spans = count, "traces not taken; until they are, spans are lost");
            }
            Ok(_) if !self.reached => tracing::info!(collector = self.url, "traces are taken again"),
            _ => {}
        }
        self.reached = reached;
    }
}

fn request(spans: Vec<Span>) -> ExportRequest {
    let (name, version) = ("loquat", env!("CARGO_PKG_VERSION"));
    let attributes = vec![KeyValue::text("service.name", name), KeyValue::text("service.version", version)];
    let scope = Scope { name: name.to_owned(), version: version.to_owned() };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans }];
    ExportRequest {
        resource_spans: vec![ResourceSpans { resource: Some(Resource { attributes }), scope_spans }],
    }
}
