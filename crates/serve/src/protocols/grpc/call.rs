//! One unary call: message in, message out, problems as statuses.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use prost::Message;
use tonic::server::{Grpc, UnaryService};
use tonic::{Code, Status};

use crate::exchange::Exchange;
use crate::host::App;
use crate::problem::{NO_MODEL, Parts, Problem};
use crate::protocols::grpc::codec::Messages;

/// What a method may know about the call that it answers.
#[derive(Clone)]
pub(crate) struct Context {
    /// What all routes share.
    pub(crate) app: Arc<App>,
    /// The request around the call.
    pub(crate) exchange: Exchange,
    /// The headers of the call.
    pub(crate) headers: HeaderMap,
    /// The time that header `grpc-timeout` allows.
    pub(crate) timeout: Option<Duration>,
}

impl Context {
    /// What is known about `request`.
    pub(crate) fn of(app: Arc<App>, request: &Request<Body>) -> Self {
        let exchange = Exchange::of(request);
        let headers = request.headers().clone();
        let timeout = timeout(&headers);
        Self { app, exchange, headers, timeout }
    }

    /// What is known about one message of a stream: its time counts from now.
    pub(crate) fn part(&self) -> Self {
        Self { exchange: self.exchange.part(), ..self.clone() }
    }
}

/// The method of a unary call, ready to be called once.
struct Unary<W> {
    context: Option<Context>,
    work: W,
}

impl<Q, A, W, F> UnaryService<Q> for Unary<W>
where
    W: Fn(Context, Q) -> F,
    F: Future<Output = Result<A, Problem>> + Send + 'static,
{
    type Response = A;
    type Future = Pin<Box<dyn Future<Output = Result<tonic::Response<A>, Status>> + Send>>;

    fn call(&mut self, request: tonic::Request<Q>) -> Self::Future {
        let Some(context) = self.context.take() else {
            return Box::pin(async { Err(Status::internal("a unary call came twice")) });
        };
        let answer = (self.work)(context, request.into_inner());
        Box::pin(async move {
            match answer.await {
                Ok(message) => Ok(tonic::Response::new(message)),
                Err(problem) => Err(status(problem.parts())),
            }
        })
    }
}

/// Answers a unary call with `work`.
pub(crate) async fn unary<Q, A, W, F>(app: Arc<App>, request: Request<Body>, work: W) -> Response<Body>
where
    Q: Message + Default + 'static,
    A: Message + 'static,
    W: Fn(Context, Q) -> F,
    F: Future<Output = Result<A, Problem>> + Send + 'static,
{
    let codec = Messages::<A, Q>::default();
    let mut grpc = Grpc::new(codec).max_decoding_message_size(app.max_body);
    let method = Unary { context: Some(Context::of(app, &request)), work };
    grpc.unary(method, request).await.map(Body::new)
}

/// The time that `grpc-timeout` allows: at most eight digits and a unit. A header that is neither is no limit.
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = (digits.len() <= 8).then(|| digits.parse().ok())??;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

/// A problem as the answer to a call whose method was never reached.
pub(crate) fn refuse(problem: &Parts) -> Response<Body> {
    status(problem).into_http()
}

/// A problem as a status.
pub(crate) fn status(problem: &Parts) -> Status {
    Status::new(code(problem), problem.sentence())
}

/// gRPC's word for a problem.
fn code(problem: &Parts) -> Code {
    match problem.status {
        _ if problem.kind == NO_MODEL => Code::FailedPrecondition,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::NOT_FOUND if problem.field.as_deref() == Some("path") => Code::Unimplemented,
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Code::Unimplemented,
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => Code::DeadlineExceeded,
        StatusCode::CONFLICT => Code::Aborted,
        StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        other if other.is_server_error() => Code::Internal,
        _ => Code::InvalidArgument,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_the_protocol_writes_them() {
        for (text, expected) in [
            ("3S", Some(Duration::from_secs(3))),
            ("20m", Some(Duration::from_millis(20))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("5u", Some(Duration::from_micros(5))),
            ("123456789n", None),
            ("S", None),
            ("", None),
            ("3x", None),
            ("-3S", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().expect("a header"));
            assert_eq!(timeout(&headers), expected, "{text:?}");
        }
    }
}
