//! The servers that resources name, by the names of their models.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use loquat_spec::Name;

use super::supervisor::Supervised;
use super::tensor::Tensor;
use crate::servers::ServerError;

/// A server as a resource names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Name of the model, there and here.
    pub model: Name,
    /// Where it answers: `http://HOST:PORT`, and a path before `/v2` where it has one.
    pub url: String,
    /// What starts it; without one it is only watched.
    pub command: Option<Vec<String>>,
    /// The folder that the command is started in.
    pub folder: PathBuf,
    /// Words before the command, of a program that becomes it; none: it is started as it is.
    pub launcher: Vec<OsString>,
}

/// The servers that resources name. A clone is the same servers; they end with the last one.
#[derive(Debug, Clone, Default)]
pub struct ModelServers(Arc<Mutex<BTreeMap<Name, Running>>>);

/// A server with the thread that keeps it running.
#[derive(Debug)]
struct Running {
    server: Arc<Supervised>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ModelServers {
    /// Makes the servers those given: starts new ones, ends those that are gone or changed, leaves the rest alone.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn declare(&self, configs: Vec<ServerConfig>) -> std::io::Result<()> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_wanted = |held: &Running| configs.contains(&held.server.config);
        let (wanted, gone) = std::mem::take(&mut *lock()).into_iter().partition(|(_, held)| is_wanted(held));
        *lock() = wanted;
        // They end before others take their addresses, and nobody who asks another server waits for it.
        drop::<BTreeMap<Name, Running>>(gone);
        let mut running = lock();
        for config in configs {
            if !running.contains_key(&config.model) {
                running.insert(config.model.clone(), Running::start(config)?);
            }
        }
        Ok(())
    }

    /// Why the server of `model` can't be asked now, where it can't.
    pub fn down(&self, model: &str) -> Option<ServerError> {
        match self.server(model) {
            Ok(server) => server.down(),
            Err(error) => Some(error),
        }
    }

    /// Asks the server of `model`: each of `columns` holds a text for each row, one column or two. Blocks until it answers, which
    /// one that is down does at once.
    ///
    /// # Errors
    /// When it is down, refuses, or answers otherwise than the protocol says.
    pub fn infer(&self, model: &str, columns: &[Vec<&str>]) -> Result<Vec<Tensor>, ServerError> {
        self.server(model)?.infer(columns)
    }

    /// The error of an answer that `model` can't have.
    pub fn unsound(&self, model: &str, problem: String) -> ServerError {
        match self.server(model) {
            Ok(server) => server.unsound(problem),
            Err(error) => error,
        }
    }

    fn server(&self, model: &str) -> Result<Arc<Supervised>, ServerError> {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = running.iter().find(|(name, _)| name.as_str() == model);
        let unknown = || ServerError::Unknown { model: model.to_owned() };
        held.map(|(_, held)| Arc::clone(&held.server)).ok_or_else(unknown)
    }
}

impl Running {
    fn start(config: ServerConfig) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let server = Arc::new(Supervised::new(config));
        let kept = Arc::clone(&server);
        let name = format!("loquat-server-{}", kept.config.model);
        let thread = std::thread::Builder::new().name(name).spawn(move || kept.keep(&stopped))?;
        Ok(Self { server, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Without a sender the thread ends, and with it the process.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has dropped its process already.
            let _ = thread.join();
        }
    }
}
