//! The file of keys: names, models, rates, scopes and hashes, as JSON. It holds no secret that opens anything.

use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::KeyError;
use super::secret;

/// The format of the file.
///
/// - `1.0`: names, ids, models, rates, hashes. Its keys could ask, and those without models could change resources too.
/// - `1.1`: `scopes`. A file of 1.0 is read as if each entry said `[predict]`: its keys answer as before and change nothing.
///   A loquat of 1.0 refuses a file with scopes, since it would grant more than they say.
const FORMAT: &str = "1.1";

/// A file of keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyFile {
    format_version: String,
    /// The keys.
    pub keys: Vec<KeyEntry>,
}

/// What is stored of a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyEntry {
    /// Who it was given to: the caller's name in logs, and in the fair shares of a queue.
    pub name: String,
    /// The part of the key that is no secret.
    pub id: String,
    /// Endpoints that it may ask; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// Most requests a second, averaged; no limit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// What it may do; `[predict]` when absent.
    #[serde(default = "Scope::least")]
    pub scopes: Vec<Scope>,
    /// Argon2id hash of the key in PHC form.
    pub hash: String,
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Ask the models that it is for.
    Predict,
    /// Change the resources of the server, load and unload models, and see the requests of other callers.
    Admin,
}

/// What a new key is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// Who it is given to.
    pub name: String,
    /// Endpoints that it may ask; all when absent.
    pub models: Option<Vec<String>>,
    /// Most requests a second; no limit when absent.
    pub rate: Option<f64>,
    /// What it may do.
    pub scopes: Vec<Scope>,
}

impl Scope {
    fn least() -> Vec<Self> {
        vec![Self::Predict]
    }
}

impl Default for KeyFile {
    fn default() -> Self {
        Self { format_version: FORMAT.to_owned(), keys: Vec::new() }
    }
}

impl KeyFile {
    /// Reads a file and checks every entry.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let bytes = std::fs::read(path).map_err(|source| file(path, "read", source))?;
        let read: Self = serde_json::from_slice(&bytes)
            .map_err(|source| KeyError::Form { path: path.to_owned(), source })?;
        if read.format_version.split('.').next() != FORMAT.split('.').next() {
            return Err(KeyError::Version {
                path: path.to_owned(),
                found: read.format_version,
                known: FORMAT,
            });
        }
        for entry in &read.keys {
            if let Some(problem) = entry.problem() {
                return Err(KeyError::Entry { path: path.to_owned(), name: entry.name.clone(), problem });
            }
        }
        Ok(read)
    }

    /// Adds a key to the file, which is made where there is none, and gives the key itself. Nothing holds it afterwards.
    pub fn add(path: &Path, grant: Grant) -> Result<String, KeyError> {
        let mut keys = match Self::read(path) {
            Err(KeyError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Self::default()
            }
            read => read?,
        };
        let Grant { name, models, rate, scopes } = grant;
        if keys.keys.iter().any(|entry| entry.name == name) {
            return Err(KeyError::Taken { path: path.to_owned(), name });
        }
        let made = secret::make()?;
        let entry = KeyEntry { name, id: made.id, models, rate, scopes, hash: made.hash };
        if let Some(problem) = entry.problem() {
            return Err(KeyError::Entry { path: path.to_owned(), name: entry.name, problem });
        }
        keys.keys.push(entry);
        keys.format_version = FORMAT.to_owned();
        keys.write(path)?;
        Ok(made.key)
    }

    /// Writes the file beside its place, for its owner alone, and renames it.
    fn write(&self, path: &Path) -> Result<(), KeyError> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|source| KeyError::Form { path: path.to_owned(), source })?;
        let beside = path.with_extension("new");
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(&beside).and_then(|mut out| {
            out.write_all(text.as_bytes())?;
            out.write_all(b"\n")?;
            out.sync_all()
        });
        written.and_then(|()| std::fs::rename(&beside, path)).map_err(|source| file(path, "written", source))
    }
}

impl KeyEntry {
    fn problem(&self) -> Option<&'static str> {
        if loquat_spec::Name::new(&self.name).is_err() {
            return Some("its name is not 1 to 63 lower-case letters, digits and inner dashes");
        }
        if self.rate.is_some_and(|rate| !(rate.is_finite() && rate > 0.0)) {
            return Some("its rate is not a number above 0");
        }
        if self.models.as_ref().is_some_and(Vec::is_empty) {
            return Some("its list of models is empty; leave it out to allow all");
        }
        if self.scopes.is_empty() {
            return Some("its list of scopes is empty; name predict, admin or both");
        }
        if self.models.is_some() && self.scopes.contains(&Scope::Admin) {
            return Some("its scope admin reaches every endpoint; leave out its models, or the scope");
        }
        if !secret::is_hash(&self.hash) {
            return Some("its hash is not Argon2id in PHC form");
        }
        None
    }
}

fn file(path: &Path, step: &'static str, source: std::io::Error) -> KeyError {
    KeyError::File { path: path.to_owned(), step, source }
}
