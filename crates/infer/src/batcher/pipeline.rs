//! Pipelines behind a [`Batcher`](super::Batcher).

use std::ops::Range;
use std::sync::Arc;

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
    pub fn predict(&self, texts: Range<usize>, threads: usize) -> Result<Vec<Prediction>, InferError> {
        self.pipeline.predict(&self.inputs[texts], &self.parameters, threads)
    }

    fn goes_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.pipeline, &other.pipeline) && self.parameters == other.parameters
    }
}

impl Compute for Pipelines {
    type Job = PipelineJob;
    type Output = Prediction;
    type Error = InferError;

    fn compute(
        &self,
        parts: &[Part<'_, PipelineJob>],
        threads: usize,
    ) -> Vec<Result<Vec<Prediction>, InferError>> {
        if let [part] = parts {
            return vec![part.job.predict(part.texts.clone(), threads)];
        }
        let mut results: Vec<Option<Result<Vec<Prediction>, InferError>>> =
            parts.iter().map(|_| None).collect();
        for first in 0..parts.len() {
            if results[first].is_some() {
                continue;
            }
            let job = parts[first].job;
            let together: Vec<usize> =
                (first..parts.len()).filter(|place| parts[*place].job.goes_with(job)).collect();
            for (place, result) in together.iter().zip(answer_together(parts, &together, threads)) {
                results[*place] = Some(result);
            }
        }
        results.into_iter().map(|result| result.unwrap_or_else(|| Ok(Vec::new()))).collect()
    }
}

/// One computation for the parts at `places`; where it fails, one for each, so that only the part at fault does.
fn answer_together(
    parts: &[Part<'_, PipelineJob>],
    places: &[usize],
    threads: usize,
) -> Vec<Result<Vec<Prediction>, InferError>> {
    let texts_of = |place: &usize| &parts[*place].job.inputs[parts[*place].texts.clone()];
    let inputs: Vec<Input> = places.iter().flat_map(|place| texts_of(place).iter().cloned()).collect();
    let job = parts[places[0]].job;
    let Ok(predictions) = job.pipeline.predict(&inputs, &job.parameters, threads) else {
        let alone = |place: &usize| parts[*place].job.predict(parts[*place].texts.clone(), threads);
        return places.iter().map(alone).collect();
    };
    let mut predictions = predictions.into_iter();
    places.iter().map(|place| Ok(predictions.by_ref().take(parts[*place].texts.len()).collect())).collect()
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

    /// Times the pipeline on its golden inputs.
    pub fn measure_cost(&self) -> CostModel {
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
