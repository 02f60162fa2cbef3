//! A tokenizer without the pieces that some scripts do not need (Abdaoui et al. 2020).
//!
//! Kept are all pieces whose characters lie in the scripts kept, so that a text of these is cut as before: WordPiece's longest
//! match, BPE's merges and Unigram's best path only ever look at pieces that the text contains. Kept as well are the pieces that
//! were seen, every piece of one character or byte, that other texts fall back on, and special tokens.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{Tokenizer, TokenizerError, files};
use crate::scripts::Scripts;

/// What a tokenizer is without some of its pieces.
#[derive(Debug, Clone)]
pub struct Trimmed {
    /// The content of its `tokenizer.json`.
    pub json: String,
    /// For each id the one that it was before, rising.
    pub kept: Vec<u32>,
}

impl Trimmed {
    /// The id now of what was `before`; `None` where it is gone.
    pub fn id(&self, before: u32) -> Option<u32> {
        self.kept.binary_search(&before).ok().map(|id| id as u32)
    }
}

impl Tokenizer {
    /// The tokenizer without the pieces that neither `scripts` need nor `seen` holds. Texts in these scripts, and those whose ids
    /// were seen, are cut into the same pieces as before.
    ///
    /// # Errors
    /// When the tokenizer is of a kind other than WordPiece, BPE and Unigram.
    pub fn trimmed(&self, scripts: &Scripts, seen: &BTreeSet<u32>) -> Result<Trimmed, TokenizerError> {
        let mut file: Map<String, Value> = serde_json::from_str(&self.to_json()?)
            .map_err(|error| TokenizerError::File { file: files::FAST, problem: error.to_string() })?;
        let kind = Kind::of(&file)?;
        let pieces = kind.pieces(&file);
        let mut kept: BTreeSet<u32> = added(&file).collect();
        kept.extend(kind.unknown(&file, &pieces));
        kept.extend(seen);
        let alone: BTreeSet<&str> = pieces.values().map(String::as_str).collect();
        let needed = |piece: &&str| kind.is_needed(piece, scripts, &alone);
        kept.extend(pieces.iter().filter(|(_, piece)| needed(&piece.as_str())).map(|(id, _)| *id));
        kind.close(&file, &pieces, &mut kept);
        let kept: Vec<u32> = kept.into_iter().collect();
        let trimmed = Trimmed { json: String::new(), kept };
        kind.cut(&mut file, &trimmed);
        renumber(&mut file, &trimmed);
        let json = Value::Object(file).to_string();
        Ok(Trimmed { json, ..trimmed })
    }
}

/// What a tokenizer's pieces are.
struct Kind {
    model: Model,
    /// Whether pieces are bytes written as characters.
    bytes: bool,
    /// What a piece inside of a word begins with.
    prefix: String,
    /// What a piece at the end of a word ends with.
    suffix: String,
    /// Whether brackets are words of their own, so that no text holds `[unused7]`.
    cuts_brackets: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Model {
    WordPiece,
    Bpe,
    Unigram,
}

impl Kind {
    fn of(file: &Map<String, Value>) -> Result<Self, TokenizerError> {
        let field = |name: &str| file.get("model")?.get(name)?.as_str();
        let model = match field("type") {
            Some("WordPiece") => Model::WordPiece,
            Some("BPE") => Model::Bpe,
            Some("Unigram") => Model::Unigram,
            other => {
                let what = format!("trimming a vocabulary of type {:?}", other.unwrap_or("none"));
                return Err(TokenizerError::Unsupported { file: files::FAST, what });
            }
        };
        let bytes = file.get("pre_tokenizer").is_some_and(|one| is_of(one, "ByteLevel"))
            || file.get("decoder").is_some_and(|one| is_of(one, "ByteLevel"));
        Ok(Self {
            model,
            bytes,
            prefix: field("continuing_subword_prefix").unwrap_or_default().to_owned(),
            suffix: field("end_of_word_suffix").unwrap_or_default().to_owned(),
            cuts_brackets: file.get("pre_tokenizer").is_some_and(|one| is_of(one, "BertPreTokenizer")),
        })
    }

    /// Every piece of the model by its id.
    fn pieces(&self, file: &Map<String, Value>) -> BTreeMap<u32, String> {
        match vocabulary(file) {
            Some(Value::Object(pieces)) => {
                pieces.iter().filter_map(|(piece, id)| Some((id.as_u64()? as u32, piece.clone()))).collect()
            }
            Some(Value::Array(pieces)) => {
                let piece = |(id, piece): (u32, &Value)| Some((id, piece.get(0)?.as_str()?.to_owned()));
                (0..).zip(pieces).filter_map(piece).collect()
            }
            _ => BTreeMap::new(),
        }
    }

