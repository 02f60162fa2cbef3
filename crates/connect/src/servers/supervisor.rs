//! The thread that keeps one server running: it starts it, looks whether it is ready, and starts it again when it ends, later
//! each time.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::client::{Client, Described};
use super::process::Process;
use super::registry::ServerConfig;
use super::tensor::Tensor;
use crate::servers::ServerError;

/// Pause between two looks at a server that is not ready, and at one that is.
const LOOK: Duration = Duration::from_millis(250);
const CALM_LOOK: Duration = Duration::from_secs(1);
/// Pause before a server that ended is started again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A server that ran for so long begins again with the first pause.
const STEADY: Duration = Duration::from_secs(60);
/// A server that was ready and has not been for so long is started again.
const HUNG: Duration = Duration::from_secs(30);

/// How a server fares.
#[derive(Debug, Clone)]
enum State {
    Up(Described),
    Down(String),
}

/// A server as those who ask it see it.
#[derive(Debug)]
pub(super) struct Supervised {
    pub(super) config: ServerConfig,
    client: Client,
    state: Mutex<State>,
}

impl Supervised {
    pub(super) fn new(config: ServerConfig) -> Self {
        let client = Client::new(&config);
        Self { config, client, state: Mutex::new(State::Down("it is starting".to_owned())) }
    }

    /// Why it can't be asked now, where it can't.
    pub(super) fn down(&self) -> Option<ServerError> {
        match &*self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Up(_) => None,
            State::Down(reason) => Some(self.client.down(reason.clone())),
        }
    }

    pub(super) fn infer(&self, columns: &[Vec<&str>]) -> Result<Vec<Tensor>, ServerError> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match state {
            State::Up(described) => self.client.infer(&described, columns),
            State::Down(reason) => Err(self.client.down(reason)),
        }
    }

    /// The error of an answer that the model can't have.
    pub(super) fn unsound(&self, problem: String) -> ServerError {
        self.client.protocol(problem)
    }

    fn set(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Keeps it running until `stop` says something, or nobody can say anything any more.
    pub(super) fn keep(&self, stop: &Receiver<()>) {
        let Some(command) = &self.config.command else {
            while !self.watch(None, stop).is_stopped() {}
            return;
        };
        let mut pause = FIRST_PAUSE;
        loop {
            let start = Instant::now();
            let reason = if self.client.is_taken() {
                "a program that this Loquat did not start answers there; end it, or remove server.command"
                    .to_owned()
            } else {
                match Process::start(command, &self.config.launcher, &self.config.folder) {
                    Err(reason) => format!("{reason}; mend server.command"),
                    Ok(process) => match self.watch(Some(process), stop) {
                        Ended::Stopped => return,
                        Ended::Process(reason) => reason,
                    },
                }
            };
            pause = if start.elapsed() > STEADY { FIRST_PAUSE } else { pause };
            self.set(State::Down(format!("{reason}; it is tried again after {pause:?}")));
            if waits(stop, pause) {
                return;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Looks at a server until its process ends or hangs; one without a process is looked at for ever.
    fn watch(&self, mut process: Option<Process>, stop: &Receiver<()>) -> Ended {
        let mut ready: Option<Instant> = None;
        loop {
            if let Some(reason) = process.as_mut().and_then(Process::ended) {
                return Ended::Process(reason);
            }
            let pause = match self.client.look() {
                Ok(described) => {
                    ready = Some(Instant::now());
                    self.set(State::Up(described));
                    CALM_LOOK
                }
                Err(reason) => {
                    let hangs = ready.is_some_and(|ready| ready.elapsed() > HUNG);
                    if process.is_some() && hangs {
                        return Ended::Process(format!("it no longer answers ({reason})"));
                    }
                    let word = if ready.is_none() && process.is_some() { "it is starting: " } else { "" };
                    self.set(State::Down(format!("{word}{reason}")));
                    LOOK
                }
            };
            if waits(stop, pause) {
                return Ended::Stopped;
            }
        }
    }
}

/// Why watching ended.
enum Ended {
    Stopped,
    Process(String),
}

impl Ended {
    fn is_stopped(&self) -> bool {
        matches!(self, Self::Stopped)
    }
}

/// Waits; whether it is told to stop meanwhile.
fn waits(stop: &Receiver<()>, pause: Duration) -> bool {
    !matches!(stop.recv_timeout(pause), Err(RecvTimeoutError::Timeout))
}
