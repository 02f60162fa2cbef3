//! Weights packed for the kernels, kept in a file that is mapped: a second load, in this process or another, uses the memory
//! of the first.
//!
//! A file belongs to one artifact, kernel path, precision and layout, which stand in its name. It holds parts of 64-aligned
//! bytes, an index of them as JSON, and at its end a SHA-256 over all before, so that one that was cut, changed or half
//! written is none, and is made again. Any file may be deleted at any time.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loquat_kernels::{Kernels, LAYOUT, Mapping};
use loquat_spec::Precision;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Parts begin at multiples of so many bytes: a cache line.
const LINE: usize = 64;
/// The last bytes of a file.
const MAGIC: &[u8; 8] = b"loquat-1";
/// Bytes behind the index: its length, the SHA-256, the magic.
const FOOTER: usize = 8 + 32 + MAGIC.len();

/// Where the packed weights of an artifact are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedPlace {
    folder: PathBuf,
    digest: String,
}

impl PackedPlace {
    /// In `folder`, which need not exist, for the artifact of that digest. The artifact's files must not change any more.
    pub fn new(folder: PathBuf, digest: &str) -> Self {
        Self { folder, digest: digest.to_owned() }
    }

    /// The file of one path and precision.
    pub(crate) fn path(&self, kernels: Kernels, precision: Precision) -> PathBuf {
        let (digest, path, precision) = (&self.digest, kernels.path(), precision.as_str());
        self.folder.join(format!("{digest}.{path}-{precision}-{LAYOUT}.packed"))
    }
}

/// What a file holds.
#[derive(Debug, Serialize, Deserialize)]
struct Index {
    /// Its own name, so that one under the name of another is none.
    file: String,
    /// Places of the parts by the name of what they make up.
    parts: BTreeMap<String, Vec<Range<usize>>>,
}

/// A file of packed weights.
#[derive(Debug)]
pub(crate) struct PackedFile {
    pub(crate) mapping: Arc<Mapping>,
    index: Index,
}

impl PackedFile {
    /// Opens the file and reads all of it; `None` when there is none, or it is not as it was written.
    pub(crate) fn open(path: &Path) -> Option<Self> {
        let mapping = Mapping::of(&File::open(path).ok()?).ok()?;
        let bytes = mapping.bytes();
        let (body, footer) = bytes.split_at_checked(bytes.len().checked_sub(FOOTER)?)?;
        let (length, rest) = footer.split_at(8);
        let (hash, magic) = rest.split_at(32);
        let found = Sha256::new().chain_update(body).chain_update(length).finalize();
        if magic != MAGIC || found[..] != *hash {
            return None;
        }
        let length = usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).ok()?;
        let index = body.get(body.len().checked_sub(length)?..)?;
        let index: Index = serde_json::from_slice(index).ok()?;
        (index.file == name_of(path)).then_some(Self { mapping, index })
    }

    /// Places of the parts of `name`; none where the file lacks it.
    pub(crate) fn parts(&self, name: &str) -> &[Range<usize>] {
        self.index.parts.get(name).map_or(&[], Vec::as_slice)
    }
}

/// A file of packed weights on its way to the disk.
#[derive(Debug)]
pub(crate) struct PackedWriter {
    path: PathBuf,
    temporary: PathBuf,
    file: BufWriter<File>,
    hash: Sha256,
    length: usize,
    index: Index,
    /// The first failure; nothing is written after it.
    failure: Option<io::Error>,
}

impl PackedWriter {
    /// Begins a file beside its place.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path.parent().unwrap_or(Path::new("")))?;
        let name = name_of(path);
        let thread = std::thread::current().id();
        let temporary = path.with_file_name(format!(".{name}.{}.{thread:?}.tmp", std::process::id()));
        let file = BufWriter::new(File::create(&temporary)?);
        let (path, hash) = (path.to_owned(), Sha256::new());
        let index = Index { file: name, parts: BTreeMap::new() };
        Ok(Self { path, temporary, file, hash, length: 0, index, failure: None })
    }

    /// Adds the parts of `name`.
    pub(crate) fn push(&mut self, name: &str, parts: &[&[u8]]) {
        let mut places = Vec::with_capacity(parts.len());
        for part in parts {
            let filling = self.length.next_multiple_of(LINE) - self.length;
            self.write(&[0; LINE][..filling]);
            places.push(self.length..self.length + part.len());
            self.write(part);
        }
        self.index.parts.insert(name.to_owned(), places);
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.failure.is_none() {
            self.hash.update(bytes);
            self.failure = self.file.write_all(bytes).err();
            self.length += bytes.len();
        }
    }

    /// Puts the file into its place, whole.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        let index = serde_json::to_vec(&self.index)?;
        self.write(&index);
        self.write(&(index.len() as u64).to_le_bytes());
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        self.file.write_all(&std::mem::take(&mut self.hash).finalize())?;
        self.file.write_all(MAGIC)?;
        // Who opens it looks whether it is whole, so that nobody waits for the disk.
        self.file.flush()?;
        fs::rename(&self.temporary, &self.path)
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl Drop for PackedWriter {
    fn drop(&mut self) {
        // Gone already where the file is in its place; otherwise whoever collects leftovers finds it.
        let _ = fs::remove_file(&self.temporary);
    }
}
