//! The files of one commit of a model, fetched where the cache lacks them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loquat_spec::HubReference;

use crate::hub::api::{Api, Revision};
use crate::hub::cache::RepositoryCache;
use crate::hub::download::Job;
use crate::hub::error::HubError;
use crate::hub::repository::Repository;
use crate::hub::selection;

/// What every model directory holds.
const CONFIG: &str = "config.json";
/// One file of weights, or the index of several.
const WEIGHTS: [&str; 2] = ["model.safetensors", "model.safetensors.index.json"];

/// How a hub is reached and where its models are kept.
#[derive(Debug, Clone)]
pub struct HubConfig {
    /// Address of the hub.
    pub endpoint: String,
    /// Lets private and gated models be read.
    pub token: Option<Token>,
    /// Folder of the cache, in the layout of `huggingface_hub`.
    pub cache: PathBuf,
    /// Whether only the cache may be used.
    pub offline: bool,
    /// Longest wait for a connection, and for the first byte of an answer.
    pub timeout: Duration,
    /// How often a file that broke off is resumed.
    pub retries: u32,
    /// Pause before the first resumption; it doubles with each.
    pub pause: Duration,
}

impl HubConfig {
    /// The public hub.
    pub const PUBLIC: &str = "https://huggingface.co";

    /// The public hub without a token, with its cache in `cache`.
    pub fn new(cache: PathBuf) -> Self {
        Self {
            endpoint: Self::PUBLIC.to_owned(),
            token: None,
            cache,
            offline: false,
            timeout: Duration::from_secs(20),
            retries: 5,
            pause: Duration::from_millis(500),
        }
    }
}

/// A secret that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Takes the text of a token, which must hold something.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    pub(crate) fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// How far a file has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// Path of the file inside the model.
    pub file: &'a str,
    /// Bytes there.
    pub done: u64,
    /// Bytes of the whole, where the hub says so.
    pub bytes: Option<u64>,
}

/// The files of one commit of a model, on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The commit.
    pub commit: String,
    /// The folder; its files are links into the cache.
    pub path: PathBuf,
    /// Why the hub was not asked though it should have been; the cache answered.
    pub warning: Option<String>,
}

/// A hub of models and data sets.
#[derive(Debug)]
pub struct Hub {
    pub(crate) config: HubConfig,
    pub(crate) api: Api,
}

impl Hub {
    /// A hub; nothing is asked of it yet.
    pub fn new(config: HubConfig) -> Self {
        let api = Api::new(&config);
        Self { config, api }
    }

    /// The files of what `model` means now. A commit that the cache holds is not asked for again; a branch or tag is, and
    /// when the hub is out of reach, the commit that it meant last is taken and [`Snapshot::warning`] says so.
    pub fn snapshot(
        &self,
        model: &HubReference,
        progress: &dyn Fn(Progress<'_>),
    ) -> Result<Snapshot, HubError> {
        let repository = Repository::from(model);
        let cache = RepositoryCache::new(&self.config.cache, &repository);
        let held = cache.commit(&repository).and_then(|commit| self.held(&cache, &commit));
        if self.config.offline {
            let offline = || HubError::Offline { model: model.to_string(), cache: self.config.cache.clone() };
            return held.ok_or_else(offline);
        }
        if let Some(held) = held.clone().filter(|_| model.is_commit()) {
            return Ok(held);
        }
        match self.fetch((&repository, &cache), progress) {
            Err(error) if error.is_outage() => {
                let warning = Some(format!("{error}; the cache's copy of {model} is used"));
                held.map(|held| Snapshot { warning, ..held }).ok_or(error)
            }
            result => result,
        }
    }

    fn fetch(
        &self,
        (repository, cache): (&Repository, &RepositoryCache),
        progress: &dyn Fn(Progress<'_>),
    ) -> Result<Snapshot, HubError> {
        let Revision { commit, files } = self.api.revision(repository)?;
        let files = selection::select(&repository.to_string(), &files)?;
        self.fetch_files((repository, cache), (&commit, &files), progress)?;
        cache.remember(repository, &commit)?;
        Ok(Snapshot { path: cache.snapshot(&commit), commit, warning: None })
    }

    /// Fetches the files of a commit that the cache lacks, in order.
    pub(crate) fn fetch_files(
        &self,
        (repository, cache): (&Repository, &RepositoryCache),
        (commit, files): (&str, &[String]),
        progress: &dyn Fn(Progress<'_>),
    ) -> Result<(), HubError> {
        for path in files {
            if cache.snapshot(commit).join(path).is_file() {
                continue;
            }
            let url = self.api.url(repository, commit, path);
            let head = self.api.head(repository, &url)?;
            let (config, api) = (&self.config, &self.api);
            Job { config, api, cache, repository, path, url: &url, head: &head }.run(progress)?;
            cache.link(commit, path, &head.etag)?;
        }
        Ok(())
    }

    /// The files of a commit, where the cache has them all: weights are fetched last.
    fn held(&self, cache: &RepositoryCache, commit: &str) -> Option<Snapshot> {
        let path = cache.snapshot(commit);
        let complete = path.join(CONFIG).is_file() && has_weights(&path);
        complete.then(|| Snapshot { commit: commit.to_owned(), path, warning: None })
    }
}

fn has_weights(folder: &Path) -> bool {
    let [whole, index] = WEIGHTS.map(|name| folder.join(name));
    let graph = || selection::ONNX.iter().any(|graph| folder.join(graph).is_file());
    whole.is_file() || (index.is_file() && has_parts(folder, &index)) || graph()
}

/// Whether every part that the index of weights names is there.
fn has_parts(folder: &Path, index: &Path) -> bool {
    let parsed =
        std::fs::read(index).ok().and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
    let Some(index) = parsed else { return false };
    let Some(parts) = index["weight_map"].as_object() else { return false };
    parts.values().all(|part| {
        part.as_str().is_some_and(|part| selection::is_portable(part) && folder.join(part).is_file())
    })
}
