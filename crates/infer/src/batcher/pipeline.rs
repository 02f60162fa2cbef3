//! Pipelines behind a [`Batcher`](super::Batcher).

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use loquat_spec::{PredictParameters, Prediction, Task};

use super::cost::CostModel;
use super::pool::{Compute, Part};
use crate::error::InferError;
use crate::input::Input;
use crate::pipeline::Pipeline;
use crate::self_test::input_of;

/// How much more an explained prediction costs than a plain one, about.
const EXPLAINED: u64 = 8;
/// What a cost model is measured with where a model has no golden inputs.
const SAMPLE: &str = "a sentence of ordinary length, as people write it to each other every day";
/// Labels that zero-shot classification is measured with.
const SAMPLE_LABELS: [&str; 2] = ["praise", "complaint"];
/// Bytes of text for a piece, about.
const BYTES_PER_PIECE: u64 = 4;
/// What asking a server costs at first sight.
const ROUND_TRIP: Duration = Duration::from_millis(2);
/// Pieces of a label in its sentence, about.
const HYPOTHESIS: u64 = 8;

/// One request to a pipeline; its parameters have been checked.
#[derive(Debug, Clone)]
pub struct PipelineJob {
    /// The version that answers.
    pub pipeline: Arc<Pipeline>,
    /// Its inputs.
    pub inputs: Vec<Input>,
    /// How to answer.
    pub parameters: PredictParameters,
    /// With what to answer.
    pub asks: Asks,
}

/// With what a job is answered.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Asks {
    /// Predictions.
    #[default]
    Predictions,
    /// Predictions of which the model is at least this sure, as [`Pipeline::predict_sure`] measures it.
    SurePredictions(f32),
    /// The states of tokens.
    TokenVectors,
}

/// The answer to one input.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// A prediction.
    Prediction(Prediction),
    /// The model is not sure enough.
    Unsure,
    /// The last state of every token, `[tokens][hidden]`.
    TokenVectors(Vec<Vec<f32>>),
}

impl Output {
    /// The prediction, where it is one.
    pub fn prediction(self) -> Option<Prediction> {
        match self {
            Self::Prediction(prediction) => Some(prediction),
            Self::TokenVectors(_) | Self::Unsure => None,
        }
    }

    /// The states of tokens, where they are that.
    pub fn token_vectors(self) -> Option<Vec<Vec<f32>>> {
        match self {
            Self::TokenVectors(states) => Some(states),
            Self::Prediction(_) | Self::Unsure => None,
        }
    }
}

/// Computes jobs of any pipelines. Jobs of one version with the same parameters are computed together.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pipelines;

impl PipelineJob {
    /// Tokens of each input, for its cost.
    pub fn tokens(&self) -> Vec<u64> {
        let factor = if self.parameters.explain { EXPLAINED } else { 1 };
        let cost = |input| factor * self.pipeline.tokens(input, &self.parameters);
        self.inputs.iter().map(cost).collect()
    }

    /// The answers to some of the inputs.
    pub fn answer(&self, texts: Range<usize>, threads: usize) -> Result<Vec<Output>, InferError> {
        self.answer_inputs(&self.inputs[texts], threads)
    }

    fn answer_inputs(&self, inputs: &[Input], threads: usize) -> Result<Vec<Output>, InferError> {
        match self.asks {
            Asks::Predictions => {
                let predictions = self.pipeline.predict(inputs, &self.parameters, threads)?;
                Ok(predictions.into_iter().map(Output::Prediction).collect())
            }
            Asks::SurePredictions(threshold) => {
                let answers = self.pipeline.predict_sure(inputs, &self.parameters, threads)?;
                let output = |(prediction, confidence)| {
                    if confidence >= threshold { Output::Prediction(prediction) } else { Output::Unsure }
                };
                Ok(answers.into_iter().map(output).collect())
            }
            Asks::TokenVectors => {
                let states = self.pipeline.token_vectors(inputs, &self.parameters, threads)?;
                Ok(states.into_iter().map(Output::TokenVectors).collect())
            }
        }
    }

