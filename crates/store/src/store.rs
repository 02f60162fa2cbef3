//! The registry in a folder: opening, finding, listing, aliases.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use loquat_spec::{ModelReference, Name, Selector};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::alias::{AliasAction, AliasChange, AliasLog};
use crate::durable;
use crate::envelope;
use crate::error::StoreError;
use crate::lock::StoreLock;
use crate::record::{ModelSummary, Resolved, VersionRecord};
use crate::remote::{CLAIM, Remote};
use crate::staging::Staging;
use crate::tree;

/// How alike, from 0 to 1, a name must be to be proposed instead of an unknown one.
const ALIKE: f64 = 0.75;

/// A model registry in a local folder, or in an object store that a folder mirrors. Cheap to clone; any number of processes
/// and threads may use one.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    clock: fn() -> Timestamp,
    remote: Option<Arc<Remote>>,
}

/// Body of `format.json`.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoreFormat {}

/// Body of `N.removed.json`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Removal {
    /// When.
    pub(crate) at: String,
    /// Digest of the artifact that it had.
    pub(crate) digest: String,
}

impl Store {
    /// Opens the store at `root`; nothing is created before the first write. Fails when a newer Loquat wrote it.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let store = Self::of(root, None);
        store.check_format()?;
        Ok(store)
    }

    pub(crate) fn of(root: &Path, remote: Option<Remote>) -> Self {
        Self { root: root.to_owned(), clock: Timestamp::now, remote: remote.map(Arc::new) }
    }

    /// The same store with another clock.
    pub fn with_clock(mut self, clock: fn() -> Timestamp) -> Self {
        self.clock = clock;
        self
    }

    /// The store's folder; the mirror of one in an object store.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of what is made of artifacts, beside them, to be used by several processes: files whose names begin with the
    /// artifact's digest and a dot. They may be deleted at any time, and [`Store::gc`] deletes those of artifacts that are
    /// gone. Nothing creates it but who writes into it.
    pub fn packed_folder(&self) -> PathBuf {
        self.root.join("packed")
    }

    /// Where the store is, for messages: its folder, or its address in an object store.
    pub fn place(&self) -> PathBuf {
        self.remote().map_or_else(|| self.root.clone(), |remote| remote.bucket.url("").into())
    }

    pub(crate) fn remote(&self) -> Option<&Remote> {
        self.remote.as_deref()
    }

    /// A folder to write an artifact into, for [`Store::register`].
    pub fn stage(&self) -> Result<Staging, StoreError> {
        let _lock = self.lock()?;
        Staging::create(&self.root)
    }

    /// Finds a version and checks that its artifact's files are there with their sizes; [`Store::verify`] also reads them. An
    /// artifact in an object store is fetched into the mirror first.
    pub fn resolve(&self, reference: &ModelReference) -> Result<Resolved, StoreError> {
        let record = self.record_of(reference)?;
        self.fetch_object(&record)?;
        let path = self.object_path(&record.digest);
        let mut problems = Vec::new();
        for file in &record.files {
            match std::fs::symlink_metadata(path.join(&file.path)) {
                Ok(metadata) if metadata.is_file() && metadata.len() == file.bytes => {}
                Ok(metadata) if metadata.is_file() => {
                    problems.push(format!(
                        "{} has {} bytes instead of {}",
                        file.path,
                        metadata.len(),
                        file.bytes
                    ));
                }
                Ok(_) => problems.push(format!("{} is not a file", file.path)),
                Err(error) => problems.push(format!("{}: {error}", file.path)),
            }
        }
        damaged_unless_empty(&record, &path, problems)?;
        Ok(Resolved { record, path })
    }

    /// Reads the whole artifact and compares it with what was registered.
    pub fn verify(&self, reference: &ModelReference) -> Result<Resolved, StoreError> {
        let resolved = self.resolve(reference)?;
        let found = tree::hash_files(&resolved.path)?;
        let registered = &resolved.record.files;
        let mut problems: Vec<String> = registered
            .iter()
            .filter(|file| !found.contains(file))
            .map(|file| format!("{} changed", file.path))
            .collect();
        let added = found.iter().filter(|file| !registered.iter().any(|known| known.path == file.path));
        problems.extend(added.map(|file| format!("{} was added", file.path)));
        if problems.is_empty() && tree::digest(&found) != resolved.record.digest {
            problems.push("its record does not belong to it".to_owned());
        }
        damaged_unless_empty(&resolved.record, &resolved.path, problems)?;
        Ok(resolved)
    }

    /// Names of the models that have a version, ordered.
    pub fn names(&self) -> Result<Vec<Name>, StoreError> {
        let mut names = Vec::new();
        for (name, _) in durable::entries(&self.root.join("models"))? {
            if let Ok(name) = Name::new(&name)
                && !self.numbers(&name)?.is_empty()
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// One model with all its versions.
    pub fn model(&self, name: &Name) -> Result<ModelSummary, StoreError> {
        let mut versions = Vec::new();
        for number in self.numbers(name)? {
            versions.extend(self.read_record(name, number)?);
        }
        if versions.is_empty() {
            return Err(self.unknown_model(name)?);
        }
        Ok(ModelSummary { name: name.to_string(), versions, aliases: self.aliases(name)? })
    }

    /// Every model with all its versions, ordered by name.
    pub fn models(&self) -> Result<Vec<ModelSummary>, StoreError> {
        let mut summaries = Vec::new();
        for name in self.names()? {
            match self.model(&name) {
                // Its last version was removed since the names were listed.
                Err(StoreError::UnknownModel { .. }) => {}
                summary => summaries.push(summary?),
            }
        }
        Ok(summaries)
    }

    /// The training report of a version, if one was registered with it.
    pub fn report(&self, reference: &ModelReference) -> Result<Option<serde_json::Value>, StoreError> {
        let record = self.record_of(reference)?;
        envelope::read(&self.report_path(&reference.name, record.version))
    }

    /// Where each alias of a model points; empty for a model without aliases, or without versions.
    pub fn aliases(&self, name: &Name) -> Result<BTreeMap<String, u32>, StoreError> {
        Ok(self.alias_log(name)?.all())
    }

    /// Every change of an alias, oldest first.
    pub fn alias_history(&self, name: &Name, alias: &Name) -> Result<Vec<AliasChange>, StoreError> {
        Ok(self.alias_log(name)?.history(alias.as_str()).to_vec())
    }

    /// Points an alias at a version and returns where it pointed before. Pointing it where it points already changes nothing.
    pub fn set_alias(&self, name: &Name, alias: &Name, version: u32) -> Result<Option<u32>, StoreError> {
        let _lock = self.lock_after(|| self.require_record(name, version))?;
        self.change_aliases(name, |log| {
            self.require_record(name, version)?;
            if log.is_removed(version) {
                return Err(self.removed_just_now(name, version)?);
            }
            let previous = log.current(alias.as_str());
            if previous != Some(version) {
                log.push(alias.as_str(), self.change(AliasAction::Set, version));
            }
            Ok(previous)
        })
    }

    /// Points an alias back at the version that it had before the current one, and returns that version. Removed versions are
    /// passed over. Going back twice goes back two versions.
    pub fn rollback(&self, name: &Name, alias: &Name) -> Result<u32, StoreError> {
        let _lock = self.lock_after(|| self.require_alias(name, alias))?;
        self.change_aliases(name, |log| {
            let current = log.current(alias.as_str()).map_or_else(|| self.require_alias(name, alias), Ok)?;
            let existing = self.numbers(name)?;
            let may = |version: u32| existing.contains(&version) && !log.is_removed(version);
            let Some(version) = log.earlier(alias.as_str(), may) else {
                let (name, alias) = (name.to_string(), alias.to_string());
                return Err(StoreError::NothingEarlier { name, alias, current });
            };
            log.push(alias.as_str(), self.change(AliasAction::Rollback, version));
            Ok(version)
        })
    }

    /// Takes an alias away and returns where it pointed.
    pub fn remove_alias(&self, name: &Name, alias: &Name) -> Result<u32, StoreError> {
        let _lock = self.lock_after(|| self.require_alias(name, alias))?;
        self.change_aliases(name, |log| {
            let current = log.current(alias.as_str()).map_or_else(|| self.require_alias(name, alias), Ok)?;
            log.push(alias.as_str(), self.change(AliasAction::Removed, current));
            Ok(current)
        })
    }

    /// Lets `change` change the aliases of a model, and writes them. The caller holds the lock.
    pub(crate) fn change_aliases<T>(
        &self,
        name: &Name,
        change: impl Fn(&mut AliasLog) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.change_document(&alias_key(name), change)
    }

    /// Lets `change` change the document at `key`, and writes it. In an object store `change` is called again, on what is
    /// there then, when another writer was faster. The caller holds the lock.
    pub(crate) fn change_document<D: Document, T>(
        &self,
        key: &str,
        change: impl Fn(&mut D) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Some(remote) = self.remote() {
            return remote.change_document(self, key, change);
        }
        let before: D = self.read_document(key)?.unwrap_or_default();
        let mut document = before.clone();
        let outcome = change(&mut document)?;
        if document != before {
            envelope::write(&self.root.join(key), &document)?;
        }
        Ok(outcome)
    }

    /// Reads the document at `key`; `None` when there is none.
    pub(crate) fn read_document<D: Document>(&self, key: &str) -> Result<Option<D>, StoreError> {
        envelope::read(&self.root.join(key))
    }

    /// The lock, once `check` holds: a folder that does not exist is not created for an error.
    pub(crate) fn lock_after<T>(
        &self,
        check: impl Fn() -> Result<T, StoreError>,
    ) -> Result<StoreLock, StoreError> {
        if self.remote.is_none() {
            check()?;
        }
        self.lock()
    }

    /// The mirror's own lock, which says nothing of formats: those are the object store's.
    pub(crate) fn lock_folder(&self) -> Result<StoreLock, StoreError> {
        StoreLock::acquire(&self.root)
    }

    pub(crate) fn lock(&self) -> Result<StoreLock, StoreError> {
        let lock = self.lock_folder()?;
        if self.remote.is_some() {
            return Ok(lock);
        }
        if !self.check_format()? {
            envelope::write(&self.root.join("format.json"), &StoreFormat {})?;
        }
        Ok(lock)
    }

    pub(crate) fn now(&self) -> String {
        (self.clock)().to_string()
    }

    pub(crate) fn object_path(&self, digest: &str) -> PathBuf {
        self.root.join("objects").join(digest)
    }

    pub(crate) fn versions_path(&self, name: &Name) -> PathBuf {
        self.root.join("models").join(name.as_str()).join("versions")
    }

    pub(crate) fn record_path(&self, name: &Name, version: u32) -> PathBuf {
        self.versions_path(name).join(format!("{version}.json"))
    }

    pub(crate) fn report_path(&self, name: &Name, version: u32) -> PathBuf {
        self.versions_path(name).join(format!("{version}.report.json"))
    }

    pub(crate) fn removal_path(&self, name: &Name, version: u32) -> PathBuf {
        self.versions_path(name).join(format!("{version}.removed.json"))
    }

    /// Numbers of a model's versions, in order.
    pub(crate) fn numbers(&self, name: &Name) -> Result<Vec<u32>, StoreError> {
        let entries = durable::entries(&self.versions_path(name))?;
        let mut numbers: Vec<u32> =
            entries.iter().filter_map(|(file, _)| number_before(file, ".json")).collect();
        numbers.retain(|number| {
            !entries.iter().any(|(file, _)| number_before(file, ".removed.json") == Some(*number))
        });
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The highest number ever given to a version of a model; 0 when none was.
    pub(crate) fn highest_number(&self, name: &Name) -> Result<u32, StoreError> {
        let entries = durable::entries(&self.versions_path(name))?;
        let endings = [".json", ".removed.json", CLAIM];
        let given = entries
            .iter()
            .filter_map(|(file, _)| endings.into_iter().find_map(|ending| number_before(file, ending)));
        Ok(given.max().unwrap_or(0))
    }

    /// Reads a record; `None` when there is none.
    pub(crate) fn read_record(&self, name: &Name, version: u32) -> Result<Option<VersionRecord>, StoreError> {
        let path = self.record_path(name, version);
        let Some(record) = envelope::read::<VersionRecord>(&path)? else { return Ok(None) };
        if record.name != name.as_str() || record.version != version {
            let reason = format!("it is the record of {}:{}", record.name, record.version);
            return Err(StoreError::Damaged { path, reason });
        }
        if !is_digest(&record.digest) || record.files.iter().any(|file| leads_outside(&file.path)) {
            return Err(StoreError::Damaged { path, reason: "it leads outside the store".to_owned() });
        }
        Ok(Some(record))
    }

    /// Reads the record of an existing version, or says what exists.
    pub(crate) fn require_record(&self, name: &Name, version: u32) -> Result<VersionRecord, StoreError> {
        let numbers = self.numbers(name)?;
        if numbers.contains(&version)
            && let Some(record) = self.read_record(name, version)?
        {
            return Ok(record);
        }
        let removal: Option<Removal> = envelope::read(&self.removal_path(name, version))?;
        let (owner, known) = (name.to_string(), numbers.iter().map(ToString::to_string).collect());
        match removal {
            Some(Removal { at, .. }) => Err(StoreError::RemovedVersion { name: owner, version, at, known }),
            None if numbers.is_empty() => Err(self.unknown_model(name)?),
            None => Err(StoreError::UnknownVersion { name: owner, version, known }),
        }
    }

    pub(crate) fn record_of(&self, reference: &ModelReference) -> Result<VersionRecord, StoreError> {
        let version = match &reference.selector {
            Selector::Version(version) => *version,
            Selector::Alias(alias) => self.require_alias(&reference.name, alias)?,
        };
        self.require_record(&reference.name, version)
    }

    pub(crate) fn alias_log(&self, name: &Name) -> Result<AliasLog, StoreError> {
        Ok(self.read_document(&alias_key(name))?.unwrap_or_default())
    }

    fn require_alias(&self, name: &Name, alias: &Name) -> Result<u32, StoreError> {
        let log = self.alias_log(name)?;
        if let Some(version) = log.current(alias.as_str()) {
            return Ok(version);
        }
        let versions = self.numbers(name)?;
        if versions.is_empty() {
            return Err(self.unknown_model(name)?);
        }
        Err(StoreError::UnknownAlias {
            name: name.to_string(),
            alias: alias.to_string(),
            aliases: log.all().into_keys().collect(),
            versions: versions.iter().map(ToString::to_string).collect(),
        })
    }

    fn unknown_model(&self, name: &Name) -> Result<StoreError, StoreError> {
        let known: Vec<String> = self.names()?.iter().map(ToString::to_string).collect();
        let likeness = |other: &str| strsim::jaro_winkler(other, name.as_str());
        let suggestion = known
            .iter()
            .filter(|other| likeness(other) >= ALIKE)
            .max_by(|left, right| likeness(left).total_cmp(&likeness(right)))
            .cloned();
        Ok(StoreError::UnknownModel { name: name.to_string(), root: self.place(), known, suggestion })
    }

    /// The error of a version that another writer is removing.
    fn removed_just_now(&self, name: &Name, version: u32) -> Result<StoreError, StoreError> {
        let numbers = self.numbers(name)?;
        let known = numbers.iter().filter(|number| **number != version).map(ToString::to_string);
        Ok(StoreError::RemovedVersion {
            name: name.to_string(),
            version,
            at: self.now(),
            known: known.collect(),
        })
    }

    fn change(&self, action: AliasAction, version: u32) -> AliasChange {
        AliasChange { action, version, at: self.now() }
    }

    /// Whether the store says its format already; fails when that is a newer one.
    pub(crate) fn check_format(&self) -> Result<bool, StoreError> {
        Ok(envelope::read::<StoreFormat>(&self.root.join("format.json"))?.is_some())
    }
}

/// What is read, changed and written as a whole.
pub(crate) trait Document: Serialize + DeserializeOwned + Clone + Default + PartialEq {}

impl<D: Serialize + DeserializeOwned + Clone + Default + PartialEq> Document for D {}

/// Where the aliases of a model lie below the root.
fn alias_key(name: &Name) -> String {
    format!("models/{name}/aliases.json")
}

/// The version's number in `N.json`, where N is written as the store writes it.
pub(crate) fn number_before(file: &str, ending: &str) -> Option<u32> {
    let digits = file.strip_suffix(ending)?;
    let number: u32 = digits.parse().ok().filter(|number| *number > 0)?;
    (number.to_string() == digits).then_some(number)
}

/// Whether `text` is a SHA-256 as the store writes it.
pub(crate) fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn leads_outside(path: &str) -> bool {
    Path::new(path).components().any(|part| !matches!(part, std::path::Component::Normal(_)))
}

fn damaged_unless_empty(
    record: &VersionRecord,
    path: &Path,
    problems: Vec<String>,
) -> Result<(), StoreError> {
    if problems.is_empty() {
        return Ok(());
    }
    Err(StoreError::DamagedArtifact {
        name: record.name.clone(),
        version: record.version,
        path: path.to_owned(),
        problems,
    })
}
