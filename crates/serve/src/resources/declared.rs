//! What is declared: by the folder that the server was started with, and over HTTP.
//!
//! The last change wins. What was applied stands before what the folder declares under the same name until the folder says
//! something else there than it said then; so it is while a server follows its folder, and between two runs of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use loquat_spec::{ErrorCode, Model, Resources, SourceText};
use loquat_store::{AppliedFolder, AppliedResource, StoreError};

use super::condition::moment;
use super::declaration::{Change, Declaration, DeclaredEndpoint, Manager};
use super::item::{Item, Key, Kind, digest};
use super::refusal::{in_use, problem_of, taken};
use crate::problem::Problem;

/// How findings name the body of a request.
pub(super) const BODY: &str = "body";

/// All declared resources.
#[derive(Debug)]
pub(crate) struct Declared {
    state: Mutex<State>,
    kept: Option<AppliedFolder>,
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<Key, Declaration>,
    /// What was deleted although the folder declares it, with the digest of what it declares.
    deleted: BTreeMap<Key, String>,
    revision: u64,
}

impl Declared {
    /// What the folder declares, and what was applied in an earlier run and is kept. What can't be read of that is logged and
    /// left where it is.
    pub(crate) fn new(folder: Resources, kept: Option<AppliedFolder>) -> Self {
        // What is kept is compared with the folder as a whole, which forgets nothing of it before.
        let state = Mutex::new(State { revision: 1, ..State::default() });
        let mut declared = Self { state, kept: None };
        declared.follow(folder);
        declared.kept = kept;
        declared.restore();
        declared
    }

    /// Every endpoint declared, with a number that changes with any resource.
    pub(crate) fn endpoints(&self) -> (u64, BTreeMap<String, DeclaredEndpoint>) {
        let state = self.lock();
        let endpoint = |declaration: &Declaration| match &declaration.item {
            Item::Endpoint(located) => {
                let (endpoint, generation) = (located.value.clone(), declaration.generation);
                Some((located.value.name.to_string(), DeclaredEndpoint { endpoint, generation }))
            }
            _ => None,
        };
        (state.revision, state.entries.values().filter_map(endpoint).collect())
    }

    /// Every model made elsewhere, with who declared it.
    pub(crate) fn models(&self) -> Vec<(Model, Declaration)> {
        let state = self.lock();
        let model = |declaration: &Declaration| match &declaration.item {
            Item::Model(located) => Some((located.value.clone(), declaration.clone())),
            _ => None,
        };
        state.entries.values().filter_map(model).collect()
    }

    /// All resources as if one folder held them.
    pub(crate) fn resources(&self) -> Resources {
        let mut resources = Resources::default();
        for declaration in self.lock().entries.values() {
            declaration.item.add_to(&mut resources);
        }
        resources
    }

    /// Every resource of a kind, ordered by name.
    pub(crate) fn all(&self, kind: Kind) -> Vec<Declaration> {
        let state = self.lock();
        state.entries.iter().filter(|(key, _)| key.kind == kind).map(|(_, entry)| entry.clone()).collect()
    }

    /// One resource.
    pub(crate) fn get(&self, key: &Key) -> Option<Declaration> {
        self.lock().entries.get(key).cloned()
    }

    /// The resources of a body, valid beside what is declared.
    pub(crate) fn read(&self, text: &str) -> Result<Vec<Item>, Problem> {
        self.lock().read(text)
    }

    /// Declares every resource of a body over HTTP, or, where one can't be, none; with `dry_run` only says what that would change.
    pub(crate) fn apply(&self, text: &str, dry_run: bool) -> Result<Vec<(Declaration, Change)>, Problem> {
        let mut state = self.lock();
        let items = state.read(text)?;
        let changes: Vec<_> = items.into_iter().map(|item| state.declare(item, Manager::Apply)).collect();
        if dry_run {
            return Ok(changes);
        }
        for (number, (declaration, _)) in changes.iter().enumerate() {
            if let Err(error) = self.keep(&declaration.applied()) {
                for (written, _) in &changes[..number] {
                    self.put_back(&state, &written.item.key());
                }
                return Err(not_kept(&error));
            }
        }
        for (declaration, change) in &changes {
            state.take(declaration.clone(), *change);
        }
        Ok(changes)
    }

