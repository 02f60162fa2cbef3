//! Where rows lie: paths, and the shapes that a part of a split takes.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::problem::{Context, INVALID_VALUE, MISSING_FIELD};
use crate::{Address, Format, SourceFile};

const LOCAL: &str = "copy the data next to the resource file and give its path";

/// Where the rows are: `path` for one path or pattern, or `files` for several.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("examples" = [{"path": "data/tickets.jsonl"}]))]
pub(crate) struct Source {
    /// Path of a file, or a pattern such as `data/*.jsonl.gz`, relative to the folder of the resource file; or an
    /// address: `https://host/file`, `s3://bucket/key`, `gs://bucket/key` or `az://container/key`, patterns too, and
    /// `hf://datasets/owner/name/config/split`. Names that end in `.gz` or `.zst` are decompressed.
    #[schemars(length(min = 1))]
    pub(crate) path: Option<String>,
    /// Several paths or patterns, each with what holds for its rows. Use it when the file says what a column would,
    /// such as one file a language.
    #[schemars(length(min = 1))]
    pub(crate) files: Option<Vec<File>>,
    /// Address to fetch the data from, in place of `path`.
    #[schemars(length(min = 1), extend("examples" = ["https://example.org/rows.jsonl"]))]
    pub(crate) url: Option<String>,
    /// Kafka topic to read. Not yet supported.
    pub(crate) kafka: Option<Kafka>,
    /// Format of the files. Set it when the name does not end in the format's name.
    pub(crate) format: Option<Format>,
    /// Language of all rows of the files. Set it when the files have no column that says so.
    #[schemars(length(min = 1))]
    pub(crate) language: Option<String>,
    /// Domain of all rows of the files, such as the genre of their texts. Set it when the files have no column that says so.
    #[schemars(length(min = 1))]
    pub(crate) domain: Option<String>,
    /// What separates several labels in one string of the `labels` column; a list is read as a list whatever this
    /// says. Set it for multi-label data in CSV or TSV.
    pub(crate) delimiter: Option<String>,
}

/// One path or pattern of several.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("examples" = [{"path": "da.*.conll", "language": "da"}]))]
pub(crate) struct File {
    /// Path of a file, or a pattern, relative to the folder of the resource file; or an address.
    #[schemars(required, length(min = 1))]
    pub(crate) path: Option<String>,
    /// Format of these files. Set it when the name does not end in the format's name.
    pub(crate) format: Option<Format>,
    /// Language of all rows of these files. Set it when they have no column that says so.
    #[schemars(length(min = 1))]
    pub(crate) language: Option<String>,
    /// Domain of all rows of these files. Set it when they have no column that says so.
    #[schemars(length(min = 1))]
    pub(crate) domain: Option<String>,
}

/// A Kafka topic.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Kafka {
    /// Addresses of brokers.
    pub(crate) brokers: Option<Vec<String>>,
    /// Topic to read.
    pub(crate) topic: Option<String>,
    /// Consumer group.
    pub(crate) group: Option<String>,
}

impl Source {
    /// The files of a source at `field`; reports what is not there yet or not clear.
    pub(crate) fn files(&self, context: &mut Context<'_>, field: &str) -> Vec<SourceFile> {
        if self.kafka.is_some() {
            context.later_field(&format!("{field}.kafka"), LOCAL);
        }
        let given = [self.path.is_some(), self.files.is_some(), self.url.is_some(), self.kafka.is_some()];
        match given.iter().filter(|given| **given).count() {
            0 => context.key(field, MISSING_FIELD, "no data is named", "add path: data/rows.jsonl"),
            1 => {}
            _ => context.key(
                field,
                INVALID_VALUE,
                "data is named in more than one way",
                "keep one of path, url and files",
            ),
        }
        let mut files = Vec::new();
        if let Some(path) = &self.path {
            check_path(context, &format!("{field}.path"), path);
            files.push(self.file(path));
        }
        if let Some(url) = &self.url {
            let field = format!("{field}.url");
            if Address::is_meant(url) {
                check_path(context, &field, url);
            } else {
                let message = format!("{url:?} is a path, not an address");
                context.value(&field, INVALID_VALUE, message, "write path: in place of url:");
            }
            files.push(self.file(url));
        }
        for (index, file) in self.files.iter().flatten().enumerate() {
            if let Some(path) = &file.path {
                check_path(context, &format!("{field}.files[{index}].path"), path);
                let whole = self.file(path);
                files.push(SourceFile {
                    path: whole.path,
                    format: file.format.or(whole.format),
                    language: file.language.clone().or(whole.language),
                    domain: file.domain.clone().or(whole.domain),
                });
            }
        }
        files
    }

    /// A file with what holds for all files of the source.
    fn file(&self, path: &str) -> SourceFile {
        SourceFile {
            path: path.to_owned(),
            format: self.format,
            language: self.language.clone(),
            domain: self.domain.clone(),
        }
    }
}

/// Reports an address that can't be one; whether a path leads to files is seen when it is read.
fn check_path(context: &mut Context<'_>, field: &str, path: &str) {
    if Address::is_meant(path)
        && let Err(error) = path.parse::<Address>()
    {
        context.value(field, INVALID_VALUE, error.to_string(), LOCAL);
    }
}

/// One part of a split: a share by hash, or files of its own.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SplitPart {
    /// `10%`
    Share(String),
    /// `{ path: test.jsonl }`
    Files(Box<Source>),
}

impl<'de> Deserialize<'de> for SplitPart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shapes;
        impl<'de> Visitor<'de> for Shapes {
            type Value = SplitPart;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a share such as 10% or a mapping with a path")
            }

            fn visit_str<E>(self, text: &str) -> Result<SplitPart, E> {
                Ok(SplitPart::Share(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SplitPart, A::Error> {
                Source::deserialize(MapAccessDeserializer::new(map))
                    .map(|source| SplitPart::Files(Box::new(source)))
            }
        }
        deserializer.deserialize_any(Shapes)
    }
}

impl JsonSchema for SplitPart {
    fn schema_name() -> Cow<'static, str> {
        "SplitPart".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let source = generator.subschema_for::<Source>();
        json_schema!({
            "description": "A share of the rows by hash, such as 10%, or files of its own.",
            "anyOf": [{"type": "string", "pattern": r"^\s*[0-9.]+\s*%\s*$", "examples": ["10%"]}, source],
        })
    }
}
