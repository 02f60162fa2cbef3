//! Loads the table of a `Dataset`, checks it without keeping its rows, or repairs it.

use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "train")]
use loquat_data::Table;
use loquat_data::{Audit, LoadOptions, Repair};
use loquat_spec::Dataset;

use crate::context::{Context, cache_folder};
use crate::failure::Failure;
use crate::reading::ReadingProgress;
use crate::sources;

/// Reads and checks the rows of `dataset`, whose paths are relative to `folder`.
#[cfg(feature = "train")]
pub(crate) fn load(context: &Context, folder: &Path, dataset: &Dataset) -> Result<Table, Failure> {
    load_for_folds(context, folder, dataset, 0)
}

/// The same for a cross-validation, which says what classes are too small for it.
#[cfg(feature = "train")]
pub(crate) fn load_for_folds(
    context: &Context,
    folder: &Path,
    dataset: &Dataset,
    folds: usize,
) -> Result<Table, Failure> {
    Ok(loquat_data::load(dataset, &LoadOptions { folds, ..options(context, folder)? })?)
}

/// Checks `dataset` in bounded memory for a cross-validation of so many folds (0: none), and shows how far it is.
pub(crate) fn check(
    context: &Context,
    folder: &Path,
    dataset: &Dataset,
    folds: usize,
) -> Result<Audit, Failure> {
    let options = LoadOptions { folds, ..options(context, folder)? };
    let progress = ReadingProgress::new(dataset.name.as_str(), context.bars);
    let audit = loquat_data::check(dataset, &options, &|read, total| progress.show(read, total));
    progress.finish();
    Ok(audit?)
}

/// Writes `dataset` repaired to `file`, and shows how far it is.
pub(crate) fn repair(
    context: &Context,
    folder: &Path,
    dataset: &Dataset,
    file: &Path,
) -> Result<Repair, Failure> {
    let options = options(context, folder)?;
    let progress = ReadingProgress::new(dataset.name.as_str(), context.bars);
    let repair = loquat_data::repair(dataset, &options, file, &|read, total| {
        progress.show(read, total);
    });
    progress.finish();
    Ok(repair?)
}

fn options(context: &Context, folder: &Path) -> Result<LoadOptions, Failure> {
    Ok(LoadOptions {
        base: folder.to_owned(),
        threads: context.threads(),
        cache: Some(cache_folder(folder)),
        folds: 0,
        sources: Some(Arc::new(sources::of_folder(context, folder)?)),
    })
}
