//! What encoders of a training start from, fetched where it lies on a hub.

use std::path::Path;

use loquat_spec::Training;
use loquat_train::Backbone;

use crate::context::Context;
use crate::failure::Failure;
use crate::imports;

/// The backbones of `training`, in its order; folders are relative to `folder`.
pub(crate) fn find(context: &Context, folder: &Path, training: &Training) -> Result<Vec<Backbone>, Failure> {
    let one = |source| {
        let found = imports::source(context, folder, source)?;
        Ok(Backbone { name: found.origin, folder: found.folder, digest: found.digest })
    };
    training.backbones.iter().map(one).collect()
}
