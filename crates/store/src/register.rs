//! Registering: a staged folder becomes an immutable version.

use std::fs;
use std::path::Path;

use loquat_spec::Name;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::admission;
use crate::durable;
use crate::envelope;
use crate::error::StoreError;
use crate::record::{FileRecord, NewVersion, VersionRecord};
use crate::staging::{self, Staging};
use crate::store::Store;
use crate::tree;

/// Outcomes after which nothing may be registered.
const UNREGISTRABLE: [&str; 2] = ["failed", "cancelled"];

impl Store {
    /// Makes the staged artifact the next version of `name`. `name` and `version` of the report, where it has them, become the
    /// version's. The record is written last: a crash before it leaves no version, only
    /// what [`Store::gc`] removes.
    pub fn register(
        &self,
        name: &Name,
        staging: Staging,
        new: NewVersion,
    ) -> Result<VersionRecord, StoreError> {
        check_new_version(name, &new)?;
        if staging.root() != self.root() {
            return Err(StoreError::ForeignStaging {
                staging: staging.path().to_owned(),
                root: self.root().to_owned(),
            });
        }
        admission::check(staging.path(), &[])?;
        let files = tree::hash_files(staging.path())?;
        tree::forbid_writing(staging.path())?;
        tree::sync(staging.path())?;
        let mut record = record_of(name, files, &new);

        let _lock = self.lock()?;
        if record.created.is_empty() {
            record.created = self.now();
        }
        if let Some(remote) = self.remote() {
            let report = |record: &VersionRecord| new.report.as_ref().map(|report| named(report, record));
            remote.register(self, (&staging, &mut record), report)?;
            self.keep_object(&staging, &record)?;
            remote.refresh(self)?;
            return Ok(record);
        }
        record.version = self.highest_number(name)? + 1;
        self.keep_object(&staging, &record)?;
        durable::create_folder(&self.versions_path(name))?;
        match &new.report {
            Some(report) => {
                envelope::write(&self.report_path(name, record.version), &named(report, &record))?
            }
            // A process killed before its record may have left a report under this number.
            None => durable::remove(&self.report_path(name, record.version))?,
        }
        envelope::write(&self.record_path(name, record.version), &record)?;
        Ok(record)
    }

    /// Moves the staged folder to its place, unless the same content is there, whole.
    pub(crate) fn keep_object(&self, staging: &Staging, record: &VersionRecord) -> Result<(), StoreError> {
        let object = self.object_path(&record.digest);
        if object.is_dir() {
            if tree::hash_files(&object)? == record.files {
                return Ok(());
            }
            self.discard_object(&object)?;
        }
        durable::create_folder(&self.root().join("objects"))?;
        fs::rename(staging.path(), &object).map_err(StoreError::io("move into place", &object))?;
        durable::sync_parent(&object)
    }

    /// Removes an object so that a crash never leaves half of it in its place. The caller holds the lock.
    pub(crate) fn discard_object(&self, object: &std::path::Path) -> Result<(), StoreError> {
        let trash = self.root().join("staging");
        durable::create_folder(&trash)?;
        let trash = trash.join(format!("trash-{}", staging::unique_name()));
        durable::remove(&trash)?;
        fs::rename(object, &trash).map_err(StoreError::io("move away", object))?;
        durable::sync_parent(object)?;
        durable::remove(&trash)
    }
}

/// The report with the name and number that the version got, where it has places for them.
fn named(report: &Value, record: &VersionRecord) -> Value {
    let mut report = report.clone();
    for (key, value) in [("name", record.name.as_str().into()), ("version", record.version.into())] {
        if let Some(place) = report.get_mut(key) {
            *place = value;
        }
    }
    report
}

/// The [`VersionRecord::weights_digest`] that the artifact in `folder` would have.
///
/// # Errors
/// When a file can't be read.
pub fn weights_digest(folder: &Path) -> Result<String, StoreError> {
    Ok(digest_of(&tree::hash_files(folder)?))
}

fn digest_of(files: &[FileRecord]) -> String {
    let endings = [".safetensors", ".onnx", ".onnx_data", ".data"];
    let is_weights = |file: &&FileRecord| endings.iter().any(|ending| file.path.ends_with(ending));
    let weights: Vec<&FileRecord> = files.iter().filter(is_weights).collect();
    match weights[..] {
        [] => String::new(),
        [whole] => whole.sha256.clone(),
        _ => {
            let lines: String =
                weights.iter().map(|file| format!("{} {}\n", file.sha256, file.path)).collect();
            Sha256::digest(lines).iter().map(|byte| format!("{byte:02x}")).collect()
        }
    }
}

fn check_new_version(name: &Name, new: &NewVersion) -> Result<(), StoreError> {
    let invalid = |field: String, found: String, rule| {
        Err(StoreError::InvalidVersion { name: name.to_string(), field, found, rule })
    };
    if UNREGISTRABLE.iter().any(|outcome| new.outcome.eq_ignore_ascii_case(outcome)) {
        let rule = "only trainings that completed or stopped early become versions";
        return invalid("outcome".to_owned(), new.outcome.clone(), rule);
    }
    for (metric, value) in &new.metrics {
        if !value.is_finite() {
            return invalid(format!("metrics.{metric}"), value.to_string(), "a metric is a finite number");
        }
    }
    Ok(())
}

fn record_of(name: &Name, files: Vec<FileRecord>, new: &NewVersion) -> VersionRecord {
    VersionRecord {
        name: name.to_string(),
        version: 0,
        digest: tree::digest(&files),
        weights_digest: digest_of(&files),
        metrics: new.metrics.clone(),
        data_hash: new.data_hash.clone(),
        resource: new.resource.clone(),
        inputs_hash: new.inputs_hash.clone(),
        code_version: new.code_version.clone(),
        seed: new.seed,
        parent: new.parent,
        origin: new.origin.clone(),
        outcome: new.outcome.clone(),
        created: new.created.clone(),
        bytes: files.iter().map(|file| file.bytes).sum(),
        files,
    }
}
