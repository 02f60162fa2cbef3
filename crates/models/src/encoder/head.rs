//! What stands on the trunk: a classifier of sequences or of tokens, or pooling to a vector.

use std::fmt;

use loquat_kernels::{Activation, Epilogue, Kernels, LayerNorm, Linear, Matrix, Pooling};

use super::architecture::Architecture;
use super::batch::PackedBatch;
use super::loader::{Loader, Scope};
use super::pooling::Pooled;
use super::scratch::{EncoderScratch, sized};
use super::settings::Settings;
use crate::error::ModelError;

/// What an encoder answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// Logits for each sequence, one a label; sequences may be pairs of texts.
    Sequence,
    /// Logits for each token, one a label.
    Tokens,
    /// A vector for each sequence.
    Embedding,
    /// The states of the tokens and nothing more.
    States,
}

impl fmt::Display for Head {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Sequence => "a label for each text",
            Self::Tokens => "a label for each token",
            Self::Embedding => "a vector for each text",
            Self::States => "the states of its tokens",
        })
    }
}

/// The layers of a head.
#[derive(Debug)]
pub(super) enum Layers {
    Sequence { taken: Taken, classifier: Classifier },
    Pooled { pooled: Pooled, labels: usize },
    Tokens(Classifier),
    Embedding(Pooled),
    States,
}

/// The state that stands for a sequence.
#[derive(Debug, Clone, Copy)]
pub(super) enum Taken {
    /// Pooled from all.
    Pooled(Pooling),
    /// That of the last token with this id.
    LastOf(u32),
}

/// An optional dense layer, and the product that gives the logits.
#[derive(Debug)]
pub(super) struct Classifier {
    dense: Option<Dense>,
    output: Linear,
    labels: usize,
}

#[derive(Debug)]
struct Dense {
    product: Linear,
    activation: Activation,
    norm: Option<LayerNorm>,
}

impl Head {
    /// What to do when a model has another head than this.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Self::Sequence => "use a model for sequence classification",
            Self::Tokens => "use a model for token classification",
            Self::Embedding => {
                "use a model with sentence-transformers' modules.json and 1_Pooling/config.json"
            }
            Self::States => "ask for states",
        }
    }

    /// The head that a configuration names; a pooling configuration beside it makes any model an embedding, or a
    /// classifier where a dense module follows and the configuration says what kind of problem it solves.
    pub(super) fn of(settings: Settings<'_>, pooled: Option<&Pooled>) -> Result<Self, ModelError> {
        match pooled {
            Some(pooled) if pooled.has_dense() && settings.get("problem_type").is_some() => {
                return Ok(Self::Sequence);
            }
            Some(_) => return Ok(Self::Embedding),
            None => {}
        }
        let names = settings.get("architectures").and_then(|value| value.as_array());
        let name = names.and_then(|names| names.first()?.as_str()).unwrap_or("Model");
        let head =
            ["ForSequenceClassification", "ForTokenClassification", "Model", "ForMaskedLM", "ForPreTraining"];
        match head.iter().position(|suffix| name.ends_with(suffix)) {
            Some(0) => Ok(Self::Sequence),
            Some(1) => Ok(Self::Tokens),
            Some(_) => Ok(Self::States),
            None => Err(settings.unsupported(
                "architectures",
                name,
                "models for sequence classification, token classification and embedding",
            )),
        }
    }
}

impl Layers {
    pub(super) fn load(
        architecture: Architecture,
        head: Head,
        pooled: Option<Pooled>,
        loader: &Loader<'_>,
        settings: Settings<'_>,
        hidden: usize,
    ) -> Result<Self, ModelError> {
        let place = Place {
            architecture,
            root: loader.scope(""),
            trunk: loader.trunk(architecture.base()),
            settings,
            hidden,
        };
        Ok(match (head, pooled) {
            (Head::Sequence, Some(pooled)) if architecture != Architecture::Bart => {
                place.pooled_classifier(pooled)?
            }
            (Head::Sequence, _) => {
                Self::Sequence { taken: place.taken()?, classifier: place.sequence_classifier()? }
            }
            (Head::Tokens, _) => Self::Tokens(place.token_classifier()?),
            // The states of its decoder stand for a classifier's input and for nothing else.
            (_, _) if architecture == Architecture::Bart => return Err(place.bart_classifies()),
            (Head::Embedding, Some(pooled)) if !pooled.fits(hidden) => {
                return Err(settings.unsupported(
                    "hidden_size",
                    hidden.to_string(),
                    "the in_features of the Dense module",
                ));
            }
            (Head::Embedding, Some(pooled)) => Self::Embedding(pooled),
            (Head::Embedding | Head::States, _) => Self::States,
        })
    }

