//! Rows as texts, words and their labels.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use loquat_data::{Input, Row, Table};
use loquat_infer::Tags;
use loquat_models::{Decoding, WordFeatures};
use loquat_spec::Entity;

use super::pieces::Pieces;
use super::spans::{self, EntityCode};
use crate::linear::Targets;
use crate::metrics::Answers;

/// A row as models see it, with the truth.
#[derive(Debug, Clone)]
pub(crate) struct TaggedRow {
    pub(crate) text: String,
    /// Places of the words in characters.
    pub(crate) words: Vec<Range<usize>>,
    /// Label of each word.
    pub(crate) tags: Vec<u32>,
    /// How much it counts.
    pub(crate) weight: f32,
    /// The data set's token that each word belongs to; ascending.
    units: Vec<u32>,
    /// Number of the data set's tokens.
    unit_count: usize,
    /// The true spans of tokens, sorted.
    truth: Vec<u32>,
}

/// All rows of a table whose words are labelled.
#[derive(Debug)]
pub(crate) struct Tagging {
    /// Labels of words: `O`, then `B-` and `I-` of each kind.
    pub(crate) tags: Vec<String>,
    /// For every row of the table.
    pub(crate) rows: Vec<TaggedRow>,
    /// Number of words before each row.
    starts: Vec<usize>,
    /// Kinds of spans of each row.
    pub(crate) kinds: Vec<Vec<u32>>,
    decoder: Tags,
    count: usize,
    pieces: Mutex<PiecesByKind>,
}

/// Pieces by window and length of affixes, each made once.
type PiecesByKind = BTreeMap<(usize, usize), Arc<OnceLock<Pieces>>>;

impl Tagging {
    pub(crate) fn new(table: &Table) -> Self {
        let count = table.labels.len();
        let both = table.labels.iter().flat_map(|kind| [format!("B-{kind}"), format!("I-{kind}")]);
        let tags: Vec<String> = std::iter::once("O".to_owned()).chain(both).collect();
        let rows: Vec<TaggedRow> = table
            .rows
            .iter()
            .map(|row| TaggedRow { weight: row.weight, ..tagged(row, &table.labels) })
            .collect();
        let mut words = 0;
        let before = |row: &TaggedRow| {
            words += row.words.len();
            words - row.words.len()
        };
        Self {
            starts: rows.iter().map(before).collect(),
            rows,
            kinds: table.rows.iter().map(|row| row.labels.clone()).collect(),
            decoder: Tags::new(&tags),
            tags,
            count,
            pieces: Mutex::default(),
        }
    }

    /// The pieces of all words, made at the first call.
    pub(super) fn pieces(&self, features: WordFeatures) -> Arc<OnceLock<Pieces>> {
        let cell = {
            let mut known = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(known.entry((features.window, features.affixes)).or_default())
        };
        cell.get_or_init(|| Pieces::new(&self.rows, features));
        cell
    }

    /// Words with their labels, as solvers of whole texts see rows: for classifiers of the features of words.
    pub(crate) fn targets(&self, table: &Table) -> Targets {
        let words = self.rows.iter().zip(&table.rows);
        let words = words.flat_map(|(row, of)| row.tags.iter().map(|tag| (*tag, of.weight)));
        Targets {
            shares: Vec::new(),
            classes: self.tags.len(),
            multi_label: false,
            labels: words.clone().map(|(tag, _)| vec![tag]).collect(),
            weights: words.map(|(_, weight)| weight).collect(),
        }
    }

    /// Numbers of the words of `rows`, counted over all rows of the table.
    pub(crate) fn words(&self, rows: &[usize]) -> Vec<usize> {
        let of = |row: &usize| self.starts[*row]..self.starts[*row] + self.rows[*row].words.len();
        rows.iter().flat_map(of).collect()
    }

    /// Number of words of each of `rows`.
    pub(crate) fn lengths<'t>(&'t self, rows: &'t [usize]) -> impl Iterator<Item = usize> + use<'t> {
        rows.iter().map(|row| self.rows[*row].words.len())
    }

