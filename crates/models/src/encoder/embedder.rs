//! A model that embeds texts, in the layout of sentence-transformers: a trunk, and the pooling of its states.

use std::path::Path;

use loquat_kernels::Kernels;

use super::architecture::Architecture;
use super::classifier::{named_class, trunk_tensor, width_of_states};
use super::pooling::Pooled;
use super::settings::Settings;
use crate::checkpoint::Checkpoint;
use crate::error::ModelError;

impl Checkpoint {
    /// Writes the model into `folder` as one that embeds texts: with the modules that its own folder describes, else without
    /// its head and with the mean of the states as the vector of a text. `SentenceTransformer(FOLDER)` opens it.
    ///
    /// # Errors
    /// When a file can't be read or written, or the modules are of a kind that is not supported.
    pub fn save_embedder(&self, folder: &Path) -> Result<(), ModelError> {
        if Pooled::read(self.folder(), Kernels::detect())?.is_some() {
            return self.save(folder);
        }
        let settings = Settings::new(self);
        let base = format!("{}.", Architecture::of(settings)?.base());
        let headed = self.names().any(|name| name.starts_with(&base));
        let mut config = self.config().clone();
        named_class(&mut config, "Model");
        self.only(config, |name| trunk_tensor(name, &base, headed)).save(folder)?;
        Pooled::default().save(folder, width_of_states(settings)?, None)
    }
}
