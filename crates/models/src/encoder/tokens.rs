//! A classifier on the states of tokens, in the layout of transformers' models for token classification, with what the shapes of
//! words add where the tokenizer folds case.

use std::path::Path;

use super::architecture::Architecture;
use super::classifier::{named_labels, trunk_tensor};
use super::settings::Settings;
use crate::checkpoint::Checkpoint;
use crate::error::ModelError;
use crate::tensor::Tensor;
use crate::word_shapes::SHAPE_ROWS;

/// Name of the table of shapes, which transformers leaves alone.
const SHAPES: &str = "loquat.shapes";

/// A linear classifier of the states of the first tokens of words.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenClassifier {
    /// Labels in the order of the logits.
    pub labels: Vec<String>,
    /// `[labels, hidden]`.
    pub weights: Vec<f32>,
    /// `[labels]`.
    pub bias: Vec<f32>,
    /// What each shape adds to the logits of a word, `[SHAPE_ROWS, labels]`; empty: nothing.
    pub shapes: Vec<f32>,
}

impl Checkpoint {
    /// Writes the model into `folder` with `classifier` in the place of its head: trunk, tokenizer, and a product for each token.
    ///
    /// # Errors
    /// When a file can't be read or written, or the architecture has no such head that is a product alone.
    pub fn save_token_classifier(
        &self,
        classifier: &TokenClassifier,
        folder: &Path,
    ) -> Result<(), ModelError> {
        let architecture = Architecture::of(Settings::new(self))?;
        if matches!(architecture, Architecture::ModernBert | Architecture::Bart) {
            let supported = "bert, distilbert, roberta, xlm-roberta and deberta-v2";
            return Err(self.unsupported("model_type", architecture.name(), supported));
        }
        let base = format!("{}.", architecture.base());
        let headed = self.names().any(|name| name.starts_with(&base));
        let mut config = self.config().clone();
        named_labels(&mut config, &classifier.labels, "ForTokenClassification");
        config.remove("problem_type");
        let kept = |name: &str| {
            trunk_tensor(name, &base, headed).then(|| match headed {
                true => name.to_owned(),
                false => format!("{base}{name}"),
            })
        };
        let labels = classifier.labels.len();
        let hidden = classifier.weights.len() / labels.max(1);
        let mut tensors = std::collections::BTreeMap::from([
            ("classifier.weight".to_owned(), Tensor::from_f32(vec![labels, hidden], &classifier.weights)),
            ("classifier.bias".to_owned(), Tensor::from_f32(vec![labels], &classifier.bias)),
        ]);
        if !classifier.shapes.is_empty() {
            let table = Tensor::from_f32(vec![SHAPE_ROWS, labels], &classifier.shapes);
            tensors.insert(SHAPES.to_owned(), table);
        }
        self.renamed(config, kept).with_tensors(tensors).save_without_modules(folder)
    }

    /// What shapes add to the logits of words, `[SHAPE_ROWS, labels]`; empty where the model knows nothing of shapes.
    ///
    /// # Errors
    /// When the table does not fit `labels`, or can't be read.
    pub fn shapes(&self, labels: usize) -> Result<Vec<f32>, ModelError> {
        let Some(table) = self.tensor(SHAPES)? else { return Ok(Vec::new()) };
        let fits = *table.shape() == [SHAPE_ROWS, labels];
        let values = table.to_f32().filter(|values| fits && values.iter().all(|value| value.is_finite()));
        values.ok_or_else(|| {
            self.tensor_error(SHAPES, "has another shape than the labels ask for, or holds no numbers")
        })
    }
}
