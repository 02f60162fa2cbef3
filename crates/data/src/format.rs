//! File formats and how a file's name tells them.

use std::path::Path;

use loquat_spec::Format;

/// Format of a file, before compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReaderFormat {
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
    /// One text a line.
    Lines,
}

/// Endings of names and what they mean.
const ENDINGS: &[(&str, ReaderFormat)] = &[
    ("jsonl", ReaderFormat::Jsonl),
    ("ndjson", ReaderFormat::Jsonl),
    ("json", ReaderFormat::Jsonl),
    ("csv", ReaderFormat::Csv),
    ("tsv", ReaderFormat::Tsv),
    ("tab", ReaderFormat::Tsv),
    ("parquet", ReaderFormat::Parquet),
    ("pq", ReaderFormat::Parquet),
    ("conll", ReaderFormat::Conll),
    ("bio", ReaderFormat::Conll),
    ("iob", ReaderFormat::Conll),
    ("iob2", ReaderFormat::Conll),
    ("txt", ReaderFormat::Lines),
];

/// Compression of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Zstd,
}

impl ReaderFormat {
    /// The format that the name's end tells (`.jsonl`, `.csv.gz`, …), if it does.
    pub fn from_name(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let name = compression_ending(&name).map_or(name.as_str(), |(stem, _)| stem);
        let (_, ending) = name.rsplit_once('.')?;
        ENDINGS.iter().find(|(known, _)| *known == ending).map(|(_, format)| *format)
    }
}

impl From<Format> for ReaderFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Jsonl => Self::Jsonl,
            Format::Csv => Self::Csv,
            Format::Tsv => Self::Tsv,
            Format::Parquet => Self::Parquet,
            Format::Conll => Self::Conll,
        }
    }
}

/// The compression that the name's end tells.
pub(crate) fn compression(path: &Path) -> Option<Compression> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    compression_ending(&name).map(|(_, compression)| compression)
}

fn compression_ending(name: &str) -> Option<(&str, Compression)> {
    let (stem, ending) = name.rsplit_once('.')?;
    match ending {
        "gz" => Some((stem, Compression::Gzip)),
        "zst" | "zstd" => Some((stem, Compression::Zstd)),
        _ => None,
    }
}
