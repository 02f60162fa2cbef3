//! A classifier on the pooled states of a sequence, in the layout of sentence-transformers: its `Pooling` module followed by
//! a `Dense` one without an activation. `SentenceTransformer(FOLDER).encode(text)` gives the same logits.

use std::collections::BTreeMap;
use std::path::Path;

use loquat_kernels::Kernels;
use serde_json::{Map, Value, json};

use super::architecture::Architecture;
use super::pooling::Pooled;
use super::settings::Settings;
use crate::artifact::{to_json, write};
use crate::checkpoint::Checkpoint;
use crate::error::ModelError;
use crate::tensor::Tensor;

/// Folder of the `Dense` module.
const DENSE: &str = "2_Dense";
/// Its activation: none.
const IDENTITY: &str = "torch.nn.modules.linear.Identity";
/// Beginnings of the names of tensors that belong to another head.
const HEADS: [&str; 6] = ["classifier", "pre_classifier", "cls.", "lm_head", "head.", "vocab_"];

/// A linear classifier of the pooled states of a sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct PooledClassifier {
    /// Labels in the order of the logits.
    pub labels: Vec<String>,
    /// Whether a sequence may have several labels, or none.
    pub multi_label: bool,
    /// `[labels, features]`.
    pub weights: Vec<f32>,
    /// `[labels]`.
    pub bias: Vec<f32>,
}

impl Checkpoint {
    /// Writes the model into `folder` with `classifier` in the place of its head: trunk, tokenizer, pooling as
    /// [`Encoder::features`](super::Encoder::features) computes it, and the product that gives the logits.
    ///
    /// # Errors
    /// When a file can't be read or written, or the pooling is of a kind that is not supported.
    pub fn save_classifier(&self, classifier: &PooledClassifier, folder: &Path) -> Result<(), ModelError> {
        let pooled = Pooled::read(self.folder(), Kernels::detect())?.unwrap_or_default();
        let headless = self.without_head(classifier)?;
        headless.save(folder)?;
        let labels = classifier.labels.len();
        let features = classifier.weights.len() / labels.max(1);
        pooled.save(folder, width_of_states(Settings::new(&headless))?, Some(DENSE))?;
        let config = json!({
            "in_features": features, "out_features": labels, "bias": true, "activation_function": IDENTITY,
        });
        let tensors = BTreeMap::from([
            ("linear.weight".to_owned(), Tensor::from_f32(vec![labels, features], &classifier.weights)),
            ("linear.bias".to_owned(), Tensor::from_f32(vec![labels], &classifier.bias)),
        ]);
        let Value::Object(config) = config else { unreachable!("an object was written above") };
        Checkpoint::new(folder.join(DENSE), config, tensors).save(&folder.join(DENSE))
    }

    /// The trunk under a configuration that names the labels.
    fn without_head(&self, classifier: &PooledClassifier) -> Result<Self, ModelError> {
        let base = format!("{}.", Architecture::of(Settings::new(self))?.base());
        let headed = self.names().any(|name| name.starts_with(&base));
        let kept = |name: &str| trunk_tensor(name, &base, headed);
        let mut config = self.config().clone();
        named_labels(&mut config, &classifier.labels, "Model");
        let kind = if classifier.multi_label { "multi_label" } else { "single_label" };
        config.insert("problem_type".to_owned(), format!("{kind}_classification").into());
        Ok(self.only(config, kept))
    }
}

/// Whether a tensor belongs to the trunk and not to a head; in a `headed` checkpoint the trunk's names begin with `base`.
pub(super) fn trunk_tensor(name: &str, base: &str, headed: bool) -> bool {
    if headed { name.starts_with(base) } else { !HEADS.iter().any(|head| name.starts_with(head)) }
}

/// Names the class of `transformers` that ends with `head`.
pub(super) fn named_class(config: &mut Map<String, Value>, head: &str) {
    if let Some(Value::String(name)) = config.get_mut("architectures").and_then(|names| names.get_mut(0)) {
        let family = name.split_once("For").map(|(family, _)| family).or(name.strip_suffix("Model"));
        *name = format!("{}{head}", family.unwrap_or(name));
    }
}

/// Width of the states.
pub(super) fn width_of_states(settings: Settings<'_>) -> Result<usize, ModelError> {
    settings.size(if settings.get("dim").is_some() { "dim" } else { "hidden_size" })
}

/// Names the labels, and the class of `transformers` that ends with `head`.
pub(super) fn named_labels(config: &mut Map<String, Value>, labels: &[String], head: &str) {
    named_class(config, head);
    let numbered = || labels.iter().enumerate();
    let names: Map<String, Value> =
        numbered().map(|(id, label)| (id.to_string(), label.clone().into())).collect();
    let ids: Map<String, Value> = numbered().map(|(id, label)| (label.clone(), id.into())).collect();
    config.insert("id2label".to_owned(), names.into());
    config.insert("label2id".to_owned(), ids.into());
}

/// Writes `modules.json` for pooling in its own folder and, where there is one, a classifier in `dense`.
pub(super) fn save_modules(folder: &Path, pooling: &str, dense: Option<&str>) -> Result<(), ModelError> {
    let module = |index: usize, path: &str, kind: &str| json!({"idx": index, "name": index.to_string(), "path": path, "type": format!("sentence_transformers.models.{kind}")});
    let mut modules = vec![module(0, "", "Transformer"), module(1, pooling, "Pooling")];
    modules.extend(dense.map(|path| module(2, path, "Dense")));
    write(&folder.join(super::pooling::MODULES), &to_json(&modules))
}
