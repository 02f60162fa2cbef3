//! The metrics of text-embeddings-inference under its names, for dashboards that were made for it.
//!
//! Batches are counted by the requests in them: `te_batch_next_size` and `te_batch_next_tokens` record the batch of each
//! request that waited for one.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::StatusCode;

use super::exposition::{head, line};
use super::histogram::Histogram;
use crate::host::Table;
use crate::note::Note;
use crate::route::Route;

/// Upper bounds of durations in nanoseconds: 35 from 15 µs, each half as much again as the one before.
static DURATIONS: LazyLock<Vec<u64>> = LazyLock::new(|| {
    std::iter::successors(Some(15_000.0_f64), |bound| Some(bound * 1.5))
        .take(35)
        .map(|bound| bound as u64)
        .collect()
});

/// What counts as one of its tasks, by the names of routes.
const TASKS: [(&str, &[&str]); 6] = [
    ("embed", &["tei-embed", "tei-embed-all", "openai-embeddings", "grpc-tei-embed"]),
    ("predict", &["tei-predict", "predict", "grpc-tei-predict"]),
    ("rerank", &["tei-rerank", "grpc-tei-rerank"]),
    ("similarity", &["tei-similarity"]),
    ("tokenize", &["tei-tokenize", "grpc-tei-tokenize"]),
    ("decode", &["tei-decode"]),
];

/// Its words for what went wrong; any other failure is the last.
const FAILURES: [(&str, &[u16]); 5] = [
    ("overloaded", &[429]),
    ("validation", &[400, 413, 415, 422]),
    ("unhealthy", &[503]),
    ("timeout", &[408, 504]),
    ("inference", &[]),
];

/// Requests of a task, and those that succeeded.
type Counts = [AtomicU64; 2];

/// What is measured.
#[derive(Debug)]
pub(super) struct TeiMetrics {
    requests: Counts,
    tasks: [Counts; TASKS.len()],
    failures: [AtomicU64; FAILURES.len()],
    duration: Histogram,
    tokenization: Histogram,
    queue: Histogram,
    inference: Histogram,
    input_length: Histogram,
    batch_size: Histogram,
    batch_tokens: Histogram,
}

impl TeiMetrics {
    /// Nothing measured yet.
    pub(super) fn new() -> Self {
        let durations = || Histogram::over(&DURATIONS, 1e9);
        Self {
            requests: Counts::default(),
            tasks: Default::default(),
            failures: Default::default(),
            duration: durations(),
            tokenization: durations(),
            queue: durations(),
            inference: durations(),
            input_length: Histogram::counts(),
            batch_size: Histogram::counts(),
            batch_tokens: Histogram::counts(),
        }
    }

    /// Records one answered request of a route that is one of its tasks.
    pub(super) fn observe(&self, route: Route, status: StatusCode, elapsed: Duration, note: &Note) {
        let Some(task) = TASKS.iter().position(|(_, routes)| routes.contains(&route.as_str())) else {
            return;
        };
        let success = status.is_success();
        for counts in [&self.requests, &self.tasks[task]] {
            counts[0].fetch_add(1, Ordering::Relaxed);
            counts[1].fetch_add(u64::from(success), Ordering::Relaxed);
        }
        if !success {
            let known = FAILURES.iter().position(|(_, statuses)| statuses.contains(&status.as_u16()));
            self.failures[known.unwrap_or(FAILURES.len() - 1)].fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.duration.record_duration(elapsed);
        if note.answered_by().is_none() {
            return;
        }
        let times = note.times();
        self.tokenization.record_duration(times.tokenise);
        self.queue.record_duration(times.queue);
        self.inference.record_duration(times.inference);
        self.input_length.record(note.tokens());
        if let Some(company) = note.company() {
            self.batch_size.record_count(company.batch_texts);
            self.batch_tokens.record(company.batch_tokens);
        }
    }

    /// Everything in the Prometheus text format.
    pub(super) fn render(&self, out: &mut String, table: &Table) {
        let tasks = TASKS.iter().map(|(task, _)| *task).zip(&self.tasks);
        for (task, counts) in [("request", &self.requests)].into_iter().chain(tasks) {
            for (name, count) in ["count", "success"].into_iter().zip(counts) {
                let name = format!("te_{task}_{name}");
                head(out, &name, "counter", "as of text-embeddings-inference");
                line(out, format_args!("{name} {}", count.load(Ordering::Relaxed)));
            }
        }
        head(out, "te_request_failure", "counter", "requests without an answer by cause");
        for ((cause, _), count) in FAILURES.iter().zip(&self.failures) {
            let count = count.load(Ordering::Relaxed);
            line(out, format_args!("te_request_failure{{err=\"{cause}\"}} {count}"));
        }
        for (name, histogram) in [
            ("te_request_duration", &self.duration),
            ("te_request_tokenization_duration", &self.tokenization),
            ("te_request_queue_duration", &self.queue),
            ("te_request_inference_duration", &self.inference),
            ("te_request_input_length", &self.input_length),
            ("te_batch_next_size", &self.batch_size),
            ("te_batch_next_tokens", &self.batch_tokens),
        ] {
            head(out, name, "histogram", "as of text-embeddings-inference");
            histogram.write(out, name, "");
        }
        let waiting: usize = table.hosts.values().map(|host| host.gate.waiting()).sum();
        head(out, "te_queue_size", "gauge", "requests waiting for a thread");
        line(out, format_args!("te_queue_size {waiting}"));
    }
}
