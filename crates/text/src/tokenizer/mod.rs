//! Tokenizers of encoders: from `tokenizer.json`, or from the files of the tokenizers before it.
//!
//! Texts become token ids with the characters that each stands for. The `tokenizers` crate defines what is right; WordPiece,
//! which the smallest and fastest models use, has an own path that gives the same and takes a fraction of the time.

mod encoding;
mod error;
mod files;
mod learned;
mod sentencepiece;
mod template;
#[expect(clippy::module_inception, reason = "the folder holds the parts of the one type")]
mod tokenizer;
mod trim;
mod wordpiece;

pub use encoding::{Encoding, Pieces};
pub use error::TokenizerError;
pub use learned::LearnedPieces;
pub use tokenizer::Tokenizer;
pub use trim::Trimmed;