    /// The piece of what is unknown; of Unigram also the least probable one, which says how dear the unknown is.
    fn unknown(&self, file: &Map<String, Value>, pieces: &BTreeMap<u32, String>) -> Vec<u32> {
        let model = file.get("model");
        let named = model.and_then(|model| model.get("unk_token")?.as_str());
        let named = named.and_then(|named| pieces.iter().find(|(_, piece)| *piece == named));
        let by_id = model.and_then(|model| model.get("unk_id")?.as_u64()).map(|id| id as u32);
        let score = |piece: &Value| piece.get(1).and_then(Value::as_f64).unwrap_or(f64::INFINITY);
        let scored = vocabulary(file).and_then(Value::as_array).map(|pieces| (0..).zip(pieces));
        let least = scored.and_then(|all| all.min_by(|a, b| score(a.1).total_cmp(&score(b.1))));
        let least = least.map(|(id, _)| id);
        named.map(|(id, _)| *id).into_iter().chain(by_id).chain(least).collect()
    }

    /// Whether a text in `scripts` may hold the piece, or another text falls back on it. `all` are the pieces.
    fn is_needed(&self, piece: &str, scripts: &Scripts, all: &BTreeSet<&str>) -> bool {
        if is_byte(piece) {
            return true;
        }
        if self.cuts_brackets && is_placeholder(piece) {
            return false;
        }
        let begins = |rest: &&str| !self.prefix.is_empty() && !rest.is_empty();
        let (prefix, rest) = match piece.strip_prefix(self.prefix.as_str()).filter(begins) {
            Some(rest) => (self.prefix.as_str(), rest),
            None => ("", piece),
        };
        // Pieces that are no whole characters are bytes to fall back on.
        let Some(text) = (if self.bytes { text_of(rest) } else { Some(rest.to_owned()) }) else {
            return true;
        };
        let letters = text.strip_suffix(self.suffix.as_str()).unwrap_or(&text).trim_start_matches(['▁', ' ']);
        if letters.chars().nth(1).is_none() || letters.chars().all(|one| scripts.holds(one)) {
            return true;
        }
        // Where a character has no piece of its own, those that contain it are all that knows it.
        let has_piece = |(place, one): (usize, char)| {
            let inside = if place == 0 { prefix } else { self.prefix.as_str() };
            all.contains(format!("{inside}{one}").as_str())
        };
        !self.bytes && !letters.chars().enumerate().all(has_piece)
    }

    /// Adds to `kept` the pieces from which BPE merges them.
    fn close(&self, file: &Map<String, Value>, pieces: &BTreeMap<u32, String>, kept: &mut BTreeSet<u32>) {
        if self.model != Model::Bpe {
            return;
        }
        let ids: BTreeMap<&str, u32> = pieces.iter().map(|(id, piece)| (piece.as_str(), *id)).collect();
        let merges: Vec<[u32; 3]> = merges(file)
            .iter()
            .filter_map(|merge| self.merged(merge, |piece| ids.get(piece).copied()))
            .collect();
        loop {
            let before = kept.len();
            // Parts are merged before what they are parts of, so one pass from the end nearly always suffices.
            for [first, second, whole] in merges.iter().rev() {
                if kept.contains(whole) {
                    kept.extend([*first, *second]);
                }
            }
            if kept.len() == before {
                return;
            }
        }
    }

    /// The ids of a merge's parts and of what they give.
    fn merged(&self, merge: &Value, id: impl Fn(&str) -> Option<u32>) -> Option<[u32; 3]> {
        let (first, second) = match merge {
            Value::String(both) => both.split_once(' ')?,
            _ => (merge.get(0)?.as_str()?, merge.get(1)?.as_str()?),
        };
        let inner = second.strip_prefix(self.prefix.as_str()).unwrap_or(second);
        Some([id(first)?, id(second)?, id(&format!("{first}{inner}"))?])
    }

