//! A request that can't be answered, and why. In which words that goes out is the protocol's [`Form`].

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use loquat_spec::ErrorCode;

use crate::form::Form;

/// The kind of a problem whose cause is that no loaded model has the task.
pub(crate) const NO_MODEL: &str = "no-model";
/// The kind of a problem whose cause is an empty list.
pub(crate) const EMPTY: &str = "empty";

/// A request that can't be answered, and why.
#[derive(Debug, Clone)]
pub(crate) struct Problem(Box<Parts>);

/// What a form renders.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    /// Status on Loquat's own routes.
    pub(crate) status: StatusCode,
    /// One word for the kind, in kebab case.
    pub(crate) kind: &'static str,
    /// A sentence for the kind.
    pub(crate) title: &'static str,
    /// What is wrong this time.
    pub(crate) detail: String,
    /// Where in the request.
    pub(crate) field: Option<String>,
    /// What to do about it.
    pub(crate) remedy: Option<String>,
    /// When the same request may succeed.
    retry: Option<Duration>,
}

impl Problem {
    /// A problem of one of the shared kinds.
    pub(crate) fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut problem = Self::with_status(status, (code.as_str(), title(code)), detail);
        if matches!(code, ErrorCode::Overloaded | ErrorCode::Unavailable) {
            problem.0.retry = Some(Duration::ZERO);
        }
        problem
    }

    /// A body that can't be read at all: not the bytes announced, not UTF-8 or not JSON.
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::with_status(StatusCode::BAD_REQUEST, ("malformed", "the body is malformed"), detail)
    }

    /// A body in a media type or encoding that this server doesn't read.
    pub(crate) fn unsupported_media(detail: impl Into<String>) -> Self {
        let kind = ("unsupported-media-type", "the body's type is not supported");
        Self::with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, kind, detail)
    }

    /// A body that didn't arrive in time.
    pub(crate) fn slow_body(detail: impl Into<String>) -> Self {
        let kind = ("request-timeout", "the body did not arrive in time");
        Self::with_status(StatusCode::REQUEST_TIMEOUT, kind, detail)
    }

    /// A method that the path doesn't answer.
    pub(crate) fn method(detail: impl Into<String>) -> Self {
        let kind = ("method-not-allowed", "the path does not answer this method");
        Self::with_status(StatusCode::METHOD_NOT_ALLOWED, kind, detail)
    }

    /// A request without a key that is known.
    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::with_status(StatusCode::UNAUTHORIZED, ("unauthorized", "the request needs a key"), detail)
    }

    /// A request whose key does not allow it.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::with_status(StatusCode::FORBIDDEN, ("forbidden", "the key does not allow the request"), detail)
    }

    /// A route whose task no loaded model has.
    pub(crate) fn no_model(detail: impl Into<String>) -> Self {
        Self::with_status(StatusCode::NOT_FOUND, (NO_MODEL, "no loaded model has the task"), detail)
    }

    /// A list that must hold something and does not.
    pub(crate) fn empty(detail: impl Into<String>) -> Self {
        Self::with_status(StatusCode::UNPROCESSABLE_ENTITY, (EMPTY, "the request holds no input"), detail)
    }

    fn with_status(
        status: StatusCode,
        (kind, title): (&'static str, &'static str),
        detail: impl Into<String>,
    ) -> Self {
        let detail = detail.into();
        Self(Box::new(Parts { status, kind, title, detail, field: None, remedy: None, retry: None }))
    }

    /// The same problem, placed at `field`.
    pub(crate) fn field(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(field.into());
        self
    }

    /// The same problem with what to do about it.
    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.0.remedy = Some(remedy.into());
        self
    }

    /// The same problem with the time after which the same request may succeed.
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry = Some(wait);
        self
    }

    /// What a form renders.
    pub(crate) fn parts(&self) -> &Parts {
        &self.0
    }

    /// The response in `form`.
    pub(crate) fn response(self, form: Form, request_id: &str) -> Response<Body> {
        if form == Form::Grpc {
            return crate::protocols::grpc::refuse(&self.0);
        }
        let mut response = Response::new(Body::from(form.body(&self.0, request_id)));
        *response.status_mut() = form.status(&self.0);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(form.media()));
        if let Some(wait) = self.0.retry {
            // The header counts whole seconds; sooner than in one nobody should come back.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if self.0.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A problem as the answer of a handler: [`Edge`](crate::exchange::Edge) puts it in the form of the route.
impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.0.status;
        response.extensions_mut().insert(self);
        response
    }
}

impl Parts {
    /// Place, detail and remedy in one line, for forms that have but one member for all of it.
    pub(crate) fn sentence(&self) -> String {
        let mut sentence = String::new();
        if let Some(field) = self.field.as_deref().filter(|field| !self.detail.starts_with(field)) {
            sentence.push_str(field);
            sentence.push_str(": ");
        }
        sentence.push_str(&self.detail);
        if let Some(remedy) = &self.remedy {
            sentence.push_str("; ");
            sentence.push_str(remedy);
        }
        sentence
    }
}

fn title(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Invalid => "the request is not valid",
        ErrorCode::Unsupported => "the request asks for what is not supported",
        ErrorCode::NotFound => "no such thing",
        ErrorCode::Conflict => "the state forbids the request",
        ErrorCode::TooLarge => "the request exceeds a limit",
        ErrorCode::Overloaded => "too many requests are waiting",
        ErrorCode::DeadlineExceeded => "the request took longer than allowed",
        ErrorCode::Unavailable => "the endpoint can't answer now",
        ErrorCode::Cancelled => "the request was cancelled",
        ErrorCode::Failed => "the prediction failed",
        ErrorCode::Internal => "a fault in the server",
    }
}
