//! Labels of words: rows as words with labels, spans as answers, and the linear family's model of them.
//!
//! Every family learns and answers labels of the words that [`loquat_text::words`] finds, so that training and serving see the same.
//! Scores are those of the data set's own tokens, where it has them: a span that is answered is laid over the tokens first.

mod crf;
mod export;
mod lexicon;
mod pieces;
mod rows;
mod space;
mod spans;

pub(crate) use crf::CrfConfig;
pub(crate) use export::export;
pub(crate) use lexicon::lexicon;
pub(crate) use rows::{TaggedRow, Tagging};
pub(crate) use space::{SOLVERS, first_guesses, is_crf, space};
pub(crate) use spans::{EntityCode, outside};