    fn goes_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.pipeline, &other.pipeline)
            && self.parameters == other.parameters
            && self.asks == other.asks
    }
}

impl Compute for Pipelines {
    type Job = PipelineJob;
    type Output = Output;
    type Error = InferError;

    fn compute(
        &self,
        parts: &[Part<'_, PipelineJob>],
        threads: usize,
    ) -> Vec<Result<Vec<Output>, InferError>> {
        if let [part] = parts {
            return vec![part.job.answer(part.texts.clone(), threads)];
        }
        let mut results: Vec<(usize, Result<Vec<Output>, InferError>)> = Vec::with_capacity(parts.len());
        for together in alike(parts) {
            results.extend(together.iter().copied().zip(answer_together(parts, &together, threads)));
        }
        results.sort_unstable_by_key(|(place, _)| *place);
        results.into_iter().map(|(_, result)| result).collect()
    }
}

/// The places of the parts, those in one list that can be computed together.
fn alike(parts: &[Part<'_, PipelineJob>]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (place, part) in parts.iter().enumerate() {
        match groups.iter_mut().find(|group| parts[group[0]].job.goes_with(part.job)) {
            Some(group) => group.push(place),
            None => groups.push(vec![place]),
        }
    }
    groups
}

/// One computation for the parts at `places`; where it fails, one for each, so that only the part at fault does.
fn answer_together(
    parts: &[Part<'_, PipelineJob>],
    places: &[usize],
    threads: usize,
) -> Vec<Result<Vec<Output>, InferError>> {
    let texts_of = |place: &usize| &parts[*place].job.inputs[parts[*place].texts.clone()];
    let inputs: Vec<Input> = places.iter().flat_map(|place| texts_of(place).iter().cloned()).collect();
    let job = parts[places[0]].job;
    let Ok(outputs) = job.answer_inputs(&inputs, threads) else {
        let alone = |place: &usize| parts[*place].job.answer(parts[*place].texts.clone(), threads);
        return places.iter().map(alone).collect();
    };
    let mut outputs = outputs.into_iter();
    places.iter().map(|place| Ok(outputs.by_ref().take(parts[*place].texts.len()).collect())).collect()
}

impl Pipeline {
    /// What an input costs: its pieces, guessed from its bytes, for every sequence that it is put into.
    pub fn tokens(&self, input: &Input, parameters: &PredictParameters) -> u64 {
        let bytes = input.text.len() + input.second.as_ref().map_or(0, String::len);
        let pieces = 1 + bytes as u64 / BYTES_PER_PIECE;
        if self.task() != Task::ZeroShotClassification {
            return pieces;
        }
        let sequences = self.sequences(1, parameters).unwrap_or(1) as u64;
        sequences.max(1) * (pieces + HYPOTHESIS)
    }

    /// Times the pipeline on its golden inputs. What a server takes shows when it is asked.
    pub fn measure_cost(&self) -> CostModel {
        if self.is_remote() {
            return CostModel::new(ROUND_TRIP, Duration::from_micros(1));
        }
        let golden: Vec<Input> = self.manifest().golden.iter().map(input_of).collect();
        let needs_labels = self.task() == Task::ZeroShotClassification;
        let parameters = PredictParameters {
            labels: needs_labels.then(|| SAMPLE_LABELS.map(str::to_owned).to_vec()),
            ..PredictParameters::default()
        };
        let samples = if golden.is_empty() { vec![Input::new(SAMPLE)] } else { golden };
        CostModel::measure(|texts| {
            let inputs: Vec<Input> = samples.iter().cycle().take(texts).cloned().collect();
            // A pipeline that can't answer its golden inputs was refused on load.
            let _ = self.predict(&inputs, &parameters, 1);
            inputs.iter().map(|input| self.tokens(input, &parameters)).sum()
        })
    }
}
