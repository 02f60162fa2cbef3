//! What the registry remembers of a version.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One file of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileRecord {
    /// Path inside the artifact, `/` between its parts.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the content, in hexadecimal.
    pub sha256: String,
}

/// An immutable version of a model and where it came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionRecord {
    /// The model's name.
    pub name: String,
    /// The version's number, from 1; a number is given once, even after the version is removed.
    pub version: u32,
    /// SHA-256 of the artifact's tree: of the lines `SHA256 BYTES PATH\n`, ordered by path.
    pub digest: String,
    /// SHA-256 of the file of weights; of the lines `SHA256 PATH\n` where there are several.
    pub weights_digest: String,
    /// Metrics by name.
    pub metrics: BTreeMap<String, f64>,
    /// Hash of the data trained on, or of the files imported; empty when unknown.
    pub data_hash: String,
    /// Text of the resource that was trained; empty when unknown.
    pub resource: String,
    /// Hash of everything that the training depended on; empty when unknown.
    pub inputs_hash: String,
    /// Version of the code that trained it; empty when unknown.
    pub code_version: String,
    /// Seed of the training.
    pub seed: u64,
    /// The version of the same model that it was compared with or started from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// Where an imported version comes from: `name:version` of an export, a folder, or a model of a hub at a commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// How its training ended, or `imported`.
    pub outcome: String,
    /// When it was made, RFC 3339.
    pub created: String,
    /// Size of the artifact in bytes.
    pub bytes: u64,
    /// The artifact's files, ordered by path.
    pub files: Vec<FileRecord>,
}

/// What a caller says of a version that it registers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewVersion {
    /// Metrics by name; all finite.
    pub metrics: BTreeMap<String, f64>,
    /// Hash of the data trained on.
    pub data_hash: String,
    /// Text of the resource that was trained.
    pub resource: String,
    /// Hash of everything that the training depended on.
    pub inputs_hash: String,
    /// Version of the code that trained it.
    pub code_version: String,
    /// Seed of the training.
    pub seed: u64,
    /// The version of the same model that it was compared with or started from.
    pub parent: Option<u32>,
    /// How its training ended; `failed` and `cancelled` are refused.
    pub outcome: String,
    /// Where an imported version comes from.
    pub origin: Option<String>,
    /// The training report; its `name` and `version`, where it has them, are filled in.
    pub report: Option<serde_json::Value>,
    /// When it was made, RFC 3339; the store's clock when empty.
    pub created: String,
}

/// A version found, and where its artifact lies.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The version.
    pub record: VersionRecord,
    /// The artifact's folder; nothing may be written there.
    pub path: PathBuf,
}

/// A model with all its versions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelSummary {
    /// The model's name.
    pub name: String,
    /// Its versions, oldest first.
    pub versions: Vec<VersionRecord>,
    /// Where each alias points.
    pub aliases: BTreeMap<String, u32>,
}
