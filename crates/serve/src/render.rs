//! Responses with a JSON body.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderValue, Response, StatusCode, header};
use loquat_spec::ErrorCode;
use serde::Serialize;

use crate::problem::Problem;

/// The value of a path's parameters, or why it has none.
pub(crate) type Captured<T> = Result<axum::extract::Path<T>, PathRejection>;

/// The parameters of a path.
pub(crate) fn captured<T>(path: Captured<T>) -> Result<T, Problem> {
    match path {
        Ok(axum::extract::Path(value)) => Ok(value),
        Err(error) => {
            Err(Problem::new(ErrorCode::NotFound, format!("the path can't be read: {}", error.body_text()))
                .field("path")
                .remedy("percent-encode it as UTF-8"))
        }
    }
}

/// `{"predictions": [...]}`, which several protocols share.
#[derive(Serialize)]
pub(crate) struct Predictions<T: Serialize> {
    /// One an input, in order.
    pub(crate) predictions: Vec<T>,
}

/// A response with `value` as JSON; `capacity` is a guess of its length.
pub(crate) fn json<T: Serialize>(status: StatusCode, value: &T, capacity: usize) -> Response<Body> {
    let mut bytes = Vec::with_capacity(capacity);
    match serde_json::to_writer(&mut bytes, value) {
        Ok(()) => bytes_response(status, bytes, "application/json"),
        Err(error) => {
            tracing::error!(%error, "response not serialised");
            Problem::new(ErrorCode::Internal, "the response can't be written as JSON")
                .response(crate::form::Form::Problem, "")
        }
    }
}

/// A response with `bytes` of media type `media`.
pub(crate) fn bytes_response(status: StatusCode, bytes: Vec<u8>, media: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}
