//! The tokenizer of a model folder.

use std::collections::BTreeMap;
use std::path::Path;

use loquat_text::Tokenizer;

use crate::checkpoint::{CONFIG, read_json_if_there};
use crate::error::ModelError;

/// Reads the tokenizer of the model in `folder`, in the Hugging Face layout.
///
/// # Errors
/// When its files are missing or damaged, or of a kind that is not supported.
pub fn load_tokenizer(folder: &Path) -> Result<Tokenizer, ModelError> {
    // A folder with an ONNX file may come without one.
    let config: serde_json::Map<String, serde_json::Value> =
        read_json_if_there(&folder.join(CONFIG), "model configuration")?.unwrap_or_default();
    let model_type = config.get("model_type").and_then(serde_json::Value::as_str).unwrap_or_default();
    let mut files = BTreeMap::new();
    for name in Tokenizer::FILES {
        let path = folder.join(name);
        if path.is_file() {
            let bytes = std::fs::read(&path).map_err(|source| ModelError::File { path, source })?;
            files.insert((*name).to_owned(), bytes);
        }
    }
    Tokenizer::from_files(model_type, &files)
        .map_err(|source| ModelError::Tokenizer { folder: folder.to_owned(), source })
}
