//! Text normalisation, word segmentation, n-grams and tokenizers, with offsets into the text as it was sent.
//!
//! Training and serving read text only through this crate, so that both see the same features. It knows neither files
//! nor models.

mod language;
mod ngrams;
mod normalisation;
mod prepared;
mod scripts;
mod tokenizer;
mod words;

pub use language::{
    DetectedLanguage, canonical_language, detect_language, detectable_languages, is_detectable, same_language,
};
pub use ngrams::Ngrams;
pub use normalisation::Normalisation;
pub use prepared::{Prepared, is_unspaced};
pub use scripts::Scripts;
pub use tokenizer::{Encoding, LearnedPieces, Pieces, Tokenizer, TokenizerError, Trimmed};
pub use words::words;
