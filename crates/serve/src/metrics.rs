//! Counters and histograms in the Prometheus text format, with closed sets of labels and no lock on the way.

use std::fmt::Write;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::http::StatusCode;

use crate::host::{Host, Table};
use crate::route::Route;

/// Upper bounds of durations in nanoseconds.
const DURATIONS: [u64; 18] = [
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// Upper bounds of the number of inputs in a request.
const COUNTS: [u64; 18] =
    [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536, 131_072];

/// The statuses that this server sends; any other counts as the last.
const STATUSES: [u16; 18] =
    [200, 400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 424, 429, 431, 500, 503, 504, 0];

/// A histogram over fixed bounds, recorded without a lock.
#[derive(Debug)]
pub(crate) struct Histogram {
    bounds: &'static [u64; 18],
    /// Units of the recorded value in one unit of the printed one.
    scale: f64,
    buckets: [AtomicU64; 19],
    sum: AtomicU64,
}

impl Histogram {
    fn durations() -> Self {
        Self { bounds: &DURATIONS, scale: 1e9, buckets: Default::default(), sum: AtomicU64::new(0) }
    }

    fn counts() -> Self {
        Self { bounds: &COUNTS, scale: 1.0, buckets: Default::default(), sum: AtomicU64::new(0) }
    }

    fn record(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Records a length of time.
    pub(crate) fn record_duration(&self, duration: Duration) {
        self.record(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Records a number of things.
    pub(crate) fn record_count(&self, count: usize) {
        self.record(count as u64);
    }

    /// Sum of what was recorded, in its own unit.
    pub(crate) fn sum(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }

    /// How often something was recorded.
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }

    fn write(&self, out: &mut String, name: &str, label: &str) {
        let mut total = 0;
        for (bound, bucket) in self.bounds.iter().zip(&self.buckets) {
            total += bucket.load(Ordering::Relaxed);
            line(out, format_args!("{name}_bucket{{{label},le=\"{}\"}} {total}", *bound as f64 / self.scale));
        }
        total += self.buckets[self.bounds.len()].load(Ordering::Relaxed);
        line(out, format_args!("{name}_bucket{{{label},le=\"+Inf\"}} {total}"));
        line(
            out,
            format_args!("{name}_sum{{{label}}} {}", self.sum.load(Ordering::Relaxed) as f64 / self.scale),
        );
        line(out, format_args!("{name}_count{{{label}}} {total}"));
    }
}

/// Measurements of one route.
#[derive(Debug)]
struct RouteMetrics {
    statuses: [AtomicU64; STATUSES.len()],
    duration: Histogram,
}

/// Measurements of the whole server.
#[derive(Debug)]
pub(crate) struct Metrics {
    routes: Vec<RouteMetrics>,
    /// Requests whose head has arrived and whose response has not been handed to the connection.
    pub(crate) in_flight: AtomicI64,
    /// Open connections.
    pub(crate) connections: AtomicI64,
}

impl Metrics {
    /// Nothing measured yet.
    pub(crate) fn new() -> Self {
        let route = |_| RouteMetrics { statuses: Default::default(), duration: Histogram::durations() };
        Self {
            routes: Route::all().map(route).collect(),
            in_flight: AtomicI64::new(0),
            connections: AtomicI64::new(0),
        }
    }

    /// Records one answered request.
    pub(crate) fn observe(&self, route: Route, status: StatusCode, elapsed: Duration) {
        let metrics = &self.routes[route.number()];
        let known = STATUSES.iter().position(|known| *known == status.as_u16());
        metrics.statuses[known.unwrap_or(STATUSES.len() - 1)].fetch_add(1, Ordering::Relaxed);
        metrics.duration.record_duration(elapsed);
    }

    /// Everything in the Prometheus text format.
    pub(crate) fn render(&self, table: &Table) -> String {
        let mut out = String::with_capacity(16 * 1024);
        head(&mut out, "loquat_build_info", "gauge", "version of the server");
        line(&mut out, format_args!("loquat_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")));
        self.render_requests(&mut out);
        for (name, help, value) in [
            ("loquat_requests_in_flight", "requests being answered", &self.in_flight),
            ("loquat_connections", "open connections", &self.connections),
        ] {
            head(&mut out, name, "gauge", help);
            line(&mut out, format_args!("{name} {}", value.load(Ordering::Relaxed)));
        }
        render_models(&mut out, table);
        render_endpoints(&mut out, table);
        out
    }

    fn render_requests(&self, out: &mut String) {
        head(out, "loquat_requests_total", "counter", "requests answered by route and status");
        for (route, metrics) in Route::all().zip(&self.routes) {
            for (status, count) in STATUSES.iter().zip(&metrics.statuses) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let route = route.as_str();
                    let status = if *status == 0 { "other".to_owned() } else { status.to_string() };
                    line(
                        out,
                        format_args!(
                            "loquat_requests_total{{route=\"{route}\",status=\"{status}\"}} {count}"
                        ),
                    );
                }
            }
        }
        let name = "loquat_request_duration_seconds";
        head(out, name, "histogram", "time from a request's head to its response by route");
        for (route, metrics) in Route::all().zip(&self.routes) {
            if metrics.duration.count() > 0 {
                metrics.duration.write(out, name, &format!("route=\"{}\"", route.as_str()));
            }
        }
    }
}

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
}

impl HostMetrics {
    /// Notes that the endpoint is used now.
    pub(crate) fn touch(&self) {
        self.used.store(milliseconds(), Ordering::Relaxed);
    }

    /// Time since it was used last.
    pub(crate) fn idle(&self) -> Duration {
        Duration::from_millis(milliseconds().saturating_sub(self.used.load(Ordering::Relaxed)))
    }
}

/// Milliseconds since this was asked first.
fn milliseconds() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX)
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

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    line(out, format_args!("# HELP {name} {help}"));
    line(out, format_args!("# TYPE {name} {kind}"));
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = out.write_fmt(text);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_accumulate_and_bounds_are_inclusive() {
        let histogram = Histogram::durations();
        for nanoseconds in [1, 25_000, 25_001, u64::MAX / 4] {
            histogram.record(nanoseconds);
        }
        let mut out = String::new();
        histogram.write(&mut out, "h", "a=\"b\"");
        assert!(out.contains("h_bucket{a=\"b\",le=\"0.000025\"} 2\n"), "{out}");
        assert!(out.contains("h_bucket{a=\"b\",le=\"0.00005\"} 3\n"), "{out}");
        assert!(out.contains("h_bucket{a=\"b\",le=\"10\"} 3\n"), "{out}");
        assert!(out.contains("h_bucket{a=\"b\",le=\"+Inf\"} 4\n"), "{out}");
        assert!(out.contains("h_count{a=\"b\"} 4\n"), "{out}");
    }
}
