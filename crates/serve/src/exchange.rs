//! One request and its response: identity, route, measurement and access log, the same for every route.

use std::hash::{BuildHasher, RandomState};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use tower_service::Service;

use crate::cors;
use crate::form::Form;
use crate::host::App;
use crate::note::Note;
use crate::problem::Problem;
use crate::recent::{Answered, AnsweredBy};
use crate::route::Route;
use crate::traces::Parent;

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
    /// What is noted about it.
    pub(crate) note: Arc<Note>,
}

impl Exchange {
    /// A part of a long exchange that is measured on its own.
    pub(crate) fn part(&self) -> Self {
        let note = Arc::new(Note::new(self.note.caller().clone()));
        Self { id: self.id.clone(), start: Instant::now(), note }
    }

    /// The exchange of a request that came through [`Edge`]; a fresh one otherwise.
    pub(crate) fn of(request: &Request<Body>) -> Self {
        let known = request.extensions().get::<Self>().cloned();
        known.unwrap_or_else(|| {
            let note = Arc::new(Note::default());
            Self { id: RequestId::fresh(), start: Instant::now(), note }
        })
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
        let id = RequestId::of(&request);
        let asked = Asked::of(&request);
        let origin = self.app.cors.allowed(request.headers());
        let (mut response, note) = match self.app.cors.preflight(&request) {
            Some(preflight) => (preflight, Arc::default()),
            None => self.admit(request, &id, start).await,
        };
        let mut refused = None;
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            refused = Some(problem.parts().sentence());
            let allow = response.headers_mut().remove(header::ALLOW);
            response = problem.response(Form::of(asked.uri.path()), id.as_str());
            response.headers_mut().extend(allow.map(|allow| (header::ALLOW, allow)));
        }
        if let Some(origin) = origin {
            cors::mark(&mut response, origin);
        }
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, id.0.clone());
        // HTTP/2 has a frame of its own for this, which the connection sends.
        if self.app.is_draining() && asked.version < Version::HTTP_2 {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let elapsed = start.elapsed();
        self.app.metrics.observe(asked.route, response.status(), elapsed, &note);
        drop(flight);
        asked.log(&id, &note, response.status(), elapsed);
        if let Some(answered) = asked.answered(&id, &note, (response.status(), refused), elapsed) {
            let answered = Arc::new(answered);
            self.app.recent.remember(&answered);
            if let Some(traces) = &self.app.traces {
                traces.record(answered, asked.parent);
            }
        }
        response
    }

    /// Answers a request whose key allows it.
    async fn admit(
        &mut self,
        request: Request<Incoming>,
        id: &RequestId,
        start: Instant,
    ) -> (Response<Body>, Arc<Note>) {
        let caller = match self.app.doorman.admit(request.uri().path(), request.headers()).await {
            Ok(caller) => caller,
            Err(problem) => return (problem.into_response(), Arc::default()),
        };
        let note = Arc::new(Note::new(caller));
        let exchange = Exchange { id: id.clone(), start, note: Arc::clone(&note) };
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(exchange);
        match self.router.call(request).await {
            Ok(response) => (response, note),
            Err(never) => match never {},
        }
    }
}

/// What was asked, for what is done after the answer.
struct Asked {
    method: Method,
    uri: Uri,
    version: Version,
    route: Route,
    parent: Option<Parent>,
}

impl Asked {
    fn of<B>(request: &Request<B>) -> Self {
        let route = Route::of(request.method(), request.uri().path());
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            route,
            parent: Parent::of(request.headers()),
        }
    }

    /// What is remembered of a request that a model took or that was refused.
    fn answered(
        &self,
        id: &RequestId,
        note: &Note,
        (status, problem): (StatusCode, Option<String>),
        total: Duration,
    ) -> Option<Answered> {
        let by = AnsweredBy::of(note);
        (by.is_some() || problem.is_some()).then(|| Answered {
            id: id.as_str().to_owned(),
            at: SystemTime::now(),
            asked: (self.method.to_string(), self.uri.path().to_owned()),
            route: self.route.as_str(),
            status: status.as_u16(),
            problem,
            caller: note.caller().name(),
            total,
            by,
        })
    }

    /// The line of the access log.
    fn log(&self, id: &RequestId, note: &Note, status: StatusCode, elapsed: Duration) {
        if !tracing::enabled!(tracing::Level::INFO) {
            return;
        }
        let answering = note.answered_by();
        let times = note.times();
        tracing::info!(
            request_id = id.as_str(),
            method = %self.method,
            path = self.uri.path(),
            route = self.route.as_str(),
            status = status.as_u16(),
            caller = %note.caller().name(),
            endpoint = answering.map(|answering| answering.endpoint.as_str()),
            model = answering.map(|answering| answering.pipeline.model()),
            version = answering.map(|answering| answering.pipeline.version()),
            tokens = answering.map(|_| note.tokens()),
            total_us = microseconds(elapsed),
            tokenise_us = answering.map(|_| microseconds(times.tokenise)),
            queue_us = answering.map(|_| microseconds(times.queue)),
            inference_us = answering.map(|_| microseconds(times.inference)),
            "request answered"
        );
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Counts a request as in flight while it lives.
struct Flight(Arc<App>);

impl Flight {
    fn begin(app: &Arc<App>) -> Self {
        app.metrics.in_flight.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(app))
    }
}

impl Drop for Flight {
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
