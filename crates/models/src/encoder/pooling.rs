//! The pooling that sentence-transformers' files describe: `modules.json` and the `config.json` of its pooling module.

use std::path::Path;

use loquat_kernels::{Kernels, Pooling};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::artifact::read_json;
use crate::checkpoint::read_json_if_there;
use crate::error::ModelError;

const MODULES: &str = "modules.json";
const SENTENCE: &str = "sentence_bert_config.json";

/// How the states of a sequence become its vector.
#[derive(Debug, Clone)]
pub(super) struct Pooled {
    /// One vector each, side by side.
    pooling: Vec<Pooling>,
    normalise: bool,
    /// The most tokens of a text that the model is meant for.
    pub(super) max_tokens: Option<usize>,
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
            supported: "Transformer, Pooling and Normalize",
        };
        let mut made: Option<Self> = None;
        for module in &modules {
            match (module.kind.rsplit('.').next().unwrap_or_default(), &mut made) {
                ("Transformer", None) if module.path.is_empty() => {}
                ("Pooling", None) => made = Some(Self::of(folder, &module.path)?),
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
        let path = folder.join(module).join("config.json");
        let unsupported = |found: String| ModelError::Unsupported {
            path: path.clone(),
            what: "pooling mode",
            found,
            supported: "cls, max, mean, mean_sqrt_len_tokens and lasttoken",
        };
        let outside =
            Path::new(module).components().any(|part| !matches!(part, std::path::Component::Normal(_)));
        if outside {
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
        Ok(Self { pooling, normalise: false, max_tokens: None })
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
        if self.normalise {
            kernels.normalise_length(out, self.size(hidden));
        }
    }
}
