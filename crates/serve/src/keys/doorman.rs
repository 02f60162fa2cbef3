//! The check of every request: which key it carries, what that key may ask, and how often.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use axum::http::{HeaderMap, header};
use loquat_spec::ErrorCode;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::bucket::Bucket;
use super::error::KeyError;
use super::file::{KeyFile, Scope};
use super::secret;
use crate::problem::Problem;
use crate::stamp::FileStamp;

/// Paths that answer without a key: what load balancers and orchestrators probe.
const OPEN: [&str; 10] = [
    "/health",
    "/health/live",
    "/health/ready",
    "/v2/health/live",
    "/v2/health/ready",
    "/ping",
    "/inference.GRPCInferenceService/ServerLive",
    "/inference.GRPCInferenceService/ServerReady",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
];
/// Wrong keys remembered, so that sending one again costs no hash.
const REFUSED: usize = 10_000;

/// Who asks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    entry: Option<Arc<Entry>>,
}

/// A key that may be used.
#[derive(Debug)]
struct Entry {
    name: Arc<str>,
    models: Option<BTreeSet<String>>,
    scopes: Vec<Scope>,
    bucket: Option<Arc<Bucket>>,
    hash: String,
}

/// Checks requests against a file of keys, which it follows; lets everybody in when there is none.
#[derive(Debug)]
pub(crate) struct Doorman {
    file: Option<PathBuf>,
    ring: RwLock<Arc<Ring>>,
    stamp: Mutex<FileStamp>,
    /// Under which digests of this process are made.
    pepper: [u8; 32],
    /// One hash at a time: each takes a core and 19 MiB.
    hashing: Semaphore,
}

/// The keys of one reading of the file.
#[derive(Debug, Default)]
struct Ring {
    entries: HashMap<String, Arc<Entry>>,
    verified: Mutex<HashMap<[u8; 32], Arc<Entry>>>,
    refused: Mutex<HashSet<[u8; 32]>>,
}

impl Caller {
    /// The caller's name: that of its key.
    pub(crate) fn name(&self) -> Arc<str> {
        static ANYBODY: LazyLock<Arc<str>> = LazyLock::new(|| "anybody".into());
        self.entry.as_ref().map_or_else(|| Arc::clone(&ANYBODY), |entry| Arc::clone(&entry.name))
    }

    /// Whether it may ask `endpoint`.
    pub(crate) fn may_ask(&self, endpoint: &str) -> Result<(), Problem> {
        if !self.has(Scope::Predict) {
            return Err(Problem::forbidden(format!("the key {} may not ask models", self.name()))
                .field("authorization")
                .remedy("send a key of scope predict; loquat keys new makes one"));
        }
        self.may_see(endpoint)
    }

    /// Whether `endpoint` is any of its business.
    pub(crate) fn may_see(&self, endpoint: &str) -> Result<(), Problem> {
        match self.models() {
            Some(models) if !models.contains(endpoint) => {
                Err(Problem::forbidden(format!("the key {} may not ask endpoint {endpoint}", self.name()))
                    .field("authorization")
                    .remedy(format!("it may ask {}", models.iter().cloned().collect::<Vec<_>>().join(", "))))
            }
            _ => Ok(()),
        }
    }

    /// Whether every endpoint is its business.
    pub(crate) fn may_see_all(&self) -> Result<(), Problem> {
        if self.models().is_none() {
            return Ok(());
        }
        let detail = format!("the key {} is for some endpoints only", self.name());
        Err(Problem::forbidden(detail)
            .field("authorization")
            .remedy("send a key without models; loquat keys new makes one"))
    }

    /// Whether it may change what is hosted, and see what others asked.
    pub(crate) fn may_administer(&self) -> Result<(), Problem> {
        if self.has(Scope::Admin) {
            return Ok(());
        }
        Err(Problem::forbidden(format!("the key {} is not of scope admin", self.name()))
            .field("authorization")
            .remedy("send a key of scope admin; loquat keys new NAME --scope predict,admin makes one"))
    }

    fn has(&self, scope: Scope) -> bool {
        self.entry.as_ref().is_none_or(|entry| entry.scopes.contains(&scope))
    }

    fn models(&self) -> Option<&BTreeSet<String>> {
        self.entry.as_ref().and_then(|entry| entry.models.as_ref())
    }
}

