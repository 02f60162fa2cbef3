//! `Dataset` as it is written.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::checks::ChecksSpec;
use super::columns::{self, ColumnsSpec};
use super::document::Document;
use super::source::{Source, SplitPart};
use super::training::Known;
use crate::problem::{Context, DUPLICATE_KEY, INVALID_VALUE, MISSING_FIELD};
use crate::resource::dataset::{Dataset, Split, SplitPart as Part};
use crate::{Share, Task};

const DATA_TASKS: &str = "supported: text-classification, multi-label-classification, language-identification, \
                          token-classification, text-pair-classification, embedding";

/// Where examples are, how columns map, how to split.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DatasetSpec {
    /// The task that the data must conform to.
    #[schemars(required)]
    pub(crate) task: Option<Task>,
    /// Languages that the data should hold; rows in others are findings. Set it to catch stray languages.
    languages: Option<Languages>,
    /// Where the rows are.
    #[schemars(required)]
    source: Option<Source>,
    /// Which column plays which role. Set it when the columns are not named as the roles are, and to give a
    /// language, a domain, a group, an id or a weight.
    columns: Option<ColumnsSpec>,
    /// How rows are shared between training, development and test. Left out: 10% of the rows are the test split.
    split: Option<SplitSpec>,
    /// Severity of checks of the data; those not named keep their own. Set it to stop a run at what costs you most, or to
    /// silence what is meant to be so.
    checks: Option<ChecksSpec>,
}

/// The languages of a data set.
#[derive(Debug, Clone, PartialEq)]
enum Languages {
    /// `[de, en]`
    List(Vec<String>),
    /// `{ source: de, target: en }`, for translation.
    Pair,
}

/// How rows are shared: shares by hash of the group, else of the normalised text; files of their own; or a column.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("examples" = [{"test": "10%"}]))]
struct SplitSpec {
    /// Rows that training looks at to stop early. Left out: none, cross-validation does without.
    development: Option<SplitPart>,
    /// Rows that are looked at once, for the score of the report. Left out: none.
    test: Option<SplitPart>,
    /// Column whose value says the split: `train`, `dev` (or `development`, `validation`), `test`. Set it when the
    /// split is given in the data; then neither `development` nor `test` is.
    #[schemars(length(min = 1))]
    column: Option<String>,
}

/// What is known of a data set as it is written, when its task can be read.
pub(crate) fn known(document: &Document<DatasetSpec>) -> Option<Known> {
    let spec = document.spec.as_ref()?;
    let task = spec.task?;
    let columns = spec.columns.as_ref().filter(|_| task == Task::Embedding);
    Some(Known { task, pairs: columns.and_then(ColumnsSpec::pair_data) })
}

/// Validates a `Dataset`; `None` when what it lacks leaves no data set.
pub(crate) fn validate(context: &mut Context<'_>, document: &Document<DatasetSpec>) -> Option<Dataset> {
    let name = document.name(context);
    let spec = document.spec.as_ref()?;
    if let Some(task) = spec.task {
        check_task(context, task);
    }
    let languages = spec.languages(context);
    let files = spec.source.as_ref().map(|source| source.files(context, "spec.source")).unwrap_or_default();
    let delimiter = spec.delimiter(context);
    let columns = spec.task.map(|task| columns::validate(context, spec.columns.as_ref(), task));
    let split = match &spec.split {
        None => Share::parse("10%").ok().map(|test| Split::Hash { development: Share::default(), test }),
        Some(split) => split.validate(context),
    };
    let checks = spec.checks.as_ref().map(|checks| checks.validate(context)).unwrap_or_default();
    Some(Dataset {
        name: name?,
        task: spec.task?,
        languages,
        files,
        delimiter,
        columns: columns?,
        split: split?,
        checks,
    })
}

fn check_task(context: &mut Context<'_>, task: Task) {
    const FIELD: &str = "spec.task";
    match task {
        Task::Translation => context.later_value(FIELD, task.as_str(), DATA_TASKS),
        Task::ZeroShotClassification => context.value(
            FIELD,
            INVALID_VALUE,
            "zero-shot-classification has no data of its own: an entailment model serves it",
            "use text-pair-classification with premise, hypothesis and label",
        ),
        Task::TextClassification
        | Task::MultiLabelClassification
        | Task::LanguageIdentification
        | Task::TokenClassification
        | Task::TextPairClassification
        | Task::Embedding => {}
    }
}

