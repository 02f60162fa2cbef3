//! BERT's tokenizer without the library's general machinery: clean, split, and match the longest pieces of each word.
//!
//! Texts that hold what this path does not know (special tokens written out, characters whose normal form is longer than
//! one character) are left to the library. A character's fate is worked out once for its block of 256.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, OnceLock};

use tokenizers::normalizers::bert::BertNormalizer;
use tokenizers::{Model, ModelWrapper, NormalizerWrapper, PreTokenizerWrapper, Tokenizer as Inner};
use unicode_categories::UnicodeCategories;
use unicode_normalization::UnicodeNormalization;

use super::Pieces;

const BLOCK: usize = 256;
const BLOCKS: usize = (char::MAX as usize + 1) / BLOCK;

/// BERT's cleaning, splitting and pieces.
#[derive(Debug, Clone)]
pub(super) struct WordPiece {
    parts: Arc<Parts>,
}

#[derive(Debug)]
struct Parts {
    lowercase: bool,
    strip_accents: bool,
    chinese: bool,
    /// Pieces that begin a word, and those that go on with one, without their prefix.
    first: Vocabulary,
    next: Vocabulary,
    /// Bytes of the longest piece.
    longest: usize,
    unknown: u32,
    most_characters: usize,
    /// Tokens that the library finds in a text before anything else.
    literal: Vec<String>,
    blocks: Vec<OnceLock<Box<[Fate; BLOCK]>>>,
}

type Vocabulary = HashMap<Box<str>, u32, BuildHasherDefault<Multiplying>>;

/// What becomes of a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It leaves no trace.
    Gone,
    /// It ends a word.
    Space,
    /// It is a word of its own.
    Alone(char),
    /// It is part of a word.
    Part(char),
    /// The library must decide.
    Unknown,
}

impl WordPiece {
    /// The path of a tokenizer whose parts are BERT's; `None` for others.
    pub(super) fn of(inner: &Inner) -> Option<Self> {
        let NormalizerWrapper::BertNormalizer(normalizer) = inner.get_normalizer()? else { return None };
        let PreTokenizerWrapper::BertPreTokenizer(_) = inner.get_pre_tokenizer()? else { return None };
        let ModelWrapper::WordPiece(model) = inner.get_model() else { return None };
        let BertNormalizer { clean_text: true, handle_chinese_chars, strip_accents, lowercase, .. } =
            *normalizer
        else {
            return None;
        };
        let added = inner.get_added_tokens_decoder();
        if added.values().any(|token| token.normalized || token.lstrip || token.rstrip || token.single_word) {
            return None;
        }
        let prefix = model.continuing_subword_prefix.as_str();
        let (mut first, mut next) = (Vocabulary::default(), Vocabulary::default());
        let mut longest = 0;
        for (piece, id) in model.get_vocab() {
            longest = longest.max(piece.len());
            if let Some(rest) = piece.strip_prefix(prefix).filter(|_| !prefix.is_empty()) {
                next.insert(rest.into(), id);
            }
            first.insert(piece.into(), id);
        }
        Some(Self {
            parts: Arc::new(Parts {
                lowercase,
                strip_accents: strip_accents.unwrap_or(lowercase),
                chinese: handle_chinese_chars,
                first,
                next,
                longest,
                unknown: model.token_to_id(&model.unk_token)?,
                most_characters: model.max_input_chars_per_word,
                literal: added.values().map(|token| token.content.clone()).collect(),
                blocks: (0..BLOCKS).map(|_| OnceLock::new()).collect(),
            }),
        })
    }

    /// The tokens of a text; `None` when the library must find them.
    pub(super) fn pieces(&self, text: &str) -> Option<Pieces> {
        if self.parts.literal.iter().any(|token| text.contains(token.as_str())) {
            return None;
        }
        let expected = text.len() / 4 + 4;
        let mut pieces = Pieces {
            ids: Vec::with_capacity(expected),
            offsets: Vec::with_capacity(expected),
            words: Vec::with_capacity(expected),
        };
        let mut word = Word::default();
        for (position, character) in (0_u32..).zip(text.chars()) {
            match self.parts.fate(character) {
                Fate::Part(character) => word.push(character, position),
                Fate::Gone => {}
                Fate::Space => self.parts.finish(&mut word, &mut pieces),
                Fate::Alone(character) => {
                    self.parts.finish(&mut word, &mut pieces);
                    word.push(character, position);
                    self.parts.finish(&mut word, &mut pieces);
                }
                Fate::Unknown => return None,
            }
        }
        self.parts.finish(&mut word, &mut pieces);
        Some(pieces)
    }
}

