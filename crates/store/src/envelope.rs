//! The form of every JSON file of the store: `{"formatVersion": "1.0", "body": …}`.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::durable;
use crate::error::StoreError;

/// Format of the stored files, `major.minor`. A reader takes any minor of its major and ignores fields it does not know;
/// a newer major is refused.
///
/// - 1.0: first format. The aliases of a registry in an object store also list the versions removed, and its folders hold
///   claims of numbers; readers of folders never meet either. Calibrations of cascades lie beside versions; who does not
///   know them passes them over.
pub const FORMAT_VERSION: &str = "1.0";

const MAJOR: u64 = 1;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a, T> {
    format_version: &'static str,
    body: &'a T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    format_version: String,
}

#[derive(Deserialize)]
struct Body<T> {
    body: T,
}

/// Writes `body` to `path` so that a crash leaves the old file or the new one.
pub(crate) fn write<T: Serialize>(path: &Path, body: &T) -> Result<(), StoreError> {
    durable::write(path, &bytes(path, body)?)
}

/// The text of a file at `path` that holds `body`.
pub(crate) fn bytes<T: Serialize>(path: &Path, body: &T) -> Result<Vec<u8>, StoreError> {
    let written = Written { format_version: FORMAT_VERSION, body };
    let mut text = serde_json::to_vec_pretty(&written)
        .map_err(|error| StoreError::Damaged { path: path.to_owned(), reason: error.to_string() })?;
    text.push(b'\n');
    Ok(text)
}

/// Reads the body of `path`; `None` when there is no such file.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StoreError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("read", path)(error)),
    };
    parse(path, &text).map(Some)
}

/// Parses the text of `path`.
pub(crate) fn parse<T: DeserializeOwned>(path: &Path, text: &[u8]) -> Result<T, StoreError> {
    let damaged = |reason: String| StoreError::Damaged { path: path.to_owned(), reason };
    let head: Head = serde_json::from_slice(text).map_err(|error| damaged(error.to_string()))?;
    let major = head.format_version.split('.').next().and_then(|major| major.parse::<u64>().ok());
    match major {
        Some(MAJOR) => {}
        Some(major) if major > MAJOR => {
            return Err(StoreError::NewerFormat {
                path: path.to_owned(),
                found: head.format_version,
                supported: FORMAT_VERSION,
            });
        }
        _ => return Err(damaged(format!("format version {:?} never existed", head.format_version))),
    }
    let body: Body<T> = serde_json::from_slice(text).map_err(|error| damaged(error.to_string()))?;
    Ok(body.body)
}
