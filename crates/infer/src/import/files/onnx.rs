//! The files of a model whose weights are an ONNX file.

use std::fs;
use std::path::{Path, PathBuf};

use loquat_models::OnnxModel;
use loquat_text::Tokenizer;

use super::{Placed, SourceFiles, ending, failed, is_wanted, names};
use crate::import::error::ImportError;

/// The folder that exporters put graphs into, below configuration and tokenizer.
const FOLDER: &str = "onnx";
/// Beginnings of the endings of files that hold the weights of a graph.
const WEIGHTS: [&str; 2] = ["onnx_data", "data"];

/// The ONNX file of a folder, where it has one.
pub(super) fn find(folder: &Path) -> Option<PathBuf> {
    let places = [folder.join(OnnxModel::FILE), folder.join(FOLDER).join(OnnxModel::FILE)];
    places.into_iter().find(|path| path.is_file())
}

/// The files of the model in the ONNX file `path`: the graph, its weights where they lie in files of their own, and the
/// configuration and tokenizer beside it, or above it where its folder is called `onnx` and holds no tokenizer.
pub(super) fn source_files(path: &Path) -> Result<SourceFiles, ImportError> {
    let inside = path.parent().unwrap_or(Path::new(""));
    let above = inside.parent().filter(|_| inside.ends_with(FOLDER) && !has_tokenizer(inside));
    let folder = above.unwrap_or(inside);
    if !has_tokenizer(folder) {
        return Err(ImportError::Incomplete { path: folder.to_owned(), missing: "tokenizer.json" });
    }
    let prefix = if above.is_some() { format!("{FOLDER}/") } else { String::new() };
    let placed = |name: &str, to: &str| Placed { to: to.to_owned(), from: format!("{prefix}{name}") };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut files = vec![placed(&name, OnnxModel::FILE)];
    files.extend(weights(path, inside)?.iter().map(|name| placed(name, name)));
    let beside = names(folder)?.into_iter().filter(|name| is_wanted(name) && ending(name) != "safetensors");
    files.extend(beside.map(Placed::same));
    SourceFiles::new(folder, files)
}

/// Files beside the graph that it names as those of its weights.
fn weights(path: &Path, folder: &Path) -> Result<Vec<String>, ImportError> {
    let mut others = names(folder)?;
    others.retain(|name| WEIGHTS.iter().any(|beginning| ending(name).starts_with(beginning)));
    if !others.is_empty() {
        let graph = fs::read(path).map_err(failed("read", path))?;
        others.retain(|name| graph.windows(name.len()).any(|window| window == name.as_bytes()));
    }
    Ok(others)
}

fn has_tokenizer(folder: &Path) -> bool {
    Tokenizer::FILES.iter().any(|name| *name != "tokenizer_config.json" && folder.join(name).is_file())
}
