//! A model folder with a trimmed vocabulary: fewer rows of embeddings under a tokenizer with fewer pieces.

use std::path::Path;

use loquat_text::Trimmed;
use serde_json::{Map, Value};

use crate::artifact::{read_json, to_json, write};
use crate::checkpoint::Checkpoint;
use crate::error::ModelError;
use crate::tensor::Tensor;

/// Ends of the names of the tables that have a row for each token.
const TABLES: [&str; 2] = ["word_embeddings.weight", "tok_embeddings.weight"];
/// Fields of `config.json` that name a token by its id.
const IDS: [&str; 7] = [
    "pad_token_id",
    "bos_token_id",
    "eos_token_id",
    "cls_token_id",
    "sep_token_id",
    "mask_token_id",
    "unk_token_id",
];
const PADDING: &str = IDS[0];
const FAST: &str = "tokenizer.json";
const CONFIG: &str = "tokenizer_config.json";
/// Files of older tokenizers, which a trimmed one has none of.
const OLDER: [&str; 5] = ["vocab.txt", "vocab.json", "merges.txt", "sentencepiece.bpe.model", "spm.model"];

impl Checkpoint {
    /// Writes the model into `folder` with the tokens of `trimmed` alone, embeddings and ids alike. What it answers to texts of
    /// these tokens stays the same, bit for bit.
    ///
    /// # Errors
    /// When a file can't be read or written, or the model has no table of embeddings by a known name.
    pub fn save_trimmed(&self, trimmed: &Trimmed, folder: &Path) -> Result<(), ModelError> {
        let name = self.names().find(|name| TABLES.iter().any(|table| name.ends_with(table)));
        let name = name.map(str::to_owned).ok_or_else(|| {
            self.unsupported("vocabulary", "without embeddings of words", "tables named word_embeddings")
        })?;
        let table = self.tensor(&name)?.ok_or_else(|| self.tensor_error(&name, "is missing"))?;
        let rows = rows_of(&table, &trimmed.kept)
            .ok_or_else(|| self.tensor_error(&name, "has fewer rows than the tokenizer has tokens"))?;
        let mut config = self.config().clone();
        config.insert("vocab_size".to_owned(), trimmed.kept.len().into());
        for field in IDS {
            let Some(before) = config.get(field).and_then(Value::as_u64) else { continue };
            match trimmed.id(before as u32) {
                // RoBERTa counts positions from the padding's id.
                Some(id) if field == PADDING && u64::from(id) != before && self.counts_from_padding() => {
                    return Err(self.unsupported("padding", "among trimmed tokens", "padding before them"));
                }
                Some(id) => config.insert(field.to_owned(), id.into()),
                None => config.remove(field),
            };
        }
        self.with_tensors([(name, rows)].into()).only(config, |_| true).save(folder)?;
        for name in OLDER {
            let path = folder.join(name);
            match std::fs::remove_file(&path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(ModelError::File { path, source });
                }
                _ => {}
            }
        }
        write(&folder.join(FAST), trimmed.json.as_bytes())?;
        renumber(&folder.join(CONFIG), trimmed)
    }

    fn counts_from_padding(&self) -> bool {
        matches!(self.config().get("model_type").and_then(Value::as_str), Some("roberta" | "xlm-roberta"))
    }
}

/// The rows `kept` of a table.
fn rows_of(table: &Tensor, kept: &[u32]) -> Option<Tensor> {
    let [rows, width] = *table.shape() else { return None };
    let length = table.bytes().len() / rows.max(1);
    let row = |row: &u32| table.bytes().get(*row as usize * length..(*row as usize + 1) * length);
    let bytes: Option<Vec<&[u8]>> = kept.iter().map(row).collect();
    Some(Tensor::new(table.dtype(), vec![kept.len(), width], bytes?.concat()))
}

/// Writes the new ids of special tokens into `tokenizer_config.json`, where there is one.
fn renumber(path: &Path, trimmed: &Trimmed) -> Result<(), ModelError> {
    if !path.is_file() {
        return Ok(());
    }
    let mut config: Map<String, Value> = read_json(path, "tokenizer configuration")?;
    if let Some(Value::Object(tokens)) = config.get_mut("added_tokens_decoder") {
        let new =
            |(id, token): (&String, &Value)| Some((trimmed.id(id.parse().ok()?)?.to_string(), token.clone()));
        *tokens = tokens.iter().filter_map(new).collect();
    }
    write(path, &to_json(&config))
}