    /// Leaves the pieces that are kept, under their new ids.
    fn cut(&self, file: &mut Map<String, Value>, trimmed: &Trimmed) {
        let new = |id: &Value| trimmed.id(id.as_u64()? as u32);
        let Some(Value::Object(model)) = file.get_mut("model") else { return };
        if let Some(id) = model.get_mut("unk_id") {
            *id = new(id).map_or(Value::Null, Value::from);
        }
        let ids: BTreeMap<String, u32> = match model.get_mut("vocab") {
            Some(Value::Object(pieces)) => {
                let left = pieces.iter().filter_map(|(piece, id)| Some((piece.clone(), new(id)?)));
                let left: BTreeMap<String, u32> = left.collect();
                *pieces = left.iter().map(|(piece, id)| (piece.clone(), Value::from(*id))).collect();
                left
            }
            Some(Value::Array(pieces)) => {
                let mut id = 0;
                pieces.retain(|_| {
                    id += 1;
                    trimmed.id(id - 1).is_some()
                });
                return;
            }
            _ => return,
        };
        if let Some(Value::Array(merges)) = model.get_mut("merges") {
            merges.retain(|merge| self.merged(merge, |piece| ids.get(piece).copied()).is_some());
        }
    }
}

fn vocabulary(file: &Map<String, Value>) -> Option<&Value> {
    file.get("model")?.get("vocab")
}

fn merges(file: &Map<String, Value>) -> &[Value] {
    let merges = file.get("model").and_then(|model| model.get("merges")?.as_array());
    merges.map_or(&[], Vec::as_slice)
}

/// Ids of the tokens that were added to the model's.
fn added(file: &Map<String, Value>) -> impl Iterator<Item = u32> {
    let tokens = file.get("added_tokens").and_then(Value::as_array).into_iter().flatten();
    tokens.filter_map(|token| Some(token.get("id")?.as_u64()? as u32))
}

/// Whether a part of a tokenizer is of a type, or holds one that is.
fn is_of(part: &Value, kind: &str) -> bool {
    match part {
        Value::Object(fields) => {
            fields.get("type").and_then(Value::as_str) == Some(kind)
                || fields.values().any(|inner| is_of(inner, kind))
        }
        Value::Array(parts) => parts.iter().any(|inner| is_of(inner, kind)),
        _ => false,
    }
}

/// Writes the new ids where the file names tokens by number.
fn renumber(file: &mut Map<String, Value>, trimmed: &Trimmed) {
    let tokens = file.get_mut("added_tokens").and_then(Value::as_array_mut).into_iter().flatten();
    for id in tokens.filter_map(|token| token.get_mut("id")) {
        renumbered(id, trimmed);
    }
    if let Some(processor) = file.get_mut("post_processor") {
        renumber_processor(processor, trimmed);
    }
}

fn renumber_processor(processor: &mut Value, trimmed: &Trimmed) {
    let inner = processor.get_mut("processors").and_then(Value::as_array_mut).into_iter().flatten();
    inner.for_each(|inner| renumber_processor(inner, trimmed));
    for role in ["sep", "cls"] {
        if let Some(id) = processor.get_mut(role).and_then(|token| token.get_mut(1)) {
            renumbered(id, trimmed);
        }
    }
    let tokens = processor.get_mut("special_tokens").and_then(Value::as_object_mut);
    for token in tokens.into_iter().flat_map(|tokens| tokens.values_mut()) {
        let ids = token.get_mut("ids").and_then(Value::as_array_mut).into_iter().flatten();
        ids.for_each(|id| renumbered(id, trimmed));
    }
}

fn renumbered(id: &mut Value, trimmed: &Trimmed) {
    if let Some(new) = id.as_u64().and_then(|before| trimmed.id(before as u32)) {
        *id = new.into();
    }
}

/// Whether a piece stands for one byte of a character that has no piece, as in `<0x0A>`.
fn is_byte(piece: &str) -> bool {
    let digits = piece.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    digits.is_some_and(|digits| digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

/// Whether a piece is one of the places that BERT's vocabularies keep free.
fn is_placeholder(piece: &str) -> bool {
    let number = piece.strip_prefix("[unused").and_then(|rest| rest.strip_suffix(']'));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()))
}

/// The text of a piece of bytes written as GPT-2 writes them; `None` where they are no whole characters.
fn text_of(piece: &str) -> Option<String> {
    String::from_utf8(piece.chars().map(byte_of).collect::<Option<_>>()?).ok()
}

/// Printable Latin-1 characters stand for themselves, the other bytes for the characters from U+0100 on, in order.
fn byte_of(character: char) -> Option<u8> {
    let stands_for_itself = |byte: &u8| matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
    match u32::from(character) {
        code @ ..0x100 => u8::try_from(code).ok().filter(stands_for_itself),
        code => (0..=u8::MAX).filter(|byte| !stands_for_itself(byte)).nth((code - 0x100) as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_they_are_written() {
        assert_eq!(text_of("Ġthe").as_deref(), Some(" the"));
        assert_eq!(text_of("Ã©").as_deref(), Some("é"));
        assert_eq!(text_of("Ã"), None, "half of a character");
        assert_eq!(byte_of('Ń'), Some(0xAD));
    }

    #[test]
    fn what_is_no_word_is_known_by_its_form() {
        assert!(is_byte("<0x0A>") && !is_byte("<0xZZ>") && !is_byte("<0x123>"));
        assert!(is_placeholder("[unused99]") && !is_placeholder("[unused]") && !is_placeholder("[UNK]"));
    }
}
