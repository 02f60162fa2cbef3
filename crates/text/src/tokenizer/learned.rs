//! A WordPiece vocabulary learned from texts, for encoders that start from nothing.
//!
//! Words are what BERT's normaliser and first cut leave, in lower case, accents kept. Pieces begin as characters; the two
//! neighbours that stand together most often become one, again and again (Sennrich et al. 2016). Equally frequent pairs are
//! merged in the order of their ids, so that the same texts give the same vocabulary: the trainers of the `tokenizers` library
//! number pieces in the order of a table that is hashed anew in each process.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{Tokenizer, TokenizerError};

const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const PREFIX: &str = "##";
/// The tokenizer reads no longer words, in characters.
const LONGEST_WORD: usize = 100;
/// Two pieces become one where they stand together at least so often.
const LEAST: u64 = 3;
/// Single characters have at most one place in so many.
const CHARACTERS: usize = 2;

/// The pieces of a vocabulary in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearnedPieces(Vec<String>);

impl LearnedPieces {
    /// At most `most` pieces for `texts`, special ones included: fewer where nothing more stands together often enough.
    ///
    /// # Errors
    /// When the library refuses a text; it takes all.
    pub fn of<'t>(texts: impl IntoIterator<Item = &'t str>, most: usize) -> Result<Self, TokenizerError> {
        let blank = Self(SPECIAL.map(str::to_owned).to_vec());
        let splitter = Tokenizer::from_files("bert", &blank.vocabulary(None))?;
        let mut words: BTreeMap<String, u64> = BTreeMap::new();
        for text in texts {
            for word in splitter.split(text)? {
                *words.entry(word).or_default() += 1;
            }
        }
        words.retain(|word, _| word.chars().count() <= LONGEST_WORD);
        Ok(Self(Merging::new(blank.0, &words, most).merged(most)))
    }

    /// Number of pieces, special ones included.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no pieces but special ones.
    pub fn is_empty(&self) -> bool {
        self.0.len() == SPECIAL.len()
    }

    /// The files of the tokenizer, by name, as transformers reads them; texts are cut to `max_length` tokens.
    ///
    /// # Errors
    /// When the tokenizer can't be written as JSON.
    pub fn files(&self, max_length: usize) -> Result<BTreeMap<String, Vec<u8>>, TokenizerError> {
        let mut files = self.vocabulary(Some(max_length));
        let whole = Tokenizer::from_files("bert", &files)?.to_json()?;
        files.remove("vocab.txt");
        files.insert("tokenizer.json".to_owned(), whole.into_bytes());
        Ok(files)
    }

    /// The same in the form before `tokenizer.json`.
    fn vocabulary(&self, max_length: Option<usize>) -> BTreeMap<String, Vec<u8>> {
        let [padding, unknown, first, separator, mask] = SPECIAL;
        let config = json!({
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": true,
            "strip_accents": false,
            "tokenize_chinese_chars": true,
            "model_max_length": max_length,
            "pad_token": padding,
            "unk_token": unknown,
            "cls_token": first,
            "sep_token": separator,
            "mask_token": mask,
        });
        let lines: String = self.0.iter().map(|piece| format!("{piece}\n")).collect();
        [
            ("vocab.txt".to_owned(), lines.into_bytes()),
            ("tokenizer_config.json".to_owned(), format!("{config:#}\n").into_bytes()),
        ]
        .into()
    }
}

type Pair = (u32, u32);

/// Words as pieces, and how often two pieces stand together.
struct Merging {
    pieces: Vec<String>,
    ids: BTreeMap<String, u32>,
    words: Vec<(Vec<u32>, u64)>,
    /// How often each pair is in the words, and in which.
    pairs: BTreeMap<Pair, (u64, BTreeSet<usize>)>,
    /// The pairs by how often they are there; of equals the first is the last.
    queue: BTreeSet<(u64, Reverse<Pair>)>,
}

