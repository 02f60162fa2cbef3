//! What is labelled: a Training of a folder, its Dataset, and the rows of that.

use std::path::Path;

use loquat_data::Entry;
use loquat_spec::{Dataset, ErrorCode, Resources, Task, Training};

use crate::context::Context;
use crate::failure::Failure;
use crate::labelling::Form;
use crate::{findings, resources, table};

/// A Training with its Dataset.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub(super) folder: &'a Path,
    pub(super) training: &'a Training,
    pub(super) dataset: &'a Dataset,
    pub(super) form: Form,
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
        Ok(Self { folder, training, dataset, form: form(dataset)? })
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
fn form(dataset: &Dataset) -> Result<Form, Failure> {
    let many = dataset.task == Task::MultiLabelClassification;
    let is_of_texts = many || matches!(dataset.task, Task::TextClassification | Task::LanguageIdentification);
    match loquat_data::label_column(dataset)? {
        Some(column) if is_of_texts => Ok(Form { column, many }),
        _ => Err(Failure::not_yet_supported(
            &format!("labelling for {}", dataset.task.as_str()),
            "tasks that label whole texts are",
        )),
    }
}
