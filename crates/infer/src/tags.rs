//! From labels of tokens to labelled spans of a text: words, BIO repair, and spans with character offsets.
//!
//! A word takes the label of its first token, as models learn them. A span begins where a label says so, and also where
//! an inside label has nothing of its kind before it (the repair that `seqeval` makes in its default mode).

use std::ops::Range;

use loquat_models::{Decoding, log};
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
pub struct Tags(Vec<Tag>);

impl Tags {
    /// Reads `O`, and kinds with or without one of the prefixes of the BIO, IOE and BILOU schemes. A kind without a prefix
    /// goes on as long as words have it.
    pub fn new(labels: &[String]) -> Self {
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
        let words = words(pieces, &characters);
        let row = |word: &Word| &probabilities[word.token * self.0.len()..][..self.0.len()];
        let labels: Vec<usize> = words.iter().map(|word| best(row(word)).unwrap_or(0)).collect();
        let scores: Vec<f32> = words.iter().zip(&labels).map(|(word, label)| row(word)[*label]).collect();
        let entity = |span: TagSpan<'_>| {
            span.entity(&characters, words[span.words.start].start..words[span.words.end - 1].end)
        };
        self.spans(&labels, &scores).into_iter().filter_map(entity).collect()
    }

    /// The spans of a text from the probability per label of each of its words, `[words][labels]`, of which `words` are the
    /// places. Labels keep to BIO.
    pub(crate) fn entities_of_words(
        &self,
        text: &str,
        words: &[Range<usize>],
        (probabilities, decoding): (&[f32], Decoding),
    ) -> Vec<Entity> {
        let characters: Vec<char> = text.chars().collect();
        let entity = |span: TagSpan<'_>| {
            span.entity(&characters, words[span.words.start].start..words[span.words.end - 1].end)
        };
        self.constrained(probabilities, decoding).into_iter().filter_map(entity).collect()
    }

    /// The spans of the most probable sequence of labels in which every inside label continues a span of its kind (Viterbi 1967),
    /// from the probability per label of each word, `[words][labels]`.
    pub fn constrained(&self, probabilities: &[f32], decoding: Decoding) -> Vec<TagSpan<'_>> {
        let labels = self.sequence(probabilities, decoding);
        let scores: Vec<f32> =
            probabilities.chunks_exact(self.0.len()).zip(&labels).map(|(row, label)| row[*label]).collect();
        self.spans(&labels, &scores)
    }

    fn sequence(&self, probabilities: &[f32], decoding: Decoding) -> Vec<usize> {
        let count = self.0.len();
        let mut reached = vec![0.0_f32; count];
        let mut from: Vec<usize> = Vec::with_capacity(probabilities.len());
        for (word, row) in probabilities.chunks_exact(count).enumerate() {
            let anywhere = best(&reached).unwrap_or(0);
            let mut next = vec![f32::NEG_INFINITY; count];
            for (label, tag) in self.0.iter().enumerate() {
                let before = match tag {
                    Tag::Inside(_) if word == 0 => None,
                    Tag::Inside(_) => self.before(label, &reached),
                    _ => Some(anywhere),
                };
                let shift = if *tag == Tag::Outside { decoding.outside } else { 0.0 };
                next[label] =
                    before.map_or(f32::NEG_INFINITY, |before| reached[before] + log(row[label]) + shift);
                from.push(before.unwrap_or(0));
            }
            reached = next;
        }
        let mut labels = vec![0; from.len() / count.max(1)];
        let mut label = best(&reached).unwrap_or(0);
        for (word, place) in labels.iter_mut().enumerate().rev() {
            *place = label;
            label = from[word * count + label];
        }
        labels
    }

    /// The best label of the same kind before an inside label; none where no such label can stand there.
    fn before(&self, inside: usize, reached: &[f32]) -> Option<usize> {
        let kind = self.0[inside].kind();
        let same =
            (0..self.0.len()).filter(|label| self.0[*label].kind() == kind && reached[*label].is_finite());
        same.max_by(|a, b| reached[*a].total_cmp(&reached[*b]).then(b.cmp(a)))
    }

    /// The spans of a sequence of labels. A span begins where a label says so, and where an inside label has nothing of its kind
    /// before it.
    pub fn spans(&self, labels: &[usize], scores: &[f32]) -> Vec<TagSpan<'_>> {
        let mut spans: Vec<TagSpan<'_>> = Vec::new();
        let mut open = false;
        for (word, (label, score)) in labels.iter().zip(scores).enumerate() {
            let (kind, begins) = match &self.0[*label] {
                Tag::Outside => {
                    open = false;
                    continue;
                }
                Tag::Begin(kind) => (kind, true),
                Tag::Inside(kind) => (kind, false),
            };
            match spans.last_mut().filter(|span| open && !begins && span.kind == kind) {
                Some(span) => {
                    let words = span.words.len() as f32;
                    span.score = (span.score * words + score) / (words + 1.0);
                    span.words.end = word + 1;
                }
                None => spans.push(TagSpan { kind, words: word..word + 1, score: *score }),
            }
            open = true;
        }
        spans
    }
}

