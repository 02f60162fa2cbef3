//! What SIGINT and SIGTERM mean at each stage of a command.
//!
//! While training the first signal asks for the best model so far and the second ends at once; while serving the
//! first drains and the second ends at once; otherwise a signal ends the process. Nothing is ever half registered:
//! the registry's writes are atomic.

use std::sync::{Arc, Mutex, PoisonError};

#[cfg(feature = "serve")]
use loquat_infer::ModelServers;
use loquat_spec::ErrorCode;
#[cfg(feature = "train")]
use loquat_train::Cancel;
use tokio::signal::unix::{SignalKind, signal};
#[cfg(feature = "serve")]
use tokio::sync::Notify;

use crate::failure::Failure;
use crate::output;

/// How long a run that was told to end at once may take to do so.
#[cfg(feature = "train")]
const GRACE: std::time::Duration = std::time::Duration::from_secs(2);

/// What a signal does now.
#[derive(Debug, Clone)]
enum Stage {
    /// It ends the process.
    Idle,
    #[cfg(feature = "train")]
    Training(Arc<Cancel>),
    #[cfg(feature = "serve")]
    Serving(Arc<Notify>, ModelServers),
    /// It was asked before; a signal ends the process, and the servers of models that it started.
    #[cfg(feature = "serve")]
    Draining(ModelServers),
}

/// Watches for signals until the process ends.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt {
    stage: Arc<Mutex<Stage>>,
}

impl Interrupt {
    /// Starts to watch. To be called once.
    pub(crate) fn watch() -> Result<Self, Failure> {
        let stage = Arc::new(Mutex::new(Stage::Idle));
        let seen = Arc::clone(&stage);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| unwatched(&error))?;
        let (interrupts, terminations) = {
            let _entered = runtime.enter();
            let interrupts = signal(SignalKind::interrupt()).map_err(|error| unwatched(&error))?;
            (interrupts, signal(SignalKind::terminate()).map_err(|error| unwatched(&error))?)
        };
        let watching = move || runtime.block_on(watch_task(interrupts, terminations, seen));
        let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(watching);
        thread.map_err(|error| unwatched(&error))?;
        Ok(Self { stage })
    }

    /// One that no signal reaches, for work beside a server: it ends with the process.
    #[cfg(all(feature = "serve", feature = "train"))]
    pub(crate) fn detached() -> Self {
        Self { stage: Arc::new(Mutex::new(Stage::Idle)) }
    }

    /// From now on signals ask `cancel`; until [`Interrupt::idle`].
    #[cfg(feature = "train")]
    pub(crate) fn training(&self, cancel: Arc<Cancel>) {
        self.enter(Stage::Training(cancel));
    }

    /// From now on a signal notifies the value returned, and a second one ends the process with `servers`.
    #[cfg(feature = "serve")]
    pub(crate) fn serving(&self, servers: ModelServers) -> Arc<Notify> {
        let notify = Arc::new(Notify::new());
        self.enter(Stage::Serving(Arc::clone(&notify), servers));
        notify
    }

    /// From now on a signal ends the process.
    #[cfg(feature = "train")]
    pub(crate) fn idle(&self) {
        self.enter(Stage::Idle);
    }

    fn enter(&self, stage: Stage) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }
}

async fn watch_task(
    mut interrupts: tokio::signal::unix::Signal,
    mut terminations: tokio::signal::unix::Signal,
    stage: Arc<Mutex<Stage>>,
) {
    loop {
        tokio::select! {
            Some(()) = interrupts.recv() => {}
            Some(()) = terminations.recv() => {}
            else => return,
        }
        let now = stage.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match now {
            Stage::Idle => end(),
            #[cfg(feature = "train")]
            Stage::Training(cancel) => {
                cancel.request();
                if cancel.level() > 1 {
                    output::say("interrupted: ending now, nothing is registered");
                    std::thread::sleep(GRACE);
                    end();
                }
                output::say(
                    "interrupted: refitting the best configuration so far; interrupt again to end at once",
                );
            }
            #[cfg(feature = "serve")]
            Stage::Serving(notify, servers) => {
                *stage.lock().unwrap_or_else(PoisonError::into_inner) = Stage::Draining(servers);
                output::say("draining: answering what was accepted; interrupt again to end at once");
                notify.notify_one();
            }
            #[cfg(feature = "serve")]
            Stage::Draining(servers) => {
                // Ending some starts none, which is all that can fail.
                let _ = servers.declare(Vec::new());
                end()
            }
        }
    }
}

fn end() -> ! {
    std::process::exit(i32::from(ErrorCode::Cancelled.exit_status()))
}

fn unwatched(error: &std::io::Error) -> Failure {
    Failure::new(ErrorCode::Unavailable, format!("cannot watch for signals: {error}"))
}