/// The word that is being read.
#[derive(Debug, Default)]
struct Word {
    text: String,
    /// Where each character ends in `text`, and its place in the original.
    characters: Vec<(u32, u32)>,
    number: u32,
}

impl Word {
    fn push(&mut self, character: char, position: u32) {
        self.text.push(character);
        self.characters.push((self.text.len() as u32, position));
    }
}

impl Parts {
    fn fate(&self, character: char) -> Fate {
        let code = character as usize;
        let block = self.blocks[code / BLOCK].get_or_init(|| {
            let start = code / BLOCK * BLOCK;
            let fate = |offset| {
                let character = u32::try_from(start + offset).ok().and_then(char::from_u32);
                character.map_or(Fate::Unknown, |character| self.decide(character))
            };
            Box::new(std::array::from_fn(fate))
        });
        block[code % BLOCK]
    }

    /// The rules of BERT's `BasicTokenizer`, with the library's reading of "control" and "punctuation".
    fn decide(&self, character: char) -> Fate {
        let white = character.is_whitespace();
        let control = !matches!(character, '\t' | '\n' | '\r') && character.is_other();
        if character == '\0' || character == '\u{fffd}' || control {
            return Fate::Gone;
        }
        if white {
            return Fate::Space;
        }
        let mut normal: Vec<char> = vec![character];
        if self.strip_accents {
            // Marks that stay but sort among others could change places.
            if unicode_normalization::char::canonical_combining_class(character) != 0
                && !character.is_mark_nonspacing()
            {
                return Fate::Unknown;
            }
            normal = normal.into_iter().nfd().filter(|c| !c.is_mark_nonspacing()).collect();
        }
        if self.lowercase {
            normal = normal.into_iter().flat_map(char::to_lowercase).collect();
        }
        match normal[..] {
            [] => Fate::Gone,
            [one] if one.is_whitespace() => Fate::Unknown,
            [one] if self.chinese && is_chinese(character) => Fate::Alone(one),
            [one] if one.is_ascii_punctuation() || one.is_punctuation() => Fate::Alone(one),
            [one] => Fate::Part(one),
            _ => Fate::Unknown,
        }
    }

    /// Cuts a word into the longest pieces from its start, and forgets it.
    fn finish(&self, word: &mut Word, pieces: &mut Pieces) {
        let (Some(first), Some(last)) = (word.characters.first(), word.characters.last()) else { return };
        let whole = (first.1, last.1 + 1);
        let before = pieces.len();
        if word.characters.len() > self.most_characters || !self.cut(word, pieces) {
            pieces.ids.truncate(before);
            pieces.offsets.truncate(before);
            pieces.words.truncate(before);
            pieces.push(self.unknown, whole, word.number);
        }
        word.number += 1;
        word.text.clear();
        word.characters.clear();
    }

    fn cut(&self, word: &Word, pieces: &mut Pieces) -> bool {
        let (mut start, mut byte) = (0, 0);
        while start < word.characters.len() {
            let vocabulary = if start == 0 { &self.first } else { &self.next };
            let found = (start..word.characters.len()).rev().find_map(|last| {
                let end = word.characters[last].0 as usize;
                if end - byte > self.longest {
                    return None;
                }
                vocabulary.get(&word.text[byte..end]).map(|id| (*id, last, end))
            });
            let Some((id, last, end)) = found else { return false };
            let offsets = (word.characters[start].1, word.characters[last].1 + 1);
            pieces.push(id, offsets, word.number);
            (start, byte) = (last + 1, end);
        }
        true
    }
}

/// The blocks of Chinese characters that BERT sets apart.
fn is_chinese(character: char) -> bool {
    matches!(u32::from(character),
        0x4E00..=0x9FFF | 0x3400..=0x4DBF | 0x20000..=0x2A6DF | 0x2A700..=0x2B73F | 0x2B740..=0x2B81F
        | 0x2B920..=0x2CEAF | 0xF900..=0xFAFF | 0x2F800..=0x2FA1F)
}

/// A hash for the few bytes of a piece: multiply and turn, eight bytes at a time. Vocabularies are not the work of an
/// attacker who knows the next text.
#[derive(Default, Clone, Copy)]
struct Multiplying(u64);

impl Hasher for Multiplying {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut eight = [0; 8];
            eight[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(eight));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}
