//! Cascades: a cheap version answers what it is sure of, a dear one for the same labels the rest.
//!
//! How sure is sure enough is measured elsewhere, on rows that neither version was trained on; here is what "sure" means,
//! which versions go together, and who answers what.

use std::collections::BTreeSet;

use loquat_spec::{ErrorCode, LabelScore, PredictParameters, Prediction, Task};

use crate::error::InferError;
use crate::input::Input;
use crate::pipeline::Pipeline;

/// The tasks whose answers can be compared as a whole.
const TASKS: [Task; 5] = [
    Task::TextClassification,
    Task::MultiLabelClassification,
    Task::LanguageIdentification,
    Task::TextPairClassification,
    Task::ZeroShotClassification,
];
/// Probabilities nearer than this to 0 or 1 count as this far away.
const LEAST: f32 = 1e-6;
/// Labels that a message names.
const NAMED: usize = 5;

/// Why two versions make no cascade.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CascadeError {
    /// The task's answers can't be compared.
    #[error("cascades for {} are not yet supported; those for tasks that label a whole text are", task.as_str())]
    Task {
        /// What the versions answer.
        task: Task,
    },
    /// Versions for different tasks.
    #[error(
        "{cheap} is for {} and {dear} for {}: the versions of a cascade answer the same task",
        cheap_task.as_str(),
        dear_task.as_str()
    )]
    Tasks {
        /// The version asked first.
        cheap: String,
        /// Its task.
        cheap_task: Task,
        /// The version that answers the rest.
        dear: String,
        /// Its task.
        dear_task: Task,
    },
    /// Versions with different labels.
    #[error("{one} has labels that {other} lacks: {labels}; train both on the same labels")]
    Labels {
        /// The version that has them.
        one: String,
        /// The version that lacks them.
        other: String,
        /// Some of them.
        labels: String,
    },
    /// One artifact against itself.
    #[error("{cheap} and {dear} are the same artifact: name a cheaper version")]
    Same {
        /// The version asked first.
        cheap: String,
        /// The version that answers the rest.
        dear: String,
    },
}

impl CascadeError {
    /// The failure's kind in the words that every surface shares.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Task { .. } => ErrorCode::Unsupported,
            Self::Tasks { .. } | Self::Labels { .. } | Self::Same { .. } => ErrorCode::Invalid,
        }
    }
}

/// Checks that `cheap` can be asked before `dear`: the same task and the same labels, in any order. Labels of zero-shot
/// classification are the endpoint's or the request's, whatever the models have.
///
/// # Errors
/// When it can't.
pub fn check_cascade(cheap: &Pipeline, dear: &Pipeline) -> Result<(), CascadeError> {
    let task = dear.task();
    if cheap.task() != task {
        return Err(CascadeError::Tasks {
            cheap: cheap.shown(),
            cheap_task: cheap.task(),
            dear: dear.shown(),
            dear_task: task,
        });
    }
    if !TASKS.contains(&task) {
        return Err(CascadeError::Task { task });
    }
    let own_labels = task != Task::ZeroShotClassification;
    for (one, other) in [(cheap, dear), (dear, cheap)].into_iter().filter(|_| own_labels) {
        let known: BTreeSet<&String> = other.labels().iter().collect();
        let lacking: Vec<&str> =
            one.labels().iter().filter(|label| !known.contains(label)).map(String::as_str).collect();
        if !lacking.is_empty() {
            let labels = lacking.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
            return Err(CascadeError::Labels { one: one.shown(), other: other.shown(), labels });
        }
    }
    if !cheap.digest().is_empty() && cheap.digest() == dear.digest() {
        return Err(CascadeError::Same { cheap: cheap.shown(), dear: dear.shown() });
    }
    Ok(())
}

/// Whether two predictions for `task` are the same answer: the same label, the same set of labels, or of zero-shot classification,
/// which answers all labels, the same best one.
pub fn agree(task: Task, left: &Prediction, right: &Prediction) -> bool {
    match (left, right) {
        (Prediction::Labels { labels: left }, Prediction::Labels { labels: right })
            if task == Task::ZeroShotClassification =>
        {
            let best = |labels: &[LabelScore]| labels.first().map(|scored| scored.label.clone());
            best(left) == best(right)
        }
        (Prediction::Label { label: left, .. }, Prediction::Label { label: right, .. }) => left == right,
        (Prediction::Labels { labels: left }, Prediction::Labels { labels: right }) => {
            let set = |labels: &[LabelScore]| -> BTreeSet<String> {
                labels.iter().map(|scored| scored.label.clone()).collect()
            };
            set(left) == set(right)
        }
        _ => left == right,
    }
}

