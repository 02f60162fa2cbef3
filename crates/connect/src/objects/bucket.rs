//! A bucket, or what lies below a prefix of one.

use std::fs::File;
use std::io::Read;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::SystemTime;

use loquat_spec::ObjectAddress;
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, GetResult, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload,
    UpdateVersion,
};
use tokio::runtime::Runtime;

use crate::objects::error::ObjectError;
use crate::objects::settings::ObjectSettings;

/// Bytes of one part of a large upload; smaller files are sent in one request.
const PART: usize = 32 << 20;

/// What lies below an address of an object store. Keys are relative to the address. Every call blocks its thread and must
/// not be made from an asynchronous task.
pub struct Bucket {
    address: ObjectAddress,
    store: Arc<dyn ObjectStore>,
    runtime: Runtime,
}

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key below the bucket's address.
    pub key: String,
    /// Its size.
    pub bytes: u64,
    /// Changes with its content.
    pub mark: String,
    /// When it was written.
    pub modified: SystemTime,
}

/// Which state of an object was read, for writing it only if that is still its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    entity: Option<String>,
    generation: Option<String>,
}

/// A small object, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its state.
    pub tag: Tag,
}

/// When an object is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// In any case.
    Always,
    /// Only if there is none.
    Absent,
    /// Only if it still is in the state that was read.
    Unchanged(Tag),
}

/// Bytes of an object from some place on.
pub struct Part {
    /// The bytes.
    pub reader: Box<dyn Read + Send>,
    /// Size of the whole object.
    pub bytes: u64,
    /// Changes with its content.
    pub mark: String,
}

impl std::fmt::Debug for Bucket {
    /// The address alone: a client holds secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Bucket").field(&self.address).finish()
    }
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part").field("bytes", &self.bytes).field("mark", &self.mark).finish_non_exhaustive()
    }
}

impl Bucket {
    /// A client of what lies below `address`; nothing is asked yet.
    pub fn open(address: &ObjectAddress, settings: &ObjectSettings) -> Result<Self, ObjectError> {
        let url = address.to_string();
        let store = settings.store(address).map_err(|error| ObjectError::Settings {
            url: url.clone(),
            scheme: address.scheme,
            reason: error.to_string(),
        })?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(|source| ObjectError::Start { url, source })?;
        Ok(Self { address: address.clone(), store, runtime })
    }

    /// Where it lies.
    pub fn address(&self) -> &ObjectAddress {
        &self.address
    }

    /// The address of `key`, for messages.
    pub fn url(&self, key: &str) -> String {
        let separator = if key.is_empty() { "" } else { "/" };
        format!("{}{separator}{key}", self.address)
    }

    /// The objects whose keys begin with the folder `folder`, all of them when it is empty, ordered by key.
    pub fn list(&self, folder: &str) -> Result<Vec<Listed>, ObjectError> {
        let prefix = self.path(folder)?;
        let listed = self.runtime.block_on(async {
            let mut stream = self.store.list(Some(&prefix).filter(|prefix| !prefix.as_ref().is_empty()));
            let mut found = Vec::new();
            while let Some(object) = next(&mut stream).await {
                found.push(object?);
            }
            Ok(found)
        });
        let listed = listed.map_err(|error| self.failure(error, folder))?;
        let mut found: Vec<Listed> = listed.iter().filter_map(|object| self.listed(object)).collect();
        found.sort_by(|left, right| left.key.cmp(&right.key));
        Ok(found)
    }

    /// A small object; `None` where there is none.
    pub fn read(&self, key: &str) -> Result<Option<Content>, ObjectError> {
        let path = self.path(key)?;
        let read = self.runtime.block_on(async {
            let found = self.store.get_opts(&path, GetOptions::default()).await?;
            let tag = Tag { entity: found.meta.e_tag.clone(), generation: found.meta.version.clone() };
            Ok(Content { tag, bytes: found.bytes().await?.to_vec() })
        });
        match read {
            Ok(content) => Ok(Some(content)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failure(error, key)),
        }
    }

