//! The parts of a report that say what was made of a backbone, a teacher and unlabelled texts.

use serde::{Deserialize, Serialize};

/// What trimming the vocabulary did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrimmingReport {
    /// Scripts whose pieces are all kept.
    pub scripts: Vec<String>,
    /// Tokens of the backbone.
    pub tokens: usize,
    /// Tokens of the artifact; those of the backbone where it was not trimmed.
    pub kept: usize,
    /// Bytes of the artifact before.
    pub bytes_before: u64,
    /// Bytes of the artifact.
    pub bytes: u64,
    /// Rows whose answers were compared.
    pub rows: usize,
    /// The rows: `test`, or `train` where there is no test split.
    pub on: String,
    /// Share of them whose answer is the same before and after; the artifact is trimmed only where it is 1.
    pub unchanged: f64,
}

impl TrimmingReport {
    /// In words for the notes.
    pub(crate) fn note(&self) -> String {
        let scripts = self.scripts.join(", ");
        let answers = format!("of {} {} rows {:.4} have the same answer", self.rows, self.on, self.unchanged);
        if self.kept == self.tokens {
            let why =
                if self.unchanged < 1.0 { answers.as_str() } else { "the artifact would be no smaller" };
            return format!("the vocabulary was not trimmed to {scripts}: {why}");
        }
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        format!(
            "the vocabulary was trimmed to {scripts}: {} of {} tokens, {:.2} MB where there were {:.2}; {answers}",
            self.kept,
            self.tokens,
            megabytes(self.bytes),
            megabytes(self.bytes_before)
        )
    }
}

/// How a student compares with its teacher.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DistillationReport {
    /// The teacher, `name:version`.
    pub teacher: String,
    /// Whether the teacher was trained on the same data, so that the test rows were sealed for it too.
    pub same_data: bool,
    /// Unlabelled texts of which the student learned what the teacher says.
    pub unlabelled: usize,
    /// Rows whose answers were compared.
    pub rows: usize,
    /// The rows: `test`, or `train` where there is no test split.
    pub on: String,
    /// Share of them to which student and teacher give the same answer.
    pub agreement: f64,
    /// Time of a text among many, on one thread.
    pub microseconds_per_text: f64,
    /// The same of the teacher.
    pub teacher_microseconds_per_text: f64,
}

impl DistillationReport {
    /// In words for the notes.
    pub(crate) fn note(&self) -> String {
        let known = if self.same_data {
            "its teacher was trained on the rows that the search held out, so scores on those come out too good"
        } else {
            "its teacher was trained on other data and may have seen test rows"
        };
        format!(
            "the model is a student of {}: both answer {:.4} of {} {} rows alike, in {:.0} and {:.0} µs a text; {known}",
            self.teacher,
            self.agreement,
            self.rows,
            self.on,
            self.microseconds_per_text,
            self.teacher_microseconds_per_text,
        )
    }
}

/// What encoders that start from no backbone were made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FromScratchReport {
    /// Pieces of the vocabulary that was learned from the texts, special ones included.
    pub pieces: usize,
    /// Layers of the encoder.
    pub layers: usize,
    /// Width of its states.
    pub width: usize,
    /// Texts that it was made of; rows of pairs count once.
    pub texts: usize,
    /// The unlabelled ones among them.
    pub unlabelled: usize,
    /// Texts in which gaps were filled, repetitions included.
    pub examples: usize,
}

impl FromScratchReport {
    /// In words for the notes.
    pub(crate) fn note(&self) -> String {
        format!(
            "encoders start from scratch: a vocabulary of {} pieces and {} layers of width {}, made of {} texts, {} of them unlabelled; gaps \
             were filled in {} texts, repetitions included; rows that the search holds out were read without their labels, test rows \
             were not",
            self.pieces, self.layers, self.width, self.texts, self.unlabelled, self.examples,
        )
    }
}

/// What adapting the first backbone to unlabelled texts changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdaptationReport {
    /// Unlabelled texts learned, repetitions included.
    pub examples: usize,
    /// Cross-validated score of a head on the backbone as it is.
    pub without: Option<f64>,
    /// The same of the same head on the adapted one.
    pub with: Option<f64>,
    /// Whether the chosen model starts from the adapted one.
    pub kept: bool,
}

impl AdaptationReport {
    /// In words for the notes.
    pub(crate) fn note(&self, metric: &str) -> String {
        let score = |score: Option<f64>| score.map_or("no score".to_owned(), |score| format!("{score:.4}"));
        let verdict = if self.kept { "the model starts from it" } else { "the model does not start from it" };
        format!(
            "the first backbone was adapted to {} unlabelled texts: the same head reaches {metric} {} on it in cross-validation and {} on \
             the backbone as it was; {verdict}",
            self.examples,
            score(self.with),
            score(self.without),
        )
    }
}
