//! Calls with streams: many messages in, answers out in the order of the messages, several computed at a time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};

use axum::body::Body;
use axum::http::{Request, Response};
use futures_core::Stream;
use prost::Message;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tonic::server::{ClientStreamingService, Grpc, StreamingService};
use tonic::{Status, Streaming};

use crate::host::App;
use crate::problem::Problem;
use crate::protocols::grpc::call::{Context, status};
use crate::protocols::grpc::codec::Messages;

/// Most messages of one stream that are computed at a time; no more are read meanwhile.
const AT_A_TIME: usize = 32;

/// The answer to one message, under way.
type Underway<A> = JoinHandle<Result<A, Status>>;
/// The outcome of a call.
type Reply<T> = Pin<Box<dyn Future<Output = Result<tonic::Response<T>, Status>> + Send>>;

/// The method of a call with streams both ways.
struct BothWays<W> {
    context: Context,
    work: W,
}

/// The method of a call with a stream in and one message out.
struct OneAnswer<W> {
    context: Context,
    work: W,
}

/// Answers in the order of their messages. Dropping it gives up the rest.
struct Answers<A> {
    underway: mpsc::Receiver<Underway<A>>,
    next: Option<Underway<A>>,
}

impl<A: 'static> Stream for Answers<A> {
    type Item = Result<A, Status>;

    fn poll_next(self: Pin<&mut Self>, waker: &mut std::task::Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.next.is_none() {
            this.next = ready!(this.underway.poll_recv(waker));
        }
        let Some(next) = &mut this.next else { return Poll::Ready(None) };
        let done = ready!(Pin::new(next).poll(waker));
        this.next = None;
        Poll::Ready(Some(done.unwrap_or_else(|_| Err(Status::internal("answering a message failed")))))
    }
}

impl<A> Drop for Answers<A> {
    fn drop(&mut self) {
        self.underway.close();
        while let Ok(underway) = self.underway.try_recv() {
            underway.abort();
        }
        if let Some(next) = &self.next {
            next.abort();
        }
    }
}

impl<Q, A, W, F> StreamingService<Q> for BothWays<W>
where
    Q: Send + 'static,
    A: Send + 'static,
    W: Fn(Context, Q) -> F + Copy + Send + 'static,
    F: Future<Output = Result<A, Problem>> + Send + 'static,
{
    type Response = A;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<A, Status>> + Send>>;
    type Future = Reply<Self::ResponseStream>;

    fn call(&mut self, request: tonic::Request<Streaming<Q>>) -> Self::Future {
        let (send, underway) = mpsc::channel(AT_A_TIME);
        tokio::spawn(read_task(request.into_inner(), self.context.clone(), self.work, send));
        let answers: Self::ResponseStream = Box::pin(Answers { underway, next: None });
        Box::pin(async move { Ok(tonic::Response::new(answers)) })
    }
}

/// Reads messages and starts their answers, until the stream ends or nobody waits for answers.
async fn read_task<Q, A, W, F>(
    mut messages: Streaming<Q>,
    context: Context,
    work: W,
    underway: mpsc::Sender<Underway<A>>,
) where
    A: Send + 'static,
    W: Fn(Context, Q) -> F,
    F: Future<Output = Result<A, Problem>> + Send + 'static,
{
    loop {
        // A place first, so that no more are under way than may be.
        let Ok(place) = underway.reserve().await else { return };
        match messages.message().await {
            Ok(Some(message)) => {
                let answer = work(context.part(), message);
                place.send(tokio::spawn(
                    async move { answer.await.map_err(|problem| status(problem.parts())) },
                ));
            }
            Ok(None) => return,
            Err(broken) => {
                place.send(tokio::spawn(async move { Err(broken) }));
                return;
            }
        }
    }
}

impl<Q, A, W, F> ClientStreamingService<Q> for OneAnswer<W>
where
    Q: Send + 'static,
    A: Send + 'static,
    W: Fn(Context, Streaming<Q>) -> F + Copy + Send + 'static,
    F: Future<Output = Result<A, Problem>> + Send + 'static,
{
    type Response = A;
    type Future = Reply<A>;

    fn call(&mut self, request: tonic::Request<Streaming<Q>>) -> Self::Future {
        let answer = (self.work)(self.context.clone(), request.into_inner());
        Box::pin(
            async move { answer.await.map(tonic::Response::new).map_err(|problem| status(problem.parts())) },
        )
    }
}

/// Answers a call with streams both ways, each message with `work`.
pub(crate) async fn both_ways<Q, A, W, F>(app: Arc<App>, request: Request<Body>, work: W) -> Response<Body>
where
    Q: Message + Default + 'static,
    A: Message + 'static,
    W: Fn(Context, Q) -> F + Copy + Send + 'static,
    F: Future<Output = Result<A, Problem>> + Send + 'static,
{
    let mut grpc = Grpc::new(Messages::<A, Q>::default()).max_decoding_message_size(app.max_body);
    let context = Context::of(app, &request);
    grpc.streaming(BothWays { context, work }, request).await.map(Body::new)
}

/// Answers a call whose messages are answered together, with `work`.
pub(crate) async fn one_answer<Q, A, W, F>(app: Arc<App>, request: Request<Body>, work: W) -> Response<Body>
where
    Q: Message + Default + 'static,
    A: Message + 'static,
    W: Fn(Context, Streaming<Q>) -> F + Copy + Send + 'static,
    F: Future<Output = Result<A, Problem>> + Send + 'static,
{
    let mut grpc = Grpc::new(Messages::<A, Q>::default()).max_decoding_message_size(app.max_body);
    let context = Context::of(app, &request);
    grpc.client_streaming(OneAnswer { context, work }, request).await.map(Body::new)
}