    /// Writes a small object under a condition; whether the condition held.
    pub fn write(&self, key: &str, bytes: Vec<u8>, condition: Condition) -> Result<bool, ObjectError> {
        let path = self.path(key)?;
        let mode = match condition {
            Condition::Always => PutMode::Overwrite,
            Condition::Absent => PutMode::Create,
            Condition::Unchanged(Tag { entity, generation }) => {
                PutMode::Update(UpdateVersion { e_tag: entity, version: generation })
            }
        };
        match self.runtime.block_on(self.store.put_opts(&path, PutPayload::from(bytes), mode.into())) {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                Ok(false)
            }
            Err(error) => Err(self.failure(error, key)),
        }
    }

    /// Writes the file at `path` as an object, in parts where it is large.
    pub fn upload(&self, key: &str, path: &FilePath) -> Result<(), ObjectError> {
        let mut file = File::open(path).map_err(ObjectError::file("read", path))?;
        let first = piece(&mut file).map_err(ObjectError::file("read", path))?;
        if first.len() < PART {
            return self.write(key, first, Condition::Always).map(|_| ());
        }
        let target = self.path(key)?;
        let start = self.runtime.block_on(self.store.put_multipart(&target));
        let mut upload = start.map_err(|error| self.failure(error, key))?;
        let mut part = first;
        while !part.is_empty() {
            let sent = self.runtime.block_on(upload.put_part(PutPayload::from(part)));
            sent.map_err(|error| self.failure(error, key))?;
            part = piece(&mut file).map_err(ObjectError::file("read", path))?;
        }
        self.runtime.block_on(upload.complete()).map(|_| ()).map_err(|error| self.failure(error, key))
    }

    /// The bytes of an object from byte `from` on. With `mark`, `None` where it is not in that state any more (from a
    /// later byte on), or where it still is (from the first).
    pub fn part(&self, key: &str, from: u64, mark: Option<&str>) -> Result<Option<Part>, ObjectError> {
        let path = self.path(key)?;
        let mark = mark.map(str::to_owned);
        let mut options = GetOptions::default();
        if from > 0 {
            options.range = Some(GetRange::Offset(from));
            options.if_match = mark;
        } else {
            options.if_none_match = mark;
        }
        match self.runtime.block_on(self.store.get_opts(&path, options)) {
            Ok(found) => Ok(Some(part(found, self.reading()?))),
            Err(object_store::Error::NotModified { .. } | object_store::Error::Precondition { .. }) => {
                Ok(None)
            }
            // Nothing is left behind this byte: what is there is not what was begun, or all of it came already.
            Err(error) if from > 0 && error.to_string().contains("416") => Ok(None),
            Err(error) => Err(self.failure(error, key)),
        }
    }

    /// Removes an object; absent is as good as removed.
    pub fn remove(&self, key: &str) -> Result<(), ObjectError> {
        let path = self.path(key)?;
        match self.runtime.block_on(self.store.delete(&path)) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failure(error, key)),
        }
    }

    fn path(&self, key: &str) -> Result<Path, ObjectError> {
        let whole = [self.address.key.as_str(), key];
        let whole = whole.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
        Path::parse(&whole).map_err(|error| self.failure(error.into(), key))
    }

    fn listed(&self, object: &ObjectMeta) -> Option<Listed> {
        let key = object.location.as_ref().strip_prefix(&self.address.key)?.trim_start_matches('/');
        let (bytes, modified) = (object.size, SystemTime::from(object.last_modified));
        Some(Listed { key: key.to_owned(), bytes, mark: mark(object), modified })
    }

    fn failure(&self, error: object_store::Error, key: &str) -> ObjectError {
        ObjectError::of(error, self.url(key), self.address.scheme)
    }

    fn reading(&self) -> Result<Runtime, ObjectError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.map_err(|source| ObjectError::Start { url: self.address.to_string(), source })
    }
}

/// The object's entity tag, else its size and time.
fn mark(object: &ObjectMeta) -> String {
    let otherwise = || format!("{}-{}", object.size, object.last_modified.timestamp_millis());
    object.e_tag.clone().unwrap_or_else(otherwise)
}

fn part(found: GetResult, runtime: Runtime) -> Part {
    let (bytes, mark) = (found.meta.size, mark(&found.meta));
    let stream = found.into_stream();
    Part { reader: Box::new(StreamReader { stream, runtime, rest: bytes::Bytes::new() }), bytes, mark }
}

type Bytes<T> = std::pin::Pin<Box<dyn futures_core::Stream<Item = object_store::Result<T>> + Send + 'static>>;

/// A stream of pieces as a reader.
struct StreamReader {
    stream: Bytes<bytes::Bytes>,
    runtime: Runtime,
    rest: bytes::Bytes,
}

impl Read for StreamReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.rest.is_empty() {
            match self.runtime.block_on(next(&mut self.stream)) {
                None => return Ok(0),
                Some(piece) => self.rest = piece.map_err(std::io::Error::other)?,
            }
        }
        let length = self.rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.rest.split_to(length));
        Ok(length)
    }
}

/// The next entry of a stream.
async fn next<S: futures_core::Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    std::future::poll_fn(|context| std::pin::Pin::new(&mut *stream).poll_next(context)).await
}

/// Up to one part of a file.
fn piece(file: &mut File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(PART as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}
