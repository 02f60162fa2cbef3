//! The tokenizer of a model.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokenizers::{
    NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
    Tokenizer as Inner,
};

use super::template::Template;
use super::wordpiece::WordPiece;
use super::{Encoding, Pieces, TokenizerError, files};

/// Turns texts into token ids, as the model was trained to read them.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: Inner,
    template: Template,
    max_length: Option<usize>,
    fast: Option<WordPiece>,
}

impl Tokenizer {
    /// The files of a model folder that a tokenizer may be made of.
    pub const FILES: &'static [&'static str] = files::NAMES;

    /// Builds the tokenizer of a model from those [`Tokenizer::FILES`] that its folder holds, by name.
    ///
    /// `tokenizer.json` says all; where it is missing, `model_type` (of `config.json`) says how the older files are read.
    ///
    /// # Errors
    /// When there are no files, or they are damaged or of a kind that is not supported.
    pub fn from_files(model_type: &str, given: &BTreeMap<String, Vec<u8>>) -> Result<Self, TokenizerError> {
        let settings = files::Settings::read(given)?;
        let mut inner = match given.get(files::FAST) {
            Some(bytes) => Inner::from_bytes(bytes)
                .map_err(|error| TokenizerError::File { file: files::FAST, problem: error.to_string() })?,
            None => files::from_older(model_type, given, &settings)?,
        };
        // Cutting is done here and padding nowhere.
        inner.with_padding(None);
        inner
            .with_truncation(None)
            .map_err(|error| TokenizerError::File { file: files::FAST, problem: error.to_string() })?;
        let template = Template::of(&inner, settings.cut_left)?;
        let fast = WordPiece::of(&inner);
        Ok(Self { inner, template, max_length: settings.max_length, fast })
    }

    /// The content of the `tokenizer.json` that the tokenizer amounts to, without padding or truncation.
    ///
    /// # Errors
    /// When a part of it can't be written as JSON.
    pub fn to_json(&self) -> Result<String, TokenizerError> {
        self.inner
            .to_string(false)
            .map_err(|error| TokenizerError::File { file: files::FAST, problem: error.to_string() })
    }

    /// The most tokens that the model's files say it takes, special ones included.
    pub fn max_length(&self) -> Option<usize> {
        self.max_length
    }

    /// Number of ids.
    pub fn vocabulary_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The id of a token by its exact text.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The exact text of a token.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The text that ids stand for; special tokens are left out where `skip_special` says so.
    ///
    /// # Errors
    /// When the tokenizer can't put them together.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, TokenizerError> {
        let decoded = self.inner.decode(ids, skip_special);
        decoded.map_err(|error| TokenizerError::Text { problem: error.to_string() })
    }

    /// Number of special tokens around one text, or around a pair.
    pub fn special_tokens(&self, pair: bool) -> usize {
        self.template.special_tokens(pair)
    }

    /// The tokens of one text, to be used alone or in several pairs.
    ///
    /// # Errors
    /// When the tokenizer refuses the text; those of known models take every text.
    pub fn pieces(&self, text: &str) -> Result<Pieces, TokenizerError> {
        match self.fast.as_ref().and_then(|fast| fast.pieces(text)) {
            Some(pieces) => Ok(pieces),
            None => self.library_pieces(text),
        }
    }

    /// The tokens of one text as the `tokenizers` library finds them, without the own path: what tests compare with.
    pub fn library_pieces(&self, text: &str) -> Result<Pieces, TokenizerError> {
        let found = self
            .inner
            .encode_char_offsets(text, false)
            .map_err(|error| TokenizerError::Text { problem: error.to_string() })?;
        let mut pieces = Pieces::default();
        for (place, id) in found.get_ids().iter().enumerate() {
            let (start, end) = found.get_offsets()[place];
            let word = found.get_word_ids()[place].unwrap_or(0);
            pieces.push(*id, (start as u32, end as u32), word);
        }
        Ok(pieces)
    }

    /// The words of a text as they are before they are cut into pieces.
    pub(super) fn split(&self, text: &str) -> Result<Vec<String>, TokenizerError> {
        let failed = |error: tokenizers::Error| TokenizerError::Text { problem: error.to_string() };
        let mut normal = NormalizedString::from(text);
        if let Some(normalizer) = self.inner.get_normalizer() {
            normalizer.normalize(&mut normal).map_err(failed)?;
        }
        let mut words = PreTokenizedString::from(normal);
        if let Some(splitter) = self.inner.get_pre_tokenizer() {
            splitter.pre_tokenize(&mut words).map_err(failed)?;
        }
        let words = words.get_splits(OffsetReferential::Normalized, OffsetType::None);
        Ok(words.into_iter().map(|(word, ..)| word.to_owned()).filter(|word| !word.is_empty()).collect())
    }

    /// Puts the special tokens around one text, or between and around two, cut to `max_length` tokens in all by the
    /// model's rule.
    pub fn assemble(&self, first: &Pieces, second: Option<&Pieces>, max_length: Option<usize>) -> Encoding {
        self.template.assemble(first, second, max_length)
    }

    /// The encoding of a text, or of a pair of texts.
    ///
    /// # Errors
    /// As [`Tokenizer::pieces`].
    pub fn encode(
        &self,
        text: &str,
        second: Option<&str>,
        max_length: Option<usize>,
    ) -> Result<Encoding, TokenizerError> {
        let first = self.pieces(text)?;
        let second = second.map(|text| self.pieces(text)).transpose()?;
        Ok(self.assemble(&first, second.as_ref(), max_length))
    }

    /// The encodings of many texts or pairs, in order, with `threads` threads (one: the caller's own).
    ///
    /// # Errors
    /// The first error, as [`Tokenizer::pieces`].
    pub fn encode_batch(
        &self,
        inputs: &[(&str, Option<&str>)],
        max_length: Option<usize>,
        threads: usize,
    ) -> Result<Vec<Encoding>, TokenizerError> {
        let encode = |inputs: &[(&str, Option<&str>)]| -> Result<Vec<Encoding>, TokenizerError> {
            inputs.iter().map(|(first, second)| self.encode(first, *second, max_length)).collect()
        };
        if threads <= 1 || inputs.len() < 64 {
            return encode(inputs);
        }
        let chunks: Vec<_> = inputs.chunks(inputs.len().div_ceil(threads * 8).max(16)).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            while let Some((number, chunk)) = Some(next.fetch_add(1, Ordering::Relaxed))
                .and_then(|number| Some((number, chunks.get(number)?)))
            {
                done.push((number, encode(chunk)));
            }
            done
        };
        let mut done = std::thread::scope(|scope| {
            let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut done = work();
            for helper in helpers {
                match helper.join() {
                    Ok(more) => done.extend(more),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            done
        });
        done.sort_unstable_by_key(|(number, _)| *number);
        let parts = done.into_iter().map(|(_, part)| part).collect::<Result<Vec<_>, _>>()?;
        Ok(parts.into_iter().flatten().collect())
    }

    /// A long text as several encodings of at most `max_length` tokens, each beginning with the last `overlap` tokens of
    /// the one before; one for a text that fits.
    ///
    /// An overlap that leaves no room for progress is taken as the largest that does.
    pub fn windows(&self, pieces: &Pieces, max_length: usize, overlap: usize) -> Vec<Encoding> {
        let room = max_length.saturating_sub(self.special_tokens(false)).max(1);
        let step = room - overlap.min(room - 1);
        let mut windows = Vec::new();
        let mut start = 0;
        loop {
            let end = pieces.len().min(start + room);
            windows.push(self.template.join((pieces, start..end), None));
            if end == pieces.len() {
                return windows;
            }
            start += step;
        }
    }
}
