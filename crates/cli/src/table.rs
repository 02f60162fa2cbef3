//! Loads the table of a `Dataset` and shows what its checks found.

use std::path::Path;

use loquat_data::{LoadOptions, Table};
use loquat_spec::Dataset;

use crate::context::{Context, cache_folder};
use crate::failure::Failure;

/// Reads and checks the rows of `dataset`, whose paths are relative to `folder`.
pub(crate) fn load(context: &Context, folder: &Path, dataset: &Dataset) -> Result<Table, Failure> {
    let options = LoadOptions {
        base: folder.to_owned(),
        threads: context.threads(),
        cache: Some(cache_folder(folder)),
    };
    Ok(loquat_data::load(dataset, &options)?)
}
