//! What is labelled: a Training of a folder, its Dataset, and the rows of that.

use std::path::Path;

use loquat_data::Entry;
use loquat_infer::Input;
use loquat_spec::{Dataset, ErrorCode, Resources, Task, Training};

use crate::context::Context;
use crate::failure::Failure;
use crate::labelling::{Form, Marking};
use crate::{findings, resources, table};

/// A Training with its Dataset.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub(super) folder: &'a Path,
    pub(super) training: &'a Training,
    pub(super) dataset: &'a Dataset,
    pub(super) asks: Asks,
}

/// What a person is asked for.
#[derive(Debug, Clone)]
pub(super) enum Asks {
    /// The label or labels of a text, or of two.
    Labels(Form),
    /// The spans in a text.
    Spans(Marking),
}

impl Asks {
    /// The column that answers are written into.
    pub(super) fn column(&self) -> &str {
        match self {
            Self::Labels(form) => &form.column,
            Self::Spans(marking) => &marking.column,
        }
    }
}

/// The folder's resources, of which there must be some.
pub(super) fn load(context: &Context, folder: &Path) -> Result<Resources, Failure> {
    let resources = resources::load_if_any(context, folder)?;
    if resources::count(&resources) == 0 { Err(resources::none_in(folder)) } else { Ok(resources) }
}

impl<'a> Subject<'a> {
    /// The one Training of the resources, or the one named.
    pub(super) fn new(
        folder: &'a Path,
        resources: &'a Resources,
        named: Option<&str>,
    ) -> Result<Self, Failure> {
        let trainings: Vec<&Training> = resources.trainings.iter().map(|located| &located.value).collect();
        let names: Vec<&str> = trainings.iter().map(|training| training.name.as_str()).collect();
        let training = match (named, trainings.as_slice()) {
            (None, [training]) => *training,
            (None, []) => return Err(resources::none_in(folder)),
            (None, _) => {
                let message = format!(
                    "the folder has several Trainings: name one of {} with --training",
                    names.join(", ")
                );
                return Err(Failure::new(ErrorCode::Invalid, message));
            }
            (Some(name), _) => *trainings
                .iter()
                .find(|training| training.name.as_str() == name)
                .ok_or_else(|| Failure::unknown("Training", name, &names))?,
        };
        let datasets: Vec<&Dataset> = resources.datasets.iter().map(|located| &located.value).collect();
        let names: Vec<&str> = datasets.iter().map(|dataset| dataset.name.as_str()).collect();
        let dataset = datasets
            .iter()
            .find(|dataset| dataset.name == training.dataset)
            .ok_or_else(|| Failure::unknown("Dataset", training.dataset.as_str(), &names))?;
        Ok(Self { folder, training, dataset, asks: asks(dataset)? })
    }

    /// Shows `visit` the rows, which `target` is written from.
    pub(super) fn entries(
        &self,
        context: &Context,
        target: &Path,
        visit: &mut dyn FnMut(Entry),
    ) -> Result<(), Failure> {
        let unread = table::entries(context, self.folder, self.dataset, target, visit)?;
        if unread.is_empty() {
            return Ok(());
        }
        findings::say(&unread, context.style.stderr);
        Err(Failure::silent(ErrorCode::Failed))
    }
}

/// How labels of the task are asked for and written.
fn asks(dataset: &Dataset) -> Result<Asks, Failure> {
    let column = loquat_data::label_column(dataset)?;
    match (dataset.task, column) {
        (Task::TokenClassification, Some(column)) => {
            Ok(Asks::Spans(Marking { column, tags: dataset.columns.get("tokens").is_some() }))
        }
        (
            Task::TextClassification
            | Task::LanguageIdentification
            | Task::TextPairClassification
            | Task::MultiLabelClassification,
            Some(column),
        ) => Ok(Asks::Labels(Form { column, many: dataset.task == Task::MultiLabelClassification })),
        (task, _) => Err(Failure::not_yet_supported(
            &format!("labelling for {}", task.as_str()),
            "tasks that classify texts, pairs of texts or their words are",
        )),
    }
}

/// What a model is asked about a row.
pub(super) fn input_of(entry: &Entry) -> Input {
    match &entry.input {
        loquat_data::Input::Pair { premise, hypothesis } => Input::pair(premise, hypothesis),
        _ => Input::new(&entry.text),
    }
}
