//! `Dataset`: where examples are, how columns map, how to split.

use std::collections::BTreeMap;

use crate::{Name, PairData, Severity, Share, Task};

/// A validated `Dataset`.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Its name.
    pub name: Name,
    /// The task that the data must conform to.
    pub task: Task,
    /// Languages that the data should hold; empty when none are declared.
    pub languages: Vec<String>,
    /// Where the rows are.
    pub files: Vec<SourceFile>,
    /// Separator of several labels in one string; a list is read as a list whatever this says.
    pub delimiter: Option<String>,
    /// How columns map to roles.
    pub columns: Columns,
    /// How rows are shared between training, development and test.
    pub split: Split,
    /// Severity of each check by name; `None` turns the check off. Checks not named keep their default.
    pub checks: BTreeMap<String, Option<Severity>>,
}

/// One path or glob of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Path or glob, relative to the resource file's folder.
    pub path: String,
    /// Format; recognised from the name when absent.
    pub format: Option<Format>,
    /// Language of all its rows, where the file has no such column.
    pub language: Option<String>,
    /// Domain of all its rows, where the file has no such column.
    pub domain: Option<String>,
}

/// Format of a data file, before compression (gzip and zstd are recognised from the name's end).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values with a header.
    Csv,
    /// Tab-separated values with a header.
    Tsv,
    /// Apache Parquet.
    Parquet,
    /// Token and tag a line, blank line between sentences.
    Conll,
}

/// Names of the columns that play each role. A role that is absent is not read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// Role (`text`, `label`, `labels`, `tokens`, `tags`, `premise`, …) to column name.
    pub roles: BTreeMap<String, String>,
}

impl Columns {
    /// The column that plays `role`, if one does.
    pub fn get(&self, role: &str) -> Option<&str> {
        self.roles.get(role).map(String::as_str)
    }

    /// What the rows say of pairs of texts to embed; `None` where they hold texts alone.
    pub fn pair_data(&self) -> Option<PairData> {
        match (self.get("score"), self.get("text_a").or(self.get("query"))) {
            (Some(_), _) => Some(PairData::Scored),
            (None, Some(_)) => Some(PairData::Together),
            (None, None) => None,
        }
    }
}

/// How rows are shared between training, development and test.
#[derive(Debug, Clone, PartialEq)]
pub enum Split {
    /// By hash of the group, else of the normalised text.
    Hash {
        /// Share of the development split; zero when not wanted.
        development: Share,
        /// Share of the test split.
        test: Share,
    },
    /// Explicit files for development, test or both; the source itself is training.
    Files {
        /// The development split: files, or a share of the source by hash.
        development: Option<SplitPart>,
        /// The test split: files, or a share of the source by hash.
        test: Option<SplitPart>,
    },
    /// By the value of a column: `train`, `dev`/`development`/`validation`, `test`.
    Column(String),
}

/// One part of a split that mixes files and shares.
#[derive(Debug, Clone, PartialEq)]
pub enum SplitPart {
    /// A share of the source, by hash.
    Share(Share),
    /// Its own files.
    Files(Vec<SourceFile>),
}
