//! Text normalisation, word segmentation, n-grams and tokenizers, with offsets into the text as it was sent.
//!
//! Training and serving read text only through this crate, so that both see the same features. It knows neither files
//! nor models.

mod ngrams;
mod normalisation;
mod prepared;
mod tokenizer;

pub use ngrams::Ngrams;
pub use normalisation::Normalisation;
pub use prepared::Prepared;
pub use tokenizer::{Encoding, Pieces, Tokenizer, TokenizerError};
