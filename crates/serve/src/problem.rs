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
pub(crate) struct Problem {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
    field: Option<String>,
    remedy: Option<String>,
    retry_after: Option<HeaderValue>,
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
        let retry = matches!(code, ErrorCode::Overloaded | ErrorCode::Unavailable);
        Self {
            status,
            kind: code.as_str(),
            title: title(code),
            detail: detail.into(),
            field: None,
            remedy: None,
            retry_after: retry.then(|| HeaderValue::from_static("1")),
        }
    }

    /// A body that can't be read at all: not the bytes announced, not UTF-8 or not JSON.
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: "malformed", title: "the body is malformed", ..Self::blank(detail) }
    }

    /// A body in a media type or encoding that this server doesn't read.
    pub(crate) fn unsupported_media(detail: impl Into<String>) -> Self {
        Self {
            status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            kind: "unsupported-media-type",
            title: "the body's type is not supported",
            ..Self::blank(detail)
        }
    }

    /// A body that didn't arrive in time.
    pub(crate) fn slow_body(detail: impl Into<String>) -> Self {
        Self {
            status: StatusCode::REQUEST_TIMEOUT,
            kind: "request-timeout",
            title: "the body did not arrive in time",
            ..Self::blank(detail)
        }
    }

    /// A method that the path doesn't answer.
    pub(crate) fn method(detail: impl Into<String>) -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            kind: "method-not-allowed",
            title: "the path does not answer this method",
            ..Self::blank(detail)
        }
    }

    fn blank(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::Invalid, detail)
    }

    /// The same problem, placed at `field`.
    pub(crate) fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The same problem with what to do about it.
    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The response in `form`.
    pub(crate) fn response(self, form: Form, request_id: &str) -> Response<Body> {
        let (body, media, status) = match form {
            Form::Problem => (self.problem_body(request_id), "application/problem+json", self.status),
            Form::OpenInference => (self.open_inference_body(), "application/json", self.open_inference_status()),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
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
            r#type: format!("{TYPE_PREFIX}{}", self.kind),
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            field: self.field.as_deref(),
            remedy: self.remedy.as_deref(),
            request_id,
        };
        serde_json::to_vec(&body).unwrap_or_default()
    }

    /// The protocol's clients expect 400 for every request that breaks a rule.
    fn open_inference_status(&self) -> StatusCode {
        match self.status {
            StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
            status => status,
        }
    }

    fn open_inference_body(&self) -> Vec<u8> {
        let mut error = String::new();
        if let Some(field) = &self.field {
            error.push_str(field);
            error.push_str(": ");
        }
        error.push_str(&self.detail);
        if let Some(remedy) = &self.remedy {
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