impl Doorman {
    /// Follows `file`; without one everybody may ask everything.
    pub(crate) fn new(file: Option<PathBuf>) -> Result<Self, KeyError> {
        let ring = file.as_deref().map(|path| Ring::read(path, &Ring::default())).transpose()?;
        let stamp = FileStamp::of(file.as_deref());
        Ok(Self {
            file,
            ring: RwLock::new(Arc::new(ring.unwrap_or_default())),
            stamp: Mutex::new(stamp),
            pepper: secret::random()?,
            hashing: Semaphore::new(1),
        })
    }

    /// Whether it asks who is there at all.
    pub(crate) fn asks(&self) -> bool {
        self.file.is_some()
    }

    /// Reads the file again where it changed. One that can't be used leaves the keys as they were.
    pub(crate) fn follow(&self) {
        let Some(path) = &self.file else { return };
        let found = FileStamp::of(Some(path));
        let mut stamp = lock(&self.stamp);
        if *stamp == found {
            return;
        }
        *stamp = found;
        drop(stamp);
        match Ring::read(path, &self.ring()) {
            Ok(ring) => {
                tracing::info!(keys = ring.entries.len(), "file of keys read again");
                *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
            }
            Err(error) => tracing::warn!(%error, "file of keys not taken; the keys before it stay"),
        }
    }

    /// Who asks for `path`, or why it is not answered.
    pub(crate) async fn admit(&self, path: &str, headers: &HeaderMap) -> Result<Caller, Problem> {
        if self.file.is_none() || OPEN.contains(&path) {
            return Ok(Caller::default());
        }
        let Some(key) = presented(headers) else {
            return Err(Problem::unauthorized("the request carries no key")
                .field("authorization")
                .remedy("send header authorization: Bearer KEY; make a key with loquat keys new"));
        };
        let entry = self.recognise(key).await?;
        if let Some(bucket) = &entry.bucket
            && let Err(wait) = bucket.take(Instant::now())
        {
            let detail = format!("the key {} may send {} requests a second", entry.name, bucket.rate());
            return Err(Problem::new(ErrorCode::Overloaded, detail)
                .remedy("send again after the time in header retry-after")
                .retry_after(wait));
        }
        Ok(Caller { entry: Some(entry) })
    }

    async fn recognise(&self, key: &str) -> Result<Arc<Entry>, Problem> {
        let ring = self.ring();
        let digest: [u8; 32] = Sha256::new().chain_update(self.pepper).chain_update(key).finalize().into();
        if let Some(entry) = lock(&ring.verified).get(&digest) {
            return Ok(Arc::clone(entry));
        }
        let unknown = || {
            Problem::unauthorized("the key is not known here")
                .field("authorization")
                .remedy("send a key that loquat keys new printed for this server")
        };
        let entry = secret::id_of(key).and_then(|id| ring.entries.get(id)).ok_or_else(unknown)?;
        if lock(&ring.refused).contains(&digest) {
            return Err(unknown());
        }
        // The semaphore is never closed.
        let _one = self.hashing.acquire().await;
        let (copy, hash) = (key.to_owned(), entry.hash.clone());
        let right = tokio::task::spawn_blocking(move || secret::verify(&copy, &hash)).await;
        if right.unwrap_or(false) {
            lock(&ring.verified).insert(digest, Arc::clone(entry));
            return Ok(Arc::clone(entry));
        }
        let mut refused = lock(&ring.refused);
        if refused.len() >= REFUSED {
            refused.clear();
        }
        refused.insert(digest);
        Err(unknown())
    }

    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ring {
    /// The keys of a file. A key whose rate is as `before` goes on with the tokens that it has left.
    fn read(path: &Path, before: &Self) -> Result<Self, KeyError> {
        let now = Instant::now();
        let mut entries = HashMap::new();
        for key in KeyFile::read(path)?.keys {
            let kept = before.entries.get(&key.id).and_then(|entry| entry.bucket.clone());
            let kept = kept.filter(|bucket| Some(bucket.rate()) == key.rate);
            let bucket = key.rate.map(|rate| kept.unwrap_or_else(|| Arc::new(Bucket::new(rate, now))));
            let models = key.models.map(BTreeSet::from_iter);
            let entry = Entry { name: key.name.into(), models, scopes: key.scopes, bucket, hash: key.hash };
            entries.insert(key.id, Arc::new(entry));
        }
        Ok(Self { entries, ..Self::default() })
    }
}

/// The key that a request carries.
fn presented(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    bearer.or_else(|| headers.get("x-api-key")?.to_str().ok())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
