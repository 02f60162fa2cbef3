//! From labels of tokens to labelled spans of a text: words, BIO repair, and spans with character offsets.
//!
//! A word takes the label of its first token, as models learn them. A span begins where a label says so, and also where
//! an inside label has nothing of its kind before it (the repair that `seqeval` makes in its default mode).

use loquat_spec::Entity;
use loquat_text::Pieces;

use crate::ranking::best;

/// What a label says of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tag {
    /// No part of a span.
    Outside,
    /// The first word of a span of this kind.
    Begin(String),
    /// A further word of it.
    Inside(String),
}

/// The labels of a model that labels tokens, understood.
#[derive(Debug, Clone)]
pub(crate) struct Tags(Vec<Tag>);

impl Tags {
    /// Reads `O`, and kinds with or without one of the prefixes of the BIO, IOE and BILOU schemes. A kind without a prefix
    /// goes on as long as words have it.
    pub(crate) fn new(labels: &[String]) -> Self {
        let tag = |label: &String| match label.split_once('-') {
            _ if label == "O" => Tag::Outside,
            Some(("B" | "S" | "U", kind)) => Tag::Begin(kind.to_owned()),
            Some(("I" | "E" | "L" | "M", kind)) => Tag::Inside(kind.to_owned()),
            _ => Tag::Inside(label.clone()),
        };
        Self(labels.iter().map(tag).collect())
    }

    /// The spans of a text from the probability per label of each of its tokens, `[tokens][labels]`, in the order of the
    /// text.
    pub(crate) fn entities(&self, text: &str, pieces: &Pieces, probabilities: &[f32]) -> Vec<Entity> {
        let characters: Vec<char> = text.chars().collect();
        let mut spans: Vec<Span<'_>> = Vec::new();
        let mut open = false;
        for word in words(pieces, &characters) {
            let scores = &probabilities[word.token * self.0.len()..][..self.0.len()];
            let Some(label) = best(scores) else { continue };
            let (kind, begins) = match &self.0[label] {
                Tag::Outside => {
                    open = false;
                    continue;
                }
                Tag::Begin(kind) => (kind, true),
                Tag::Inside(kind) => (kind, false),
            };
            match spans.last_mut().filter(|span| open && !begins && span.kind == kind) {
                Some(span) => span.grow(word.end, scores[label]),
                None => spans.push(Span::new(kind, &word, scores[label])),
            }
            open = true;
        }
        spans.into_iter().filter_map(|span| span.entity(&characters)).collect()
    }
}

/// Words of one kind, one after the other.
struct Span<'t> {
    kind: &'t str,
    start: usize,
    end: usize,
    sum: f32,
    words: f32,
}

impl<'t> Span<'t> {
    fn new(kind: &'t str, word: &Word, score: f32) -> Self {
        Self { kind, start: word.start, end: word.end, sum: score, words: 1.0 }
    }

    fn grow(&mut self, end: usize, score: f32) {
        self.end = end;
        self.sum += score;
        self.words += 1.0;
    }

    /// The span without the blanks around it, which some tokenizers count to a word; its score is the mean of its words'.
    fn entity(mut self, characters: &[char]) -> Option<Entity> {
        let blank = |place: usize| characters.get(place).is_none_or(|c| c.is_whitespace());
        while self.start < self.end && blank(self.start) {
            self.start += 1;
        }
        while self.start < self.end && blank(self.end - 1) {
            self.end -= 1;
        }
        let text: String = characters.get(self.start..self.end)?.iter().collect();
        let score = self.sum / self.words;
        (!text.is_empty()).then(|| Entity {
            label: self.kind.to_owned(),
            start: self.start,
            end: self.end,
            text,
            score,
        })
    }
}

/// A word: its first token, and its characters.
#[derive(Debug, PartialEq, Eq)]
struct Word {
    token: usize,
    start: usize,
    end: usize,
}

