//! The checks of data that a `Dataset` names, and the severity it gives them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::Severity;
use crate::problem::{Context, INVALID_VALUE};

/// Whether a `Dataset` may change the severity of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Freedom {
    /// Its finding leaves nothing to go on with.
    Fixed,
    /// It is a matter of the data.
    Free,
}

const CATALOGUE: [(&str, Freedom, &str); 45] = [
    ("unreadable", Freedom::Fixed, "A file is absent, damaged or of unknown format."),
    ("missing-column", Freedom::Fixed, "A column named in `columns` or `split` is not in the data."),
    ("no-text", Freedom::Fixed, "No row has usable text."),
    ("no-labels", Freedom::Fixed, "No usable row has a label."),
    ("one-class", Freedom::Fixed, "All rows have the same label, so that there is nothing to learn."),
    ("invalid-utf8", Freedom::Free, "Bytes that are not UTF-8."),
    ("nul", Freedom::Free, "NUL bytes or characters."),
    ("line-too-long", Freedom::Free, "Lines too long for a row."),
    ("invalid-row", Freedom::Free, "Records that are not what their format says."),
    ("wrong-type", Freedom::Free, "Values of another type than the role of their column asks for."),
    ("invalid-tags", Freedom::Free, "Tags that are not BIO, or not as many as tokens."),
    ("invalid-spans", Freedom::Free, "Spans outside of their text."),
    ("invalid-weight", Freedom::Free, "Weights that are negative or not finite."),
    (
        "invalid-shares",
        Freedom::Free,
        "Shares of labels that are negative, not finite or all zero, or that no label has.",
    ),
    ("unknown-split", Freedom::Free, "Values of the split column that name no part."),
    (
        "overlapping-files",
        Freedom::Free,
        "Files that stand in the source twice, or in the source and in a split.",
    ),
    ("empty-split", Freedom::Free, "A part that is asked for and gets no row."),
    ("empty-row", Freedom::Free, "Rows without text, which are dropped."),
    ("missing-label", Freedom::Free, "Rows without a label, which are dropped."),
    ("duplicate", Freedom::Free, "The same text under the same label more than once."),
    ("leakage", Freedom::Free, "Texts that stand in training and in a part that measures it."),
    ("group-leakage", Freedom::Free, "Groups that stand in training and in a part that measures it."),
    (
        "near-leakage",
        Freedom::Free,
        "Texts that stand in training and in a part that measures it but for a few words.",
    ),
    ("premise-leakage", Freedom::Free, "Premises that stand in training and in a part that measures it."),
    ("near-duplicate", Freedom::Free, "Texts of one part that differ in a few words only."),
    ("same-pair", Freedom::Free, "Pairs of two equal texts."),
    ("label-cue", Freedom::Free, "Words that begin or end many texts of one label and hardly any other."),
    ("mojibake", Freedom::Free, "Text that was decoded wrongly on its way."),
    (
        "language-mismatch",
        Freedom::Free,
        "Texts that look like another language than their row or the Dataset says.",
    ),
    ("length-outlier", Freedom::Free, "Texts many times longer than the others."),
    ("personal-data", Freedom::Free, "Mail addresses, telephone numbers and numbers of payment cards."),
    ("loose-tag", Freedom::Free, "`I-` tags that continue no entity of their type."),
    ("cut-span", Freedom::Free, "Spans that begin or end inside a word or with white space."),
    (
        "absent-label",
        Freedom::Free,
        "Labels of training without a row in a part that measures, reported for information.",
    ),
    (
        "entity-conflict",
        Freedom::Free,
        "Entities that mostly have one type and another one elsewhere, reported for information.",
    ),
    ("label-tie", Freedom::Free, "Rows of which as many annotators say one label as another."),
    ("label-conflict", Freedom::Free, "The same text under different labels."),
    ("small-class", Freedom::Free, "Classes with fewer training rows than folds."),
    ("label-spelling", Freedom::Free, "Labels that differ in case, width, spaces, hyphens or a letter only."),
    ("unseen-label", Freedom::Free, "Labels of development or test rows that training lacks."),
    ("undeclared-label", Freedom::Free, "Labels that are languages which `languages` does not declare."),
    ("undeclared-language", Freedom::Free, "Languages that `languages` does not declare."),
    ("absent-language", Freedom::Free, "Declared languages without a row."),
    (
        "translation-leakage",
        Freedom::Free,
        "Rows that look like translations of each other and are not grouped.",
    ),
    ("class-shares", Freedom::Free, "The share of each class in each part, reported for information."),
];

/// Checks of data by name, each a field of `checks` of a `Dataset`. Names never change meaning.
pub const CHECKS: &[&str] = &{
    let mut names = [""; CATALOGUE.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = CATALOGUE[index].0;
        index += 1;
    }
    names
};

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Level {
    Error,
    Warning,
    Off,
}

/// Severity of checks of the data, by name.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub(crate) struct ChecksSpec(BTreeMap<String, Level>);

impl ChecksSpec {
    /// The severities; reports those that a check can't have.
    pub(crate) fn validate(&self, context: &mut Context<'_>) -> BTreeMap<String, Option<Severity>> {
        let mut checks = BTreeMap::new();
        for (name, freedom, _) in CATALOGUE {
            let Some(level) = self.0.get(name) else { continue };
            let field = format!("spec.checks.{name}");
            let severity = match level {
                Level::Error => Some(Severity::Error),
                Level::Warning => Some(Severity::Warning),
                Level::Off => None,
            };
            match (freedom, level) {
                (Freedom::Free, _) => drop(checks.insert(name.to_owned(), severity)),
                // What the check is anyway.
                (Freedom::Fixed, Level::Error) => {}
                (Freedom::Fixed, _) => {
                    let message = "always stops the run: it leaves nothing to train on";
                    context.value(&field, INVALID_VALUE, message, "remove it and mend the data");
                }
            }
        }
        checks
    }
}

impl JsonSchema for ChecksSpec {
    fn schema_name() -> Cow<'static, str> {
        "Checks".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let property = |(name, freedom, about): &(&str, Freedom, &str)| {
            let fixed = if *freedom == Freedom::Fixed { " Always an error." } else { "" };
            let description = format!("{about}{fixed}");
            ((*name).to_owned(), json!({"enum": ["error", "warning", "off"], "description": description}))
        };
        let properties: Map<String, Value> = CATALOGUE.iter().map(property).collect();
        json_schema!({
            "type": "object",
            "description": "Severity of checks of the data, by name: error stops the run, warning reports, off looks away.",
            "properties": properties,
            "additionalProperties": false,
            "examples": [{"leakage": "error"}],
        })
    }
}
