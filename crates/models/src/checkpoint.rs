//! A model folder in the Hugging Face layout: `config.json` and safetensors weights, whole or in shards.
//!
//! Tensors are read one at a time from their place in the file, so that loading never holds the weights twice. Only
//! safetensors and JSON are read; a folder that holds nothing but pickle files is refused. The format is described at
//! <https://github.com/huggingface/safetensors>.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loquat_kernels::{Frozen, Mapping, Plain};
use safetensors::tensor::{Dtype, TensorInfo};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::artifact::read_json;
use crate::error::ModelError;
use crate::tensor::Tensor;

pub(crate) const CONFIG: &str = "config.json";
pub(crate) const WEIGHTS: &str = "model.safetensors";
/// Weights in eight bits, which transformers would misread under the usual name.
const QUANTISED_WEIGHTS: &str = "model.int8.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// What sentence-transformers keeps beside a model.
const SENTENCE_FILES: &[&str] =
    &["modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"];
/// What its modules keep in folders of their own.
const MODULE_FILES: &[&str] = &[CONFIG, WEIGHTS];
/// The longest header that is read; the format's own limit.
const HEADER_LIMIT: u64 = 100_000_000;

/// The configuration and the named tensors of a model.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Where it was read from, else where its owner wants errors to point.
    folder: PathBuf,
    config: Map<String, Value>,
    tensors: BTreeMap<String, Entry>,
    /// The files that are mapped, by their paths.
    mappings: BTreeMap<PathBuf, Arc<Mapping>>,
}

