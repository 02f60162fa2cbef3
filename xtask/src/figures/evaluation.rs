//! Quality on public evaluation sets: the resource a user would write, at most ten minutes (with encoders 45 at most), one look at the
//! test split.

use anyhow::Result;

use crate::figures::record::{Bench, Record, Target};
use crate::figures::training::{Folder, detail, number};

/// One evaluation set.
#[derive(Debug)]
pub(crate) struct Evaluation {
    /// Name of the resource file, the model and the figure.
    pub(crate) name: &'static str,
    /// The metric that is compared, as the report names it.
    pub(crate) metric: &'static str,
    /// What it should reach, in percent; none for what others are held against.
    pub(crate) target: Option<f64>,
}

/// MASSIVE, English, 60 intents.
pub(crate) const MASSIVE: Evaluation = Evaluation { name: "massive", metric: "accuracy", target: Some(86.5) };
/// GoEmotions, 28 labels, several a text.
pub(crate) const GOEMOTIONS: Evaluation =
    Evaluation { name: "goemotions", metric: "macro-f1", target: Some(48.0) };
/// SIB-200, 7 topics in 25 languages, grouped by sentence.
pub(crate) const SIB200: Evaluation = Evaluation { name: "sib200", metric: "accuracy", target: Some(77.0) };
/// Tatoeba sentences, 87 languages.
pub(crate) const TATOEBA_LANGID: Evaluation =
    Evaluation { name: "tatoeba-langid", metric: "accuracy", target: Some(96.0) };

/// MASSIVE again, with encoders that start from all-MiniLM-L6-v2, in half an hour.
pub(crate) const ENCODER_MASSIVE: Evaluation =
    Evaluation { name: "encoder-massive", metric: "accuracy", target: Some(88.5) };
/// GoEmotions likewise, in 45 minutes.
pub(crate) const ENCODER_GOEMOTIONS: Evaluation =
    Evaluation { name: "encoder-goemotions", metric: "macro-f1", target: Some(50.0) };

/// WNUT17, six kinds of names in posts, from all-MiniLM-L6-v2, in 25 minutes.
pub(crate) const WNUT17: Evaluation = Evaluation { name: "wnut17", metric: "entity-f1", target: Some(40.0) };
/// The same without an encoder, in ten minutes.
pub(crate) const WNUT17_LINEAR: Evaluation =
    Evaluation { name: "wnut17-linear", metric: "entity-f1", target: None };
/// Entailment on SNLI's test rows, learned from 24,000 pairs of SICK, SNLI and MNLI, from all-MiniLM-L6-v2, in 35 minutes.
pub(crate) const NLI: Evaluation = Evaluation { name: "nli", metric: "accuracy", target: Some(78.0) };

/// Trains from nothing and reads the test metric from the report.
pub(crate) fn measure(bench: &Bench, evaluation: &Evaluation) -> Result<Vec<Record>> {
    let folder = Folder::open(bench, evaluation.name)?;
    folder.clear()?;
    let seconds = folder.train()?;
    let report = folder.report(evaluation.name)?;
    let pointer = format!("/test/metrics/{}/value", evaluation.metric);
    let percent = number(&report, &pointer)? * 100.0;
    let figure = format!("{}/{}", evaluation.name, evaluation.metric);
    let target = evaluation.target.map(Target::AtLeast);
    let record = bench.record(&figure, "%", target, vec![percent]).with_detail(detail(&report, seconds));
    Ok(vec![record])
}