    /// Takes a resource out; whether there was one. A Dataset that another resource names stays.
    pub(crate) fn delete(&self, key: &Key, dry_run: bool) -> Result<bool, Problem> {
        let mut state = self.lock();
        let Some(declaration) = state.entries.get(key) else { return Ok(false) };
        if let Some(user) = state.user_of(key) {
            return Err(in_use(key, &user));
        }
        if dry_run {
            return Ok(true);
        }
        let gone = AppliedResource { text: None, ..declaration.applied() };
        let over = declaration.over.clone();
        match &over {
            Some(_) => self.keep(&gone),
            None => self.forget(key),
        }
        .map_err(|error| not_kept(&error))?;
        state.entries.remove(key);
        state.deleted.extend(over.map(|over| (key.clone(), over)));
        state.revision += 1;
        Ok(true)
    }

    /// Follows the folder, which declares `folder` now: what it changed is taken over, what it dropped leaves unless a request
    /// declared it since.
    pub(crate) fn follow(&self, folder: Resources) {
        let mut state = self.lock();
        let mut held = BTreeSet::new();
        for item in Item::all(folder) {
            let (key, found) = (item.key(), digest(&item.spec()));
            held.insert(key.clone());
            if state.folder_says(&key) == Some(&found) {
                continue;
            }
            self.forget_or_warn(&key);
            let (mut declaration, change) = state.declare(item, Manager::Folder);
            declaration.over = Some(found);
            state.deleted.remove(&key);
            state.take(declaration, change);
        }
        for key in state.dropped(&held) {
            self.drop_from_folder(&mut state, &key);
        }
    }

    /// The folder declares `key` no more.
    fn drop_from_folder(&self, state: &mut State, key: &Key) {
        if state.deleted.remove(key).is_some() {
            self.forget_or_warn(key);
        }
        let Some(entry) = state.entries.get_mut(key) else { return };
        if entry.manager == Manager::Folder {
            state.entries.remove(key);
            state.revision += 1;
            return;
        }
        entry.over = None;
        if let Err(error) = self.keep(&entry.applied()) {
            tracing::warn!(%error, resource = %key, "what was applied is not kept");
        }
    }

    /// Takes over what was applied in an earlier run, where the folder did not change it since.
    fn restore(&self) {
        let Some(kept) = &self.kept else { return };
        let (mut found, damaged) = kept.read().unwrap_or_else(|error| (Vec::new(), vec![error]));
        for error in damaged {
            tracing::warn!(%error, "a resource that was applied is not taken over");
        }
        found.sort_by_key(|applied| Kind::named(&applied.kind));
        let mut state = self.lock();
        for applied in found {
            let Some(kind) = Kind::named(&applied.kind) else {
                tracing::warn!(kind = applied.kind, "a resource of an unknown kind is not taken over");
                continue;
            };
            let key = Key { kind, name: applied.name.clone() };
            let now = state.folder_says(&key).cloned();
            if now.is_some() && now != applied.over || now.is_none() && applied.text.is_none() {
                tracing::info!(resource = %key, "the folder changed it since it was applied: the folder's is taken");
                self.forget_or_warn(&key);
                continue;
            }
            if let Err(problem) = state.restore(&key, applied, now) {
                let reason = problem.parts().sentence();
                tracing::warn!(resource = %key, reason, "a resource that was applied is not taken over");
            }
        }
    }

    fn keep(&self, applied: &AppliedResource) -> Result<(), StoreError> {
        self.kept.as_ref().map_or(Ok(()), |kept| kept.keep(applied))
    }

    fn forget(&self, key: &Key) -> Result<(), StoreError> {
        self.kept.as_ref().map_or(Ok(()), |kept| kept.forget(key.kind.as_str(), &key.name))
    }

    fn forget_or_warn(&self, key: &Key) {
        if let Err(error) = self.forget(key) {
            tracing::warn!(%error, resource = %key, "what was applied is not forgotten");
        }
    }

