//! Special tokens around the texts, and the cut to a length.

use std::ops::Range;

use tokenizers::{Encoding as Probe, Tokenizer as Inner};

use super::{Encoding, Pieces, TokenizerError};

/// Ids that stand for the first and the second text while the template is read from a tokenizer.
const FIRST: u32 = u32::MAX;
const SECOND: u32 = u32::MAX - 1;

/// Which special tokens stand where.
#[derive(Debug, Clone)]
pub(super) struct Template {
    single: Vec<Part>,
    pair: Vec<Part>,
    /// Whether a text that is too long loses its beginning.
    pub(super) cut_left: bool,
}

#[derive(Debug, Clone, Copy)]
struct Part {
    id: u32,
    type_id: u32,
}

impl Template {
    /// Finds the template of a tokenizer by sending one stand-in for each text through its post-processor.
    pub(super) fn of(inner: &Inner, cut_left: bool) -> Result<Self, TokenizerError> {
        let probe = |id| {
            let token = "x".to_owned();
            let one = vec![1];
            Probe::new(
                vec![id],
                vec![0],
                vec![token],
                vec![Some(0)],
                vec![(0, 1)],
                vec![0],
                one,
                vec![],
                Default::default(),
            )
        };
        let read = |second: Option<Probe>| -> Result<Vec<Part>, TokenizerError> {
            let made = inner.post_process(probe(FIRST), second, true).map_err(|error| {
                TokenizerError::File { file: "tokenizer.json", problem: error.to_string() }
            })?;
            let parts = made.get_ids().iter().zip(made.get_type_ids());
            Ok(parts.map(|(id, type_id)| Part { id: *id, type_id: *type_id }).collect())
        };
        Ok(Self { single: read(None)?, pair: read(Some(probe(SECOND)))?, cut_left })
    }

    /// Number of special tokens around one text, or around two.
    pub(super) fn special_tokens(&self, pair: bool) -> usize {
        if pair { self.pair.len().saturating_sub(2) } else { self.single.len().saturating_sub(1) }
    }

    /// Puts special tokens around the texts, cut to `max_length` tokens in all.
    pub(super) fn assemble(
        &self,
        first: &Pieces,
        second: Option<&Pieces>,
        max_length: Option<usize>,
    ) -> Encoding {
        let room = max_length.map(|most| most.saturating_sub(self.special_tokens(second.is_some())));
        let (keep_first, keep_second) = kept(first.len(), second.map(Pieces::len), room);
        let first_range = self.cut(first.len(), keep_first);
        let second_range = self.cut(second.map_or(0, Pieces::len), keep_second);
        self.join((first, first_range), second.map(|pieces| (pieces, second_range)))
    }

    /// The tokens of a range of the first text and of one of the second, with special tokens.
    pub(super) fn join(
        &self,
        first: (&Pieces, Range<usize>),
        second: Option<(&Pieces, Range<usize>)>,
    ) -> Encoding {
        let parts = if second.is_some() { &self.pair } else { &self.single };
        let length = parts.len() + first.1.len() + second.as_ref().map_or(0, |s| s.1.len());
        let mut made = Encoding {
            ids: Vec::with_capacity(length),
            type_ids: Vec::with_capacity(length),
            offsets: Vec::with_capacity(length),
            words: Vec::with_capacity(length),
            ..Encoding::default()
        };
        for part in parts {
            match (part.id, &second) {
                (FIRST, _) => made.first = add(&mut made, first.0, first.1.clone(), part.type_id),
                (SECOND, Some((pieces, range))) => {
                    made.second = add(&mut made, pieces, range.clone(), part.type_id);
                }
                (id, _) => {
                    made.ids.push(id);
                    made.type_ids.push(part.type_id);
                    made.offsets.push((0, 0));
                    made.words.push(None);
                }
            }
        }
        made
    }

    fn cut(&self, length: usize, keep: usize) -> Range<usize> {
        if self.cut_left { length - keep..length } else { 0..keep }
    }
}

fn add(made: &mut Encoding, pieces: &Pieces, range: Range<usize>, type_id: u32) -> Range<usize> {
    let start = made.ids.len();
    made.ids.extend_from_slice(&pieces.ids[range.clone()]);
    made.offsets.extend_from_slice(&pieces.offsets[range.clone()]);
    made.words.extend(pieces.words[range].iter().copied().map(Some));
    made.type_ids.resize(made.ids.len(), type_id);
    start..made.ids.len()
}

/// How many tokens of each text stay when `room` is left for both: the longer one gives way first, then both alike
/// (the rule `longest_first` of transformers).
fn kept(first: usize, second: Option<usize>, room: Option<usize>) -> (usize, usize) {
    let other = second.unwrap_or(0);
    let Some(room) = room.filter(|room| first + other > *room) else {
        return (first, other);
    };
    if second.is_none() {
        return (room, 0);
    }
    let (short, long) = (first.min(other), first.max(other));
    let rest = room.saturating_sub(short).max(short);
    let (short, long) =
        if short + rest > room { (room / 2, room / 2 + room % 2) } else { (short, long.min(rest)) };
    if first > other { (long, short) } else { (short, long) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_text_gives_way_first() {
        let cases = [
            ((3, Some(4), None), (3, 4)),
            ((3, Some(4), Some(7)), (3, 4)),
            ((9, None, Some(4)), (4, 0)),
            ((2, Some(9), Some(6)), (2, 4)),
            ((9, Some(2), Some(6)), (4, 2)),
            ((9, Some(9), Some(7)), (3, 4)),
            ((10, Some(9), Some(7)), (4, 3)),
            ((5, Some(5), Some(0)), (0, 0)),
        ];
        for ((first, second, room), expected) in cases {
            assert_eq!(kept(first, second, room), expected, "{first} {second:?} {room:?}");
        }
    }
}
