//! What a list reaches: the spans of the training rows, looked up in others.

use std::collections::BTreeMap;

use loquat_spec::Entity;

use super::rows::Tagging;
use crate::metrics::Answers;

/// Longest span that is looked up, in words.
const LONGEST: usize = 8;

/// The spans of `rows` that stand in `train` with most of their kinds, the longest first.
pub(crate) fn lexicon(tagging: &Tagging, train: &[usize], rows: &[usize]) -> Answers {
    let mut known: BTreeMap<Vec<String>, BTreeMap<u32, usize>> = BTreeMap::new();
    for row in train {
        let row = &tagging.rows[*row];
        let names = names(&row.text, row.words.iter());
        let mut first = 0;
        while first < row.tags.len() {
            let Some(kind) = row.tags[first].checked_sub(1).map(|tag| tag / 2) else {
                first += 1;
                continue;
            };
            let inside = row.tags[first + 1..].iter().take_while(|tag| **tag == 2 * kind + 2).count();
            let name = &names[first..=first + inside];
            if name.len() <= LONGEST {
                *known.entry(name.to_vec()).or_default().entry(kind).or_default() += 1;
            }
            first += name.len();
        }
    }
    let entities: Vec<Vec<Entity>> = rows.iter().map(|row| found(tagging, *row, &known)).collect();
    tagging.answers_of_entities(rows, &entities, |kind| kind.parse().unwrap_or(0))
}

fn names<'w>(text: &str, words: impl Iterator<Item = &'w std::ops::Range<usize>>) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    words.map(|word| characters[word.clone()].iter().collect()).collect()
}

/// Entities that name their kind by its number.
fn found(tagging: &Tagging, row: usize, known: &BTreeMap<Vec<String>, BTreeMap<u32, usize>>) -> Vec<Entity> {
    let row = &tagging.rows[row];
    let names = names(&row.text, row.words.iter());
    let (mut entities, mut first) = (Vec::new(), 0);
    while first < names.len() {
        let longest = (first + 1..=(first + LONGEST).min(names.len())).rev();
        let mut hits = longest.filter_map(|end| Some((end, known.get(&names[first..end])?)));
        let Some((end, kinds)) = hits.next() else {
            first += 1;
            continue;
        };
        let kind = kinds.iter().max_by_key(|(kind, count)| (**count, std::cmp::Reverse(**kind)));
        entities.extend(kind.map(|(kind, _)| Entity {
            label: kind.to_string(),
            start: row.words[first].start,
            end: row.words[end - 1].end,
            text: String::new(),
            score: 1.0,
        }));
        first = end;
    }
    entities
}
