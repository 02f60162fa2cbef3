//! What one trial of the linear family is: features and solver, read from the search's parameters.

use std::collections::BTreeMap;

use loquat_models::{FeatureConfig, Norm, TermFrequency};
use loquat_text::{Ngrams, Normalisation};

/// Parameters of a trial by name, as they stand in the report.
pub(crate) type Parameters = BTreeMap<String, serde_json::Value>;

/// Why a trial of the linear family failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinearError {
    /// No n-gram occurs often enough.
    #[error("no n-gram occurs in {min_rows} training rows; give more data")]
    NoFeatures {
        /// Rows that an n-gram must occur in.
        min_rows: u32,
    },
    /// The weights are not finite.
    #[error("training diverged: a weight is not finite")]
    Diverged,
    /// A parameter is missing or not among the allowed ones.
    #[error("parameter {name:?} is missing or has no meaning here")]
    Parameter {
        /// Its name.
        name: &'static str,
    },
}

/// Which loss is minimised, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Solver {
    /// One-against-rest support vector machine, squared hinge loss.
    Svm { cost: f32, bayes_ratio: bool },
    /// One-against-rest logistic regression.
    Logistic { cost: f32, bayes_ratio: bool },
    /// Multinomial logistic regression.
    Softmax { cost: f32 },
    /// Multinomial logistic regression drawn to a share of multinomial naive Bayes.
    BayesSoftmax { cost: f32, smoothing: f32, share: f32 },
    /// Complement naive Bayes.
    ComplementBayes { smoothing: f32 },
    /// Multinomial naive Bayes.
    MultinomialBayes { smoothing: f32 },
    /// Averaged n-gram embeddings.
    Embedding { dimensions: usize, rate: f32, epochs: usize },
}

/// How much rows of rare classes count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClassWeight {
    /// Every row the same.
    None,
    /// In proportion to the inverse square root of the class's size.
    Root,
    /// In proportion to the inverse of the class's size.
    Balanced,
}

impl ClassWeight {
    /// By the word of the search.
    pub(crate) fn of(word: Option<&str>) -> Self {
        match word {
            Some("balanced") => Self::Balanced,
            Some("root") => Self::Root,
            _ => Self::None,
        }
    }
}

/// One trial of the linear family.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LinearConfig {
    pub(super) features: FeatureConfig,
    pub(super) min_rows: u32,
    pub(super) inverse_document_frequency: bool,
    pub(super) class_weight: ClassWeight,
    pub(super) solver: Solver,
}

impl LinearConfig {
    /// Reads the parameters that [`space`](super::space) describes.
    pub(crate) fn from_parameters(parameters: &Parameters) -> Result<Self, LinearError> {
        let text = |name: &'static str| {
            parameters.get(name).and_then(|v| v.as_str()).ok_or(LinearError::Parameter { name })
        };
        let number = |name: &'static str| {
            parameters.get(name).and_then(|v| v.as_f64()).ok_or(LinearError::Parameter { name })
        };
        let cost = || number("cost").map(|v| v as f32);
        let smoothing = || number("smoothing").map(|v| v as f32);
        let solver = match text("solver")? {
            "svm" => Solver::Svm { cost: cost()?, bayes_ratio: false },
            "bayes-svm" => Solver::Svm { cost: cost()?, bayes_ratio: true },
            "logistic" => Solver::Logistic { cost: cost()?, bayes_ratio: false },
            "bayes-logistic" => Solver::Logistic { cost: cost()?, bayes_ratio: true },
            "softmax" => Solver::Softmax { cost: cost()? },
            "bayes-softmax" => Solver::BayesSoftmax {
                cost: cost()?,
                smoothing: smoothing()?,
                share: number("bayes-share")? as f32,
            },
            "complement-bayes" => Solver::ComplementBayes { smoothing: smoothing()? },
            "multinomial-bayes" => Solver::MultinomialBayes { smoothing: smoothing()? },
            "embedding" => Solver::Embedding {
                dimensions: text("dimensions")?
                    .parse()
                    .map_err(|_| LinearError::Parameter { name: "dimensions" })?,
                rate: number("rate")? as f32,
                epochs: text("epochs")?.parse().map_err(|_| LinearError::Parameter { name: "epochs" })?,
            },
            _ => return Err(LinearError::Parameter { name: "solver" }),
        };
        let term_frequency = match text("term-frequency")? {
            "count" => TermFrequency::Count,
            "binary" => TermFrequency::Binary,
            _ => TermFrequency::Sublinear,
        };
        let class_weight = ClassWeight::of(parameters.get("class-weight").and_then(|v| v.as_str()));
        let norm = if matches!(solver, Solver::Embedding { .. }) { Norm::L1 } else { Norm::L2 };
        Ok(Self {
            features: FeatureConfig {
                normalisation: Normalisation { lowercase: text("case")? == "fold", nfkc: true },
                groups: ngrams(text("ngrams")?)?,
                term_frequency,
                norm,
            },
            min_rows: text("min-rows")?.parse().map_err(|_| LinearError::Parameter { name: "min-rows" })?,
            inverse_document_frequency: text("idf")? == "yes",
            class_weight,
            solver,
        })
    }
}

/// Reads `words2+characters2-5+skips1`.
fn ngrams(text: &str) -> Result<Vec<Ngrams>, LinearError> {
    let invalid = LinearError::Parameter { name: "ngrams" };
    let group = |part: &str| {
        if let Some(max) = part.strip_prefix("words") {
            return Some(Ngrams::Words { max: max.parse().ok()? });
        }
        if let Some(gap) = part.strip_prefix("skips") {
            return Some(Ngrams::SkipPairs { gap: gap.parse().ok()? });
        }
        let (min, max) = part.strip_prefix("characters")?.split_once('-')?;
        Some(Ngrams::Characters { min: min.parse().ok()?, max: max.parse().ok()? })
    };
    text.split('+').map(group).collect::<Option<Vec<_>>>().ok_or(invalid)
}
