//! One request and its response: identity, route, measurement and access log, the same for every route.

use std::hash::{BuildHasher, RandomState};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use tower_service::Service;

use crate::host::App;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST_REQUEST_ID: usize = 128;

/// Identifies a request in headers, bodies and logs.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// The caller's id where it is short and harmless in a log line, else a fresh one.
    fn of(request: &Request<Incoming>) -> Self {
        match request.headers().get(REQUEST_ID) {
            Some(value) if is_sane(value.as_bytes()) => Self(value.clone()),
            _ => Self::fresh(),
        }
    }

    fn fresh() -> Self {
        static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()));
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number =
            mix(SEED.wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let mut digits = [0_u8; 16];
        for (place, digit) in digits.iter_mut().enumerate() {
            *digit = b"0123456789abcdef"[(number >> (60 - 4 * place)) as usize & 15];
        }
        Self(HeaderValue::from_bytes(&digits).unwrap_or_else(|_| HeaderValue::from_static("unknown")))
    }

    /// The id as text.
    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or("unknown")
    }
}

fn is_sane(id: &[u8]) -> bool {
    (1..=LONGEST_REQUEST_ID).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(byte))
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection, so ids of one process never repeat.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What a handler may know about the request that it answers.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    /// Its id.
    pub(crate) id: RequestId,
    /// When its head had arrived.
    pub(crate) start: Instant,
}

impl Exchange {
    /// The exchange of a request that came through [`Edge`]; a fresh one otherwise.
    pub(crate) fn of(request: &Request<Body>) -> Self {
        let known = request.extensions().get::<Self>().cloned();
        known.unwrap_or_else(|| Self { id: RequestId::fresh(), start: Instant::now() })
    }
}

/// The kinds of route, as metrics and logs name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/models/{endpoint}/predict`
    Predict,
    /// `/models`
    Models,
    /// `/health`
    Health,
    /// `/health/live`
    Live,
    /// `/health/ready`
    Ready,
    /// `/metrics`
    Metrics,
    /// `/openapi.json`
    OpenApi,
    /// `/v2`
    V2Server,
    /// `/v2/health/live`
    V2Live,
    /// `/v2/health/ready`
    V2Ready,
    /// `/v2/models/{model}`, with or without a version
    V2Model,
    /// `/v2/models/{model}/ready`, with or without a version
    V2ModelReady,
    /// `/v2/models/{model}/infer`, with or without a version
    V2Infer,
    /// Everything else.
    Other,
}

impl Route {
    /// Every route, in the order of their discriminants.
    pub(crate) const ALL: [Self; 14] = [
        Self::Predict,
        Self::Models,
        Self::Health,
        Self::Live,
        Self::Ready,
        Self::Metrics,
        Self::OpenApi,
        Self::V2Server,
        Self::V2Live,
        Self::V2Ready,
        Self::V2Model,
        Self::V2ModelReady,
        Self::V2Infer,
        Self::Other,
    ];

    /// The route's name in metrics and logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Predict => "predict",
            Self::Models => "models",
            Self::Health => "health",
            Self::Live => "health-live",
            Self::Ready => "health-ready",
            Self::Metrics => "metrics",
            Self::OpenApi => "openapi",
            Self::V2Server => "v2-server",
            Self::V2Live => "v2-live",
            Self::V2Ready => "v2-ready",
            Self::V2Model => "v2-model",
            Self::V2ModelReady => "v2-model-ready",
            Self::V2Infer => "v2-infer",
            Self::Other => "other",
        }
    }

    /// The route that `path` belongs to.
    fn of(path: &str) -> Self {
        match path {
            "/models" => Self::Models,
            "/health" => Self::Health,
            "/health/live" => Self::Live,
            "/health/ready" => Self::Ready,
            "/metrics" => Self::Metrics,
            "/openapi.json" => Self::OpenApi,
            "/v2" => Self::V2Server,
            "/v2/health/live" => Self::V2Live,
            "/v2/health/ready" => Self::V2Ready,
            _ if path.starts_with("/models/") && path.ends_with("/predict") => Self::Predict,
            _ if path.starts_with("/v2/models/") && path.ends_with("/infer") => Self::V2Infer,
            _ if path.starts_with("/v2/models/") && path.ends_with("/ready") => Self::V2ModelReady,
            _ if path.starts_with("/v2/models/") => Self::V2Model,
            _ => Self::Other,
        }
    }
}

/// The service behind every connection: the router with identity, measurement and access log around it.
#[derive(Clone)]
pub(crate) struct Edge {
    /// The routes.
    pub(crate) router: Router,
    /// What they share.
    pub(crate) app: Arc<App>,
}

impl Edge {
    /// Answers one request. The count in flight also covers a client that hangs up midway.
    pub(crate) async fn answer(mut self, request: Request<Incoming>) -> Response<Body> {
        let start = Instant::now();
        let flight = Flight::begin(&self.app);
        let exchange = Exchange { id: RequestId::of(&request), start };
        let route = Route::of(request.uri().path());
        let log = tracing::enabled!(tracing::Level::DEBUG)
            .then(|| (request.method().clone(), request.uri().path().to_owned()));
        let id = exchange.id.clone();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(exchange);
        let mut response = match self.router.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        response.headers_mut().insert(REQUEST_ID, id.0.clone());
        if self.app.is_draining() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let elapsed = start.elapsed();
        self.app.metrics.observe(route, response.status(), elapsed);
        drop(flight);
        if let Some((method, path)) = log {
            tracing::debug!(
                request_id = id.as_str(),
                %method,
                path,
                route = route.as_str(),
                status = response.status().as_u16(),
                microseconds = elapsed.as_micros() as u64,
                "request answered"
            );
        }
        response
    }
}

/// Counts a request as in flight while it lives.
struct Flight<'a>(&'a App);

impl<'a> Flight<'a> {
    fn begin(app: &'a App) -> Self {
        app.metrics.in_flight.fetch_add(1, Ordering::AcqRel);
        Self(app)
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.0.metrics.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Runs `work`, turning a panic into `None`: a fault of one prediction must not cost the connection.
pub(crate) fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(AssertUnwindSafe(work)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_stands_at_its_discriminant() {
        for (place, route) in Route::ALL.into_iter().enumerate() {
            assert_eq!(route as usize, place, "{}", route.as_str());
        }
    }

    #[test]
    fn refuses_ids_that_could_forge_a_log_line() {
        for id in ["", "a b", "a\nb", "<script>", "\"", &"x".repeat(129)] {
            assert!(!is_sane(id.as_bytes()), "{id:?}");
        }
        assert!(is_sane(b"0af7651916cd43dd8448eb211c80319c-01"));
    }

    #[test]
    fn fresh_ids_differ() {
        let ids: std::collections::BTreeSet<String> =
            (0..1000).map(|_| RequestId::fresh().as_str().to_owned()).collect();
        assert_eq!(ids.len(), 1000);
    }
}