impl Merging {
    /// The words as characters; words with a character that has no place in the vocabulary teach nothing.
    fn new(special: Vec<String>, words: &BTreeMap<String, u64>, most: usize) -> Self {
        let mut merging = Self {
            pieces: Vec::new(),
            ids: BTreeMap::new(),
            words: Vec::new(),
            pairs: BTreeMap::new(),
            queue: BTreeSet::new(),
        };
        for piece in special {
            merging.id(piece);
        }
        let room = most.saturating_sub(merging.pieces.len()) / CHARACTERS;
        for piece in characters(words, room) {
            merging.id(piece);
        }
        for (word, count) in words {
            let piece = |(place, character): (usize, char)| {
                merging.ids.get(&written(place > 0, &character.to_string())).copied()
            };
            if let Some(word) = word.chars().enumerate().map(piece).collect::<Option<Vec<u32>>>() {
                merging.words.push((word, *count));
            }
        }
        (0..merging.words.len()).for_each(|word| merging.count(word, true));
        merging
    }

    /// The id of a piece, a new one where it has none.
    fn id(&mut self, piece: String) -> u32 {
        let next = self.pieces.len() as u32;
        let id = *self.ids.entry(piece.clone()).or_insert(next);
        if id == next {
            self.pieces.push(piece);
        }
        id
    }

    /// Adds the pairs of a word, or takes them away.
    fn count(&mut self, word: usize, add: bool) {
        let (pieces, count) = &self.words[word];
        for pair in pieces.windows(2).map(|pair| (pair[0], pair[1])) {
            let (known, own) = self.pairs.entry(pair).or_default();
            self.queue.remove(&(*known, Reverse(pair)));
            if add {
                *known += count;
                own.insert(word);
            } else {
                *known -= count;
                own.remove(&word);
            }
            if *known > 0 {
                self.queue.insert((*known, Reverse(pair)));
            } else {
                self.pairs.remove(&pair);
            }
        }
    }

    /// Merges until there are `most` pieces, or no pair is frequent.
    fn merged(mut self, most: usize) -> Vec<String> {
        while self.pieces.len() < most
            && let Some((count, Reverse(pair))) = self.queue.last().copied()
            && count >= LEAST
        {
            let [first, second] = [pair.0, pair.1].map(|id| self.pieces[id as usize].as_str());
            let piece = format!("{first}{}", second.strip_prefix(PREFIX).unwrap_or(second));
            let id = self.id(piece);
            let words = self.pairs.get(&pair).map(|(_, words)| words.clone()).unwrap_or_default();
            for word in words {
                self.count(word, false);
                self.words[word].0 = joined(&self.words[word].0, pair, id);
                self.count(word, true);
            }
        }
        self.pieces
    }
}

/// The characters of the words as pieces that begin a word and that go on with one, the most frequent ones if there are more
/// than `most`. Those that only ever stand alone begin words.
fn characters(words: &BTreeMap<String, u64>, most: usize) -> Vec<String> {
    let mut counts: BTreeMap<char, (u64, bool)> = BTreeMap::new();
    for (word, count) in words {
        let long = word.chars().nth(1).is_some();
        for character in word.chars() {
            let (known, joins) = counts.entry(character).or_default();
            *known += count;
            *joins |= long;
        }
    }
    let mut frequent: Vec<(char, (u64, bool))> = counts.into_iter().collect();
    frequent.sort_by_key(|(character, (count, _))| (Reverse(*count), *character));
    let pieces = frequent.into_iter().flat_map(|(character, (_, joins))| {
        [false, true].into_iter().filter(move |next| joins || !next).map(move |next| (next, character))
    });
    let mut pieces: Vec<(bool, char)> = pieces.take(most).collect();
    pieces.sort_unstable();
    pieces.into_iter().map(|(next, character)| written(next, &character.to_string())).collect()
}

/// A piece as vocabularies write it: with a prefix where it goes on with a word.
fn written(next: bool, piece: &str) -> String {
    if next { format!("{PREFIX}{piece}") } else { piece.to_owned() }
}

/// `pieces` with `id` in each place of `pair`, from the left.
fn joined(pieces: &[u32], pair: Pair, id: u32) -> Vec<u32> {
    let mut joined = Vec::with_capacity(pieces.len());
    let mut place = 0;
    while place < pieces.len() {
        if pieces[place] == pair.0 && pieces.get(place + 1) == Some(&pair.1) {
            joined.push(id);
            place += 2;
        } else {
            joined.push(pieces[place]);
            place += 1;
        }
    }
    joined
}