/// The words of a text. Punctuation at the ends of what the tokenizer calls a word is a word of its own: tokenizers that cut
/// at blanks alone count a full stop to the name before it.
fn words(pieces: &Pieces, characters: &[char]) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut first = 0;
    while first < pieces.len() {
        let same = pieces.words[first..].iter().take_while(|word| **word == pieces.words[first]).count();
        let tokens = first..first + same;
        let solid = |token: &usize| {
            let (start, end) = pieces.offsets[*token];
            characters
                .get(start as usize..end as usize)
                .is_some_and(|own| own.iter().any(|c| c.is_alphanumeric()))
        };
        let core = tokens.clone().find(solid).zip(tokens.clone().rev().find(solid));
        for token in tokens {
            let (start, end) = pieces.offsets[token];
            let (start, end) = (start as usize, end as usize);
            match (core, words.last_mut()) {
                (Some((from, to)), Some(word)) if (from + 1..=to).contains(&token) => word.end = end,
                _ => words.push(Word { token, start, end }),
            }
        }
        first += same;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: [&str; 5] = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"];

    /// Tokens as `(start, end, word, label)`.
    fn found(
        text: &str,
        tokens: &[(u32, u32, u32, &str)],
        labels: &[&str],
    ) -> Vec<(String, usize, usize, String)> {
        let mut pieces = Pieces::default();
        let mut probabilities = Vec::new();
        for (start, end, word, wanted) in tokens {
            pieces.ids.push(0);
            pieces.offsets.push((*start, *end));
            pieces.words.push(*word);
            probabilities.extend(labels.iter().map(|label| if label == wanted { 0.8 } else { 0.05 }));
        }
        let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        let entities = Tags::new(&labels).entities(text, &pieces, &probabilities);
        assert!(entities.iter().all(|entity| (entity.score - 0.8).abs() < 1e-6));
        entities.into_iter().map(|found| (found.label, found.start, found.end, found.text)).collect()
    }

    fn span(label: &str, start: usize, end: usize, text: &str) -> (String, usize, usize, String) {
        (label.to_owned(), start, end, text.to_owned())
    }

    #[test]
    fn a_word_takes_the_label_of_its_first_token() {
        let tokens = [(0, 3, 0, "B-PER"), (3, 5, 0, "O"), (6, 10, 1, "I-PER"), (11, 13, 2, "O")];
        assert_eq!(found("Žanna Jürß ok", &tokens, &LABELS), [span("PER", 0, 10, "Žanna Jürß")]);
    }

    #[test]
    fn an_inside_label_without_a_beginning_begins() {
        let tokens = [(0, 1, 0, "I-LOC"), (2, 3, 1, "I-PER"), (4, 5, 2, "I-PER"), (6, 7, 3, "B-PER")];
        let wanted = [span("LOC", 0, 1, "a"), span("PER", 2, 5, "b c"), span("PER", 6, 7, "d")];
        assert_eq!(found("a b c d", &tokens, &LABELS), wanted);
    }

    #[test]
    fn what_is_outside_ends_a_span() {
        let tokens = [(0, 1, 0, "B-PER"), (2, 3, 1, "O"), (4, 5, 2, "I-PER")];
        assert_eq!(found("a b c", &tokens, &LABELS), [span("PER", 0, 1, "a"), span("PER", 4, 5, "c")]);
    }

    #[test]
    fn punctuation_at_the_end_of_a_word_is_not_counted_to_it() {
        // Cut at blanks alone: one word "Riga." of three tokens, the first with the blank before it.
        let tokens = [(0, 2, 0, "O"), (2, 5, 1, "B-LOC"), (5, 7, 1, "I-LOC"), (7, 8, 1, "O")];
        assert_eq!(found("in Riga.", &tokens, &LABELS), [span("LOC", 3, 7, "Riga")]);
        // Punctuation inside of a word stays there.
        let tokens = [(0, 3, 0, "B-LOC"), (3, 4, 0, "O"), (4, 7, 0, "O")];
        assert_eq!(found("Bad-Ems", &tokens, &LABELS), [span("LOC", 0, 7, "Bad-Ems")]);
    }

    #[test]
    fn labels_without_prefixes_go_on_as_long_as_they_last() {
        let tokens = [(0, 1, 0, "PER"), (2, 3, 1, "PER"), (4, 5, 2, "LOC")];
        let wanted = [span("PER", 0, 3, "a b"), span("LOC", 4, 5, "c")];
        assert_eq!(found("a b c", &tokens, &["O", "PER", "LOC"]), wanted);
    }
}