    /// Label of each word of `rows`, one after the other.
    pub(crate) fn truth(&self, rows: &[usize]) -> Vec<&[u32]> {
        rows.iter().flat_map(|row| self.rows[*row].tags.chunks_exact(1)).collect()
    }

    /// The spans that probabilities of words, `[words of all rows, tags]`, give.
    pub(crate) fn answers(&self, rows: &[usize], probabilities: &[f32], decoding: Decoding) -> Answers {
        let mut answers = self.no_answers();
        let mut rest = probabilities;
        for row in rows {
            let (own, after) = rest.split_at(self.rows[*row].words.len() * self.tags.len());
            rest = after;
            let found = self.decoder.constrained(own, decoding);
            let found = found.into_iter().map(|span| (self.kind(span.kind), span.words, span.score));
            self.add(&mut answers, *row, found);
        }
        answers
    }

    /// The spans that a model answered for `rows`; `kind` gives the place of a kind's name.
    pub(crate) fn answers_of_entities(
        &self,
        rows: &[usize],
        entities: &[Vec<Entity>],
        kind: impl Fn(&str) -> u32,
    ) -> Answers {
        let mut answers = self.no_answers();
        for (row, found) in rows.iter().zip(entities) {
            let words = &self.rows[*row].words;
            let found = found.iter().filter_map(|entity| {
                let first = words.partition_point(|word| word.end <= entity.start);
                let end = words.partition_point(|word| word.start < entity.end);
                (first < end).then(|| (kind(&entity.label), first..end, entity.score))
            });
            self.add(&mut answers, *row, found);
        }
        answers
    }

    /// Place of a kind that the table has.
    fn kind(&self, name: &str) -> u32 {
        let place = self.tags.iter().position(|tag| tag.strip_prefix("B-") == Some(name));
        place.map_or(self.count, |place| place / 2) as u32
    }

    /// The true spans of each of `rows`.
    pub(crate) fn true_spans(&self, rows: &[usize]) -> Vec<Vec<u32>> {
        rows.iter().map(|row| self.rows[*row].truth.clone()).collect()
    }

    /// Of each row the tokens that have their true tag where `answers` are its spans, and all its tokens.
    pub(crate) fn right_tokens(&self, rows: &[usize], answers: &[Vec<u32>]) -> Vec<(u32, u32)> {
        let right = |(row, codes): (&usize, &Vec<u32>)| {
            let row = &self.rows[*row];
            let right = spans::same_tags(&row.truth, codes, (self.count, row.unit_count));
            (right as u32, row.unit_count as u32)
        };
        rows.iter().zip(answers).map(right).collect()
    }

    fn no_answers(&self) -> Answers {
        Answers { classes: self.count, entities: true, ..Answers::default() }
    }

    fn add(&self, answers: &mut Answers, row: usize, found: impl Iterator<Item = (u32, Range<usize>, f32)>) {
        let row = &self.rows[row];
        let (mut codes, mut scores) = (Vec::new(), Vec::new());
        let mut free = 0;
        for (kind, words, score) in found {
            // Two spans may lie in one token of the data set; the first has it.
            let units = (row.units[words.start] as usize).max(free)..row.units[words.end - 1] as usize + 1;
            if !units.is_empty() {
                free = units.end;
                codes.push(EntityCode { kind, units }.pack(self.count));
                scores.push(score);
            }
        }
        let right = spans::same_tags(&row.truth, &codes, (self.count, row.unit_count));
        answers.truth.push(row.truth.clone());
        answers.predicted.push(codes);
        answers.scores.push(scores);
        answers.tokens.push((right as u32, row.unit_count as u32));
    }

    /// A span as a person reads it: its kind and its text.
    pub(crate) fn shown(&self, row: usize, code: u32, labels: &[String]) -> String {
        let (kind, place) = self.place(row, code);
        let text: String = self.rows[row].text.chars().skip(place.start).take(place.len()).collect();
        let kind = labels.get(kind as usize).map_or("a kind that the data lacks", String::as_str);
        format!("{kind}: {text}")
    }