#[derive(Debug, Clone)]
enum Entry {
    Held(Tensor),
    Stored { file: PathBuf, start: u64, info: TensorInfo },
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Checkpoint {
    /// A checkpoint made of tensors in memory, such as those of a training; errors name `folder`.
    pub fn new(folder: PathBuf, config: Map<String, Value>, tensors: BTreeMap<String, Tensor>) -> Self {
        let tensors = tensors.into_iter().map(|(name, tensor)| (name, Entry::Held(tensor))).collect();
        Self { folder, config, tensors, mappings: BTreeMap::new() }
    }

    /// The same under another configuration, with the tensors whose names are `kept`.
    pub(crate) fn only(&self, config: Map<String, Value>, kept: impl Fn(&str) -> bool) -> Self {
        let tensors = self.tensors.iter().filter(|(name, _)| kept(name));
        let tensors = tensors.map(|(name, entry)| (name.clone(), entry.clone())).collect();
        Self { folder: self.folder.clone(), config, tensors, mappings: self.mappings.clone() }
    }

    /// The same under another configuration and other names; tensors without a name are left out.
    pub(crate) fn renamed(&self, config: Map<String, Value>, name: impl Fn(&str) -> Option<String>) -> Self {
        let tensors = self.tensors.iter().filter_map(|(old, entry)| Some((name(old)?, entry.clone())));
        let (folder, mappings) = (self.folder.clone(), self.mappings.clone());
        Self { folder, config, tensors: tensors.collect(), mappings }
    }

    /// Writes the folder without what sentence-transformers keeps beside a model: pooling makes no sense of it.
    pub(crate) fn save_without_modules(&self, folder: &Path) -> Result<(), ModelError> {
        self.save(folder)?;
        for name in
            module_files(folder).into_iter().chain(SENTENCE_FILES.iter().map(|name| (*name).to_owned()))
        {
            let path = folder.join(&name);
            match std::fs::remove_file(&path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(ModelError::File { path, source });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The same with other values for some of its tensors, such as those that training changed.
    pub fn with_tensors(&self, tensors: BTreeMap<String, Tensor>) -> Self {
        let mut changed = self.clone();
        changed.tensors.extend(tensors.into_iter().map(|(name, tensor)| (name, Entry::Held(tensor))));
        changed
    }

    /// Opens a folder: reads its configuration and the headers of its weights, no tensor yet.
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let config = read_json(&folder.join(CONFIG), "model configuration")?;
        let mut tensors = BTreeMap::new();
        for file in weight_files(folder)? {
            read_header(&file, &mut tensors)?;
        }
        Ok(Self { folder: folder.to_owned(), config, tensors, mappings: BTreeMap::new() })
    }

    /// [`Checkpoint::open`] for a folder whose files do not change any more: its weights are mapped, and tensors that are
    /// looked up as they are stored are not copied. Those of a file system that maps nothing are read.
    pub(crate) fn open_shared(folder: &Path) -> Result<Self, ModelError> {
        let mut checkpoint = Self::open(folder)?;
        let map = |path: PathBuf| {
            let mapping = File::open(&path).and_then(|file| Mapping::of(&file)).ok()?;
            Some((path, mapping))
        };
        checkpoint.mappings = weight_files(folder)?.into_iter().filter_map(map).collect();
        Ok(checkpoint)
    }

    /// The numbers of a tensor of this type and shape in a mapped file; `None` where it is not mapped, or is another.
    pub(crate) fn mapped<T: Plain>(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Option<Frozen<T>> {
        let Entry::Stored { file, start, info } = self.tensors.get(name)? else { return None };
        if info.dtype != dtype || info.shape != shape {
            return None;
        }
        let start = usize::try_from(*start).ok()?;
        let (from, to) = info.data_offsets;
        Frozen::mapped(self.mappings.get(file)?, start + from..start + to)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// `config.json` as it stands.
    pub fn config(&self) -> &Map<String, Value> {
        &self.config
    }

    /// Path of `config.json`, for messages.
    pub(crate) fn config_path(&self) -> PathBuf {
        self.folder.join(CONFIG)
    }

    /// Names of all tensors, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Whether there is a tensor of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Whether the tensor of that name holds eight-bit integers.
    pub(crate) fn is_int8(&self, name: &str) -> bool {
        let dtype = match self.tensors.get(name) {
            Some(Entry::Held(tensor)) => Some(tensor.dtype()),
            Some(Entry::Stored { info, .. }) => Some(info.dtype),
            None => None,
        };
        dtype == Some(Dtype::I8)
    }

    /// The tensor of that name, `None` where there is none.
    pub fn tensor(&self, name: &str) -> Result<Option<Tensor>, ModelError> {
        match self.tensors.get(name) {
            None => Ok(None),
            Some(Entry::Held(tensor)) => Ok(Some(tensor.clone())),
            Some(Entry::Stored { file, start, info }) => {
                let (from, to) = info.data_offsets;
                let mut bytes = vec![0; to - from];
                let mut read = || -> std::io::Result<()> {
                    let mut source = File::open(file)?;
                    source.seek(SeekFrom::Start(start + from as u64))?;
                    source.read_exact(&mut bytes)
                };
                read().map_err(|source| ModelError::File { path: file.clone(), source })?;
                Ok(Some(Tensor::new(info.dtype, info.shape.clone(), bytes)))
            }
        }
    }

    /// Writes `config.json` and the weights into `folder`, in the layout that transformers reads, and copies what else
    /// belongs to the model (tokenizer, pooling) from the folder that it was read from.
    ///
    /// # Errors
    /// When a file can't be read or written.
    pub fn save(&self, folder: &Path) -> Result<(), ModelError> {
        std::fs::create_dir_all(folder)
            .map_err(|source| ModelError::File { path: folder.to_owned(), source })?;
        let path = folder.join(CONFIG);
        let mut config = serde_json::to_vec_pretty(&self.config).map_err(|source| ModelError::Json {
            path: path.clone(),
            what: "model configuration",
            source,
        })?;
        config.push(b'\n');
        std::fs::write(&path, config).map_err(|source| ModelError::File { path, source })?;
        let quantised = self.precision() == crate::Precision::Int8;
        let path = folder.join(if quantised { QUANTISED_WEIGHTS } else { WEIGHTS });
        self.write_weights(&path)?;
        let files = loquat_text::Tokenizer::FILES.iter().chain(SENTENCE_FILES).map(|name| (*name).to_owned());
        for name in files.chain(module_files(&self.folder)) {
            let (from, to) = (self.folder.join(&name), folder.join(&name));
            if from != to && from.is_file() {
                let parent = to.parent().unwrap_or(folder);
                std::fs::create_dir_all(parent)
                    .and_then(|()| std::fs::copy(&from, &to))
                    .map_err(|source| ModelError::File { path: to.clone(), source })?;
            }
        }
        Ok(())
    }

    /// Writes one safetensors file, a tensor at a time.
    fn write_weights(&self, path: &Path) -> Result<(), ModelError> {
        let failed = |source| ModelError::File { path: path.to_owned(), source };
        let mut header = Map::new();
        header.insert("__metadata__".to_owned(), serde_json::json!({"format": "pt"}));
        let mut end = 0;
        for (name, entry) in &self.tensors {
            let (dtype, shape, length) = match entry {
                Entry::Held(tensor) => (tensor.dtype(), tensor.shape(), tensor.bytes().len()),
                Entry::Stored { info, .. } => {
                    (info.dtype, &info.shape[..], info.data_offsets.1 - info.data_offsets.0)
                }
            };
            let value =
                serde_json::json!({"dtype": dtype, "shape": shape, "data_offsets": [end, end + length]});
            header.insert(name.clone(), value);
            end += length;
        }
        let mut header = Value::Object(header).to_string().into_bytes();
        header.resize(header.len().next_multiple_of(8), b' ');
        let mut file = BufWriter::new(File::create(path).map_err(failed)?);
        file.write_all(&(header.len() as u64).to_le_bytes()).map_err(failed)?;
        file.write_all(&header).map_err(failed)?;
        for name in self.tensors.keys() {
            if let Some(tensor) = self.tensor(name)? {
                file.write_all(tensor.bytes()).map_err(failed)?;
            }
        }
        file.into_inner().map_err(|error| failed(error.into_error()))?.sync_all().map_err(failed)
    }

    /// The error that a tensor has `problem`.
    pub(crate) fn tensor_error(&self, name: &str, problem: &'static str) -> ModelError {
        ModelError::Tensor { path: self.folder.clone(), tensor: name.to_owned(), problem }
    }

    /// The error that the configuration asks for something that is not supported.
    pub(crate) fn unsupported(
        &self,
        what: &'static str,
        found: impl Into<String>,
        supported: &'static str,
    ) -> ModelError {
        ModelError::Unsupported { path: self.config_path(), what, found: found.into(), supported }
    }
}

/// Files of the modules of sentence-transformers, which have folders `1_Pooling` and the like.
fn module_files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let modules = names.filter(|name| {
        name.split_once('_').is_some_and(|(number, _)| number.parse::<u8>().is_ok())
            && folder.join(name).is_dir()
    });
    modules.flat_map(|module| MODULE_FILES.iter().map(move |file| format!("{module}/{file}"))).collect()
}

/// The weight files of a folder.
fn weight_files(folder: &Path) -> Result<Vec<PathBuf>, ModelError> {
    let index = folder.join(INDEX);
    if let Some(whole) =
        [WEIGHTS, QUANTISED_WEIGHTS].map(|name| folder.join(name)).into_iter().find(|p| p.is_file())
    {
        return Ok(vec![whole]);
    }
    if index.is_file() {
        let index: Index = read_json(&index, "index of weight shards")?;
        let mut files: Vec<String> = index.weight_map.into_values().collect();
        files.sort_unstable();
        files.dedup();
        return files.into_iter().map(|name| shard(folder, &name)).collect();
    }
    let entries =
        std::fs::read_dir(folder).map_err(|source| ModelError::File { path: folder.to_owned(), source })?;
    let pickle = entries.flatten().map(|entry| entry.path()).find(|path| {
        path.extension()
            .is_some_and(|e| ["bin", "pt", "pth", "ckpt", "pkl", "h5", "msgpack"].iter().any(|p| e == *p))
    });
    Err(match pickle {
        Some(path) => ModelError::Pickle { path },
        None => ModelError::File {
            path: folder.join(WEIGHTS),
            source: std::io::Error::new(
                std::io::ErrorKind::NotFound,
                "the folder holds no safetensors weights",
            ),
        },
    })
}

/// The path of a shard; an index can't point outside its folder.
fn shard(folder: &Path, name: &str) -> Result<PathBuf, ModelError> {
    if Path::new(name).file_name().is_some_and(|last| last == name) {
        return Ok(folder.join(name));
    }
    Err(ModelError::Unsupported {
        path: folder.join(INDEX),
        what: "shard",
        found: name.to_owned(),
        supported: "files beside the index",
    })
}

fn read_header(file: &Path, tensors: &mut BTreeMap<String, Entry>) -> Result<(), ModelError> {
    let failed = |source| ModelError::File { path: file.to_owned(), source };
    let invalid = |source| ModelError::Weights { path: file.to_owned(), source };
    let mut source = File::open(file).map_err(failed)?;
    let size = source.metadata().map_err(failed)?.len();
    let mut length = [0; 8];
    source.read_exact(&mut length).map_err(failed)?;
    let length = u64::from_le_bytes(length);
    if length > HEADER_LIMIT || length + 8 > size {
        return Err(invalid(safetensors::SafeTensorError::HeaderTooLarge));
    }
    let mut header = vec![0; length as usize];
    source.read_exact(&mut header).map_err(failed)?;
    let header: Map<String, Value> = serde_json::from_slice(&header).map_err(|source| ModelError::Json {
        path: file.to_owned(),
        what: "safetensors header",
        source,
    })?;
    for (name, value) in header {
        if name == "__metadata__" {
            continue;
        }
        let info: TensorInfo = serde_json::from_value(value).map_err(|source| ModelError::Json {
            path: file.to_owned(),
            what: "safetensors header",
            source,
        })?;
        let (from, to) = info.data_offsets;
        let elements = info.shape.iter().try_fold(1_usize, |product, n| product.checked_mul(*n));
        let bits = elements.and_then(|n| n.checked_mul(info.dtype.bitsize()));
        if from > to || length + 8 + to as u64 > size || bits != (to - from).checked_mul(8) {
            return Err(invalid(safetensors::SafeTensorError::InvalidOffset(name)));
        }
        tensors.insert(name, Entry::Stored { file: file.to_owned(), start: length + 8, info });
    }
    Ok(())
}

/// `None` when there is no such file.
pub(crate) fn read_json_if_there<T: serde::de::DeserializeOwned>(
    path: &Path,
    what: &'static str,
) -> Result<Option<T>, ModelError> {
    if path.is_file() { read_json(path, what).map(Some) } else { Ok(None) }
}
