//! The thread: what it is told, and when it looks on its own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::watcher::Watcher;
use crate::host::App;
use crate::wake::{Message, Waker};

/// Pause between two looks at the store.
const LOOK: Duration = Duration::from_millis(250);

/// A thread that follows the store until this is dropped.
pub(crate) struct Follower {
    waker: Waker,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.waker.stop();
    }
}

/// Starts following the store and the resources of `app`; the receiver resolves after the first look.
pub(crate) fn follow(
    app: Arc<App>,
    messages: Receiver<Message>,
    (threads, memory): (usize, Option<u64>),
) -> std::io::Result<(Follower, oneshot::Receiver<()>)> {
    let (first, looked) = oneshot::channel();
    let follower = Follower { waker: app.waker.clone() };
    let watcher = Watcher::new(app, threads.max(1), memory.unwrap_or(u64::MAX));
    std::thread::Builder::new()
        .name("loquat-follow".to_owned())
        .spawn(move || run(watcher, first, &messages))?;
    Ok((follower, looked))
}

fn run(mut watcher: Watcher, first: oneshot::Sender<()>, messages: &Receiver<Message>) {
    watcher.look();
    // A server that ended meanwhile no longer listens.
    let _ = first.send(());
    let mut next = Instant::now() + LOOK;
    loop {
        // Who asked may have given up, so that a reply may reach nobody.
        match messages.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(Message::Wake(name, reply)) => drop(reply.send(watcher.wake(&name))),
            Ok(Message::Load(name, reply)) => drop(reply.send(watcher.load_again(&name))),
            Ok(Message::Unload(name, reply)) => drop(reply.send(watcher.unload(&name))),
            Ok(Message::Look) => watcher.look(),
            Err(RecvTimeoutError::Timeout) => {
                watcher.rest();
                watcher.look();
                watcher.listen();
                next = Instant::now() + LOOK;
            }
            Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
