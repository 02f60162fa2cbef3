//! A pretrained encoder that trainings start from.

use std::path::PathBuf;

use loquat_infer::Kernels;
use loquat_models::{Architecture, Encoder, ModelError, Precision, load_tokenizer};
use loquat_text::Tokenizer;

use crate::error::TrainError;

/// A pretrained encoder on this machine, in the Hugging Face layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backbone {
    /// What the resource calls it, with the commit where it comes from a hub.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Hash of its files, or the commit that fixes them.
    pub digest: String,
}

/// A backbone ready to compute.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) encoder: Encoder,
    pub(crate) tokenizer: Tokenizer,
    /// The most tokens of a text, special ones included.
    pub(crate) max_tokens: usize,
}

impl Backbone {
    pub(crate) fn load(&self, kernels: Kernels) -> Result<Loaded, TrainError> {
        let encoder = Encoder::load(&self.folder, kernels, Precision::F32)?;
        if encoder.architecture() == Architecture::Bart {
            return Err(TrainError::Model(ModelError::Unsupported {
                path: self.folder.join("config.json"),
                what: "backbone",
                found: encoder.architecture().name().to_owned(),
                supported: "bert, distilbert, roberta, xlm-roberta, deberta-v2 and modernbert",
            }));
        }
        let tokenizer = load_tokenizer(&self.folder)?;
        let limits = [Some(encoder.max_tokens()), tokenizer.max_length()];
        let max_tokens = limits.into_iter().flatten().min().unwrap_or(encoder.max_tokens());
        Ok(Loaded { encoder, tokenizer, max_tokens })
    }
}
