//! A registry in an object store, of which the store's folder is a mirror.
//!
//! Keys are those of the folder. The mirror is brought up to date on opening and before each write; readers read the mirror.
//! What several writers could write at once is written under a condition:
//!
//! - `models/NAME/versions/N.claim.json` is created only where there is none: it gives the number N to one writer.
//! - `models/NAME/versions/N.cascades.json` is replaced only in the state that was read.
//! - `models/NAME/aliases.json` is replaced only in the state that was read. It also lists the versions removed, so that
//!   an alias can't be pointed at one that is going away.
//! - `collecting.json` is created only where there is none, and is there while artifacts are collected. A writer claims
//!   its number first and looks for it then; a collector writes it first and looks for claims then: one sees the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use loquat_connect::objects::{Bucket, Condition, Listed, ObjectError};
use loquat_spec::Name;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cascade::CASCADES;
use crate::collect::GcReport;
use crate::durable;
use crate::envelope;
use crate::error::StoreError;
use crate::record::VersionRecord;
use crate::staging::Staging;
use crate::store::{Document, Removal, Store, StoreFormat, is_digest, number_before};
use crate::tree;

const FORMAT: &str = "format.json";
const COLLECTING: &str = "collecting.json";
const MARKS: &str = "marks.json";
/// What follows the number in the name of a claim.
pub(crate) const CLAIM: &str = ".claim.json";
/// Age at which a claim without a version is a killed writer's.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);
/// Longest wait for a collection to end, and the pause between two looks.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(500);

/// The object store behind a mirror.
#[derive(Debug)]
pub(crate) struct Remote {
    pub(crate) bucket: Bucket,
}

/// Body of `collecting.json` and of claims.
#[derive(Serialize, Deserialize)]
struct Since {
    at: String,
}

/// States of the mirrored objects by key.
type Marks = BTreeMap<String, String>;

impl Store {
    /// Opens the registry that `bucket` holds, mirrored in the folder `mirror`, which may be deleted at any time. Fails
    /// when the object store can't be reached and the mirror holds nothing.
    pub fn open_bucket(bucket: Bucket, mirror: &Path) -> Result<Self, StoreError> {
        let store = Self::of(mirror, Some(Remote { bucket }));
        match store.refresh() {
            Err(StoreError::Objects(error)) if error.is_outage() && store.root().join(FORMAT).is_file() => {}
            refreshed => refreshed?,
        }
        Ok(store)
    }

    /// Brings the mirror of a registry in an object store up to date; does nothing for one in a folder.
    pub fn refresh(&self) -> Result<(), StoreError> {
        match self.remote() {
            None => Ok(()),
            Some(remote) => {
                let _lock = self.lock_folder()?;
                remote.refresh(self)
            }
        }
    }

    /// Fetches an artifact that the mirror lacks.
    pub(crate) fn fetch_object(&self, record: &VersionRecord) -> Result<(), StoreError> {
        let Some(remote) = self.remote().filter(|_| !self.object_path(&record.digest).is_dir()) else {
            return Ok(());
        };
        let staging = self.stage()?;
        for file in &record.files {
            let key = object_key(&record.digest, &file.path);
            remote.download(&key, &staging.path().join(&file.path))?;
        }
        if tree::hash_files(staging.path())? != record.files {
            return Err(StoreError::DamagedArtifact {
                name: record.name.clone(),
                version: record.version,
                path: remote.bucket.url(&format!("objects/{}", record.digest)).into(),
                problems: vec!["what came is not what was registered".to_owned()],
            });
        }
        tree::forbid_writing(staging.path())?;
        let _lock = self.lock_folder()?;
        self.keep_object(&staging, record)
    }
}

impl Remote {
    /// Makes the mirror's documents those of the object store. The caller holds the mirror's lock.
    pub(crate) fn refresh(&self, store: &Store) -> Result<(), StoreError> {
        let listed = self.documents()?;
        let path = store.root().join(MARKS);
        let old: Marks = envelope::read(&path)?.unwrap_or_default();
        let mut marks = Marks::new();
        for object in &listed {
            let target = store.root().join(&object.key);
            if old.get(&object.key) == Some(&object.mark) && target.is_file() {
                marks.insert(object.key.clone(), object.mark.clone());
                continue;
            }
            // One that was removed since it was listed is seen by the next refresh.
            let Some(found) = self.bucket.read(&object.key)? else { continue };
            if let Some(parent) = target.parent() {
                durable::create_folder(parent)?;
            }
            durable::write(&target, &found.bytes)?;
            marks.insert(object.key.clone(), object.mark.clone());
        }
        for gone in old.keys().filter(|key| !listed.iter().any(|object| object.key == **key)) {
            durable::remove(&store.root().join(gone))?;
        }
        if marks != old {
            envelope::write(&path, &marks)?;
        }
        store.check_format().map(|_| ())
    }

