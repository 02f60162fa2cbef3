//! Files behind an address, on this machine: fetched once, resumed where a transfer broke off, asked for again only to see
//! whether they changed, and taken from the cache where their server is out of reach.

mod download;
mod error;
mod origin;

use std::path::{Path, PathBuf};
use std::time::Duration;

use loquat_spec::{Address, HubDataset, ObjectAddress};
use sha2::{Digest, Sha256};

use crate::hub::{Hub, HubConfig};
use crate::objects::{Bucket, Listed, ObjectSettings};
use crate::sources::download::{Download, Patience};
use crate::sources::origin::{ObjectOrigin, Origin, WebOrigin};

pub use crate::hub::Progress;
pub use error::SourceError;

/// What makes a pattern of a key.
const SPECIAL: [char; 3] = ['*', '?', '['];

/// How addresses are reached and where their files are kept.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// The hub.
    pub hub: HubConfig,
    /// The object stores.
    pub objects: ObjectSettings,
    /// Folder that files are kept in; may be deleted at any time.
    pub cache: PathBuf,
    /// How often a transfer that broke off is resumed.
    pub retries: u32,
    /// Pause before the first resumption; it doubles with each.
    pub pause: Duration,
}

impl SourceConfig {
    /// Keeps files in `cache`, with the usual patience.
    pub fn new(hub: HubConfig, objects: ObjectSettings, cache: PathBuf) -> Self {
        Self { hub, objects, cache, retries: 5, pause: Duration::from_millis(500) }
    }
}

/// One file that an address names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Where it is on this machine.
    pub path: PathBuf,
    /// Its own address, without what may be secret in it.
    pub name: String,
}

