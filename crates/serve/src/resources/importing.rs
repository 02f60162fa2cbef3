//! Models that were applied, imported into the registry by a thread of its own.
//!
//! What an import does is the caller's: this knows when one is due and how the last one went.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use loquat_spec::{Name, Resources};
use serde_json::Value;

use super::declaration::Manager;
use crate::exchange::contained;
use crate::host::App;

/// Pause between two looks at what is declared.
const LOOK: Duration = Duration::from_millis(250);
/// Pause before an import that failed is tried again.
const RETRY: Duration = Duration::from_secs(60);

/// What an import does: it gets all resources and the name of a Model among them, and says why that can't be imported.
type Import = dyn Fn(&Resources, &Name) -> Result<(), String> + Send + Sync;

/// Imports a Model resource into the server's registry, unless its newest version is what the resource asks for.
#[derive(Clone)]
pub struct Importer(Arc<Import>);

impl Importer {
    /// One that calls `import` with all resources and the name of a Model among them; it blocks, and says what went wrong.
    pub fn new(import: impl Fn(&Resources, &Name) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(import))
    }
}

impl std::fmt::Debug for Importer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Importer")
    }
}

/// How the imports of models went.
#[derive(Debug, Default)]
pub(crate) struct Imports {
    ended: Mutex<BTreeMap<String, Ended>>,
}

#[derive(Debug, Clone)]
struct Ended {
    spec: Value,
    result: Result<(), String>,
    at: Instant,
}

impl Imports {
    /// How the import of this resource ended; none while it has not.
    pub(super) fn result(&self, name: &str, spec: &Value) -> Option<Result<(), String>> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.get(name).filter(|ended| ended.spec == *spec).map(|ended| ended.result.clone())
    }

    fn is_due(&self, name: &str, spec: &Value) -> bool {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let known = ended.get(name).filter(|ended| ended.spec == *spec);
        known.is_none_or(|ended| ended.result.is_err() && ended.at.elapsed() > RETRY)
    }

    fn note(&self, name: String, spec: Value, result: Result<(), String>) {
        let ended = Ended { spec, result, at: Instant::now() };
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).insert(name, ended);
    }
}

/// The thread; it ends, after an import under way, when this is dropped.
pub(crate) struct Importing {
    _stop: Sender<()>,
}

impl Importing {
    /// Starts to import what is applied.
    pub(crate) fn start(app: Arc<App>, importer: Importer) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let run = move || run(&app, &importer, &stopped);
        std::thread::Builder::new().name("loquat-import".to_owned()).spawn(run)?;
        Ok(Self { _stop: stop })
    }
}

fn run(app: &App, importer: &Importer, stopped: &Receiver<()>) {
    while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        for (model, declaration) in app.declared.models() {
            let name = model.name.as_str();
            if declaration.manager != Manager::Apply || !app.imports.is_due(name, &declaration.spec) {
                continue;
            }
            let resources = app.declared.resources();
            let result = contained(|| (importer.0)(&resources, &model.name));
            let result = result.unwrap_or_else(|| Err("importing it panicked".to_owned()));
            match &result {
                Ok(()) => tracing::info!(model = name, "model imported"),
                Err(reason) => tracing::warn!(model = name, reason, "model not imported"),
            }
            app.imports.note(name.to_owned(), declaration.spec, result);
            app.waker.look();
        }
    }
}