    /// Undoes a write that others, which belong with it, did not follow.
    fn put_back(&self, state: &State, key: &Key) {
        let before = state.entries.get(key).filter(|entry| entry.manager == Manager::Apply);
        let undone = match before {
            Some(entry) => self.keep(&entry.applied()),
            None => self.forget(key),
        };
        if let Err(error) = undone {
            tracing::error!(%error, resource = %key, "a resource that was not applied may come back with the next start");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The resources of a body, valid beside what is declared: the Datasets that they name, and who names theirs.
    fn read(&self, text: &str) -> Result<Vec<Item>, Problem> {
        let own: BTreeSet<Key> = loquat_spec::documents(text).iter().filter_map(Key::of_document).collect();
        let changed = |dataset: &loquat_spec::Name| {
            own.contains(&Key { kind: Kind::Dataset, name: dataset.to_string() })
        };
        let beside = self.entries.iter().filter(|(key, entry)| {
            !own.contains(key) && (key.kind == Kind::Dataset || entry.item.dataset().is_some_and(changed))
        });
        let mut files = vec![SourceText { path: BODY.into(), text: text.to_owned() }];
        files.extend(beside.map(|(key, entry)| SourceText {
            path: key.to_string().into(),
            text: entry.item.text().to_owned(),
        }));
        let read = loquat_spec::parse(&files).map_err(|findings| problem_of(&findings))?;
        let items: Vec<Item> =
            Item::all(read).into_iter().filter(|item| item.path().as_os_str() == BODY).collect();
        // Both become versions of the name in the registry.
        for item in &items {
            let Key { kind, name } = item.key();
            let other = match kind {
                Kind::Training => Kind::Model,
                Kind::Model => Kind::Training,
                Kind::Dataset | Kind::Endpoint => continue,
            };
            let other = Key { kind: other, name };
            if self.entries.contains_key(&other) {
                return Err(taken(&item.key(), &other));
            }
        }
        Ok(items)
    }

    fn declare(&self, item: Item, manager: Manager) -> (Declaration, Change) {
        let (key, spec) = (item.key(), item.spec());
        let Some(before) = self.entries.get(&key) else {
            let (over, created) = (self.deleted.get(&key).cloned(), SystemTime::now());
            return (Declaration { item, spec, generation: 1, manager, created, over }, Change::Created);
        };
        let change = if before.spec == spec { Change::Unchanged } else { Change::Configured };
        let generation = before.generation + u64::from(change == Change::Configured);
        let (created, over) = (before.created, before.over.clone());
        (Declaration { item, spec, generation, manager, created, over }, change)
    }

    fn take(&mut self, declaration: Declaration, change: Change) {
        self.revision += u64::from(change != Change::Unchanged);
        let key = declaration.item.key();
        self.deleted.remove(&key);
        self.entries.insert(key, declaration);
    }

    /// Takes over what was applied in an earlier run, or that it was deleted.
    fn restore(&mut self, key: &Key, applied: AppliedResource, over: Option<String>) -> Result<(), Problem> {
        let Some(text) = &applied.text else {
            self.entries.remove(key);
            self.deleted.extend(over.map(|over| (key.clone(), over)));
            return Ok(());
        };
        let found = self.read(text)?.into_iter().find(|item| item.key() == *key);
        let item = found.ok_or_else(|| Problem::new(ErrorCode::Invalid, "it declares something else"))?;
        let (spec, manager, generation) = (item.spec(), Manager::Apply, applied.generation);
        let created = moment(&applied.created).unwrap_or_else(SystemTime::now);
        self.take(Declaration { item, spec, generation, manager, created, over }, Change::Configured);
        Ok(())
    }

    /// Digest of what the folder declares under a name, as far as it was followed.
    fn folder_says(&self, key: &Key) -> Option<&String> {
        self.entries.get(key).and_then(|entry| entry.over.as_ref()).or_else(|| self.deleted.get(key))
    }

    /// What the folder declared and does no more.
    fn dropped(&self, held: &BTreeSet<Key>) -> Vec<Key> {
        let declared = self.entries.iter().filter(|(_, entry)| entry.over.is_some()).map(|(key, _)| key);
        declared.chain(self.deleted.keys()).filter(|key| !held.contains(key)).cloned().collect()
    }

    /// A resource that names this one, a Dataset.
    fn user_of(&self, key: &Key) -> Option<Key> {
        let names = |entry: &&Declaration| {
            entry
                .item
                .dataset()
                .is_some_and(|dataset| key.kind == Kind::Dataset && dataset.as_str() == key.name.as_str())
        };
        self.entries.values().find(names).map(|entry| entry.item.key())
    }
}

fn not_kept(error: &StoreError) -> Problem {
    Problem::new(ErrorCode::Unavailable, format!("what is applied can't be kept: {error}"))
        .field("body")
        .remedy("make room or give the server the right to write there; nothing was changed")
}
