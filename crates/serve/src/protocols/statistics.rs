//! Triton's statistics and model configuration extensions.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::host::{App, Host};
use crate::metrics::Histogram;
use crate::problem::Problem;
use crate::protocols::open_inference::{ModelPath, PLATFORM, outputs, place};
use crate::protocols::tensor_input;
use crate::render::{Captured, captured, json};

/// What Triton's statistics say of one endpoint; times in nanoseconds.
pub(crate) struct Statistics {
    /// The endpoint.
    pub(crate) name: String,
    /// The version that answers now; empty while none does.
    pub(crate) version: String,
    /// Texts predicted.
    pub(crate) inferences: u64,
    /// Requests predicted.
    pub(crate) executions: u64,
    /// Time of the predictions.
    pub(crate) infer: Timed,
    /// Time that requests waited.
    pub(crate) queue: Timed,
    /// Requests that were refused, late or failed.
    pub(crate) fail: Timed,
}

/// How often, and how long in all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timed {
    /// How often.
    pub(crate) count: u64,
    /// Nanoseconds.
    pub(crate) ns: u64,
}

impl Timed {
    fn of(histogram: &Histogram) -> Self {
        Self { count: histogram.count(), ns: histogram.sum() }
    }

    fn json(self) -> Value {
        json!({ "count": self.count, "ns": self.ns })
    }
}

impl Statistics {
    /// What has been measured of `host`.
    pub(crate) fn of(host: &Host) -> Self {
        let metrics = &host.metrics;
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let failures = count(&metrics.refused) + count(&metrics.late) + count(&metrics.failed);
        Self {
            name: host.name.clone(),
            version: host
                .pipeline
                .as_ref()
                .map(|pipeline| pipeline.version().to_string())
                .unwrap_or_default(),
            inferences: metrics.inputs.sum(),
            executions: metrics.predict.count(),
            infer: Timed::of(&metrics.predict),
            queue: Timed::of(&metrics.queue),
            fail: Timed { count: failures, ns: 0 },
        }
    }

    /// Waiting and predicting together.
    pub(crate) fn success(&self) -> Timed {
        Timed { count: self.executions, ns: self.infer.ns + self.queue.ns }
    }

    fn json(&self) -> Value {
        let none = json!({ "count": 0, "ns": 0 });
        json!({
            "name": self.name,
            "version": self.version,
            "last_inference": 0,
            "inference_count": self.inferences,
            "execution_count": self.executions,
            "inference_stats": {
                "success": self.success().json(),
                "fail": self.fail.json(),
                "queue": self.queue.json(),
                "compute_input": none,
                "compute_infer": self.infer.json(),
                "compute_output": none,
                "cache_hit": none,
                "cache_miss": none
            },
            "batch_stats": []
        })
    }
}

/// Answers `GET /v2/models/stats`.
pub(crate) async fn all(State(app): State<Arc<App>>) -> Response<Body> {
    let statistics: Vec<Value> = app.table().hosts.values().map(|host| Statistics::of(host).json()).collect();
    json(StatusCode::OK, &json!({ "model_stats": statistics }), 512)
}

/// Answers `GET /v2/models/{model}[/versions/{version}]/stats`.
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    path: Captured<ModelPath>,
) -> Result<Response<Body>, Problem> {
    let (host, version) = place(&app, captured(path)?)?;
    app.version(&host, version).await?;
    Ok(json(StatusCode::OK, &json!({ "model_stats": [Statistics::of(&host).json()] }), 512))
}

/// Answers `GET /v2/models/{model}[/versions/{version}]/config`.
pub(crate) async fn config(
    State(app): State<Arc<App>>,
    path: Captured<ModelPath>,
) -> Result<Response<Body>, Problem> {
    let (host, version) = place(&app, captured(path)?)?;
    let pipeline = app.version(&host, version).await?;
    let outputs: Vec<Value> = outputs(&pipeline)
        .iter()
        .map(|output| {
            let datatype = if output.datatype == "BYTES" { "TYPE_STRING" } else { "TYPE_FP32" };
            json!({ "name": output.name, "data_type": datatype, "dims": output.shape })
        })
        .collect();
    let body = json!({
        "name": host.name,
        "platform": PLATFORM,
        "backend": "loquat",
        "max_batch_size": 0,
        "input": [{ "name": tensor_input::INPUT, "data_type": "TYPE_STRING", "dims": [-1] }],
        "output": outputs
    });
    Ok(json(StatusCode::OK, &body, 512))
}