    /// Number of logits, `None` where there is no classifier.
    pub(super) fn labels(&self) -> Option<usize> {
        match self {
            Self::Sequence { classifier, .. } | Self::Tokens(classifier) => Some(classifier.labels),
            Self::Pooled { labels, .. } => Some(*labels),
            Self::Embedding(_) | Self::States => None,
        }
    }

    /// The token that every sequence must hold.
    pub(super) fn needed(&self) -> Option<u32> {
        match self {
            Self::Sequence { taken: Taken::LastOf(id), .. } => Some(*id),
            _ => None,
        }
    }

    /// Writes the answer for the states in `scratch.hidden` to `scratch.output` and returns its length.
    pub(super) fn forward(
        &self,
        kernels: Kernels,
        batch: &PackedBatch,
        hidden: usize,
        scratch: &mut EncoderScratch,
    ) -> usize {
        let states = &scratch.hidden[..batch.tokens() * hidden];
        match self {
            Self::Sequence { taken, classifier } => {
                let pooled = sized(&mut scratch.pooled, batch.sequences() * hidden);
                taken.take(kernels, batch, states, pooled);
                std::mem::swap(&mut scratch.hidden, &mut scratch.pooled);
                classifier.forward(kernels, batch.sequences(), hidden, scratch)
            }
            Self::Tokens(classifier) => classifier.forward(kernels, batch.tokens(), hidden, scratch),
            Self::Embedding(pooled) | Self::Pooled { pooled, .. } => {
                let output = sized(&mut scratch.output, batch.sequences() * pooled.size(hidden));
                let buffers = (&mut scratch.pooled, &mut scratch.kernels);
                pooled.forward(kernels, (states, hidden), batch.lengths(), buffers, output);
                output.len()
            }
            Self::States => {
                let output = sized(&mut scratch.output, states.len());
                output.copy_from_slice(states);
                output.len()
            }
        }
    }
}

impl Taken {
    /// Writes one state a sequence to `out`, `[sequences, hidden]`, for a batch that is not empty.
    fn take(self, kernels: Kernels, batch: &PackedBatch, states: &[f32], out: &mut [f32]) {
        let hidden = out.len() / batch.sequences();
        match self {
            Self::Pooled(pooling) => kernels.pool(pooling, states, hidden, batch.lengths(), out),
            Self::LastOf(id) => {
                for (range, out) in batch.ranges().zip(out.chunks_exact_mut(hidden)) {
                    let place =
                        batch.ids()[range.clone()].iter().rposition(|other| *other == id).unwrap_or(0);
                    out.copy_from_slice(&states[(range.start + place) * hidden..][..hidden]);
                }
            }
        }
    }
}

impl Classifier {
    /// Logits of `rows` rows of `scratch.hidden`.
    fn forward(&self, kernels: Kernels, rows: usize, hidden: usize, scratch: &mut EncoderScratch) -> usize {
        let output = sized(&mut scratch.output, rows * self.labels);
        let input = &scratch.hidden[..rows * hidden];
        let input = match &self.dense {
            None => input,
            Some(dense) => {
                let inner = sized(&mut scratch.head, rows * hidden);
                let epilogue = Epilogue::activation(dense.activation);
                kernels.linear(
                    Matrix::new(input, hidden),
                    &dense.product,
                    epilogue,
                    inner,
                    &mut scratch.kernels,
                );
                if let Some(norm) = &dense.norm {
                    kernels.layer_norm_in_place(norm, inner);
                }
                &*inner
            }
        };
        kernels.linear(
            Matrix::new(input, hidden),
            &self.output,
            Epilogue::NONE,
            output,
            &mut scratch.kernels,
        );
        output.len()
    }
}

