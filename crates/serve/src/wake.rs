//! What the thread that follows the store is asked for: loading a model because a request came for it, and the like.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use loquat_infer::Pipeline;
use tokio::runtime::{Handle, RuntimeFlavor};

/// Longest that a request waits for its model.
const LONGEST: Duration = Duration::from_secs(60);

/// What a loaded version is, or why it can't be had.
type Loaded = Result<Arc<Pipeline>, String>;

/// What the thread that follows the store is told.
pub(crate) enum Message {
    /// To end.
    Stop,
    /// To look at the resources now.
    Look,
    /// To load the model of an endpoint that is asleep and to answer with it.
    Wake(String, SyncSender<Loaded>),
    /// The same, where it was unloaded on request too.
    Load(String, SyncSender<Loaded>),
    /// To unload the model of an endpoint until it is to be loaded again.
    Unload(String, SyncSender<Result<(), String>>),
}

/// Asks the thread that follows the store.
#[derive(Clone)]
pub(crate) struct Waker(Sender<Message>);

impl Waker {
    /// One that asks whoever reads the receiver.
    pub(crate) fn new() -> (Self, Receiver<Message>) {
        let (messages, received) = channel();
        (Self(messages), received)
    }

    /// Ends the thread; one that has ended already needs no telling.
    pub(crate) fn stop(&self) {
        let _ = self.0.send(Message::Stop);
    }

    /// Has the resources looked at now. A thread that has ended looks at nothing any more.
    pub(crate) fn look(&self) {
        let _ = self.0.send(Message::Look);
    }

    /// The version that answers `endpoint`, loaded now. Blocks the caller; other tasks move to other threads.
    pub(crate) fn wake(&self, endpoint: &str) -> Loaded {
        self.ask(|reply| Message::Wake(endpoint.to_owned(), reply))
    }

    /// The same, of an endpoint that may have been unloaded on request.
    pub(crate) fn load(&self, endpoint: &str) -> Loaded {
        self.ask(|reply| Message::Load(endpoint.to_owned(), reply))
    }

    /// Unloads the model of `endpoint` until [`Waker::load`].
    pub(crate) fn unload(&self, endpoint: &str) -> Result<(), String> {
        self.ask(|reply| Message::Unload(endpoint.to_owned(), reply))
    }

    fn ask<T>(&self, message: impl FnOnce(SyncSender<Result<T, String>>) -> Message) -> Result<T, String> {
        let (reply, answer) = sync_channel(1);
        self.0.send(message(reply)).map_err(|_| "the server is ending".to_owned())?;
        let wait =
            || answer.recv_timeout(LONGEST).unwrap_or_else(|_| Err("loading it takes too long".to_owned()));
        match Handle::try_current().map(|handle| handle.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(wait),
            _ => wait(),
        }
    }
}
