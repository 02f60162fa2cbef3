//! Loading a model because a request came for it: a question to the thread that follows the store.

use std::sync::Arc;
use std::sync::mpsc::{Sender, SyncSender, sync_channel};
use std::time::Duration;

use loquat_infer::Pipeline;
use tokio::runtime::{Handle, RuntimeFlavor};

/// Longest that a request waits for its model.
const LONGEST: Duration = Duration::from_secs(60);

/// What the thread that follows the store is told.
pub(crate) enum Message {
    /// To end.
    Stop,
    /// To load the model of an endpoint and to answer with it, or why it can't be had.
    Wake(String, SyncSender<Result<Arc<Pipeline>, String>>),
}

/// Asks for the model of an endpoint that is asleep.
#[derive(Clone)]
pub(crate) struct Waker(Sender<Message>);

impl Waker {
    /// Asks the thread at the other end of `messages`.
    pub(crate) fn new(messages: Sender<Message>) -> Self {
        Self(messages)
    }

    /// The version that answers `endpoint`, loaded now. Blocks the caller; other tasks move to other threads.
    pub(crate) fn wake(&self, endpoint: &str) -> Result<Arc<Pipeline>, String> {
        let (reply, answer) = sync_channel(1);
        let gone = || "the server is ending".to_owned();
        self.0.send(Message::Wake(endpoint.to_owned(), reply)).map_err(|_| gone())?;
        let wait =
            || answer.recv_timeout(LONGEST).unwrap_or_else(|_| Err("loading it takes too long".to_owned()));
        match Handle::try_current().map(|handle| handle.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(wait),
            _ => wait(),
        }
    }
}
