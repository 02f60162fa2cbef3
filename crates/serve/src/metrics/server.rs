//! Measurements of the whole server.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use axum::http::StatusCode;

use super::cascade;
use super::endpoint::render_all;
use super::exposition::{head, line};
use super::histogram::Histogram;
use super::tei::TeiMetrics;
use crate::host::Table;
use crate::note::Note;
use crate::route::Route;
use crate::traces::Traces;

/// The statuses that this server sends; any other counts as the last.
const STATUSES: [u16; 18] =
    [200, 400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 424, 429, 431, 500, 503, 504, 0];

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
    /// The same under the names of text-embeddings-inference, where they are asked for.
    tei: Option<TeiMetrics>,
}

impl Metrics {
    /// Nothing measured yet; under the names of text-embeddings-inference too with `tei`.
    pub(crate) fn new(tei: bool) -> Self {
        let route = |_| RouteMetrics { statuses: Default::default(), duration: Histogram::durations() };
        Self {
            routes: Route::all().map(route).collect(),
            in_flight: AtomicI64::new(0),
            connections: AtomicI64::new(0),
            tei: tei.then(TeiMetrics::new),
        }
    }

    /// Records one answered request.
    pub(crate) fn observe(&self, route: Route, status: StatusCode, elapsed: Duration, note: &Note) {
        let metrics = &self.routes[route.number()];
        let known = STATUSES.iter().position(|known| *known == status.as_u16());
        metrics.statuses[known.unwrap_or(STATUSES.len() - 1)].fetch_add(1, Ordering::Relaxed);
        metrics.duration.record_duration(elapsed);
        if let Some(tei) = &self.tei {
            tei.observe(route, status, elapsed, note);
        }
    }

    /// Everything in the Prometheus text format.
    pub(crate) fn render(&self, table: &Table, traces: Option<&Traces>) -> String {
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
        if let Some(traces) = traces {
            let name = "loquat_traces_dropped_total";
            head(&mut out, name, "counter", "requests not traced because the collector can't keep up");
            line(&mut out, format_args!("{name} {}", traces.dropped()));
        }
        render_all(&mut out, table);
        cascade::render(&mut out, table);
        if let Some(tei) = &self.tei {
            tei.render(&mut out, table);
        }
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