    /// The kind of a span, and where it stands in the text of its row, in characters; nowhere where no word is in it.
    pub(crate) fn place(&self, row: usize, code: u32) -> (u32, Range<usize>) {
        let code = EntityCode::unpack(code, self.count);
        let row = &self.rows[row];
        let inside = |(_, unit): &(&Range<usize>, &u32)| code.units.contains(&(**unit as usize));
        let mut words = row.words.iter().zip(&row.units).filter(inside).map(|(word, _)| word);
        let first = words.next();
        let last = words.next_back().or(first);
        let place = first.zip(last).map_or(0..0, |(first, last)| first.start..last.end);
        (code.kind, place)
    }

    /// The row, by its place among `rows`, that each word of theirs belongs to, and the word's place in it.
    pub(crate) fn owners(&self, rows: &[usize]) -> Vec<(usize, usize)> {
        let lengths = self.lengths(rows).enumerate();
        lengths.flat_map(|(row, words)| (0..words).map(move |word| (row, word))).collect()
    }
}

fn tagged(row: &Row, labels: &[String]) -> TaggedRow {
    let kind = |name: &str| labels.binary_search_by(|label| label.as_str().cmp(name)).ok();
    match &row.input {
        Input::Tokens { tokens, tags } => {
            let spans = spans::of_tags(tags).into_iter();
            let spans = spans.filter_map(|(name, units)| Some((kind(name)?, units))).collect();
            of_tokens(tokens, spans, labels.len())
        }
        Input::Spans { text, spans } => {
            let spans = spans.iter().filter_map(|span| Some((kind(&span.label)?, span.start..span.end)));
            of_text(text.clone(), spans.collect(), labels.len())
        }
        Input::Text(text) | Input::Pair { premise: text, .. } | Input::Alike { first: text, .. } => {
            of_text(text.clone(), Vec::new(), labels.len())
        }
    }
}

/// A row of tokens, parted by blanks: every token is one or more whole words.
fn of_tokens(tokens: &[String], spans: Vec<(usize, Range<usize>)>, count: usize) -> TaggedRow {
    let text = tokens.join(" ");
    let words = loquat_text::words(&text);
    let mut ends = Vec::with_capacity(tokens.len());
    let mut end = 0;
    for token in tokens {
        end += token.chars().count() + 1;
        ends.push(end);
    }
    let units: Vec<u32> =
        words.iter().map(|word| ends.partition_point(|end| *end <= word.start) as u32).collect();
    finished((text, words), (units, tokens.len()), spans, count)
}

/// A row of text with spans of characters: its words are its tokens.
fn of_text(text: String, spans: Vec<(usize, Range<usize>)>, count: usize) -> TaggedRow {
    let words = loquat_text::words(&text);
    let of_words = |(kind, place): (usize, Range<usize>)| {
        let first = words.partition_point(|word| word.end <= place.start);
        (kind, first..words.partition_point(|word| word.start < place.end))
    };
    let spans = spans.into_iter().map(of_words).collect();
    let units = (0..words.len() as u32).collect();
    let unit_count = words.len();
    finished((text, words), (units, unit_count), spans, count)
}

/// Lays spans of units over words; of two spans that overlap, the first has the words.
fn finished(
    (text, words): (String, Vec<Range<usize>>),
    (units, unit_count): (Vec<u32>, usize),
    spans: Vec<(usize, Range<usize>)>,
    count: usize,
) -> TaggedRow {
    let mut tags = vec![0; words.len()];
    let (mut truth, mut free) = (Vec::new(), 0);
    for (kind, place) in spans {
        let place = place.start.max(free)..place.end;
        if place.is_empty() {
            continue;
        }
        free = place.end;
        let inside = units.iter().zip(&mut tags).filter(|(unit, _)| place.contains(&(**unit as usize)));
        inside.enumerate().for_each(|(word, (_, tag))| *tag = 1 + 2 * kind as u32 + u32::from(word > 0));
        truth.push(EntityCode { kind: kind as u32, units: place }.pack(count));
    }
    TaggedRow { text, words, tags, weight: 1.0, units, unit_count, truth }
}