impl Tag {
    fn kind(&self) -> Option<&str> {
        match self {
            Self::Outside => None,
            Self::Begin(kind) | Self::Inside(kind) => Some(kind),
        }
    }
}

/// Words of one kind, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct TagSpan<'t> {
    /// The kind.
    pub kind: &'t str,
    /// The words.
    pub words: Range<usize>,
    /// Mean of the probabilities of their labels.
    pub score: f32,
}

impl TagSpan<'_> {
    /// The span of characters without the blanks around it, which some tokenizers count to a word.
    fn entity(&self, characters: &[char], place: Range<usize>) -> Option<Entity> {
        let (mut start, mut end) = (place.start, place.end);
        let blank = |place: usize| characters.get(place).is_none_or(|c| c.is_whitespace());
        while start < end && blank(start) {
            start += 1;
        }
        while start < end && blank(end - 1) {
            end -= 1;
        }
        let text: String = characters.get(start..end)?.iter().collect();
        (!text.is_empty()).then(|| Entity {
            label: self.kind.to_owned(),
            start,
            end,
            text,
            score: self.score,
        })
    }
}

/// The first token of each of `words`, places in characters; none for a word that the tokenizer left out. Tokens lie at
/// `offsets`, in characters, in order.
pub fn first_tokens(words: &[Range<usize>], offsets: &[(u32, u32)]) -> Vec<Option<usize>> {
    let mut from = 0;
    let first = |word: &Range<usize>| {
        let ends_before = |(_, end): &(u32, u32)| *end as usize <= word.start;
        from += offsets[from..].iter().take_while(|offset| ends_before(offset)).count();
        // Some tokenizers count the blank before a word to it; what only touches the word is none of it.
        let overlaps = |(start, end): &(u32, u32)| (*start as usize) < word.end && *end as usize > word.start;
        offsets.get(from).is_some_and(overlaps).then_some(from)
    };
    words.iter().map(first).collect()
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
    fn words_know_their_first_tokens() {
        let words = [0..2, 3..7, 7..8, 9..10];
        // "in Riga. ?": one token for "in", two for " Riga", one for ".", none for "?".
        assert_eq!(
            first_tokens(&words, &[(0, 2), (2, 5), (5, 7), (7, 8)]),
            [Some(0), Some(1), Some(3), None]
        );
        assert_eq!(first_tokens(&words, &[]), [None; 4]);
    }

    #[test]
    fn the_best_sequence_keeps_to_bio() {
        let labels: Vec<String> = LABELS.iter().map(|label| (*label).to_owned()).collect();
        let tags = Tags::new(&labels);
        // Alone, the second word would be inside a place that nothing begins.
        let rows = [[0.1, 0.6, 0.1, 0.1, 0.1], [0.1, 0.05, 0.35, 0.05, 0.45], [0.6, 0.1, 0.1, 0.1, 0.1]];
        let spans = tags.constrained(&rows.concat(), Decoding { outside: 0.0 });
        assert_eq!(spans.len(), 1);
        assert_eq!((spans[0].kind, spans[0].words.clone()), ("PER", 0..2));
        assert!((spans[0].score - 0.475).abs() < 1e-6);
        // What a text begins with can't be inside.
        let spans = tags.constrained(&[0.1, 0.2, 0.5, 0.1, 0.1], Decoding { outside: 0.0 });
        assert_eq!((spans[0].kind, spans[0].words.clone()), ("PER", 0..1));
        assert!(tags.constrained(&rows.concat(), Decoding { outside: 5.0 }).is_empty());
        assert!(tags.constrained(&[], Decoding { outside: 0.0 }).is_empty());
    }

    #[test]
    fn labels_without_prefixes_go_on_as_long_as_they_last() {
        let tokens = [(0, 1, 0, "PER"), (2, 3, 1, "PER"), (4, 5, 2, "LOC")];
        let wanted = [span("PER", 0, 3, "a b"), span("LOC", 4, 5, "c")];
        assert_eq!(found("a b c", &tokens, &["O", "PER", "LOC"]), wanted);
    }
}
