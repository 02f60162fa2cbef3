//! Data and models behind addresses, reached as the environment describes and kept in the folder's cache.

use std::path::Path;

use loquat_connect::hub::Progress;
use loquat_connect::objects::ObjectSettings;
use loquat_connect::sources::{SourceConfig, Sources, Watch};

use crate::context::{Context, cache_folder};
use crate::failure::Failure;
use crate::{hub, output, variables};

/// What fetches for the resources of `folder`.
pub(crate) fn of_folder(context: &Context, folder: &Path) -> Result<Sources, Failure> {
    let objects = ObjectSettings::new(variables::all());
    let config = SourceConfig::new(hub::config(folder)?, objects, cache_folder(folder).join("sources"));
    let warn = |text: &str| output::say(&format!("warning: {text}"));
    Ok(Sources::new(config, watch(context), Box::new(warn)))
}

/// Draws one bar a file, which goes when the file is whole.
fn watch(context: &Context) -> Watch {
    if !context.bars {
        return Box::new(|_| ());
    }
    let bar = hub::bar(context);
    Box::new(move |progress: Progress<'_>| {
        if bar.is_finished() {
            bar.reset();
        }
        bar.set_message(progress.file.to_owned());
        bar.set_length(progress.bytes.unwrap_or(progress.done));
        bar.set_position(progress.done);
        if progress.bytes == Some(progress.done) {
            bar.finish_and_clear();
        }
    })
}