/// Where the layers of a head are looked for.
struct Place<'l> {
    architecture: Architecture,
    root: Scope<'l>,
    trunk: Scope<'l>,
    settings: Settings<'l>,
    hidden: usize,
}

impl Place<'_> {
    fn taken(&self) -> Result<Taken, ModelError> {
        match self.architecture {
            Architecture::Bart => Ok(Taken::LastOf(self.settings.id("eos_token_id", 2)?)),
            Architecture::ModernBert => match self.settings.text("classifier_pooling", "cls")? {
                "cls" => Ok(Taken::Pooled(Pooling::First)),
                "mean" => Ok(Taken::Pooled(Pooling::Mean)),
                other => Err(self.settings.unsupported("classifier_pooling", other, "cls and mean")),
            },
            _ => Ok(Taken::Pooled(Pooling::First)),
        }
    }

    fn sequence_classifier(&self) -> Result<Classifier, ModelError> {
        let (dense, output) = match self.architecture {
            Architecture::Bert => {
                (self.dense(&self.trunk.at("pooler.dense"), Activation::Tanh)?, "classifier")
            }
            Architecture::DistilBert => {
                (self.dense(&self.root.at("pre_classifier"), Activation::Relu)?, "classifier")
            }
            Architecture::Roberta | Architecture::XlmRoberta => {
                (self.dense(&self.root.at("classifier.dense"), Activation::Tanh)?, "classifier.out_proj")
            }
            Architecture::Deberta => {
                let activation = self.settings.activation("pooler_hidden_act", "gelu")?;
                (self.dense(&self.root.at("pooler.dense"), activation)?, "classifier")
            }
            Architecture::ModernBert => (self.normalised_dense()?, "classifier"),
            Architecture::Bart => {
                let dense = self.dense(&self.root.at("classification_head.dense"), Activation::Tanh)?;
                (dense, "classification_head.out_proj")
            }
        };
        self.classifier(Some(dense), output)
    }

    /// The classifier that follows a pooling; the configuration names its labels.
    fn pooled_classifier(&self, pooled: Pooled) -> Result<Layers, ModelError> {
        let labels = self.settings.labels()?.map_or(0, |labels| labels.len());
        if labels != pooled.size(self.hidden) || !pooled.fits(self.hidden) {
            let supported = "a label for each output of a Dense module that fits the pooling";
            return Err(self.settings.unsupported("id2label", labels.to_string(), supported));
        }
        Ok(Layers::Pooled { pooled, labels })
    }

    fn token_classifier(&self) -> Result<Classifier, ModelError> {
        match self.architecture {
            Architecture::ModernBert => self.classifier(Some(self.normalised_dense()?), "classifier"),
            Architecture::Bart => Err(self.bart_classifies()),
            _ => self.classifier(None, "classifier"),
        }
    }

    fn bart_classifies(&self) -> ModelError {
        self.settings.unsupported("architectures", "bart without it", "BartForSequenceClassification")
    }

    /// ModernBERT's prediction head.
    fn normalised_dense(&self) -> Result<Dense, ModelError> {
        let (place, settings) = (self.root.at("head"), self.settings);
        let bias = settings.flag("classifier_bias", false)?;
        Ok(Dense {
            product: place.at("dense").head(self.hidden, self.hidden, bias)?,
            activation: settings.activation("classifier_activation", "gelu")?,
            norm: Some(place.at("norm").layer_norm(self.hidden, settings.float("norm_eps", 1e-5)?)?),
        })
    }

    fn dense(&self, scope: &Scope<'_>, activation: Activation) -> Result<Dense, ModelError> {
        Ok(Dense { product: scope.head(self.hidden, self.hidden, true)?, activation, norm: None })
    }

    /// The weights say how many labels there are, and the configuration must name as many or none.
    fn classifier(&self, dense: Option<Dense>, output: &str) -> Result<Classifier, ModelError> {
        let output = self.root.at(output);
        let labels = match self.settings.labels()? {
            Some(labels) => labels.len(),
            None => output.rows("weight")?,
        };
        Ok(Classifier { dense, output: output.head(labels, self.hidden, true)?, labels })
    }
}
