//! Carries the object stores' requests through the HTTP client that the hub uses too.
//!
//! Requests block: each client runs on a thread that waits for nothing else.

use std::io::Read;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
    HttpResponseBody, HttpService,
};
use ureq::http::{Method, Request};
use ureq::{Agent, BodyReader};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest wait for the first byte of an answer.
const ANSWER: Duration = Duration::from_secs(60);
/// Bytes read at once.
const PIECE: usize = 1 << 18;

/// Makes clients.
#[derive(Debug)]
pub(crate) struct Transport;

impl HttpConnector for Transport {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let config = Agent::config_builder()
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .user_agent(concat!("loquat/", env!("CARGO_PKG_VERSION")));
        Ok(HttpClient::new(Wire(config.build().new_agent())))
    }
}

#[derive(Debug)]
struct Wire(Agent);

#[async_trait::async_trait]
impl HttpService for Wire {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (mut parts, body) = request.into_parts();
        let body = collected(body)?;
        // The length is the client's to write; twice is refused by some servers.
        parts.headers.remove("content-length");
        let bare = body.is_empty() && matches!(parts.method, Method::GET | Method::HEAD | Method::DELETE);
        let sent = match bare {
            true => self.0.run(Request::from_parts(parts, ())),
            false => self.0.run(Request::from_parts(parts, body.as_slice())),
        };
        let (parts, body) = sent.map_err(failure)?.into_parts();
        let body = HttpResponseBody::new(Answer(Mutex::new(body.into_reader())));
        Ok(HttpResponse::from_parts(parts, body))
    }
}

/// The bytes of a request, all of which are at hand.
fn collected(mut body: HttpRequestBody) -> Result<Vec<u8>, HttpError> {
    let mut bytes = Vec::with_capacity(body.content_length());
    let mut context = Context::from_waker(std::task::Waker::noop());
    while let Poll::Ready(Some(frame)) = Pin::new(&mut body).poll_frame(&mut context) {
        if let Ok(data) = frame?.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes)
}

/// The body of an answer, read as it is asked for.
struct Answer(Mutex<BodyReader<'static>>);

impl Body for Answer {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let mut buffer = vec![0; PIECE];
        let read = self.0.lock().unwrap_or_else(PoisonError::into_inner).read(&mut buffer);
        Poll::Ready(match read {
            Ok(0) => None,
            Ok(length) => {
                buffer.truncate(length);
                Some(Ok(Frame::data(buffer.into())))
            }
            Err(error) => Some(Err(HttpError::new(HttpErrorKind::Interrupted, error))),
        })
    }
}

fn failure(error: ureq::Error) -> HttpError {
    let kind = match &error {
        ureq::Error::Timeout(_) => HttpErrorKind::Timeout,
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => HttpErrorKind::Connect,
        ureq::Error::Io(cause) if cause.kind() == std::io::ErrorKind::ConnectionRefused => {
            HttpErrorKind::Connect
        }
        ureq::Error::Io(_) => HttpErrorKind::Interrupted,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error)
}
