//! Which column plays which role for a task, and where a value of the wrong kind is told from one that is absent.

use loquat_spec::{Dataset, Split, Task};
use serde_json::{Map, Value};

use crate::DataError;

/// The form of a task's input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InputColumns {
    Text(usize),
    Pair { premise: usize, hypothesis: usize },
    Alike { first: usize, second: usize, negative: Option<usize>, score: Option<usize> },
    Tokens { tokens: usize, tags: usize },
    Spans { text: usize, spans: usize },
}

/// How labels are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LabelColumn {
    One(usize),
    Many {
        column: usize,
        delimiter: Option<String>,
    },
    /// The labels stand in the input itself.
    InInput,
    /// Rows have none.
    Unlabelled,
}

/// A role and the column that plays it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) role: &'static str,
    pub(crate) column: String,
    /// Whether the role is the split column, which is set elsewhere in the resource.
    pub(crate) is_split: bool,
}

/// The columns that a Dataset reads; numbers count `roles`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) roles: Vec<Role>,
    pub(crate) input: InputColumns,
    pub(crate) label: LabelColumn,
    pub(crate) language: Option<usize>,
    pub(crate) domain: Option<usize>,
    pub(crate) group: Option<usize>,
    pub(crate) id: Option<usize>,
    pub(crate) weight: Option<usize>,
    pub(crate) split: Option<usize>,
}

const SUPPORTED: &str = "text-classification, multi-label-classification, language-identification, \
                         token-classification, text-pair-classification and embedding";

struct Builder<'a> {
    dataset: &'a Dataset,
    roles: Vec<Role>,
}

impl Builder<'_> {
    /// A role that the task needs; its column has the role's name unless the Dataset says otherwise.
    fn needed(&mut self, role: &'static str) -> usize {
        let column = self.dataset.columns.get(role).unwrap_or(role).to_owned();
        self.push(role, column, false)
    }

    /// A role that is read where the Dataset names a column for it.
    fn optional(&mut self, role: &'static str) -> Option<usize> {
        let column = self.dataset.columns.get(role)?.to_owned();
        Some(self.push(role, column, false))
    }

    fn push(&mut self, role: &'static str, column: String, is_split: bool) -> usize {
        self.roles.push(Role { role, column, is_split });
        self.roles.len() - 1
    }

    fn input(&mut self) -> Result<(InputColumns, LabelColumn), DataError> {
        let task = self.dataset.task;
        Ok(match task {
            Task::TextClassification | Task::LanguageIdentification => {
                (InputColumns::Text(self.needed("text")), LabelColumn::One(self.needed("label")))
            }
            Task::MultiLabelClassification => {
                let delimiter = self.dataset.delimiter.clone();
                let text = self.needed("text");
                (InputColumns::Text(text), LabelColumn::Many { column: self.needed("labels"), delimiter })
            }
            Task::TextPairClassification => {
                let (premise, hypothesis) = (self.needed("premise"), self.needed("hypothesis"));
                (InputColumns::Pair { premise, hypothesis }, LabelColumn::One(self.needed("label")))
            }
            Task::TokenClassification if self.dataset.columns.get("spans").is_some() => {
                let (text, spans) = (self.needed("text"), self.needed("spans"));
                (InputColumns::Spans { text, spans }, LabelColumn::InInput)
            }
            Task::TokenClassification => {
                let (tokens, tags) = (self.needed("tokens"), self.needed("tags"));
                (InputColumns::Tokens { tokens, tags }, LabelColumn::InInput)
            }
            Task::Embedding => (self.embedded(), LabelColumn::Unlabelled),
            Task::ZeroShotClassification | Task::Translation => {
                return Err(DataError::UnsupportedTask { task: task.as_str(), supported: SUPPORTED });
            }
        })
    }
}

impl Builder<'_> {
    /// The texts of embedding data: one, two that are as alike as a score says, or a query with what answers it.
    fn embedded(&mut self) -> InputColumns {
        let names = |role| self.dataset.columns.get(role).is_some();
        if names("query") {
            let (first, second) = (self.needed("query"), self.needed("positive"));
            return InputColumns::Alike { first, second, negative: self.optional("negative"), score: None };
        }
        if names("text_a") {
            let (first, second) = (self.needed("text_a"), self.needed("text_b"));
            return InputColumns::Alike { first, second, negative: None, score: self.optional("score") };
        }
        InputColumns::Text(self.needed("text"))
    }
}

impl Layout {
    /// The columns of `dataset`.
    pub(crate) fn new(dataset: &Dataset) -> Result<Self, DataError> {
        let mut builder = Builder { dataset, roles: Vec::new() };
        let (input, label) = builder.input()?;
        let language = builder.optional("language");
        let domain = builder.optional("domain");
        let group = builder.optional("group");
        let id = builder.optional("id");
        let weight = builder.optional("weight");
        let split = match &dataset.split {
            Split::Column(column) => Some(builder.push("split", column.clone(), true)),
            Split::Hash { .. } | Split::Files { .. } => None,
        };
        Ok(Self { roles: builder.roles, input, label, language, domain, group, id, weight, split })
    }

    /// Name of the column that plays a role.
    pub(crate) fn column(&self, role: usize) -> &str {
        &self.roles[role].column
    }

    /// The value of a role's column, `None` where it is absent or null.
    pub(crate) fn value<'a>(&self, role: usize, object: &'a Map<String, Value>) -> Option<&'a Value> {
        object.get(self.column(role)).filter(|value| !value.is_null())
    }

    /// One bit for each role whose column the record has, null or not.
    pub(crate) fn present(&self, object: &Map<String, Value>) -> u32 {
        self.roles
            .iter()
            .enumerate()
            .filter(|(_, role)| object.contains_key(&role.column))
            .fold(0, |bits, (index, _)| bits | 1 << index)
    }

    /// Whether `column` is free to be a group: it plays no role but `id`.
    pub(crate) fn is_candidate(&self, column: &str) -> bool {
        self.roles.iter().all(|role| role.column != column || role.role == "id")
    }

    /// The field of the resource that names a role's column.
    pub(crate) fn field(&self, role: usize) -> String {
        match &self.roles[role] {
            Role { is_split: true, .. } => "spec.split.column".to_owned(),
            Role { role, .. } => format!("spec.columns.{role}"),
        }
    }
}

/// Roles whose absence leaves rows without input.
pub(crate) const INPUT_ROLES: &[&str] =
    &["text", "premise", "hypothesis", "text_a", "text_b", "query", "positive", "tokens", "tags", "spans"];