    fn documents(&self) -> Result<Vec<Listed>, StoreError> {
        let mut listed = self.bucket.list("models")?;
        listed.retain(|object| is_document(&object.key));
        if let Some(format) = self.bucket.part(FORMAT, 0, None).map(Some).or_else(absent)?.flatten() {
            let (key, modified) = (FORMAT.to_owned(), SystemTime::UNIX_EPOCH);
            listed.push(Listed { key, bytes: format.bytes, mark: format.mark, modified });
        }
        Ok(listed)
    }

    fn download(&self, key: &str, target: &Path) -> Result<(), StoreError> {
        let Some(mut part) = self.bucket.part(key, 0, None)? else { return Ok(()) };
        if let Some(parent) = target.parent() {
            durable::create_folder(parent)?;
        }
        let mut file = File::create_new(target).map_err(StoreError::io("create", target))?;
        io::copy(&mut part.reader, &mut file).map_err(StoreError::io("write", target))?;
        file.sync_all().map_err(StoreError::io("write", target))
    }

    /// Writes a new version: its number first, then the artifact, the report, and last the record. The caller holds the
    /// mirror's lock and moves the artifact into the mirror.
    pub(crate) fn register(
        &self,
        store: &Store,
        (staging, record): (&Staging, &mut VersionRecord),
        report: impl Fn(&VersionRecord) -> Option<Value>,
    ) -> Result<(), StoreError> {
        let name = Name::new(&record.name)
            .map_err(|error| StoreError::Damaged { path: store.place(), reason: error.to_string() })?;
        self.refresh(store)?;
        self.claim_format()?;
        record.version = self.claim(store, &name)?;
        self.await_collection()?;
        for file in &record.files {
            self.bucket.upload(&object_key(&record.digest, &file.path), &staging.path().join(&file.path))?;
        }
        let (number, folder) = (record.version, format!("models/{name}/versions"));
        if let Some(report) = report(record) {
            self.put(&format!("{folder}/{number}.report.json"), &report)?;
        }
        self.put(&format!("{folder}/{number}.json"), record)
    }

    /// The next number, which is this writer's from then on.
    fn claim(&self, store: &Store, name: &Name) -> Result<u32, StoreError> {
        let mut number = store.highest_number(name)? + 1;
        let since = envelope::bytes(&store.place(), &Since { at: store.now() })?;
        loop {
            let key = format!("models/{name}/versions/{number}{CLAIM}");
            if self.bucket.write(&key, since.clone(), Condition::Absent)? {
                return Ok(number);
            }
            number += 1;
        }
    }

