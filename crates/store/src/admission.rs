//! Which files an artifact may hold: safetensors, an ONNX graph, JSON and plain text, recognised by name *and* by content.
//!
//! A pickle runs code when it is read, so none is let in under any name. What counts as a valid safetensors file is the
//! [format's own description](https://huggingface.co/docs/safetensors/index#format).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

use serde_json::{Map, Value};

use crate::error::StoreError;
use crate::tree::{self, Entry, EntryKind};

/// Weights of every artifact, unless they are in several parts.
pub(crate) const WEIGHTS: &str = "model.safetensors";
/// Weights of an encoder in eight bits, which stand for the others.
const QUANTISED_WEIGHTS: &str = "model.int8.safetensors";
/// A graph with its weights, which stands for the others too.
const GRAPH: &str = "model.onnx";
/// The field of an ONNX file that holds the graph, and the last of all fields.
const GRAPH_FIELD: u64 = 7;
const LAST_FIELD: u64 = 25;
/// Names the files that weights in several parts lie in.
const INDEX: &str = "model.safetensors.index.json";
/// Loquat's own description of every artifact.
pub(crate) const MANIFEST: &str = "loquat.json";
/// What an export adds to the artifact; never part of it.
pub(crate) const EXPORTED_RECORD: &str = "loquat-version.json";

/// Endings of files that are pickles or may hold them.
const PICKLE_ENDINGS: [&str; 12] =
    ["bin", "pt", "pth", "pkl", "pickle", "ckpt", "joblib", "dill", "npy", "npz", "mar", "th"];
/// The largest header that the safetensors format allows.
const LARGEST_HEADER: u64 = 100_000_000;

/// A file that an artifact must not hold, or lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Path inside the artifact.
    pub path: String,
    /// Why.
    pub reason: RefusalReason,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.reason)
    }
}

/// Why a file is refused. Each message follows the file's path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusalReason {
    /// The name or the content is that of a pickle.
    #[error(
        "is a pickle or may hold one, which runs code when read: convert it with safetensors.torch.save_file, or save the model \
         with save_pretrained(…, safe_serialization=True), and delete it"
    )]
    Pickle,
    /// A symbolic link.
    #[error("is a symbolic link, which may lead outside the artifact: replace it with the file itself")]
    Link,
    /// A device, socket or pipe.
    #[error("is not a regular file: remove it")]
    NotAFile,
    /// A name that leads elsewhere on some system, or can't be printed.
    #[error("has a name that is not portable: use names without control characters, \\, : or a leading dot")]
    Name,
    /// Two names that are one file where case doesn't matter.
    #[error("differs from {other} only in case: rename one")]
    LooksAlike {
        /// The other file.
        other: String,
    },
    /// An ending that artifacts do not have.
    #[error(
        "is of no kind that an artifact holds: keep only .safetensors, .json, .txt and .md files, or model.onnx"
    )]
    Kind,
    /// `model.onnx` that is no ONNX file, or is cut short.
    #[error("is not a whole ONNX file: export it again")]
    Onnx,
    /// A name that the registry uses itself.
    #[error("is a name that exports use: remove it from the artifact")]
    Reserved,
    /// A `.safetensors` file that is not one, or is cut short.
    #[error("is not a whole safetensors file ({problem}): write it again")]
    Safetensors {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A `.json` file that is not JSON.
    #[error("is not JSON (line {line}, column {column}): write it again")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A text file that is not UTF-8, or holds NUL.
    #[error("is not UTF-8 text, or holds NUL: convert it")]
    Text,
    /// An index that names a file which is not beside it.
    #[error("names the weights {shard:?}, which are not a file of the artifact: put them beside it")]
    Shard {
        /// The name found.
        shard: String,
    },
    /// A file that every artifact holds.
    #[error("is missing: every artifact holds it")]
    Missing,
}