impl DatasetSpec {
    fn languages(&self, context: &mut Context<'_>) -> Vec<String> {
        const FIELD: &str = "spec.languages";
        let list = match &self.languages {
            None => return Vec::new(),
            Some(Languages::List(list)) => list.clone(),
            Some(Languages::Pair) => {
                let message = "a source and a target language belong to translation data";
                context.value(FIELD, INVALID_VALUE, message, "write a list such as [de, en]");
                return Vec::new();
            }
        };
        for (index, language) in list.iter().enumerate() {
            let field = format!("{FIELD}[{index}]");
            if language.chars().any(char::is_whitespace) || language.is_empty() {
                let message = format!("{language:?} is not a language code");
                context.value(&field, INVALID_VALUE, message, "write a code such as de or pt-BR");
            } else if list[..index].contains(language) {
                let message = format!("{language:?} is listed twice");
                context.value(&field, DUPLICATE_KEY, message, "keep one of the two");
            }
        }
        list
    }

    fn delimiter(&self, context: &mut Context<'_>) -> Option<String> {
        const FIELD: &str = "spec.source.delimiter";
        let delimiter = self.source.as_ref()?.delimiter.clone()?;
        if delimiter.is_empty() {
            context.value(
                FIELD,
                INVALID_VALUE,
                "the delimiter is empty",
                "write a sign such as \",\", or remove it",
            );
        }
        if self.task.is_some_and(|task| task != Task::MultiLabelClassification) {
            let message = "a delimiter separates several labels; this task has one label a row";
            context.key(
                FIELD,
                INVALID_VALUE,
                message,
                "remove it, or use the task multi-label-classification",
            );
        }
        Some(delimiter)
    }
}

impl SplitSpec {
    fn validate(&self, context: &mut Context<'_>) -> Option<Split> {
        const FIELD: &str = "spec.split";
        if let Some(column) = &self.column {
            if self.development.is_some() || self.test.is_some() {
                let message = "a split by column leaves no room for development or test";
                context.key("spec.split.column", INVALID_VALUE, message, "keep the column, or the parts");
            }
            return Some(Split::Column(column.clone()));
        }
        if self.development.is_none() && self.test.is_none() {
            context.key(
                FIELD,
                MISSING_FIELD,
                "the split says nothing",
                "add test: 10%, or remove it for the default",
            );
            return None;
        }
        let development = part(context, "spec.split.development", self.development.as_ref());
        let test = part(context, "spec.split.test", self.test.as_ref());
        let shares = [&development, &test].map(|part| match part {
            Some(Part::Share(share)) => share.fraction(),
            _ => 0.0,
        });
        if shares[0] + shares[1] >= 1.0 {
            let message = "development and test take all rows and leave none for training";
            context.value(FIELD, INVALID_VALUE, message, "let the shares add up to less than 100%");
        }
        let by_files = [&development, &test].iter().any(|part| matches!(part, Some(Part::Files(_))));
        Some(if by_files {
            Split::Files { development, test }
        } else {
            Split::Hash { development: share(development), test: share(test) }
        })
    }
}

/// The share of a part split by hash.
fn share(part: Option<Part>) -> Share {
    match part {
        Some(Part::Share(share)) => share,
        Some(Part::Files(_)) | None => Share::default(),
    }
}

fn part(context: &mut Context<'_>, field: &str, raw: Option<&SplitPart>) -> Option<Part> {
    match raw? {
        SplitPart::Share(text) => {
            context.read(field, Share::parse(text), "write for example 10%").map(Part::Share)
        }
        SplitPart::Files(source) => {
            if source.delimiter.is_some() {
                let message = "the delimiter holds for all files of the data set";
                context.key(&format!("{field}.delimiter"), INVALID_VALUE, message, "move it to spec.source");
            }
            Some(Part::Files(source.files(context, field)))
        }
    }
}

impl<'de> Deserialize<'de> for Languages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shapes;
        impl<'de> Visitor<'de> for Shapes {
            type Value = Languages;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of languages")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Languages, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(Languages::List)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Languages, A::Error> {
                BTreeMap::<String, String>::deserialize(MapAccessDeserializer::new(map))
                    .map(|_| Languages::Pair)
            }
        }
        deserializer.deserialize_any(Shapes)
    }
}

impl JsonSchema for Languages {
    fn schema_name() -> Cow<'static, str> {
        "Languages".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A list of language codes; for translation the source and the target language.",
            "anyOf": [
                {"type": "array", "items": {"type": "string", "minLength": 1}, "examples": [["de", "en"]]},
                {
                    "type": "object",
                    "properties": {
                        "source": {"type": "string", "minLength": 1, "description": "Language to translate from."},
                        "target": {"type": "string", "minLength": 1, "description": "Language to translate into."},
                    },
                    "required": ["source", "target"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}