    fn await_collection(&self) -> Result<(), StoreError> {
        let start = std::time::Instant::now();
        while let Some(found) = self.bucket.read(COLLECTING)? {
            if start.elapsed() > PATIENCE {
                let url = self.bucket.url(COLLECTING);
                let since: Since = envelope::parse(Path::new(&url), &found.bytes)?;
                return Err(StoreError::Collecting { url, since: since.at });
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Reads the document at `key` as it is now, lets `change` change it, and writes it unless another writer was faster; then
    /// all over again. The caller holds the mirror's lock.
    pub(crate) fn change_document<D: Document, T>(
        &self,
        store: &Store,
        key: &str,
        change: impl Fn(&mut D) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.claim_format()?;
        loop {
            self.refresh(store)?;
            let (before, condition) = match self.bucket.read(key)? {
                None => (D::default(), Condition::Absent),
                Some(found) => {
                    let document = envelope::parse(Path::new(&self.bucket.url(key)), &found.bytes)?;
                    (document, Condition::Unchanged(found.tag))
                }
            };
            let mut document = before.clone();
            let outcome = change(&mut document)?;
            if document == before || self.bucket.write(key, self.bytes(key, &document)?, condition)? {
                self.refresh(store)?;
                return Ok(outcome);
            }
        }
    }

    /// Takes a version away that no alias points at; its number is in the list of the removed already.
    pub(crate) fn remove(
        &self,
        store: &Store,
        (name, version): (&Name, u32),
        removal: &Removal,
    ) -> Result<(), StoreError> {
        let folder = format!("models/{name}/versions");
        self.put(&format!("{folder}/{version}.removed.json"), removal)?;
        self.bucket.remove(&format!("{folder}/{version}.json"))?;
        self.bucket.remove(&format!("{folder}/{version}.report.json"))?;
        self.bucket.remove(&format!("{folder}/{version}{CASCADES}"))?;
        self.refresh(store)
    }

    /// Removes the artifacts that no version refers to. The caller holds the mirror's lock.
    pub(crate) fn collect(&self, store: &Store) -> Result<GcReport, StoreError> {
        let since = self.bytes(COLLECTING, &Since { at: store.now() })?;
        if !self.bucket.write(COLLECTING, since, Condition::Absent)? {
            let found = self.bucket.read(COLLECTING)?;
            let url = self.bucket.url(COLLECTING);
            let since = found.and_then(|found| envelope::parse::<Since>(Path::new(&url), &found.bytes).ok());
            return Err(StoreError::Collecting {
                url,
                since: since.map_or_else(String::new, |since| since.at),
            });
        }
        let collected = self.collect_alone(store);
        self.bucket.remove(COLLECTING)?;
        collected
    }

    fn collect_alone(&self, store: &Store) -> Result<GcReport, StoreError> {
        self.refuse_while_registering()?;
        self.refresh(store)?;
        let referenced = store.referenced()?;
        let mut report = GcReport::default();
        let mut digests = BTreeSet::new();
        for object in self.bucket.list("objects")? {
            let digest = object.key.split('/').nth(1).unwrap_or_default();
            if referenced.contains(digest) {
                continue;
            }
            self.bucket.remove(&object.key)?;
            report.bytes += object.bytes;
            if is_digest(digest) {
                digests.insert(digest.to_owned());
            } else {
                report.leftovers += 1;
            }
        }
        report.objects = digests.into_iter().collect();
        Ok(report)
    }

    /// A claim without a version is a writer's whose artifact is on its way.
    fn refuse_while_registering(&self) -> Result<(), StoreError> {
        let listed = self.bucket.list("models")?;
        let keys: BTreeSet<&str> = listed.iter().map(|object| object.key.as_str()).collect();
        for object in &listed {
            let Some(stem) = object.key.strip_suffix(CLAIM) else { continue };
            let settled =
                [".json", ".removed.json"].iter().any(|end| keys.contains(format!("{stem}{end}").as_str()));
            let young = !object.modified.elapsed().is_ok_and(|age| age >= ABANDONED);
            if !settled && young {
                return Err(StoreError::Registering { url: self.bucket.url(&object.key) });
            }
        }
        Ok(())
    }

    fn claim_format(&self) -> Result<(), StoreError> {
        let bytes = self.bytes(FORMAT, &StoreFormat {})?;
        Ok(self.bucket.write(FORMAT, bytes, Condition::Absent).map(|_| ())?)
    }

    fn put<T: Serialize>(&self, key: &str, body: &T) -> Result<(), StoreError> {
        let bytes = self.bytes(key, body)?;
        Ok(self.bucket.write(key, bytes, Condition::Always).map(|_| ())?)
    }

    fn bytes<T: Serialize>(&self, key: &str, body: &T) -> Result<Vec<u8>, StoreError> {
        envelope::bytes(Path::new(&self.bucket.url(key)), body)
    }
}

/// What is not there is none.
fn absent<T>(error: ObjectError) -> Result<Option<T>, ObjectError> {
    if matches!(error, ObjectError::NotFound { .. }) { Ok(None) } else { Err(error) }
}

/// `models/NAME/aliases.json` and the documents below `models/NAME/versions`; other keys lead nowhere in the mirror.
fn is_document(key: &str) -> bool {
    let parts: Vec<&str> = key.split('/').collect();
    match parts.as_slice() {
        ["models", name, "aliases.json"] => Name::new(name).is_ok(),
        ["models", name, "versions", file] => {
            let endings = [".json", ".report.json", ".removed.json", CASCADES, CLAIM];
            Name::new(name).is_ok() && endings.iter().any(|end| number_before(file, end).is_some())
        }
        _ => false,
    }
}

fn object_key(digest: &str, path: &str) -> String {
    format!("objects/{digest}/{path}")
}

/// Removes the artifacts of a mirror whose versions are gone.
pub(crate) fn trim(store: &Store) -> Result<(), StoreError> {
    let referenced = store.referenced()?;
    for (name, path) in durable::entries(&store.root().join("objects"))? {
        if !referenced.contains(&name) {
            fs::remove_dir_all(&path).map_err(StoreError::io("remove", &path))?;
        }
    }
    Ok(())
}
