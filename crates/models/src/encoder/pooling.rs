//! The pooling that sentence-transformers' files describe: `modules.json` and the `config.json` of its pooling module.

use std::path::{Path, PathBuf};

use loquat_kernels::{Kernels, Pooling};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::classifier::save_modules;
use crate::artifact::{read_json, to_json, write};
use crate::checkpoint::read_json_if_there;
use crate::error::ModelError;

pub(super) const MODULES: &str = "modules.json";
/// Folder of the module that pools.
const POOLING: &str = "1_Pooling";
const SENTENCE: &str = "sentence_bert_config.json";

/// How the states of a sequence become its vector.
#[derive(Debug, Clone)]
pub(super) struct Pooled {
    /// One vector each, side by side.
    pooling: Vec<Pooling>,
    normalise: bool,
    /// The most tokens of a text that the model is meant for.
    pub(super) max_tokens: Option<usize>,
    /// Folder of a `Dense` module that comes last: a classifier of the vector.
    pub(super) dense: Option<PathBuf>,
}

/// The mean of the states, which suits most encoders that say nothing of pooling.
impl Default for Pooled {
    fn default() -> Self {
        Self { pooling: vec![Pooling::Mean], normalise: false, max_tokens: None, dense: None }
    }
}

#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

/// The flags of older pooling configurations, and the names that newer ones have for the same.
const MODES: &[(&str, &str, Option<Pooling>)] = &[
    ("pooling_mode_cls_token", "cls", Some(Pooling::First)),
    ("pooling_mode_max_tokens", "max", Some(Pooling::Max)),
    ("pooling_mode_mean_tokens", "mean", Some(Pooling::Mean)),
    ("pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", Some(Pooling::MeanSquareRoot)),
    ("pooling_mode_weightedmean_tokens", "weightedmean", None),
    ("pooling_mode_lasttoken", "lasttoken", Some(Pooling::Last)),
];

impl Pooled {
    /// Reads the files of a folder; `None` when they are not there.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, ModelError> {
        let path = folder.join(MODULES);
        let Some(modules) = read_json_if_there::<Vec<Module>>(&path, "list of modules")? else {
            return Ok(None);
        };
        let unsupported = |found: &str| ModelError::Unsupported {
            path: path.clone(),
            what: "module",
            found: found.to_owned(),
            supported: "Transformer, Pooling, Normalize and a last Dense",
        };
        let mut made: Option<Self> = None;
        for module in &modules {
            match (module.kind.rsplit('.').next().unwrap_or_default(), &mut made) {
                ("Transformer", None) if module.path.is_empty() => {}
                ("Pooling", None) => made = Some(Self::of(folder, &module.path)?),
                ("Normalize", Some(made)) if made.dense.is_none() => made.normalise = true,
                ("Dense", Some(made)) if made.dense.is_none() && is_inside(&module.path) => {
                    made.dense = Some(folder.join(&module.path));
                }
                _ => return Err(unsupported(&module.kind)),
            }
        }
        let Some(mut made) = made else { return Err(unsupported("no Pooling")) };
        let sentence: Option<Map<String, Value>> =
            read_json_if_there(&folder.join(SENTENCE), "sentence-transformers configuration")?;
        if sentence.as_ref().and_then(|fields| fields.get("do_lower_case")?.as_bool()) == Some(true) {
            return Err(ModelError::Unsupported {
                path: folder.join(SENTENCE),
                what: "do_lower_case",
                found: "true".to_owned(),
                supported: "tokenizers that lower the case themselves, with false here",
            });
        }
        let length = sentence.as_ref().and_then(|fields| fields.get("max_seq_length")?.as_u64());
        made.max_tokens = length.and_then(|length| usize::try_from(length).ok());
        Ok(Some(made))
    }

    fn of(folder: &Path, module: &str) -> Result<Self, ModelError> {
        let path = folder.join(module).join("config.json");
        let unsupported = |found: String| ModelError::Unsupported {
            path: path.clone(),
            what: "pooling mode",
            found,
            supported: "cls, max, mean, mean_sqrt_len_tokens and lasttoken",
        };
        if !is_inside(module) {
            return Err(unsupported(module.to_owned()));
        }
        let fields: Map<String, Value> = read_json(&path, "pooling configuration")?;
        let named = |name: &str| match fields.get("pooling_mode") {
            Some(Value::String(mode)) => mode == name,
            Some(Value::Array(modes)) => modes.iter().any(|mode| mode == name),
            _ => false,
        };
        let mut pooling = Vec::new();
        for (flag, name, mode) in MODES {
            if fields.get(*flag).and_then(Value::as_bool).unwrap_or(false) || named(name) {
                pooling.push(mode.ok_or_else(|| unsupported((*name).to_owned()))?);
            }
        }
        if pooling.is_empty() {
            return Err(unsupported("none".to_owned()));
        }
        Ok(Self { pooling, ..Self::default() })
    }

    /// Writes the files of the pooling, without a norm, and names a classifier's folder after it.
    pub(super) fn save(&self, folder: &Path, hidden: usize, dense: Option<&str>) -> Result<(), ModelError> {
        let mut fields = Map::new();
        fields.insert("word_embedding_dimension".to_owned(), hidden.into());
        for (flag, _, mode) in MODES {
            let is_on = mode.is_some_and(|mode| self.pooling.contains(&mode));
            fields.insert((*flag).to_owned(), is_on.into());
        }
        let path = folder.join(POOLING);
        std::fs::create_dir_all(&path).map_err(|source| ModelError::File { path: path.clone(), source })?;
        write(&path.join("config.json"), &to_json(&fields))?;
        save_modules(folder, POOLING, dense)
    }

    /// The single way of pooling, where there is one.
    pub(super) fn single(&self) -> Option<Pooling> {
        if let [pooling] = self.pooling[..] { Some(pooling) } else { None }
    }

    /// Width of a vector.
    pub(super) fn size(&self, hidden: usize) -> usize {
        self.pooling.len() * hidden
    }

    /// Writes the vector of each sequence to `out`, `[sequences, size]`.
    pub(super) fn pool(
        &self,
        kernels: Kernels,
        states: &[f32],
        hidden: usize,
        lengths: &[usize],
        out: &mut [f32],
    ) {
        self.pool_only(kernels, states, hidden, lengths, out);
        if self.normalise {
            kernels.normalise_length(out, self.size(hidden));
        }
    }

    /// The same before the vectors are brought to length one.
    pub(super) fn pool_only(
        &self,
        kernels: Kernels,
        states: &[f32],
        hidden: usize,
        lengths: &[usize],
        out: &mut [f32],
    ) {
        if let [pooling] = self.pooling[..] {
            kernels.pool(pooling, states, hidden, lengths, out);
        } else {
            let mut rest = states;
            for (length, row) in lengths.iter().zip(out.chunks_exact_mut(self.size(hidden))) {
                let (tokens, after) = rest.split_at(length * hidden);
                rest = after;
                for (pooling, part) in self.pooling.iter().zip(row.chunks_exact_mut(hidden)) {
                    kernels.pool(*pooling, tokens, hidden, &[*length], part);
                }
            }
        }
    }
}

/// Whether the path of a module stays in the model's folder.
fn is_inside(module: &str) -> bool {
    !module.is_empty()
        && Path::new(module).components().all(|part| matches!(part, std::path::Component::Normal(_)))
}
