//! Fetching one content: resumed where it broke off, compared with its checksum, in its place only when whole.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::hub::api::{Api, FileHead, check_status};
use crate::hub::cache::{RepositoryCache, create_parent};
use crate::hub::error::HubError;
use crate::hub::repository::Repository;
use crate::hub::snapshot::{HubConfig, Progress};

const BUFFER: usize = 1 << 16;
/// Statuses after which asking again may help.
const PASSING: [u16; 6] = [408, 429, 500, 502, 503, 504];

/// One file to fetch.
pub(crate) struct Job<'a> {
    pub(crate) config: &'a HubConfig,
    pub(crate) api: &'a Api,
    pub(crate) cache: &'a RepositoryCache,
    pub(crate) repository: &'a Repository,
    pub(crate) path: &'a str,
    pub(crate) url: &'a str,
    pub(crate) head: &'a FileHead,
}

impl Job<'_> {
    /// Fetches the content unless the cache has it.
    pub(crate) fn run(&self, progress: &dyn Fn(Progress<'_>)) -> Result<(), HubError> {
        let blob = self.cache.blob(&self.head.etag);
        let _lock = self.cache.lock(&self.head.etag)?;
        if blob.is_file() {
            return Ok(());
        }
        create_parent(&blob)?;
        let incomplete = with_suffix(&blob, ".incomplete");
        let mut attempt = 0;
        while let Err(error) = self.attempt(&incomplete, progress) {
            let passing = match &error {
                HubError::Unreachable { .. } => true,
                HubError::Status { status, .. } => PASSING.contains(status),
                _ => false,
            };
            if !passing || attempt == self.config.retries {
                return Err(error);
            }
            std::thread::sleep(self.config.pause * 2_u32.saturating_pow(attempt));
            attempt += 1;
        }
        self.check(&incomplete)?;
        fs::rename(&incomplete, &blob).map_err(HubError::file("move into place", &blob))
    }

    /// Fetches what is missing of the content.
    fn attempt(&self, incomplete: &Path, progress: &dyn Fn(Progress<'_>)) -> Result<(), HubError> {
        let mut from = fs::metadata(incomplete).map_or(0, |metadata| metadata.len());
        if self.head.bytes == Some(from) {
            return Ok(());
        }
        if self.head.bytes.is_some_and(|bytes| from > bytes) {
            fs::remove_file(incomplete).map_err(HubError::file("remove", incomplete))?;
            from = 0;
        }
        let mut response = self.api.get(self.url, Some(from))?;
        check_status(&response, self.url, self.repository)?;
        // A server that does not know ranges sends everything again.
        let resumed = from > 0 && response.status().as_u16() == 206 && starts_at(&response, from);
        if from > 0 && !resumed && response.status().as_u16() == 206 {
            let problem = "it sends another range than was asked for".to_owned();
            return Err(HubError::Protocol { url: self.url.to_owned(), problem });
        }
        let file =
            File::options().create(true).write(true).append(resumed).truncate(!resumed).open(incomplete);
        let mut file = file.map_err(HubError::file("open", incomplete))?;
        let mut done = if resumed { from } else { 0 };
        let mut body = response.body_mut().as_reader();
        let mut buffer = vec![0; BUFFER];
        loop {
            let read = body.read(&mut buffer).map_err(|error| self.broken(&error.to_string()))?;
            if read == 0 {
                break;
            }
            file.write_all(&buffer[..read]).map_err(HubError::file("write", incomplete))?;
            done += read as u64;
            progress(Progress { file: self.path, done, bytes: self.head.bytes });
        }
        file.sync_all().map_err(HubError::file("write", incomplete))?;
        match self.head.bytes {
            Some(bytes) if done < bytes => {
                Err(self.broken(&format!("it breaks off after {done} of {bytes} bytes")))
            }
            _ => Ok(()),
        }
    }

    /// Compares the whole content with what was announced; what differs is deleted.
    fn check(&self, incomplete: &Path) -> Result<(), HubError> {
        let Some(announced) = self.head.sha256() else { return Ok(()) };
        let found = sha256(incomplete)?;
        if found.eq_ignore_ascii_case(announced) {
            return Ok(());
        }
        fs::remove_file(incomplete).map_err(HubError::file("remove", incomplete))?;
        Err(HubError::Checksum { url: self.url.to_owned(), announced: announced.to_owned(), found })
    }

    fn broken(&self, reason: &str) -> HubError {
        HubError::Unreachable { url: self.url.to_owned(), reason: reason.to_owned() }
    }
}

fn starts_at(response: &ureq::http::Response<ureq::Body>, from: u64) -> bool {
    let range = response.headers().get("content-range").and_then(|value| value.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {from}-")))
}

fn sha256(path: &Path) -> Result<String, HubError> {
    let mut file = File::open(path).map_err(HubError::file("read", path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = file.read(&mut buffer).map_err(HubError::file("read", path))?;
        if read == 0 {
            return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hasher.update(&buffer[..read]);
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
