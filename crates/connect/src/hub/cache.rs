//! The folders of one repository in the cache.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::hub::error::HubError;
use crate::hub::repository::Repository;

/// The folders of one repository.
#[derive(Debug, Clone)]
pub(crate) struct RepositoryCache {
    root: PathBuf,
    folder: String,
}

impl RepositoryCache {
    pub(crate) fn new(root: &Path, repository: &Repository) -> Self {
        let Repository { kind, owner, name, .. } = repository;
        let folder = format!("{}--{owner}--{name}", kind.plural());
        Self { root: root.to_owned(), folder }
    }

    fn path(&self) -> PathBuf {
        self.root.join(&self.folder)
    }

    /// Where the content named `etag` lies, once it is whole.
    pub(crate) fn blob(&self, etag: &str) -> PathBuf {
        self.path().join("blobs").join(etag)
    }

    /// The files of a commit.
    pub(crate) fn snapshot(&self, commit: &str) -> PathBuf {
        self.path().join("snapshots").join(commit)
    }

    /// The commit that a revision meant when it was last asked for.
    pub(crate) fn commit(&self, repository: &Repository) -> Option<String> {
        if repository.is_commit() {
            return Some(repository.revision.clone());
        }
        let text = fs::read_to_string(self.path().join("refs").join(&repository.revision)).ok()?;
        let commit = text.trim();
        is_commit(commit).then(|| commit.to_owned())
    }

    /// Remembers the commit that a revision means.
    pub(crate) fn remember(&self, repository: &Repository, commit: &str) -> Result<(), HubError> {
        if repository.is_commit() {
            return Ok(());
        }
        let path = self.path().join("refs").join(&repository.revision);
        create_parent(&path)?;
        fs::write(&path, commit).map_err(HubError::file("write", &path))
    }

    /// The files that a commit was found to hold; a folder of Loquat's own, which `huggingface_hub` passes over.
    pub(crate) fn listing(&self, commit: &str) -> Option<Vec<String>> {
        let text = fs::read(self.listing_path(commit)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Remembers the files that a commit holds.
    pub(crate) fn remember_listing(&self, commit: &str, files: &[String]) -> Result<(), HubError> {
        let path = self.listing_path(commit);
        create_parent(&path)?;
        let text = serde_json::Value::from(files.to_vec()).to_string();
        fs::write(&path, text).map_err(HubError::file("write", &path))
    }

    fn listing_path(&self, commit: &str) -> PathBuf {
        self.path().join("loquat").join(format!("{commit}.json"))
    }

    /// Holds the lock of one content until the file is dropped, so that two processes do not fetch it both. It is the lock
    /// that `huggingface_hub` takes.
    pub(crate) fn lock(&self, etag: &str) -> Result<File, HubError> {
        let path = self.root.join(".locks").join(&self.folder).join(format!("{etag}.lock"));
        create_parent(&path)?;
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(HubError::file("open", &path))?;
        file.lock().map_err(HubError::file("lock", &path))?;
        Ok(file)
    }

    /// Puts the content named `etag` at `path` of a commit's files.
    pub(crate) fn link(&self, commit: &str, path: &str, etag: &str) -> Result<(), HubError> {
        let target = self.snapshot(commit).join(path);
        create_parent(&target)?;
        if target.exists() {
            return Ok(());
        }
        // A link whose blob was deleted.
        let _ = fs::remove_file(&target);
        place(&target, &self.blob(etag), path.matches('/').count(), etag)
            .map_err(HubError::file("create", &target))
    }
}

#[cfg(unix)]
fn place(target: &Path, _: &Path, depth: usize, etag: &str) -> std::io::Result<()> {
    let up = "../".repeat(depth + 2);
    std::os::unix::fs::symlink(format!("{up}blobs/{etag}"), target)
}

#[cfg(not(unix))]
fn place(target: &Path, blob: &Path, _: usize, _: &str) -> std::io::Result<()> {
    fs::copy(blob, target).map(|_| ())
}

/// Whether this is the name of a commit: 40 hexadecimal digits.
pub(crate) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

pub(crate) fn create_parent(path: &Path) -> Result<(), HubError> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(HubError::file("create the folder", parent))
}
