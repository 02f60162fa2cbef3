//! A data set as it was read: rows, labels, findings and a hash.

use loquat_spec::{Finding, Severity, Task};
use sha2::{Digest, Sha256};

use crate::split::Part;

/// A checked data set in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Name of the `Dataset`.
    pub name: String,
    /// The task that its rows conform to.
    pub task: Task,
    /// Labels of the rows, sorted; entity types for token classification.
    pub labels: Vec<String>,
    /// Languages of the rows, sorted.
    pub languages: Vec<String>,
    /// Domains of the rows, sorted.
    pub domains: Vec<String>,
    /// Usable rows, in the order read.
    pub rows: Vec<Row>,
    /// What the checks found, most severe first.
    pub findings: Vec<Finding>,
    /// SHA-256, in hex, of the task and of the rows' content and parts in order. File names are no part of it.
    pub hash: String,
    /// Rows read, usable or not.
    pub rows_read: usize,
    /// Files read, in order; [`Location::file`] counts them.
    pub files: Vec<String>,
}

/// One usable row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The `id` column.
    pub id: Option<String>,
    /// What a model sees.
    pub input: Input,
    /// Indices into [`Table::labels`], sorted: one for single-label tasks, any number for multi-label ones. For
    /// token classification the entity types that occur in the row.
    pub labels: Vec<u32>,
    /// The share of each label, as an index into [`Table::labels`], where annotators disagree: sorted, none 0, summing to one.
    /// `labels` then holds the one with the largest share, of several the first. Empty: the labels say all.
    pub shares: Vec<(u32, f32)>,
    /// Index into [`Table::languages`].
    pub language: Option<u32>,
    /// Index into [`Table::domains`].
    pub domain: Option<u32>,
    /// The `group` column: rows of one group stay on one side of every split and fold.
    pub group: Option<String>,
    /// The `weight` column, 1 without one.
    pub weight: f32,
    /// The part that the row belongs to.
    pub part: Part,
    /// Stable hash of the normalised text ([`crate::text_key`]).
    pub key: u64,
    /// Whether this is a test row whose text also stands in training or development, or a development row whose text
    /// stands in training.
    pub leaked: bool,
    /// Where it was read.
    pub location: Location,
    /// Its 0-based number in the data set as read; findings name rows by it.
    pub number: usize,
}

/// Where a row was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Location {
    /// Index into [`Table::files`].
    pub file: u32,
    /// First line of the row, from 1; in Parquet files its row, from 1.
    pub line: u64,
}

/// What a model sees of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// One text.
    Text(String),
    /// Two texts.
    Pair {
        /// The first text.
        premise: String,
        /// The second text.
        hypothesis: String,
    },
    /// Two texts to be embedded.
    Alike {
        /// The first text, or the query.
        first: String,
        /// The second text, or what answers the query.
        second: String,
        /// A text that does not belong to the first.
        negative: Option<String>,
        /// How alike the two are; `None`: they belong together.
        score: Option<f32>,
    },
    /// Tokens with their tags (BIO), equally many.
    Tokens {
        /// The tokens.
        tokens: Vec<String>,
        /// Their tags.
        tags: Vec<String>,
    },
    /// A text with labelled spans.
    Spans {
        /// The text.
        text: String,
        /// Its spans, in order of their start.
        spans: Vec<LabelledSpan>,
    },
}

/// A labelled piece of a text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabelledSpan {
    /// First character, in Unicode scalar values.
    pub start: usize,
    /// One past the last character.
    pub end: usize,
    /// The label.
    pub label: String,
}

impl Input {
    /// The text, or the second of two, or `""` for tokens.
    pub(crate) fn last_text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Spans { text, .. } => text,
            Self::Pair { hypothesis, .. } => hypothesis,
            Self::Alike { second, .. } => second,
            Self::Tokens { .. } => "",
        }
    }
}

impl Row {
    /// The text, or the first of two, or `""` for tokens.
    pub fn text(&self) -> &str {
        match &self.input {
            Input::Text(text) | Input::Spans { text, .. } => text,
            Input::Pair { premise, .. } => premise,
            Input::Alike { first, .. } => first,
            Input::Tokens { .. } => "",
        }
    }
}

impl Table {
    /// Whether a finding stops the run.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// Indices into [`Table::rows`] of the rows of `part`, in order.
    pub fn indices(&self, part: Part) -> Vec<usize> {
        (0..self.rows.len()).filter(|index| self.rows[*index].part == part).collect()
    }

    /// Whether annotators disagree about any row.
    pub fn has_shares(&self) -> bool {
        self.rows.iter().any(|row| !row.shares.is_empty())
    }

    /// Whether any row belongs to a group.
    pub fn has_groups(&self) -> bool {
        self.rows.iter().any(|row| row.group.is_some())
    }

    /// The content hash that [`Table::hash`] holds, computed afresh.
    pub fn content_hash(&self) -> String {
        let mut hasher = Hasher(Sha256::new());
        hasher.text("loquat-table-1");
        hasher.text(self.task.as_str());
        for row in &self.rows {
            self.hash_row(row, &mut hasher);
        }
        hasher.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn hash_row(&self, row: &Row, hasher: &mut Hasher) {
        hasher.text(row.part.as_str());
        hasher.optional(row.id.as_deref());
        hasher.optional(row.group.as_deref());
        hasher.optional(row.language.map(|index| self.languages[index as usize].as_str()));
        hasher.0.update(row.weight.to_le_bytes());
        hasher.count(row.labels.len());
        for label in &row.labels {
            hasher.text(&self.labels[*label as usize]);
        }
        match &row.input {
            Input::Text(text) => hasher.text(text),
            Input::Pair { premise, hypothesis } => {
                hasher.text(premise);
                hasher.text(hypothesis);
            }
            Input::Alike { first, second, negative, score } => {
                hasher.text(first);
                hasher.text(second);
                hasher.optional(negative.as_deref());
                hasher.count(usize::from(score.is_some()));
                hasher.0.update(score.unwrap_or_default().to_le_bytes());
            }
            Input::Tokens { tokens, tags } => {
                hasher.count(tokens.len());
                tokens.iter().chain(tags).for_each(|text| hasher.text(text));
            }
            Input::Spans { text, spans } => {
                hasher.text(text);
                hasher.count(spans.len());
                for span in spans {
                    hasher.count(span.start);
                    hasher.count(span.end);
                    hasher.text(&span.label);
                }
            }
        }
        // Rows without these hash as they did before there were any; no part, with which the next row begins, is called so.
        if let Some(domain) = row.domain {
            hasher.text("domain");
            hasher.text(&self.domains[domain as usize]);
        }
        if !row.shares.is_empty() {
            hasher.text("shares");
            hasher.count(row.shares.len());
            for (label, share) in &row.shares {
                hasher.text(&self.labels[*label as usize]);
                hasher.0.update(share.to_le_bytes());
            }
        }
    }
}

/// Feeds values with their lengths, so that no two contents feed the same bytes.
struct Hasher(Sha256);

impl Hasher {
    fn count(&mut self, count: usize) {
        self.0.update((count as u64).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.update(text.as_bytes());
    }

    fn optional(&mut self, text: Option<&str>) {
        self.count(usize::from(text.is_some()));
        self.text(text.unwrap_or_default());
    }
}
