//! In which words each protocol says that a request can't be answered.

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use crate::problem::{EMPTY, NO_MODEL, Parts};

/// Prefix of the `type` member of every problem.
pub(crate) const TYPE_PREFIX: &str = "urn:loquat:problem:";

/// Routes under `/` that answer in the form of text-embeddings-inference.
const TEI: [&str; 11] = [
    "/",
    "/predict",
    "/embed",
    "/embed_all",
    "/embed_sparse",
    "/rerank",
    "/similarity",
    "/tokenize",
    "/decode",
    "/info",
    "/vertex",
];
const MLFLOW: [&str; 3] = ["/invocations", "/ping", "/version"];
const LIBRE_TRANSLATE: [&str; 3] = ["/detect", "/languages", "/translate"];

/// In which protocol's form a problem goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// RFC 9457, on Loquat's own routes.
    Problem,
    /// `{"error": "…"}` of the Open Inference Protocol.
    OpenInference,
    /// `{"error", "error_type"}` of text-embeddings-inference.
    Tei,
    /// `{"error": {…}}` of OpenAI, with the members of text-embeddings-inference beside it.
    OpenAi,
    /// `{"error_code", "message"}` of MLflow.
    MlFlow,
    /// `{"error": "…"}` of LibreTranslate.
    LibreTranslate,
    /// A status in the headers of gRPC.
    Grpc,
}

impl Form {
    /// The form of the route `path`.
    pub(crate) fn of(path: &str) -> Self {
        let below = |prefix: &str| {
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match path {
            _ if path.starts_with("/inference.") || path.starts_with("/tei.") => Self::Grpc,
            _ if below("/v2") => Self::OpenInference,
            _ if below("/v1") || path == "/embeddings" => Self::OpenAi,
            _ if TEI.contains(&path) => Self::Tei,
            _ if MLFLOW.contains(&path) => Self::MlFlow,
            _ if LIBRE_TRANSLATE.contains(&path) => Self::LibreTranslate,
            _ => Self::Problem,
        }
    }

    /// Media type of the body.
    pub(crate) fn media(self) -> &'static str {
        if self == Self::Problem { "application/problem+json" } else { "application/json" }
    }

    /// The status that the protocol's clients expect.
    pub(crate) fn status(self, problem: &Parts) -> StatusCode {
        let broken_rule = problem.status == StatusCode::UNPROCESSABLE_ENTITY;
        match self {
            Self::Problem => problem.status,
            Self::Tei if problem.kind == NO_MODEL => StatusCode::FAILED_DEPENDENCY,
            Self::Tei if problem.kind == EMPTY => StatusCode::BAD_REQUEST,
            Self::Tei => problem.status,
            Self::LibreTranslate if problem.kind == NO_MODEL => StatusCode::BAD_REQUEST,
            _ if broken_rule => StatusCode::BAD_REQUEST,
            _ => problem.status,
        }
    }

    /// The body.
    pub(crate) fn body(self, problem: &Parts, request_id: &str) -> Vec<u8> {
        let body = match self {
            Self::Problem => return problem_details(problem, request_id),
            Self::OpenInference | Self::LibreTranslate | Self::Grpc => json!({ "error": problem.sentence() }),
            Self::Tei => json!({ "error": problem.sentence(), "error_type": error_type(problem) }),
            Self::OpenAi => open_ai(problem, self.status(problem)),
            Self::MlFlow => json!({ "error_code": error_code(problem), "message": problem.sentence() }),
        };
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

fn problem_details(problem: &Parts, request_id: &str) -> Vec<u8> {
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
        r#type: format!("{TYPE_PREFIX}{}", problem.kind),
        title: problem.title,
        status: problem.status.as_u16(),
        detail: &problem.detail,
        field: problem.field.as_deref(),
        remedy: problem.remedy.as_deref(),
        request_id,
    };
    serde_json::to_vec(&body).unwrap_or_default()
}

/// The word of text-embeddings-inference for a problem.
fn error_type(problem: &Parts) -> &'static str {
    match problem.status.as_u16() {
        _ if problem.kind == EMPTY => "Empty",
        429 => "Overloaded",
        503 => "Unhealthy",
        404 | 500..=599 => "Backend",
        _ => "Validation",
    }
}

/// OpenAI's clients read `error`, those of text-embeddings-inference the members beside it.
fn open_ai(problem: &Parts, status: StatusCode) -> Value {
    let message = problem.sentence();
    let kind = match status.as_u16() {
        429 => "rate_limit_error",
        500..=599 => "server_error",
        401 | 403 => "authentication_error",
        _ => "invalid_request_error",
    };
    let code = if status == StatusCode::NOT_FOUND { "model_not_found" } else { problem.kind };
    json!({
        "error": { "message": message, "type": kind, "param": problem.field, "code": code },
        "message": message,
        "type": error_type(problem),
        "code": status.as_u16()
    })
}

/// MLflow's word for a problem.
fn error_code(problem: &Parts) -> &'static str {
    match problem.status.as_u16() {
        404 => "RESOURCE_DOES_NOT_EXIST",
        429 => "RESOURCE_EXHAUSTED",
        503 => "TEMPORARILY_UNAVAILABLE",
        500..=599 => "INTERNAL_ERROR",
        _ => "BAD_REQUEST",
    }
}
