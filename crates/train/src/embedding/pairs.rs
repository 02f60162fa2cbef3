//! The pairs of a table as numbers of texts, each text once.

use std::collections::{BTreeMap, BTreeSet};

use loquat_data::{Input, Table};

/// The texts of a table, and which of them each row pairs.
#[derive(Debug)]
pub(super) struct Pairs<'t> {
    /// Each text once; its number is its place.
    pub(super) texts: Vec<&'t str>,
    /// One for each row of the table.
    pub(super) rows: Vec<RowPair>,
}

/// A row, its texts by number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RowPair {
    pub(super) first: u32,
    pub(super) second: u32,
    pub(super) negative: Option<u32>,
    /// How alike the two are; `None`: they belong together.
    pub(super) score: Option<f32>,
    pub(super) weight: f32,
}

impl<'t> Pairs<'t> {
    pub(super) fn new(table: &'t Table) -> Self {
        let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
        let mut texts = Vec::new();
        let mut number = |text: &'t str| {
            *numbers.entry(text).or_insert_with(|| {
                texts.push(text);
                texts.len() as u32 - 1
            })
        };
        let row = |row: &'t loquat_data::Row| {
            let (second, negative, score) = match &row.input {
                Input::Alike { second, negative, score, .. } => {
                    (second.as_str(), negative.as_deref(), *score)
                }
                _ => (row.text(), None, None),
            };
            let (first, second) = (number(row.text()), number(second));
            RowPair { first, second, negative: negative.map(&mut number), score, weight: row.weight }
        };
        let rows = table.rows.iter().map(row).collect();
        Self { texts, rows }
    }

    /// Numbers of the texts of `rows`, in order.
    pub(super) fn numbers(&self, rows: &[usize]) -> Vec<u32> {
        let of = |row: &usize| {
            let RowPair { first, second, negative, .. } = self.rows[*row];
            [Some(first), Some(second), negative]
        };
        let all: BTreeSet<u32> = rows.iter().flat_map(of).flatten().collect();
        all.into_iter().collect()
    }

    /// The second texts of `rows`, and what they say does not belong to their first.
    pub(super) fn candidates(&self, rows: &[usize]) -> Vec<u32> {
        let of = |row: &usize| [Some(self.rows[*row].second), self.rows[*row].negative];
        let all: BTreeSet<u32> = rows.iter().flat_map(of).flatten().collect();
        all.into_iter().collect()
    }

    /// What belongs to each first text of `rows`.
    pub(super) fn known(&self, rows: &[usize]) -> BTreeMap<u32, BTreeSet<u32>> {
        let mut known: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for row in rows {
            let RowPair { first, second, .. } = self.rows[*row];
            known.entry(first).or_default().insert(second);
        }
        known
    }
}
