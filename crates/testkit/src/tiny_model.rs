//! Tiny random models of the repository, as folders that could have been downloaded.

use std::path::{Path, PathBuf};

/// Where the tiny models lie, below the crates.
const REFERENCES: &str = "../models/tests/reference";

/// Writes the tiny model `name` of `crates/models/tests/reference` into `folder`, with a tokenizer that knows letters:
/// configuration, weights (safetensors or an ONNX file), pooling.
///
/// # Panics
/// When there is no such model, or the folder can't be written.
pub fn tiny_model(name: &str, folder: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(REFERENCES).join(name);
    assert!(from.is_dir(), "there is no tiny model {name}");
    copy(&from, folder);
    std::fs::write(folder.join("vocab.txt"), vocabulary()).expect("the folder can be written");
}

/// Copies what belongs to a model.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("the folder can be made");
    let entries = std::fs::read_dir(from).expect("the folder can be read");
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    for path in paths.collect::<Vec<PathBuf>>() {
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else if name != "reference.json" {
            std::fs::copy(&path, to.join(name)).expect("a file can be copied");
        }
    }
}

/// As many tokens as the tiny models know: special ones, letters alone and inside of a word, punctuation.
fn vocabulary() -> String {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned);
    let inside = ('a'..='z').map(|letter| format!("##{letter}"));
    let all = special.into_iter().chain(('a'..='z').map(String::from)).chain(inside);
    all.chain([".", ",", "!", "?"].map(str::to_owned)).map(|token| token + "\n").collect()
}