impl Pipeline {
    /// One prediction per input, in order, with how sure the model is of it as a whole, from 0 to 1; for tasks that label whole
    /// texts. Of one label: its probability. Of a set: how far, in log-odds, the label in most doubt is from its threshold,
    /// squeezed by the logistic function to 0.5 and above. Of zero-shot classification: the best label's score.
    ///
    /// # Errors
    /// When the task labels no whole texts, the parameters are not the task's, or the model can't answer.
    pub fn predict_sure(
        &self,
        inputs: &[Input],
        parameters: &PredictParameters,
        threads: usize,
    ) -> Result<Vec<(Prediction, f32)>, InferError> {
        if !TASKS.contains(&self.task()) {
            return Err(InferError::UnsupportedTask { model: self.shown(), task: self.task() });
        }
        self.check_parameters(parameters)?;
        if self.task() == Task::ZeroShotClassification {
            let answers = self.score_labels(inputs, parameters, threads)?;
            let confidences: Vec<f32> = answers.iter().map(best_score).collect();
            return Ok(answers.into_iter().zip(confidences).collect());
        }
        let probabilities = self.scores(inputs, threads)?;
        let confidences: Vec<f32> = probabilities.iter().map(|scores| self.confidence(scores)).collect();
        Ok(self.answers(inputs, probabilities, parameters, threads).into_iter().zip(confidences).collect())
    }

    /// Whether a version that is asked first may answer requests with these parameters: another threshold than the model's own
    /// asks for another set of labels than the one that was calibrated. So do other labels or another template than the endpoint's,
    /// and scores of labels each on its own mean something else to each model.
    pub fn may_answer_early(&self, parameters: &PredictParameters) -> bool {
        let as_calibrated = self.task() != Task::ZeroShotClassification
            || parameters.exclusive
                && parameters.labels.as_ref().is_none_or(|labels| *labels == self.declared().labels)
                && parameters
                    .template
                    .as_ref()
                    .is_none_or(|one| self.declared().template.as_ref() == Some(one));
        as_calibrated && parameters.threshold.is_none() && self.check_parameters(parameters).is_ok()
    }

    /// The parameters that a cascade of such versions is calibrated with.
    pub fn calibration_parameters(&self) -> PredictParameters {
        let exclusive = self.task() == Task::ZeroShotClassification;
        PredictParameters { exclusive, ..PredictParameters::default() }
    }

    fn confidence(&self, scores: &[f32]) -> f32 {
        if self.task() != Task::MultiLabelClassification {
            return scores.iter().copied().fold(0.0, f32::max);
        }
        let thresholds = self.manifest().thresholds.as_deref().unwrap_or_default();
        let distances = scores
            .iter()
            .zip(thresholds)
            .map(|(score, threshold)| (log_odds(*score) - log_odds(*threshold)).abs());
        1.0 / (1.0 + (-distances.fold(f32::INFINITY, f32::min)).exp())
    }
}

/// The score of the best label.
fn best_score(answer: &Prediction) -> f32 {
    match answer {
        Prediction::Labels { labels } => labels.first().map_or(0.0, |scored| scored.score),
        _ => 0.0,
    }
}

fn log_odds(probability: f32) -> f32 {
    let probability = probability.clamp(LEAST, 1.0 - LEAST);
    (probability / (1.0 - probability)).ln()
}

/// Inputs on their way from version to version: each takes what is open and hands on what it is not sure of.
#[derive(Debug)]
pub struct Relay<T> {
    answers: Vec<Option<T>>,
}

impl<T> Relay<T> {
    /// So many inputs, all open.
    pub fn new(inputs: usize) -> Self {
        Self { answers: (0..inputs).map(|_| None).collect() }
    }

    /// Those of `inputs`, all that there are, that are open.
    pub fn open<'a>(&self, inputs: &'a [Input]) -> Vec<&'a Input> {
        let open = self.answers.iter().zip(inputs).filter(|(answer, _)| answer.is_none());
        open.map(|(_, input)| input).collect()
    }

    /// Takes one answer for each open input, in order, `None` where it stays open; gives how many were answered.
    pub fn take(&mut self, answers: impl IntoIterator<Item = Option<T>>) -> usize {
        let open = self.answers.iter_mut().filter(|answer| answer.is_none());
        let mut answered = 0;
        for (place, answer) in open.zip(answers) {
            answered += usize::from(answer.is_some());
            *place = answer;
        }
        answered
    }

    /// The answers in the order of the inputs; what is open is left out.
    pub fn finish(self) -> Vec<T> {
        self.answers.into_iter().flatten().collect()
    }
}

/// One prediction per input: of each stage, a version with the confidence from which it answers, what it is sure of, of `dear` the
/// rest.
///
/// # Errors
/// When a version can't answer.
pub fn answer_in_turn(
    stages: &[(&Pipeline, f32)],
    dear: &Pipeline,
    inputs: &[Input],
    (parameters, threads): (&PredictParameters, usize),
) -> Result<Vec<Prediction>, InferError> {
    let mut relay = Relay::new(inputs.len());
    for (pipeline, threshold) in stages {
        let open: Vec<Input> = relay.open(inputs).into_iter().cloned().collect();
        let answers = pipeline.predict_sure(&open, parameters, threads)?;
        relay.take(answers.into_iter().map(|(answer, sure)| (sure >= *threshold).then_some(answer)));
    }
    let open: Vec<Input> = relay.open(inputs).into_iter().cloned().collect();
    if !open.is_empty() {
        relay.take(dear.predict(&open, parameters, threads)?.into_iter().map(Some));
    }
    Ok(relay.finish())
}