/// Told how far a transfer is.
pub type Watch = Box<dyn Fn(Progress<'_>) + Send + Sync>;
/// Told why a copy of the cache was taken though its server should have been asked.
pub type Warn = Box<dyn Fn(&str) + Send + Sync>;

/// Brings files to this machine.
pub struct Sources {
    config: SourceConfig,
    watch: Watch,
    warn: Warn,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Sources {
    /// Nothing is asked for yet.
    pub fn new(config: SourceConfig, watch: Watch, warn: Warn) -> Self {
        Self { config, watch, warn }
    }

    /// The files that `address` names, in order; more than one for a pattern of keys or a split in several files.
    pub fn files(&self, address: &Address) -> Result<Vec<Fetched>, SourceError> {
        match address {
            Address::Web(url) => Ok(vec![self.web(url)?]),
            Address::Object(address) => self.objects(address),
            Address::Hub(dataset) => self.hub(dataset),
        }
    }

    /// A folder on this machine with all objects below `address`.
    pub fn folder(&self, address: &ObjectAddress) -> Result<PathBuf, SourceError> {
        let bucket = Bucket::open(address, &self.config.objects)?;
        let target = self.place(&address.to_string());
        let listed: Vec<Listed> =
            bucket.list("")?.into_iter().filter(|object| is_portable(&object.key)).collect();
        if listed.is_empty() {
            return Err(SourceError::NoMatch { address: address.to_string() });
        }
        for object in &listed {
            let origin = ObjectOrigin { bucket: &bucket, key: &object.key, url: bucket.url(&object.key) };
            self.download(&origin, &target.join(&object.key))?;
        }
        remove_others(&target, &target, &listed)?;
        Ok(target)
    }

    fn web(&self, url: &str) -> Result<Fetched, SourceError> {
        let origin = WebOrigin::new(url);
        let target = self.place(url).join(origin.file_name());
        let name = origin.shown().to_owned();
        self.download(&origin, &target)?;
        Ok(Fetched { path: target, name })
    }

    fn objects(&self, address: &ObjectAddress) -> Result<Vec<Fetched>, SourceError> {
        let whole = ObjectAddress { key: String::new(), ..address.clone() };
        let bucket = Bucket::open(&whole, &self.config.objects)?;
        let keys = match address.key.contains(SPECIAL) {
            false => vec![address.key.clone()],
            true => self.matching(&bucket, address)?,
        };
        let mut files = Vec::new();
        for key in keys {
            let name = bucket.url(&key);
            let target = self.place(&name).join(key.rsplit('/').next().unwrap_or(&key));
            let origin = ObjectOrigin { bucket: &bucket, key: &key, url: name.clone() };
            self.download(&origin, &target)?;
            files.push(Fetched { path: target, name });
        }
        Ok(files)
    }

    /// The keys that a pattern matches. The list is kept, so that the files can be named while the store is out of reach.
    fn matching(&self, bucket: &Bucket, address: &ObjectAddress) -> Result<Vec<String>, SourceError> {
        let pattern = glob::Pattern::new(&address.key).map_err(|source| SourceError::Pattern {
            address: address.to_string(),
            reason: source.to_string(),
        })?;
        let fixed = address.key.split(SPECIAL).next().unwrap_or_default();
        let folder = fixed.rsplit_once('/').map_or("", |(folder, _)| folder);
        let options = glob::MatchOptions { require_literal_separator: true, ..Default::default() };
        let kept = self.place(&address.to_string()).join("keys");
        let keys: Vec<String> = match bucket.list(folder) {
            Ok(listed) => {
                let keys = listed.into_iter().map(|object| object.key);
                keys.filter(|key| pattern.matches_with(key, options)).collect()
            }
            Err(error) if error.is_outage() && kept.is_file() => {
                (self.warn)(&format!("{error}; the cache's copies are used"));
                let text = std::fs::read_to_string(&kept).map_err(SourceError::file("read", &kept))?;
                return Ok(text.lines().map(str::to_owned).collect());
            }
            Err(error) => return Err(error.into()),
        };
        if keys.is_empty() {
            return Err(SourceError::NoMatch { address: address.to_string() });
        }
        download::create_parent(&kept)?;
        std::fs::write(&kept, keys.join("\n")).map_err(SourceError::file("write", &kept))?;
        Ok(keys)
    }

    fn hub(&self, dataset: &HubDataset) -> Result<Vec<Fetched>, SourceError> {
        let found = Hub::new(self.config.hub.clone()).dataset(dataset, &*self.watch)?;
        if let Some(warning) = &found.warning {
            (self.warn)(warning);
        }
        let base = format!("hf://datasets/{}/{}", dataset.owner(), dataset.name());
        let named = |(path, name): (PathBuf, String)| Fetched { path, name: format!("{base}/{name}") };
        Ok(found.files.into_iter().map(named).collect())
    }

    fn download(&self, origin: &dyn Origin, target: &Path) -> Result<(), SourceError> {
        let patience = Patience { retries: self.config.retries, pause: self.config.pause };
        Download { origin, target, patience, watch: &*self.watch, warn: &*self.warn }.run()
    }

    /// The folder of what lies behind an address.
    fn place(&self, address: &str) -> PathBuf {
        let digest = Sha256::digest(address);
        let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        self.config.cache.join(name)
    }
}

/// Removes what an earlier state of a folder left.
fn remove_others(root: &Path, folder: &Path, listed: &[Listed]) -> Result<(), SourceError> {
    for entry in std::fs::read_dir(folder).map_err(SourceError::file("list", folder))? {
        let path = entry.map_err(SourceError::file("list", folder))?.path();
        let key = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        if path.is_dir() {
            remove_others(root, &path, listed)?;
        } else if !listed.iter().any(|object| key == object.key || download::belongs_to(&key, &object.key)) {
            std::fs::remove_file(&path).map_err(SourceError::file("remove", &path))?;
        }
    }
    Ok(())
}

/// Whether a key that a stranger chose stays inside of the folder that it is put into.
fn is_portable(key: &str) -> bool {
    key.split('/').all(|part| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.chars().any(|c| c.is_control() || matches!(c, '\\' | ':'))
    })
}
