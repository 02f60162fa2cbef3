//! Measurements of one endpoint.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::exposition::{head, line};
use super::histogram::Histogram;
use crate::host::{Host, Table};

/// Measurements of one endpoint; they outlive the versions that answer it.
#[derive(Debug)]
pub(crate) struct HostMetrics {
    /// Time of the prediction itself.
    pub(crate) predict: Histogram,
    /// Time that large requests waited for a thread.
    pub(crate) queue: Histogram,
    /// Inputs in a request.
    pub(crate) inputs: Histogram,
    /// Requests refused because the queue was full.
    pub(crate) refused: AtomicU64,
    /// Requests that took longer than allowed.
    pub(crate) late: AtomicU64,
    /// Predictions that failed.
    pub(crate) failed: AtomicU64,
    /// Versions taken into service.
    pub(crate) swaps: AtomicU64,
    /// Versions that could not be taken into service.
    pub(crate) load_failures: AtomicU64,
    /// Times that the model was unloaded, idle or to make room.
    pub(crate) unloads: AtomicU64,
    /// Shadow answers that name the label returned.
    pub(crate) shadow_agreed: AtomicU64,
    /// Shadow answers that name another.
    pub(crate) shadow_differed: AtomicU64,
    /// Requests that no shadow was asked for or answered.
    pub(crate) shadow_skipped: AtomicU64,
    /// Milliseconds from the first use of any endpoint to the last of this one.
    used: AtomicU64,
    /// Requests that a version was chosen for.
    pub(crate) turns: AtomicU64,
}

impl HostMetrics {
    /// Nothing measured yet.
    pub(crate) fn new() -> Self {
        Self {
            predict: Histogram::durations(),
            queue: Histogram::durations(),
            inputs: Histogram::counts(),
            refused: AtomicU64::new(0),
            late: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            swaps: AtomicU64::new(0),
            load_failures: AtomicU64::new(0),
            unloads: AtomicU64::new(0),
            shadow_agreed: AtomicU64::new(0),
            shadow_differed: AtomicU64::new(0),
            shadow_skipped: AtomicU64::new(0),
            used: AtomicU64::new(milliseconds()),
            turns: AtomicU64::new(0),
        }
    }

    /// Notes that the endpoint is used now.
    pub(crate) fn touch(&self) {
        self.used.store(milliseconds(), Ordering::Relaxed);
    }

    /// Time since it was used last.
    pub(crate) fn idle(&self) -> Duration {
        Duration::from_millis(milliseconds().saturating_sub(self.used.load(Ordering::Relaxed)))
    }

    /// How many requests ended in which way.
    pub(crate) fn counts(&self) -> Value {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        json!({
            "answered": self.predict.count(),
            "refused": count(&self.refused),
            "late": count(&self.late),
            "failed": count(&self.failed),
        })
    }
}

/// Milliseconds since this was asked first.
fn milliseconds() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Everything about every endpoint in the Prometheus text format.
pub(super) fn render_all(out: &mut String, table: &Table) {
    render_models(out, table);
    render_endpoints(out, table);
}

fn render_models(out: &mut String, table: &Table) {
    head(out, "loquat_endpoint_ready", "gauge", "whether the endpoint answers, if need be after loading");
    for host in table.hosts.values() {
        let ready = u8::from(host.is_ready());
        line(out, format_args!("loquat_endpoint_ready{{endpoint=\"{}\"}} {ready}", host.name));
    }
    head(out, "loquat_endpoint_stale", "gauge", "whether a newer version could not be taken into service");
    for host in table.hosts.values() {
        let stale = u8::from(host.failure.is_some());
        line(out, format_args!("loquat_endpoint_stale{{endpoint=\"{}\"}} {stale}", host.name));
    }
    head(out, "loquat_endpoint_info", "gauge", "the version that answers the endpoint");
    for host in table.hosts.values() {
        if let Some(pipeline) = &host.pipeline {
            let (name, model, version) = (&host.name, pipeline.model(), pipeline.version());
            line(
                out,
                format_args!(
                    "loquat_endpoint_info{{endpoint=\"{name}\",model=\"{model}\",version=\"{version}\"}} 1"
                ),
            );
        }
    }
}

fn render_endpoints(out: &mut String, table: &Table) {
    type Pick<T> = fn(&Host) -> &T;
    let histograms: [(&str, &str, Pick<Histogram>); 3] = [
        ("loquat_predict_duration_seconds", "time of the prediction itself", |host| &host.metrics.predict),
        ("loquat_queue_duration_seconds", "time that large requests waited", |host| &host.metrics.queue),
        ("loquat_request_inputs", "inputs in a request", |host| &host.metrics.inputs),
    ];
    for (name, help, pick) in histograms {
        head(out, name, "histogram", help);
        for host in table.hosts.values() {
            pick(host).write(out, name, &format!("endpoint=\"{}\"", host.name));
        }
    }
    let counters: [(&str, &str, Pick<AtomicU64>); 9] = [
        ("loquat_requests_refused_total", "requests refused at a full queue", |host| &host.metrics.refused),
        ("loquat_requests_late_total", "requests that took longer than allowed", |host| &host.metrics.late),
        ("loquat_predictions_failed_total", "predictions that failed", |host| &host.metrics.failed),
        ("loquat_version_swaps_total", "versions taken into service", |host| &host.metrics.swaps),
        ("loquat_version_unloads_total", "times that an idle model was unloaded", |host| {
            &host.metrics.unloads
        }),
        ("loquat_shadow_agreed_total", "shadow answers like the one returned", |host| {
            &host.metrics.shadow_agreed
        }),
        ("loquat_shadow_differed_total", "shadow answers unlike the one returned", |host| {
            &host.metrics.shadow_differed
        }),
        ("loquat_shadow_skipped_total", "requests without a shadow answer", |host| {
            &host.metrics.shadow_skipped
        }),
        ("loquat_version_load_failures_total", "versions refused at loading", |host| {
            &host.metrics.load_failures
        }),
    ];
    for (name, help, pick) in counters {
        head(out, name, "counter", help);
        for host in table.hosts.values() {
            let count = pick(host).load(Ordering::Relaxed);
            line(out, format_args!("{name}{{endpoint=\"{}\"}} {count}", host.name));
        }
    }
    head(out, "loquat_endpoint_resident_bytes", "gauge", "memory of the version that answers the endpoint");
    for host in table.hosts.values() {
        let bytes = host.pipeline.as_ref().map_or(0, |pipeline| pipeline.resident_bytes());
        line(out, format_args!("loquat_endpoint_resident_bytes{{endpoint=\"{}\"}} {bytes}", host.name));
    }
    head(out, "loquat_queue_tokens", "gauge", "tokens waiting for a thread");
    for host in table.hosts.values() {
        let tokens = host.gate.waiting_tokens();
        line(out, format_args!("loquat_queue_tokens{{endpoint=\"{}\"}} {tokens}", host.name));
    }
    head(out, "loquat_queue_size", "gauge", "large requests waiting for a thread");
    for host in table.hosts.values() {
        line(out, format_args!("loquat_queue_size{{endpoint=\"{}\"}} {}", host.name, host.gate.waiting()));
    }
}
