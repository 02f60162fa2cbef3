//! The prompts of an embedding model: what stands before a text by its purpose, as sentence-transformers' configuration
//! names them.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::checkpoint::read_json_if_there;
use crate::error::ModelError;

const FILE: &str = "config_sentence_transformers.json";

/// The prompts of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prompts {
    by_name: BTreeMap<String, String>,
    default: Option<String>,
}

#[derive(Deserialize, Default)]
struct File {
    #[serde(default)]
    prompts: Option<BTreeMap<String, String>>,
    #[serde(default)]
    default_prompt_name: Option<String>,
}

impl Prompts {
    /// Reads those of a folder; none where it has no such file.
    pub(super) fn read(folder: &Path) -> Result<Self, ModelError> {
        let path = folder.join(FILE);
        let file: File =
            read_json_if_there(&path, "sentence-transformers configuration")?.unwrap_or_default();
        let by_name = file.prompts.unwrap_or_default();
        if let Some(name) = file.default_prompt_name.as_ref().filter(|name| !by_name.contains_key(*name)) {
            return Err(ModelError::Unsupported {
                path,
                what: "default_prompt_name",
                found: name.clone(),
                supported: "the name of one of the prompts beside it",
            });
        }
        Ok(Self { by_name, default: file.default_prompt_name })
    }

    /// What stands before a text whose request names no prompt; empty as a rule.
    pub fn by_default(&self) -> &str {
        self.default.as_ref().and_then(|name| self.named(name)).unwrap_or_default()
    }

    /// The prompt of that name.
    pub fn named(&self, name: &str) -> Option<&str> {
        self.by_name.get(name).map(String::as_str)
    }

    /// Every name, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }
}
