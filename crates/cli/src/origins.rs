//! What a training starts from beside its data and backbones: the version to distil from, and unlabelled texts.

use std::path::Path;

use loquat_data::Table;
use loquat_spec::{Dataset, Located, ModelReference, Training};
use loquat_store::Store;
use loquat_train::{Origins, Teacher};

use crate::commands::train::checked;
use crate::context::Context;
use crate::failure::Failure;
use crate::table;

/// What `training` names, besides its `dataset`, out of `datasets` and the registry; paths are relative to `folder`.
pub(crate) fn find(
    context: &Context,
    folder: &Path,
    (training, dataset): (&Training, &Dataset),
    (datasets, store): (&[Located<Dataset>], &Store),
) -> Result<Origins, Failure> {
    let unlabelled = match unlabelled(training, datasets) {
        Some(located) => Some(texts(context, folder, &located.value)?),
        None => None,
    };
    let teacher = training.teacher.as_ref().map(|reference| teacher(store, reference)).transpose()?;
    Ok(Origins { languages: dataset.languages.clone(), teacher, unlabelled })
}

/// The data set of unlabelled texts that `training` names.
pub(crate) fn unlabelled<'d>(
    training: &Training,
    datasets: &'d [Located<Dataset>],
) -> Option<&'d Located<Dataset>> {
    let name = training.unlabelled.as_ref()?;
    datasets.iter().find(|located| located.value.name == *name)
}

fn texts(context: &Context, folder: &Path, dataset: &Dataset) -> Result<Table, Failure> {
    checked(context, folder, table::load(context, folder, dataset)?)
}

fn teacher(store: &Store, reference: &ModelReference) -> Result<Teacher, Failure> {
    let found = store.resolve(reference)?;
    Ok(Teacher {
        name: format!("{}:{}", found.record.name, found.record.version),
        folder: found.path,
        digest: found.record.digest,
        data_hash: found.record.data_hash,
    })
}
