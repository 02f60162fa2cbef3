//! Which files of a folder become part of the artifact, and the hash that tells whether they changed.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use loquat_models::{Checkpoint, ModelError, OnnxModel, load_tokenizer};
use loquat_text::Tokenizer;
use sha2::{Digest, Sha256};

use crate::error::InferError;
use crate::import::error::ImportError;

mod onnx;

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const MANIFEST: &str = "loquat.json";
const TOKENIZER: &str = "tokenizer.json";
/// Endings of files that are pickles or may hold them.
const PICKLES: [&str; 6] = ["bin", "pt", "pth", "pkl", "ckpt", "joblib"];
const BUFFER: usize = 1 << 16;

/// The files of a model in the Hugging Face layout, whose weights may be an ONNX file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFiles {
    folder: PathBuf,
    /// In order of their paths in the artifact.
    files: Vec<Placed>,
}

/// A file of a model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Placed {
    /// Its path in the artifact.
    to: String,
    /// Its path inside of the model's folder.
    from: String,
}

/// The files of the model in `folder`: configuration, tokenizer and weights at its top, and the module folders of
/// sentence-transformers. Where there are no safetensors, `model.onnx` or `onnx/model.onnx` are its weights. A path of an
/// ONNX file means that file, with what stands beside it, or above it where its folder is called `onnx`.
///
/// # Errors
/// When it is no folder, lacks configuration or weights, or has its weights in pickles alone.
pub fn source_files(folder: &Path) -> Result<SourceFiles, ImportError> {
    if folder.is_file() && ending(&folder.to_string_lossy()) == "onnx" {
        return onnx::source_files(folder);
    }
    if !folder.is_dir() {
        return Err(ImportError::NoFolder { path: folder.to_owned() });
    }
    let top = names(folder)?;
    let has = |name: &str| top.iter().any(|found| found == name);
    if has(MANIFEST) {
        return Err(ImportError::Artifact { path: folder.to_owned() });
    }
    let weighs = has(WEIGHTS) || has(INDEX);
    if !weighs && let Some(file) = onnx::find(folder) {
        return onnx::source_files(&file);
    }
    if !has(CONFIG) {
        return Err(ImportError::Incomplete { path: folder.to_owned(), missing: CONFIG });
    }
    if !weighs {
        return Err(match top.iter().find(|name| PICKLES.contains(&ending(name))) {
            Some(pickle) => ImportError::Pickle { path: folder.join(pickle) },
            None => ImportError::Incomplete { path: folder.to_owned(), missing: WEIGHTS },
        });
    }
    let mut paths = top;
    paths.retain(|name| is_wanted(name));
    SourceFiles::new(folder, paths.into_iter().map(Placed::same).collect())
}

impl Placed {
    /// A file that has the same place in the artifact.
    fn same(path: String) -> Self {
        Self { to: path.clone(), from: path }
    }
}

impl SourceFiles {
    /// The files given, and those of the modules of sentence-transformers.
    fn new(folder: &Path, mut files: Vec<Placed>) -> Result<Self, ImportError> {
        for module in names(folder)?.iter().filter(|name| is_module(name) && folder.join(name).is_dir()) {
            let inside = names(&folder.join(module))?;
            let wanted = inside.iter().filter(|name| is_wanted(name));
            files.extend(wanted.map(|name| Placed::same(format!("{module}/{name}"))));
        }
        files.retain(|file| folder.join(&file.from).is_file());
        files.sort();
        Ok(Self { folder: folder.to_owned(), files })
    }

    /// Whether its weights are an ONNX file.
    pub(crate) fn is_onnx(&self) -> bool {
        self.files.iter().any(|file| file.to == OnnxModel::FILE)
    }

    /// SHA-256 of names and contents, in hexadecimal.
    pub fn digest(&self) -> Result<String, ImportError> {
        let mut all = Sha256::new();
        for Placed { to: path, from } in &self.files {
            let mut own = Sha256::new();
            let file = self.folder.join(from);
            let mut reader = File::open(&file).map_err(failed("read", &file))?;
            let mut buffer = vec![0; BUFFER];
            loop {
                let read = reader.read(&mut buffer).map_err(failed("read", &file))?;
                if read == 0 {
                    break;
                }
                own.update(&buffer[..read]);
            }
            all.update(format!("{} {path}\n", hexadecimal(&own.finalize())));
        }
        Ok(hexadecimal(&all.finalize()))
    }

    /// Copies them into `target`, links followed. A vocabulary of sentencepiece, which an artifact does not hold, becomes a
    /// `tokenizer.json` where there is none.
    pub(crate) fn copy(&self, target: &Path) -> Result<(), InferError> {
        let (vocabularies, files): (Vec<&Placed>, Vec<&Placed>) =
            self.files.iter().partition(|file| ending(&file.to) == "model");
        if !vocabularies.is_empty() && !self.files.iter().any(|file| file.to == TOKENIZER) {
            let tokenizer = load_tokenizer(&self.folder)?.to_json();
            let tokenizer =
                tokenizer.map_err(|source| ModelError::Tokenizer { folder: self.folder.clone(), source })?;
            let path = target.join(TOKENIZER);
            fs::write(&path, tokenizer).map_err(failed("write", &path))?;
        }
        for file in files {
            let to = target.join(&file.to);
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent).map_err(failed("create the folder", parent))?;
            }
            let from = self.folder.join(&file.from);
            let mut source = File::open(&from).map_err(failed("read", &from))?;
            let mut copy = File::create_new(&to).map_err(failed("create", &to))?;
            std::io::copy(&mut source, &mut copy).map_err(failed("write", &to))?;
        }
        Ok(())
    }
}

/// Puts the weights in eight bits, in the file that the engine reads them from, in the place of those in `folder`.
pub(crate) fn quantise(folder: &Path) -> Result<(), InferError> {
    Checkpoint::open(folder)?.quantised()?.save(folder)?;
    for name in names(folder)?
        .iter()
        .filter(|name| *name == INDEX || (is_wanted(name) && ending(name) == "safetensors"))
    {
        let path = folder.join(name);
        fs::remove_file(&path).map_err(failed("delete", &path))?;
    }
    Ok(())
}

/// Weights have one name, whole or in parts; the same weights in another precision have another.
fn is_wanted(name: &str) -> bool {
    match ending(name) {
        "json" | "txt" => !name.starts_with('.'),
        "model" => Tokenizer::FILES.contains(&name),
        "safetensors" => {
            let stem = name.trim_end_matches(".safetensors");
            stem == "model" || (stem.starts_with("model-") && stem.contains("-of-"))
        }
        _ => false,
    }
}

/// `1_Pooling` and its like.
fn is_module(name: &str) -> bool {
    name.split_once('_')
        .is_some_and(|(number, _)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

fn ending(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, ending)| ending)
}

fn names(folder: &Path) -> Result<Vec<String>, ImportError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed("read the folder", folder))? {
        let entry = entry.map_err(failed("read the folder", folder))?;
        // A name that is no text is none of a model's.
        names.extend(entry.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn failed(step: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> ImportError {
    let path = path.to_owned();
    move |source| ImportError::File { step, path, source }
}
