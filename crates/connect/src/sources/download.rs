//! One file of the cache: beside `NAME` lies `NAME.mark`, which says in which state it was fetched; what has not come whole
//! is `NAME.incomplete`, with a mark of its own.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::hub::Progress;
use crate::sources::error::SourceError;
use crate::sources::origin::{Flow, Known, Origin};

const BUFFER: usize = 1 << 18;
const INCOMPLETE: &str = ".incomplete";
const MARK: &str = ".mark";
const LOCK: &str = ".lock";

/// How long a server that fails is borne.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) retries: u32,
    pub(crate) pause: Duration,
}

/// One file to bring to its place.
pub(crate) struct Download<'a> {
    pub(crate) origin: &'a dyn Origin,
    pub(crate) target: &'a Path,
    pub(crate) patience: Patience,
    pub(crate) watch: &'a dyn Fn(Progress<'_>),
    pub(crate) warn: &'a dyn Fn(&str),
}

impl Download<'_> {
    /// Fetches the file unless the cache has it in its present state. When the server is out of reach, what the cache has
    /// is taken, with a warning.
    pub(crate) fn run(&self) -> Result<(), SourceError> {
        create_parent(self.target)?;
        let _lock = self.lock()?;
        let held = self.target.is_file();
        // Who has a copy need not wait for a server that does not answer.
        let retries = if held { self.patience.retries.min(1) } else { self.patience.retries };
        let mut attempt = 0;
        loop {
            match self.attempt() {
                Ok(()) => return Ok(()),
                Err(error) if error.is_outage() && attempt < retries => {
                    std::thread::sleep(self.patience.pause * 2_u32.saturating_pow(attempt));
                    attempt += 1;
                }
                Err(error) if error.is_outage() && held => {
                    (self.warn)(&format!("{error}; the cache's copy is used"));
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn attempt(&self) -> Result<(), SourceError> {
        let incomplete = with_suffix(self.target, INCOMPLETE);
        let started = fs::metadata(&incomplete).map_or(0, |metadata| metadata.len());
        let start_mark = mark(&incomplete).filter(|_| started > 0);
        let whole_mark = mark(self.target).filter(|_| self.target.is_file());
        let known = match (&start_mark, &whole_mark) {
            (Some(mark), _) => Known::Start(mark, started),
            (None, Some(mark)) => Known::Whole(mark),
            (None, None) => Known::Nothing,
        };
        let flow = match (self.origin.open(known)?, known) {
            (Some(flow), _) => flow,
            (None, Known::Start(..)) => {
                // It changed since: from the first byte.
                remove(&incomplete)?;
                return self.attempt();
            }
            (None, _) => return Ok(()),
        };
        self.copy(flow, &incomplete)?;
        let fetched = mark(&incomplete);
        remove(&with_suffix(self.target, MARK))?;
        fs::rename(&incomplete, self.target).map_err(SourceError::file("move into place", self.target))?;
        remove(&with_suffix(&incomplete, MARK))?;
        match fetched {
            Some(fetched) => write_mark(self.target, &fetched),
            None => Ok(()),
        }
    }

    fn copy(&self, flow: Flow, incomplete: &Path) -> Result<(), SourceError> {
        let Flow { mut reader, from, bytes, mark } = flow;
        let resumed = from > 0;
        let file =
            File::options().create(true).write(true).append(resumed).truncate(!resumed).open(incomplete);
        let mut file = file.map_err(SourceError::file("open", incomplete))?;
        match &mark {
            Some(mark) => write_mark(incomplete, mark)?,
            None => remove(&with_suffix(incomplete, MARK))?,
        }
        let broken =
            |reason: String| SourceError::Unreachable { url: self.origin.shown().to_owned(), reason };
        let (mut done, mut buffer) = (from, vec![0; BUFFER]);
        loop {
            let read = reader.read(&mut buffer).map_err(|error| broken(error.to_string()))?;
            if read == 0 {
                break;
            }
            file.write_all(&buffer[..read]).map_err(SourceError::file("write", incomplete))?;
            done += read as u64;
            (self.watch)(Progress { file: self.origin.shown(), done, bytes });
        }
        file.sync_all().map_err(SourceError::file("write", incomplete))?;
        match bytes {
            Some(bytes) if done != bytes => {
                Err(broken(format!("it breaks off after {done} of {bytes} bytes")))
            }
            _ => Ok(()),
        }
    }

    fn lock(&self) -> Result<File, SourceError> {
        let path = with_suffix(self.target, LOCK);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(SourceError::file("open", &path))?;
        file.lock().map_err(SourceError::file("lock", &path))?;
        Ok(file)
    }
}

/// Whether a file of the cache goes with that of `key`.
pub(crate) fn belongs_to(file: &str, key: &str) -> bool {
    file.strip_prefix(key)
        .is_some_and(|rest| [INCOMPLETE, MARK, LOCK].iter().any(|end| rest.starts_with(end)))
}

pub(crate) fn create_parent(path: &Path) -> Result<(), SourceError> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(SourceError::file("create the folder", parent))
}

fn mark(path: &Path) -> Option<String> {
    fs::read_to_string(with_suffix(path, MARK)).ok().filter(|mark| !mark.is_empty())
}

fn write_mark(path: &Path, mark: &str) -> Result<(), SourceError> {
    let place = with_suffix(path, MARK);
    fs::write(&place, mark).map_err(SourceError::file("write", &place))
}

fn remove(path: &Path) -> Result<(), SourceError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(SourceError::file("remove", path)(error))
        }
        _ => Ok(()),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
