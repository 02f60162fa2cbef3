//! Cross-origin requests of browsers: which pages may ask, and the answers to their preflights.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};

/// How long a browser may remember a preflight, in seconds.
const REMEMBERED: HeaderValue = HeaderValue::from_static("600");

/// The origins whose pages may ask.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cors {
    origins: Vec<HeaderValue>,
}

impl Cors {
    /// Allows `origins`, such as `https://example.org`; `*` allows all. One that no header can hold allows nothing.
    pub(crate) fn new(origins: &[String]) -> Self {
        Self { origins: origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect() }
    }

    /// The origin of a request, where its pages may ask.
    pub(crate) fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        let allowed = self.origins.iter().any(|allowed| allowed == origin || allowed == "*");
        allowed.then(|| origin.clone())
    }

    /// The answer to a preflight.
    pub(crate) fn preflight<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let asked = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if request.method() != Method::OPTIONS || !asked {
            return None;
        }
        self.allowed(request.headers())?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers
            .insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PUT, DELETE"));
        let wanted = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            wanted.unwrap_or_else(|| HeaderValue::from_static("authorization, content-type")),
        );
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, REMEMBERED);
        Some(response)
    }
}

/// Marks a response as meant for pages of `origin`.
pub(crate) fn mark(response: &mut Response<Body>, origin: HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers
        .insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("x-request-id, retry-after"));
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}
