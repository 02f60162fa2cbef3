//! An artifact folder as a list of files, and the hash of that list.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::durable;
use crate::error::StoreError;
use crate::record::FileRecord;

/// One entry of an artifact folder that is not itself a folder.
pub(crate) struct Entry {
    /// Path inside the folder, `/` between its parts; what is not UTF-8 is replaced.
    pub(crate) relative: String,
    /// Whether nothing of the path had to be replaced.
    pub(crate) utf8: bool,
    /// Where it is.
    pub(crate) path: PathBuf,
    /// What it is; links are not followed.
    pub(crate) kind: EntryKind,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryKind {
    /// A regular file of so many bytes.
    File(u64),
    /// A symbolic link.
    Link,
    /// A device, socket or pipe.
    Other,
}

/// Everything below `dir`, ordered by path. Folders that are links are entries, and are not entered.
pub(crate) fn walk(dir: &Path) -> Result<Vec<Entry>, StoreError> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(StoreError::io("list", &folder))? {
            let path = entry.map_err(StoreError::io("list", &folder))?.path();
            let metadata = fs::symlink_metadata(&path).map_err(StoreError::io("look at", &path))?;
            let kind = if metadata.is_dir() {
                folders.push(path);
                continue;
            } else if metadata.is_symlink() {
                EntryKind::Link
            } else if metadata.is_file() {
                EntryKind::File(metadata.len())
            } else {
                EntryKind::Other
            };
            found.push(Entry { relative: relative(dir, &path), utf8: is_utf8(dir, &path), path, kind });
        }
    }
    found.sort_by(|left, right| left.relative.cmp(&right.relative).then_with(|| left.path.cmp(&right.path)));
    Ok(found)
}

/// Files of `dir` with their hashes, ordered by path. Entries that are no files, or whose names are not UTF-8, have no hash and
/// appear as sizes of zero, so that a tree that grew one is never taken for the registered one.
pub(crate) fn hash_files(dir: &Path) -> Result<Vec<FileRecord>, StoreError> {
    let mut files = Vec::new();
    for entry in walk(dir)? {
        let path = entry.relative;
        files.push(match entry.kind {
            EntryKind::File(_) if entry.utf8 => {
                let (bytes, sha256) = hash_file(&entry.path)?;
                FileRecord { path, bytes, sha256 }
            }
            _ => FileRecord { path, bytes: 0, sha256: String::new() },
        });
    }
    Ok(files)
}

/// SHA-256 of the lines `SHA256 BYTES PATH\n`. Paths hold no control characters, so lines can't be forged.
pub(crate) fn digest(files: &[FileRecord]) -> String {
    let mut hasher = Sha256::new();
    for file in files {
        hasher.update(format!("{} {} {}\n", file.sha256, file.bytes, file.path));
    }
    hexadecimal(&hasher.finalize())
}

/// Flushes every file and folder below `dir`, and `dir`.
pub(crate) fn sync(dir: &Path) -> Result<(), StoreError> {
    let mut folders = vec![dir.to_owned()];
    let mut seen = Vec::new();
    while let Some(folder) = folders.pop() {
        for (_, path) in durable::entries(&folder)? {
            if path.is_dir() {
                folders.push(path);
            } else {
                File::open(&path).and_then(|file| file.sync_all()).map_err(StoreError::io("flush", &path))?;
            }
        }
        seen.push(folder);
    }
    seen.iter().rev().try_for_each(|folder| durable::sync_folder(folder))
}

/// Forbids writing to every file below `dir`: a guard against accidents, not against attackers.
pub(crate) fn forbid_writing(dir: &Path) -> Result<(), StoreError> {
    if cfg!(unix) {
        for entry in walk(dir)? {
            let metadata = fs::metadata(&entry.path).map_err(StoreError::io("look at", &entry.path))?;
            let mut permissions = metadata.permissions();
            permissions.set_readonly(true);
            fs::set_permissions(&entry.path, permissions)
                .map_err(StoreError::io("make read-only", &entry.path))?;
        }
    }
    Ok(())
}

fn is_utf8(dir: &Path, path: &Path) -> bool {
    path.strip_prefix(dir).unwrap_or(path).to_str().is_some()
}

fn relative(dir: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(dir).unwrap_or(path);
    let parts: Vec<_> = inside.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.join("/")
}

fn hash_file(path: &Path) -> Result<(u64, String), StoreError> {
    let hash = || -> io::Result<(u64, String)> {
        let mut file = File::open(path)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        let mut bytes = 0;
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok((bytes, hexadecimal(&hasher.finalize()))),
                count => {
                    hasher.update(&buffer[..count]);
                    bytes += count as u64;
                }
            }
        }
    };
    hash().map_err(StoreError::io("read", path))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
