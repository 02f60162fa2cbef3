//! Which column of the data plays which role, and which roles each task has.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::problem::{Context, INVALID_VALUE, MISSING_FIELD, UNKNOWN_FIELD, nearest, suggestion};
use crate::{Columns, PairData, Task};

/// Roles that every task takes.
const COMMON: [&str; 5] = ["id", "language", "domain", "group", "weight"];

/// Roles of a form that its data may lack.
const MAY_LACK: [&str; 2] = ["score", "negative"];

/// Names of the columns that play each role. Left out: the roles of the task, each from the column of its own name.
/// The task says which roles there are; `id`, `language`, `domain`, `group` and `weight` go with every task.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{"text": "text", "label": "label"}]))]
pub(crate) struct ColumnsSpec {
    /// The text.
    #[schemars(length(min = 1))]
    text: Option<String>,
    /// The one label of a row; or what annotators said of it, where they disagree: a mapping of labels to shares or counts, or the
    /// list of their labels.
    #[schemars(length(min = 1))]
    label: Option<String>,
    /// The labels of a row: a list, or one string with `delimiter` in the source.
    #[schemars(length(min = 1))]
    labels: Option<String>,
    /// The words of a sentence, a list.
    #[schemars(length(min = 1))]
    tokens: Option<String>,
    /// The BIO tag of each token, a list.
    #[schemars(length(min = 1))]
    tags: Option<String>,
    /// Labelled stretches of the text: a list of `{start, end, label}`.
    #[schemars(length(min = 1))]
    spans: Option<String>,
    /// The first text of a pair.
    #[schemars(length(min = 1))]
    premise: Option<String>,
    /// The second text of a pair.
    #[schemars(length(min = 1))]
    hypothesis: Option<String>,
    /// The first text of a pair.
    #[schemars(length(min = 1))]
    text_a: Option<String>,
    /// The second text of a pair.
    #[schemars(length(min = 1))]
    text_b: Option<String>,
    /// How alike the two texts are, in numbers of any range. Left out: the two belong together.
    #[schemars(length(min = 1))]
    score: Option<String>,
    /// The query.
    #[schemars(length(min = 1))]
    query: Option<String>,
    /// A text that answers the query.
    #[schemars(length(min = 1))]
    positive: Option<String>,
    /// A text that does not answer the query. Left out: training looks for such texts itself.
    #[schemars(length(min = 1))]
    negative: Option<String>,
    /// The text to translate.
    #[schemars(length(min = 1))]
    source: Option<String>,
    /// Its translation.
    #[schemars(length(min = 1))]
    target: Option<String>,
    /// Name of the row, repeated in findings and predictions.
    #[schemars(length(min = 1))]
    id: Option<String>,
    /// Language of the row. Give it for scores per language.
    #[schemars(length(min = 1))]
    language: Option<String>,
    /// Domain of the row, such as the genre of its text. Give it for scores per domain, and on domains that were not trained on.
    #[schemars(length(min = 1))]
    domain: Option<String>,
    /// What must stay together in one split: rows of one customer, one document, or translations of each other.
    #[schemars(length(min = 1))]
    group: Option<String>,
    /// How much the row counts in training, a positive number.
    #[schemars(length(min = 1))]
    weight: Option<String>,
}

impl ColumnsSpec {
    /// What the rows say of pairs of texts to embed.
    pub(crate) fn pair_data(&self) -> Option<PairData> {
        Columns { roles: self.given() }.pair_data()
    }

    fn given(&self) -> BTreeMap<String, String> {
        let roles = [
            ("text", &self.text),
            ("label", &self.label),
            ("labels", &self.labels),
            ("tokens", &self.tokens),
            ("tags", &self.tags),
            ("spans", &self.spans),
            ("premise", &self.premise),
            ("hypothesis", &self.hypothesis),
            ("text_a", &self.text_a),
            ("text_b", &self.text_b),
            ("score", &self.score),
            ("query", &self.query),
            ("positive", &self.positive),
            ("negative", &self.negative),
            ("source", &self.source),
            ("target", &self.target),
            ("id", &self.id),
            ("language", &self.language),
            ("domain", &self.domain),
            ("group", &self.group),
            ("weight", &self.weight),
        ];
        roles.into_iter().filter_map(|(role, column)| Some((role.to_owned(), column.clone()?))).collect()
    }
}

/// The roles of a task; a task with several forms of data has several.
fn forms(task: Task) -> &'static [&'static [&'static str]] {
    match task {
        Task::TextClassification | Task::LanguageIdentification => &[&["text", "label"]],
        Task::MultiLabelClassification => &[&["text", "labels"]],
        Task::TokenClassification => &[&["tokens", "tags"], &["text", "spans"]],
        Task::TextPairClassification => &[&["premise", "hypothesis", "label"]],
        Task::ZeroShotClassification => &[],
        Task::Embedding => &[&["text"], &["text_a", "text_b", "score"], &["query", "positive", "negative"]],
        Task::Translation => &[&["source", "target"]],
    }
}

/// The columns of a data set of `task`; reports roles that the task has not, and those it lacks.
pub(crate) fn validate(context: &mut Context<'_>, raw: Option<&ColumnsSpec>, task: Task) -> Columns {
    const FIELD: &str = "spec.columns";
    let forms = forms(task);
    let Some(raw) = raw else {
        let roles = forms.first().into_iter().flat_map(|form| form.iter());
        return Columns { roles: roles.map(|role| ((*role).to_owned(), (*role).to_owned())).collect() };
    };
    let roles = raw.given();
    let matching = |form: &&[&str]| form.iter().filter(|role| roles.contains_key(**role)).count();
    // The form with most roles given; of equals the first, which `max_by_key` on the reversed order gives.
    let form = forms.iter().copied().rev().max_by_key(matching).unwrap_or(&[]);
    let allowed: Vec<&str> = form.iter().copied().chain(COMMON).collect();
    let is_missing = |role: &&str| !roles.contains_key(*role) && !MAY_LACK.contains(role);
    let missing: Vec<&str> = form.iter().copied().filter(is_missing).collect();
    let mut meant = BTreeSet::new();
    for role in roles.keys().filter(|role| !allowed.contains(&role.as_str())) {
        let message =
            format!("{} data has no {role:?} column; it takes {}", task.as_str(), allowed.join(", "));
        let remedy = if missing.is_empty() { "remove it".to_owned() } else { suggestion(role, &missing) };
        meant.extend(nearest(role, missing.iter().copied()));
        context.key(&format!("{FIELD}.{role}"), UNKNOWN_FIELD, message, remedy);
    }
    for role in missing.iter().filter(|role| !meant.contains(*role)) {
        let message = format!("{} needs the column that is the {role}", task.as_str());
        context.key(FIELD, MISSING_FIELD, message, format!("add {role}: and the name of its column"));
    }
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for role in form {
        if let Some(column) = roles.get(*role)
            && let Some(other) = seen.insert(column, role)
        {
            let message = format!("column {column:?} can't be both {other} and {role}");
            context.value(
                &format!("{FIELD}.{role}"),
                INVALID_VALUE,
                message,
                "name the column that plays this role",
            );
        }
    }
    Columns { roles }
}
