//! The pooling that sentence-transformers' files describe: `modules.json`, the folders of its modules, and the prompts that
//! stand before a text.

use std::path::{Component, Path, PathBuf};

use loquat_kernels::{Aligned, Kernels, Pooling, Scratch};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::classifier::save_modules;
use super::dense::Dense;
use super::prompts::Prompts;
use super::scratch::sized;
use crate::artifact::{read_json, to_json, write};
use crate::checkpoint::read_json_if_there;
use crate::error::ModelError;

pub(super) const MODULES: &str = "modules.json";
/// Folder of the module that pools.
const POOLING: &str = "1_Pooling";
const SENTENCE: &str = "sentence_bert_config.json";

/// How the states of a sequence become its vector.
#[derive(Debug, Clone)]
pub(crate) struct Pooled {
    /// One vector each, side by side.
    pooling: Vec<Pooling>,
    dense: Option<Dense>,
    normalise: bool,
    /// What stands before a text.
    pub(crate) prompts: Prompts,
    /// The most tokens of a text that the model is meant for.
    pub(crate) max_tokens: Option<usize>,
}

/// The mean of the states, which suits most encoders that say nothing of pooling.
impl Default for Pooled {
    fn default() -> Self {
        Self {
            pooling: vec![Pooling::Mean],
            dense: None,
            normalise: false,
            prompts: Prompts::default(),
            max_tokens: None,
        }
    }
}

#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

/// The flags of older pooling configurations, and the names that newer ones have for the same.
const MODES: &[(&str, &str, Pooling)] = &[
    ("pooling_mode_cls_token", "cls", Pooling::First),
    ("pooling_mode_max_tokens", "max", Pooling::Max),
    ("pooling_mode_mean_tokens", "mean", Pooling::Mean),
    ("pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", Pooling::MeanSquareRoot),
    ("pooling_mode_weightedmean_tokens", "weightedmean", Pooling::WeightedMean),
    ("pooling_mode_lasttoken", "lasttoken", Pooling::Last),
];

impl Pooled {
    /// Reads the files of a folder; `None` when they are not there.
    pub(crate) fn read(folder: &Path, kernels: Kernels) -> Result<Option<Self>, ModelError> {
        let path = folder.join(MODULES);
        let Some(modules) = read_json_if_there::<Vec<Module>>(&path, "list of modules")? else {
            return Ok(None);
        };
        let unsupported = |found: &str| ModelError::Unsupported {
            path: path.clone(),
            what: "module",
            found: found.to_owned(),
            supported: "Transformer, Pooling, one Dense and Normalize, in this order",
        };
        let mut made: Option<Self> = None;
        for module in &modules {
            match (module.kind.rsplit('.').next().unwrap_or_default(), &mut made) {
                ("Transformer", None) if module.path.is_empty() => {}
                ("Pooling", None) => made = Some(Self::of(folder, &module.path)?),
                ("Dense", Some(made)) if made.dense.is_none() && !made.normalise => {
                    made.dense = Some(Dense::read(&inside(folder, &module.path)?, kernels)?);
                }
                ("Normalize", Some(made)) => made.normalise = true,
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
        let path = inside(folder, module)?.join("config.json");
        let unsupported = |found: String| ModelError::Unsupported {
            path: path.clone(),
            what: "pooling mode",
            found,
            supported: "cls, max, mean, mean_sqrt_len_tokens, weightedmean and lasttoken",
        };
        let fields: Map<String, Value> = read_json(&path, "pooling configuration")?;
        let named = |name: &str| match fields.get("pooling_mode") {
            Some(Value::String(mode)) => mode == name,
            Some(Value::Array(modes)) => modes.iter().any(|mode| mode == name),
            _ => false,
        };
        let mut pooling = Vec::new();
        for (flag, name, mode) in MODES {
            if fields.get(*flag).and_then(Value::as_bool).unwrap_or(false) || named(name) {
                pooling.push(*mode);
            }
        }
        if pooling.is_empty() {
            return Err(unsupported("none".to_owned()));
        }
        let mut prompts = Prompts::read(folder)?;
        if fields.get("include_prompt").and_then(Value::as_bool) == Some(false) {
            if !prompts.by_default().is_empty() {
                return Err(ModelError::Unsupported {
                    path,
                    what: "include_prompt",
                    found: "false".to_owned(),
                    supported: "true, where a model has a default prompt",
                });
            }
            // Without a default the model answers without prompts; those that a request could name are of no use here.
            prompts = Prompts::default();
        }
        Ok(Self { pooling, prompts, ..Self::default() })
    }

    /// Whether a dense module follows the pooling.
    pub(super) fn has_dense(&self) -> bool {
        self.dense.is_some()
    }

    /// Whether the modules fit each other and a trunk of such a width.
    pub(crate) fn fits(&self, hidden: usize) -> bool {
        self.dense.as_ref().is_none_or(|dense| dense.inputs() == self.pooled_size(hidden))
    }

    /// Writes the files of the pooling, without a norm, and names a classifier's folder after it.
    pub(super) fn save(&self, folder: &Path, hidden: usize, dense: Option<&str>) -> Result<(), ModelError> {
        let mut fields = Map::new();
        fields.insert("word_embedding_dimension".to_owned(), hidden.into());
        for (flag, _, mode) in MODES {
            fields.insert((*flag).to_owned(), self.pooling.contains(mode).into());
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

    /// Width of a vector as it is pooled.
    pub(super) fn pooled_size(&self, hidden: usize) -> usize {
        self.pooling.len() * hidden
    }

    /// Width of a vector.
    pub(crate) fn size(&self, hidden: usize) -> usize {
        self.dense.as_ref().map_or(self.pooled_size(hidden), Dense::outputs)
    }

    /// Writes the vector of each sequence to `out`, `[sequences, size]`; `between` holds the vectors before a dense module.
    pub(crate) fn forward(
        &self,
        kernels: Kernels,
        (states, hidden): (&[f32], usize),
        lengths: &[usize],
        (between, scratch): (&mut Aligned<f32>, &mut Scratch),
        out: &mut [f32],
    ) {
        match &self.dense {
            None => self.pool(kernels, states, hidden, lengths, out),
            Some(dense) => {
                let pooled = sized(between, lengths.len() * self.pooled_size(hidden));
                self.pool(kernels, states, hidden, lengths, pooled);
                dense.forward(kernels, pooled, out, scratch);
            }
        }
        if self.normalise {
            kernels.normalise_length(out, self.size(hidden));
        }
    }

    /// The pooling alone, `[sequences, pooled_size]`.
    pub(super) fn pool(
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
            for (length, row) in lengths.iter().zip(out.chunks_exact_mut(self.pooled_size(hidden))) {
                let (tokens, after) = rest.split_at(length * hidden);
                rest = after;
                for (pooling, part) in self.pooling.iter().zip(row.chunks_exact_mut(hidden)) {
                    kernels.pool(*pooling, tokens, hidden, &[*length], part);
                }
            }
        }
    }
}

/// The folder of a module, which lies inside of the model's.
fn inside(folder: &Path, module: &str) -> Result<PathBuf, ModelError> {
    if Path::new(module).components().all(|part| matches!(part, Component::Normal(_))) {
        return Ok(folder.join(module));
    }
    Err(ModelError::Unsupported {
        path: folder.join(MODULES),
        what: "path of a module",
        found: module.to_owned(),
        supported: "folders inside of the model's",
    })
}
