//! The tasks (model types) and the metrics that score them.

use serde::{Deserialize, Serialize};

/// What a model does; each task fixes the columns of its data and the form of its predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// One label per text.
    TextClassification,
    /// A set of labels per text.
    MultiLabelClassification,
    /// The language of a text.
    LanguageIdentification,
    /// Labelled spans in a text.
    TokenClassification,
    /// One label per pair of texts, such as entailment.
    TextPairClassification,
    /// Labels given at request time, scored by an entailment model.
    ZeroShotClassification,
    /// A vector per text.
    Embedding,
    /// A text in another language.
    Translation,
}

impl Task {
    /// Every task, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::TextClassification,
        Self::MultiLabelClassification,
        Self::LanguageIdentification,
        Self::TokenClassification,
        Self::TextPairClassification,
        Self::ZeroShotClassification,
        Self::Embedding,
        Self::Translation,
    ];

    /// The task's name in resources and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TextClassification => "text-classification",
            Self::MultiLabelClassification => "multi-label-classification",
            Self::LanguageIdentification => "language-identification",
            Self::TokenClassification => "token-classification",
            Self::TextPairClassification => "text-pair-classification",
            Self::ZeroShotClassification => "zero-shot-classification",
            Self::Embedding => "embedding",
            Self::Translation => "translation",
        }
    }

    /// The metrics of this task, the default first.
    pub fn metrics(self) -> &'static [Metric] {
        use Metric::*;
        match self {
            Self::TextClassification => &[MacroF1, Accuracy, MicroF1, WeightedF1, LogLoss],
            Self::MultiLabelClassification => &[MacroF1, MicroF1, ExactMatch],
            Self::LanguageIdentification | Self::TextPairClassification => &[Accuracy, MacroF1, LogLoss],
            Self::TokenClassification => &[EntityF1, EntityPrecision, EntityRecall, TokenAccuracy],
            Self::ZeroShotClassification => &[],
            Self::Embedding => &[Spearman, Pearson, NdcgAt10, RecallAt10, RecallAt1, MrrAt10],
            Self::Translation => &[Chrf, Bleu, Ter],
        }
    }
}

/// What rows of pairs of texts say of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairData {
    /// How alike the two texts are.
    Scored,
    /// That they belong together.
    Together,
}

impl PairData {
    /// The metrics of an embedding on such rows, the default first.
    pub fn metrics(self) -> &'static [Metric] {
        use Metric::*;
        match self {
            Self::Scored => &[Spearman, Pearson],
            Self::Together => &[NdcgAt10, RecallAt10, RecallAt1, MrrAt10],
        }
    }
}

/// A measure of quality; larger is better except where [`Metric::lower_is_better`] says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each name is the field's standard term")]
pub enum Metric {
    MacroF1,
    MicroF1,
    WeightedF1,
    Accuracy,
    LogLoss,
    ExactMatch,
    EntityF1,
    EntityPrecision,
    EntityRecall,
    TokenAccuracy,
    Spearman,
    Pearson,
    #[serde(rename = "recall-at-1")]
    RecallAt1,
    #[serde(rename = "recall-at-10")]
    RecallAt10,
    #[serde(rename = "mrr-at-10")]
    MrrAt10,
    #[serde(rename = "ndcg-at-10")]
    NdcgAt10,
    Chrf,
    Bleu,
    Ter,
}

impl Metric {
    /// The metric's name in resources and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MacroF1 => "macro-f1",
            Self::MicroF1 => "micro-f1",
            Self::WeightedF1 => "weighted-f1",
            Self::Accuracy => "accuracy",
            Self::LogLoss => "log-loss",
            Self::ExactMatch => "exact-match",
            Self::EntityF1 => "entity-f1",
            Self::EntityPrecision => "entity-precision",
            Self::EntityRecall => "entity-recall",
            Self::TokenAccuracy => "token-accuracy",
            Self::Spearman => "spearman",
            Self::Pearson => "pearson",
            Self::RecallAt1 => "recall-at-1",
            Self::RecallAt10 => "recall-at-10",
            Self::MrrAt10 => "mrr-at-10",
            Self::NdcgAt10 => "ndcg-at-10",
            Self::Chrf => "chrf",
            Self::Bleu => "bleu",
            Self::Ter => "ter",
        }
    }

    /// Whether a smaller value is the better one.
    pub fn lower_is_better(self) -> bool {
        matches!(self, Self::LogLoss | Self::Ter)
    }
}
