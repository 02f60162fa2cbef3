//! Labels, languages and domains as numbers: in the order of their first use while rows are read, sorted in the end.

use std::collections::HashMap;

use crate::table::Row;

/// Numbers of a row's words, in the order of their first use.
pub(crate) struct Numbers {
    pub(crate) labels: Vec<u32>,
    pub(crate) shares: Vec<(u32, f32)>,
    pub(crate) language: Option<u32>,
    pub(crate) domain: Option<u32>,
}

/// The sorted place of each number.
pub(crate) struct Places {
    pub(crate) labels: Vec<u32>,
    pub(crate) languages: Vec<u32>,
    pub(crate) domains: Vec<u32>,
}

impl Places {
    /// Puts places where a row has numbers.
    pub(crate) fn settle(&self, row: &mut Row) {
        row.labels.iter_mut().for_each(|label| *label = self.labels[*label as usize]);
        row.labels.sort_unstable();
        row.shares.iter_mut().for_each(|(label, _)| *label = self.labels[*label as usize]);
        row.shares.sort_unstable_by_key(|(label, _)| *label);
        row.language = row.language.map(|language| self.languages[language as usize]);
        row.domain = row.domain.map(|domain| self.domains[domain as usize]);
    }
}

/// Words numbered in the order of their first use.
#[derive(Debug, Default)]
pub(crate) struct Words {
    numbers: HashMap<String, u32>,
}

impl Words {
    pub(crate) fn number(&mut self, word: &str) -> u32 {
        if let Some(number) = self.numbers.get(word) {
            return *number;
        }
        let next = self.numbers.len() as u32;
        self.numbers.insert(word.to_owned(), next);
        next
    }

    /// The words sorted, and the sorted place of each number.
    pub(crate) fn sorted(self) -> (Vec<String>, Vec<u32>) {
        let mut words: Vec<(String, u32)> = self.numbers.into_iter().collect();
        words.sort();
        let mut places = vec![0; words.len()];
        for (place, (_, number)) in (0..).zip(&words) {
            places[*number as usize] = place;
        }
        (words.into_iter().map(|(word, _)| word).collect(), places)
    }
}
