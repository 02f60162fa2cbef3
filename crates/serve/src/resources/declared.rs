//! What is declared: by the folder that the server was started with, and over HTTP.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use loquat_spec::Endpoint;

/// Who declared a resource last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manager {
    /// The folder of resources.
    Folder,
    /// A request, as of `loquat apply`.
    Apply,
    /// Nobody: a registered model that no resource mentions.
    Store,
}

impl Manager {
    /// Its name in `metadata.managedFields`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Folder => "loquat-folder",
            Self::Apply => "loquat-apply",
            Self::Store => "loquat-store",
        }
    }
}

/// A declared endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Declaration {
    /// What is declared.
    pub(crate) endpoint: Endpoint,
    /// Counts its changes, from 1.
    pub(crate) generation: u64,
    /// Who declared it last.
    pub(crate) manager: Manager,
    /// When it was declared first.
    pub(crate) created: SystemTime,
}

/// What putting a resource changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// There was none of its name.
    Created,
    /// It differs from the one before.
    Configured,
    /// It is as it was.
    Unchanged,
}

/// All declared endpoints.
#[derive(Debug)]
pub(crate) struct Declared(Mutex<State>);

#[derive(Debug)]
struct State {
    entries: BTreeMap<String, Declaration>,
    /// What the folder declared last.
    folder: Vec<Endpoint>,
    revision: u64,
}

impl Declared {
    /// What the folder declares.
    pub(crate) fn new(folder: Vec<Endpoint>) -> Self {
        let mut state = State { entries: BTreeMap::new(), folder: Vec::new(), revision: 1 };
        state.follow(folder);
        Self(Mutex::new(state))
    }

    /// Everything declared, with a number that changes with it.
    pub(crate) fn snapshot(&self) -> (u64, BTreeMap<String, Declaration>) {
        let state = self.lock();
        (state.revision, state.entries.clone())
    }

    /// The endpoint called `name`.
    pub(crate) fn get(&self, name: &str) -> Option<Declaration> {
        self.lock().entries.get(name).cloned()
    }

    /// Declares `endpoint` over HTTP; with `dry_run` only says what that would change.
    pub(crate) fn apply(&self, endpoint: Endpoint, dry_run: bool) -> (Declaration, Change) {
        let mut state = self.lock();
        let (declaration, change) = state.declare(endpoint, Manager::Apply);
        if !dry_run {
            state.keep(declaration.clone(), change);
        }
        (declaration, change)
    }

    /// Takes an endpoint out; whether there was one.
    pub(crate) fn delete(&self, name: &str) -> bool {
        let mut state = self.lock();
        let found = state.entries.remove(name).is_some();
        state.revision += u64::from(found);
        found
    }

    /// Follows the folder, which declares `endpoints` now: what it changed is taken over, what it dropped leaves unless a request
    /// declared it since.
    pub(crate) fn follow(&self, endpoints: Vec<Endpoint>) {
        self.lock().follow(endpoints);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn declare(&self, endpoint: Endpoint, manager: Manager) -> (Declaration, Change) {
        let Some(before) = self.entries.get(endpoint.name.as_str()) else {
            let declaration = Declaration { endpoint, generation: 1, manager, created: SystemTime::now() };
            return (declaration, Change::Created);
        };
        let change = if before.endpoint == endpoint { Change::Unchanged } else { Change::Configured };
        let generation = before.generation + u64::from(change == Change::Configured);
        (Declaration { endpoint, generation, manager, created: before.created }, change)
    }

    fn keep(&mut self, declaration: Declaration, change: Change) {
        self.revision += u64::from(change != Change::Unchanged);
        self.entries.insert(declaration.endpoint.name.to_string(), declaration);
    }

    fn follow(&mut self, endpoints: Vec<Endpoint>) {
        let before = std::mem::replace(&mut self.folder, endpoints.clone());
        for endpoint in endpoints.iter().filter(|endpoint| !before.contains(endpoint)) {
            let (declaration, change) = self.declare(endpoint.clone(), Manager::Folder);
            self.keep(declaration, change);
        }
        for gone in before {
            let name = gone.name.as_str();
            let kept = endpoints.iter().any(|endpoint| endpoint.name == gone.name);
            let is_folder = |entry: &Declaration| entry.manager == Manager::Folder;
            if !kept && self.entries.get(name).is_some_and(is_folder) {
                self.entries.remove(name);
                self.revision += 1;
            }
        }
    }
}
