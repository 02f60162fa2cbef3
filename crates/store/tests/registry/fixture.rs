//! Stores in temporary folders and the smallest artifacts that are let in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use loquat_spec::{ModelReference, Name};
use loquat_store::{NewVersion, Staging, Store, VersionRecord};
use tempfile::TempDir;

/// A store in a folder that ends with it.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) folder: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        Self { store, folder }
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// Registers an artifact whose weights are `content`.
    pub(crate) fn register(&self, name: &str, content: &str) -> VersionRecord {
        register(&self.store, name, content)
    }

    pub(crate) fn versions(&self, name_: &str) -> Vec<u32> {
        self.store.model(&name(name_)).unwrap().versions.iter().map(|record| record.version).collect()
    }
}

pub(crate) fn register(store: &Store, name_: &str, content: &str) -> VersionRecord {
    let staging = staged(store, content);
    store.register(&name(name_), staging, new_version()).unwrap()
}

pub(crate) fn staged(store: &Store, content: &str) -> Staging {
    let staging = store.stage().unwrap();
    write_artifact(staging.path(), content);
    staging
}

pub(crate) fn write_artifact(dir: &Path, content: &str) {
    fs::create_dir_all(dir).unwrap();
    fs::write(dir.join("loquat.json"), "{\"formatVersion\": \"1.0\"}").unwrap();
    fs::write(dir.join("model.safetensors"), safetensors(content.as_bytes(), 0)).unwrap();
}

/// A safetensors file of one tensor of bytes, its header padded with spaces to at least `header` bytes.
pub(crate) fn safetensors(data: &[u8], header: usize) -> Vec<u8> {
    let count = data.len();
    let mut text = format!(r#"{{"t":{{"dtype":"U8","shape":[{count}],"data_offsets":[0,{count}]}}}}"#);
    while text.len() < header || !text.len().is_multiple_of(8) {
        text.push(' ');
    }
    let mut file = (text.len() as u64).to_le_bytes().to_vec();
    file.extend(text.as_bytes());
    file.extend(data);
    file
}

pub(crate) fn new_version() -> NewVersion {
    NewVersion {
        metrics: BTreeMap::from([("macro-f1".to_owned(), 0.1 + 0.2), ("accuracy".to_owned(), 0.9)]),
        data_hash: "d".repeat(64),
        resource: "kind: Training\nmetadata: { name: tickets }\n".to_owned(),
        inputs_hash: "e".repeat(64),
        code_version: "0.1.0".to_owned(),
        seed: 17,
        parent: None,
        outcome: "completed".to_owned(),
        origin: None,
        report: Some(serde_json::json!({"formatVersion": "1.0", "metric": "macro-f1"})),
        created: "2026-01-02T03:04:05Z".to_owned(),
    }
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(crate) fn reference(text: &str) -> ModelReference {
    text.parse().unwrap()
}

/// Every file below a folder.
pub(crate) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
