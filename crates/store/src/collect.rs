//! Removing versions, and collecting what nothing refers to any more.

use std::collections::BTreeSet;
use std::fs::TryLockError;
use std::path::Path;

use loquat_spec::Name;

use crate::cascade;
use crate::durable;
use crate::envelope;
use crate::error::StoreError;
use crate::lock;
use crate::remote;
use crate::staging::ALIVE;
use crate::store::{Removal, Store, is_digest, number_before};
use crate::tree::{self, EntryKind};

/// What a collection removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GcReport {
    /// Digests of the artifacts removed, ordered.
    pub objects: Vec<String>,
    /// Staging folders, temporary files and other leftovers of killed processes removed.
    pub leftovers: usize,
    /// Bytes of all that was removed.
    pub bytes: u64,
}

impl Store {
    /// Removes a version; its number is never given again. Refused while an alias points at it. The artifact stays until
    /// [`Store::gc`].
    pub fn remove(&self, name: &Name, version: u32) -> Result<(), StoreError> {
        let _lock = self.lock_after(|| self.require_record(name, version))?;
        let record = self.change_aliases(name, |log| {
            let record = self.require_record(name, version)?;
            let pointing = log.all().into_iter().filter(|(_, target)| *target == version);
            let aliases: Vec<String> = pointing.map(|(alias, _)| format!("@{alias}")).collect();
            if !aliases.is_empty() {
                return Err(StoreError::InUse { name: name.to_string(), version, aliases });
            }
            if self.remote().is_some() {
                log.bar(version);
            }
            Ok(record)
        })?;
        let removal = Removal { at: self.now(), digest: record.digest };
        if let Some(remote) = self.remote() {
            return remote.remove(self, (name, version), &removal);
        }
        envelope::write(&self.removal_path(name, version), &removal)?;
        durable::remove(&self.record_path(name, version))?;
        durable::remove(&self.report_path(name, version))?;
        durable::remove(&self.root().join(cascade::key(name, version)))?;
        durable::sync_folder(&self.versions_path(name))
    }

    /// Removes artifacts that no version refers to, and what killed processes left. Fails without removing anything when a record
    /// can't be read, since its artifact would be lost. Staging folders of living processes stay.
    pub fn gc(&self) -> Result<GcReport, StoreError> {
        let mut report = GcReport::default();
        if !self.root().is_dir() {
            return Ok(report);
        }
        let _lock = self.lock()?;
        if let Some(remote) = self.remote() {
            report = remote.collect(self)?;
            remote::trim(self)?;
            self.collect_staging(&mut GcReport::default())?;
            self.collect_packed(&self.referenced()?, &mut GcReport::default())?;
            return Ok(report);
        }
        let referenced = self.referenced()?;
        for (name, path) in durable::entries(&self.root().join("objects"))? {
            if referenced.contains(&name) {
                continue;
            }
            report.bytes += size(&path)?;
            self.discard_object(&path)?;
            if is_digest(&name) {
                report.objects.push(name);
            } else {
                report.leftovers += 1;
            }
        }
        self.collect_packed(&referenced, &mut report)?;
        self.collect_staging(&mut report)?;
        self.collect_records(&mut report)?;
        collect_temporary(self.root(), &mut report)?;
        Ok(report)
    }

    pub(crate) fn referenced(&self) -> Result<BTreeSet<String>, StoreError> {
        let mut digests = BTreeSet::new();
        for name in self.names()? {
            for version in self.numbers(&name)? {
                digests.extend(self.read_record(&name, version)?.map(|record| record.digest));
            }
        }
        Ok(digests)
    }

    fn collect_packed(&self, referenced: &BTreeSet<String>, report: &mut GcReport) -> Result<(), StoreError> {
        for (name, path) in durable::entries(&self.packed_folder())? {
            let owner = name.split('.').next().unwrap_or_default();
            if !referenced.contains(owner) {
                discard(&path, report)?;
            }
        }
        Ok(())
    }

    fn collect_staging(&self, report: &mut GcReport) -> Result<(), StoreError> {
        let staging = self.root().join("staging");
        let entries = durable::entries(&staging)?;
        // Folders first: a folder whose lock file is already gone is dead all the same.
        for (_, path) in entries.iter().filter(|(_, path)| path.is_dir()) {
            let alive = path.with_extension(ALIVE);
            if !is_alive(&alive)? {
                discard(path, report)?;
                durable::remove(&alive)?;
            }
        }
        for (_, path) in entries.iter().filter(|(_, path)| !path.is_dir()) {
            if path.exists() && !is_alive(path)? {
                discard(path, report)?;
            }
        }
        Ok(())
    }

    fn collect_records(&self, report: &mut GcReport) -> Result<(), StoreError> {
        for (model, folder) in durable::entries(&self.root().join("models"))? {
            let Ok(name) = Name::new(&model) else { continue };
            collect_temporary(&folder, report)?;
            let versions = self.versions_path(&name);
            collect_temporary(&versions, report)?;
            let numbers = self.numbers(&name)?;
            for (file, path) in durable::entries(&versions)? {
                let endings = [".json", ".report.json", cascade::CASCADES];
                let number = endings.into_iter().find_map(|ending| number_before(&file, ending));
                if number.is_some_and(|number| !numbers.contains(&number)) {
                    discard(&path, report)?;
                }
            }
        }
        Ok(())
    }
}

fn collect_temporary(folder: &Path, report: &mut GcReport) -> Result<(), StoreError> {
    for (name, path) in durable::entries(folder)? {
        if durable::is_temporary(&name) {
            discard(&path, report)?;
        }
    }
    Ok(())
}

fn discard(path: &Path, report: &mut GcReport) -> Result<(), StoreError> {
    report.bytes += size(path)?;
    report.leftovers += 1;
    durable::remove(path)
}

/// Whether a process holds the lock at `path`.
fn is_alive(path: &Path) -> Result<bool, StoreError> {
    if !path.exists() {
        return Ok(false);
    }
    match lock::open(path)?.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(StoreError::io("lock", path)(error)),
    }
}

fn size(path: &Path) -> Result<u64, StoreError> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(StoreError::io("look at", path)(error)),
    };
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    let files = tree::walk(path)?;
    Ok(files.iter().map(|entry| if let EntryKind::File(bytes) = entry.kind { bytes } else { 0 }).sum())
}
