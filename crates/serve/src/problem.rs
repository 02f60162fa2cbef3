//! What goes back when a request can't be answered: RFC 9457 problems on Loquat's own routes, `{"error"}` on those of
//! the Open Inference Protocol.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use loquat_spec::ErrorCode;
use serde::Serialize;

/// Prefix of the `type` member of every problem.
pub(crate) const TYPE_PREFIX: &str = "urn:loquat:problem:";

/// A request that can't be answered, and why.
#[derive(Debug, Clone)]
pub(crate) struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
    field: Option<String>,
    remedy: Option<String>,
    /// Whether the same request may succeed in a second.
    retry: bool,
}

/// In which protocol's form a problem goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// RFC 9457.
    Problem,
    /// `{"error": "…"}` of the Open Inference Protocol.
    OpenInference,
}

impl Form {
    /// The form of the routes under `path`.
    pub(crate) fn of(path: &str) -> Self {
        match path.strip_prefix("/v2") {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => Self::OpenInference,
            _ => Self::Problem,
        }
    }
}

impl Problem {
    /// A problem of one of the shared kinds.
    pub(crate) fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut problem = Self::with_status(status, (code.as_str(), title(code)), detail);
        problem.0.retry = matches!(code, ErrorCode::Overloaded | ErrorCode::Unavailable);
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

    fn with_status(
        status: StatusCode,
        (kind, title): (&'static str, &'static str),
        detail: impl Into<String>,
    ) -> Self {
        let detail = detail.into();
        Self(Box::new(Parts { status, kind, title, detail, field: None, remedy: None, retry: false }))
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

    /// The response in `form`.
    pub(crate) fn response(self, form: Form, request_id: &str) -> Response<Body> {
        let (body, media, status) = match form {
            Form::Problem => (self.problem_body(request_id), "application/problem+json", self.0.status),
            Form::OpenInference => {
                (self.open_inference_body(), "application/json", self.open_inference_status())
            }
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        if self.0.retry {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }

    fn problem_body(&self, request_id: &str) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            r#type: String,
            title: &'a str,
            status: u16,
            detail: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            field: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            remedy: Option<&'a str>,
            request_id: &'a str,
        }
        let body = Body {
            r#type: format!("{TYPE_PREFIX}{}", self.0.kind),
            title: self.0.title,
            status: self.0.status.as_u16(),
            detail: &self.0.detail,
            field: self.0.field.as_deref(),
            remedy: self.0.remedy.as_deref(),
            request_id,
        };
        serde_json::to_vec(&body).unwrap_or_default()
    }

    /// The protocol's clients expect 400 for every request that breaks a rule.
    fn open_inference_status(&self) -> StatusCode {
        match self.0.status {
            StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
            status => status,
        }
    }

    fn open_inference_body(&self) -> Vec<u8> {
        let mut error = String::new();
        if let Some(field) = self.0.field.as_deref().filter(|field| !self.0.detail.starts_with(field)) {
            error.push_str(field);
            error.push_str(": ");
        }
        error.push_str(&self.0.detail);
        if let Some(remedy) = &self.0.remedy {
            error.push_str("; ");
            error.push_str(remedy);
        }
        serde_json::to_vec(&serde_json::json!({ "error": error })).unwrap_or_default()
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