/// Checks the artifact in `dir` and names every file that must not be there, or is not. Files in `ignored` are not looked at.
pub(crate) fn check(dir: &Path, ignored: &[&str]) -> Result<(), StoreError> {
    let entries = tree::walk(dir)?;
    let mut refusals = Vec::new();
    let mut names: BTreeSet<&str> = BTreeSet::new();
    let mut folded: BTreeMap<String, &str> = BTreeMap::new();
    for entry in &entries {
        let relative = entry.relative.as_str();
        if ignored.contains(&relative) && matches!(entry.kind, EntryKind::File(_)) {
            continue;
        }
        let mut refuse = |reason| refusals.push(Refusal { path: relative.to_owned(), reason });
        if let Some(other) = folded.insert(relative.to_lowercase(), relative) {
            refuse(RefusalReason::LooksAlike { other: other.to_owned() });
        }
        if let Some(reason) = check_entry(entry)? {
            refuse(reason);
        }
        names.insert(relative);
    }
    // An index stands for the parts that it names, which are looked for below.
    let others = [INDEX, QUANTISED_WEIGHTS, GRAPH];
    let weights = others.into_iter().find(|name| names.contains(name)).unwrap_or(WEIGHTS);
    if !names.contains(GRAPH) {
        // Bare numbers are weights only beside the graph that says which.
        let bare = names.iter().filter(|name| is_graph_data(&ending(name)));
        refusals.extend(bare.map(|name| Refusal { path: (*name).to_owned(), reason: RefusalReason::Kind }));
    }
    for required in [MANIFEST, weights] {
        if !names.contains(required) {
            refusals.push(Refusal { path: required.to_owned(), reason: RefusalReason::Missing });
        }
    }
    if refusals.is_empty() {
        refusals = check_shards(&entries, &names)?;
    }
    if refusals.is_empty() { Ok(()) } else { Err(StoreError::Refused { dir: dir.to_owned(), refusals }) }
}

fn check_entry(entry: &Entry) -> Result<Option<RefusalReason>, StoreError> {
    let EntryKind::File(bytes) = entry.kind else {
        let link = entry.kind == EntryKind::Link;
        return Ok(Some(if link { RefusalReason::Link } else { RefusalReason::NotAFile }));
    };
    let relative = entry.relative.as_str();
    if !entry.utf8 || !portable(relative) {
        return Ok(Some(RefusalReason::Name));
    }
    if relative == EXPORTED_RECORD {
        return Ok(Some(RefusalReason::Reserved));
    }
    let ending = ending(relative);
    if PICKLE_ENDINGS.contains(&ending.as_str()) {
        return Ok(Some(RefusalReason::Pickle));
    }
    if ending == "onnx" && relative != GRAPH {
        return Ok(Some(RefusalReason::Kind));
    }
    let reading = StoreError::io("read", &entry.path);
    check_content(&entry.path, &ending, bytes).map_err(reading)
}

fn ending(relative: &str) -> String {
    relative.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default()
}

/// Whether a file holds weights of a graph that lie outside of it.
fn is_graph_data(ending: &str) -> bool {
    ending == "data" || ending.starts_with("onnx_data")
}

/// A valid file of its kind is let in even where its first bytes look like a pickle's: the length of a safetensors header may be
/// 640, which is written `80 02`, the start of a pickle of protocol 2.
fn check_content(path: &Path, ending: &str, bytes: u64) -> io::Result<Option<RefusalReason>> {
    let mut file = File::open(path)?;
    let problem = match ending {
        "safetensors" => check_safetensors(&mut file, bytes)?,
        "json" => check_json(file)?,
        "txt" | "md" => check_text(file)?,
        "onnx" => check_onnx(file, bytes)?,
        // Its bytes are numbers and may be any.
        ending if is_graph_data(ending) => {
            return Ok(starts_like_pickle(path)?.then_some(RefusalReason::Pickle));
        }
        _ => Some(RefusalReason::Kind),
    };
    match problem {
        Some(_) if starts_like_pickle(path)? => Ok(Some(RefusalReason::Pickle)),
        problem => Ok(problem),
    }
}

