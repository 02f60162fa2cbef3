//! Export to a folder and import from one.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use loquat_spec::{ModelReference, Name};
use serde::{Deserialize, Serialize};

use crate::admission::{self, EXPORTED_RECORD};
use crate::durable;
use crate::envelope;
use crate::error::StoreError;
use crate::record::{NewVersion, VersionRecord};
use crate::store::Store;
use crate::tree;

/// Body of the file that an export adds to the artifact.
#[derive(Serialize, Deserialize)]
struct Exported {
    record: VersionRecord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    report: Option<serde_json::Value>,
}

impl Store {
    /// Writes a version's artifact to `dir`, a new or empty folder, with its record and report in `loquat-version.json`, which
    /// comes last. The artifact is verified first.
    pub fn export(&self, reference: &ModelReference, dir: &Path) -> Result<VersionRecord, StoreError> {
        let resolved = self.verify(reference)?;
        if dir.exists() && !(dir.is_dir() && durable::entries(dir)?.is_empty()) {
            return Err(StoreError::NotEmpty { path: dir.to_owned() });
        }
        durable::create_folder(dir)?;
        copy_tree(&resolved.path, dir, &[])?;
        tree::sync(dir)?;
        let report = self.report(reference)?;
        let exported = Exported { record: resolved.record, report };
        envelope::write(&dir.join(EXPORTED_RECORD), &exported)?;
        Ok(exported.record)
    }

    /// Registers the artifact in `dir` as the next version of `name`. An exported folder keeps its provenance and report, and must
    /// still hold what was exported. Only safetensors, an ONNX graph, JSON and text files are let in.
    pub fn import(&self, name: &Name, dir: &Path) -> Result<VersionRecord, StoreError> {
        admission::check(dir, &[EXPORTED_RECORD])?;
        let exported_path = dir.join(EXPORTED_RECORD);
        let exported: Option<Exported> = envelope::read(&exported_path)?;
        let staging = self.stage()?;
        copy_tree(dir, staging.path(), &[EXPORTED_RECORD])?;
        let Some(Exported { record, report }) = exported else {
            let new = NewVersion { outcome: "imported".to_owned(), ..NewVersion::default() };
            return self.register(name, staging, new);
        };
        if tree::digest(&tree::hash_files(staging.path())?) != record.digest {
            let reason = "the files beside it are not those that were exported; delete it to import them without provenance";
            return Err(StoreError::Damaged { path: exported_path, reason: reason.to_owned() });
        }
        let origin = format!("{}:{}", record.name, record.version);
        let new = NewVersion {
            metrics: record.metrics,
            data_hash: record.data_hash,
            resource: record.resource,
            inputs_hash: record.inputs_hash,
            code_version: record.code_version,
            seed: record.seed,
            // A parent's number means nothing in another store.
            parent: None,
            outcome: record.outcome,
            origin: Some(origin),
            report,
            created: record.created,
        };
        self.register(name, staging, new)
    }
}

/// Copies contents, not permissions: files of the store are read-only, copies of them are not.
fn copy_tree(from: &Path, to: &Path, ignored: &[&str]) -> Result<(), StoreError> {
    for entry in tree::walk(from)? {
        if ignored.contains(&entry.relative.as_str()) {
            continue;
        }
        let target = to.join(&entry.relative);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(StoreError::io("create the folder", parent))?;
        }
        let mut source = File::open(&entry.path).map_err(StoreError::io("read", &entry.path))?;
        let mut copy = File::create_new(&target).map_err(StoreError::io("create", &target))?;
        io::copy(&mut source, &mut copy).map_err(StoreError::io("write", &target))?;
    }
    Ok(())
}