fn check_safetensors(file: &mut File, bytes: u64) -> io::Result<Option<RefusalReason>> {
    let wrong = |problem| Ok(Some(RefusalReason::Safetensors { problem }));
    let mut length = [0; 8];
    if bytes < 8 {
        return wrong("shorter than the length of its header");
    }
    file.read_exact(&mut length)?;
    let header_bytes = u64::from_le_bytes(length);
    if header_bytes > LARGEST_HEADER || header_bytes > bytes - 8 {
        return wrong("its header is longer than the file");
    }
    let mut header = Vec::new();
    file.take(header_bytes).read_to_end(&mut header)?;
    let Ok(header) = serde_json::from_slice::<Map<String, Value>>(&header) else {
        return wrong("its header is not a JSON object");
    };
    let tensors = header.iter().filter(|(name, _)| name.as_str() != "__metadata__");
    let ends: Option<Vec<u64>> =
        tensors.map(|(_, tensor)| tensor.get("data_offsets")?.get(1)?.as_u64()).collect();
    match ends.map(|ends| ends.into_iter().max().unwrap_or(0)) {
        None => wrong("a tensor of its header has no offsets"),
        Some(end) if end != bytes - 8 - header_bytes => wrong("its size is not what its header says"),
        Some(_) => Ok(None),
    }
}

/// An ONNX file is a protocol buffer: fields one after the other, one of which is the graph
/// (`onnx.proto` of <https://github.com/onnx/onnx>).
fn check_onnx(file: File, bytes: u64) -> io::Result<Option<RefusalReason>> {
    let mut reader = BufReader::new(file);
    let mut has_graph = false;
    while reader.stream_position()? < bytes {
        let Some(key) = number(&mut reader)? else { return Ok(Some(RefusalReason::Onnx)) };
        let (field, kind) = (key >> 3, key & 7);
        let length = match kind {
            0 => number(&mut reader)?.map(|_| 0),
            1 => Some(8),
            2 => number(&mut reader)?,
            5 => Some(4),
            _ => None,
        };
        let rest = bytes.saturating_sub(reader.stream_position()?);
        let length = length.filter(|length| *length <= rest && (1..=LAST_FIELD).contains(&field));
        let Some(length) = length.and_then(|length| i64::try_from(length).ok()) else {
            return Ok(Some(RefusalReason::Onnx));
        };
        reader.seek_relative(length)?;
        has_graph |= field == GRAPH_FIELD && kind == 2;
    }
    Ok((!has_graph).then_some(RefusalReason::Onnx))
}

/// A number of variable length; `None` where the file ends before it, or it is none.
fn number(reader: &mut impl Read) -> io::Result<Option<u64>> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let mut byte = [0];
        if reader.read(&mut byte)? == 0 {
            return Ok(None);
        }
        value |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] & 0x80 == 0 {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

fn check_json(file: File) -> io::Result<Option<RefusalReason>> {
    match serde_json::from_reader::<_, serde::de::IgnoredAny>(BufReader::new(file)) {
        Ok(_) => Ok(None),
        Err(error) if error.is_io() => Err(error.into()),
        Err(error) => Ok(Some(RefusalReason::Json { line: error.line(), column: error.column() })),
    }
}

fn check_text(mut file: File) -> io::Result<Option<RefusalReason>> {
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    let is_text = std::str::from_utf8(&content).is_ok() && !content.contains(&0);
    Ok((!is_text).then_some(RefusalReason::Text))
}

/// Pickles of protocols 2 to 5, and the zip archives in which PyTorch and NumPy keep them.
fn starts_like_pickle(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut start)?;
    Ok(matches!(start.as_slice(), [0x80, 2..=5, ..] | [b'P', b'K', 3, 4]))
}

/// An index of split weights may only name files of the artifact.
fn check_shards(entries: &[Entry], names: &BTreeSet<&str>) -> Result<Vec<Refusal>, StoreError> {
    let mut refusals = Vec::new();
    for entry in entries {
        let relative = entry.relative.as_str();
        if !relative.ends_with(".safetensors.index.json") {
            continue;
        }
        let content = std::fs::read(&entry.path).map_err(StoreError::io("read", &entry.path))?;
        let index: Value = serde_json::from_slice(&content).unwrap_or_default();
        let folder = relative.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
        let shards: BTreeSet<&str> = index["weight_map"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(_, shard)| shard.as_str())
            .collect();
        for shard in shards {
            if !names.contains(format!("{folder}{shard}").as_str()) {
                let reason = RefusalReason::Shard { shard: shard.to_owned() };
                refusals.push(Refusal { path: relative.to_owned(), reason });
            }
        }
    }
    Ok(refusals)
}

fn portable(relative: &str) -> bool {
    relative.split('/').all(|part| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.ends_with(['.', ' '])
            && !part.chars().any(|c| c.is_control() || matches!(c, '\\' | ':'))
    })
}
