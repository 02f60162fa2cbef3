//! The one internal request that every protocol's adapter makes: inputs for an endpoint, answered as predictions.

use std::sync::Arc;
use std::time::Duration;

use loquat_infer::batcher::{Asks, Output, PipelineJob};
use loquat_infer::{Input, InputError, Pipeline};
use loquat_spec::{LabelScore, PredictParameters, Prediction, Task};
use serde_json::Value;

use crate::choose::CLASSIFICATION;
use crate::exchange::Exchange;
use crate::gate::{self, Terms};
use crate::host::Host;
use crate::predict::{check_count, check_length, input_problem};
use crate::problem::Problem;

/// Checked inputs for one version of an endpoint.
pub(crate) struct Ask {
    host: Arc<Host>,
    pipeline: Arc<Pipeline>,
    inputs: Vec<Input>,
    parameters: PredictParameters,
    terms: Terms,
}

impl Ask {
    /// Holds `inputs`, one or a list, against the task and the limits of the endpoint. `field` is what the protocol
    /// calls them, for the places that problems name.
    pub(crate) fn new(
        host: &Arc<Host>,
        pipeline: &Arc<Pipeline>,
        inputs: &Value,
        field: &str,
    ) -> Result<Self, Problem> {
        if let Value::Array(list) = inputs {
            check_count(host, list.len(), field)?;
            if list.is_empty() {
                return Err(Problem::empty(format!("{field} is an empty list"))
                    .field(field)
                    .remedy("send at least one input"));
            }
        }
        let parsed = pipeline.parse_inputs(inputs).map_err(|mut error| {
            error.field = error.field.replacen("inputs", field, 1);
            input_problem(error)
        })?;
        for (place, input) in parsed.iter().enumerate() {
            for (column, text) in [Some(&input.text), input.second.as_ref()].into_iter().flatten().enumerate()
            {
                let column = input_column(pipeline, input, column);
                check_length(host, text, || place_of(inputs, (place, column), field))?;
            }
        }
        Ok(Self {
            host: Arc::clone(host),
            pipeline: Arc::clone(pipeline),
            inputs: parsed,
            parameters: PredictParameters::default(),
            terms: Terms::default(),
        })
    }

    /// With `parameters`, held against the task.
    pub(crate) fn parameters(mut self, parameters: PredictParameters) -> Result<Self, Problem> {
        self.pipeline.check_parameters(&parameters).map_err(input_problem)?;
        self.parameters = parameters;
        Ok(self)
    }

    /// With a prompt before each text, which the protocol names in `field`.
    pub(crate) fn prompt(mut self, name: Option<&str>, field: &str) -> Result<Self, Problem> {
        self.pipeline.prompt(name).map_err(|error| prompt_problem(error, field))?;
        self.parameters.prompt_name = name.map(str::to_owned);
        Ok(self)
    }

    /// With the score of every label in the answer.
    pub(crate) fn every_label(mut self) -> Self {
        match self.pipeline.task() {
            Task::MultiLabelClassification => self.parameters.threshold = Some(0.0),
            task if CLASSIFICATION.contains(&task) => {
                self.parameters.top_k = Some(self.pipeline.labels().len());
            }
            // The others answer all that they have.
            _ => {}
        }
        self
    }

    /// With the time that the client allows, where it is shorter than the endpoint's.
    pub(crate) fn timeout(mut self, timeout: Option<Duration>) -> Self {
        self.terms.timeout = timeout;
        self
    }

    /// With the place that the client gives it among its own requests: the lowest first.
    pub(crate) fn priority(mut self, priority: u32) -> Self {
        self.terms.priority = priority;
        self
    }

    /// One prediction an input, in order.
    pub(crate) async fn predict(self, exchange: &Exchange) -> Result<Vec<Prediction>, Problem> {
        let outputs = self.answer(Asks::Predictions, exchange).await?;
        Ok(outputs.into_iter().filter_map(Output::prediction).collect())
    }

    /// The states of the tokens of each input, `[inputs][tokens][hidden]`.
    pub(crate) async fn token_vectors(self, exchange: &Exchange) -> Result<Vec<Vec<Vec<f32>>>, Problem> {
        let outputs = self.answer(Asks::TokenVectors, exchange).await?;
        Ok(outputs.into_iter().filter_map(Output::token_vectors).collect())
    }

    async fn answer(self, asks: Asks, exchange: &Exchange) -> Result<Vec<Output>, Problem> {
        let Self { host, pipeline, inputs, parameters, terms } = self;
        gate::answer(&host, PipelineJob { pipeline, inputs, parameters, asks }, exchange, terms).await
    }
}

/// The problem of a prompt that a protocol names in `field`.
pub(crate) fn prompt_problem(error: InputError, field: &str) -> Problem {
    input_problem(InputError { field: field.to_owned(), ..error })
}

/// The name of an input's column.
fn input_column(pipeline: &Pipeline, input: &Input, column: usize) -> &'static str {
    let texts = 1 + usize::from(input.second.is_some());
    let sets = loquat_infer::columns(pipeline.task());
    sets.iter().find(|set| set.len() == texts).and_then(|set| set.get(column)).copied().unwrap_or("text")
}

/// Where the text of an input stands in the body.
fn place_of(inputs: &Value, (place, column): (usize, &str), field: &str) -> String {
    let (mut field, input) = match inputs {
        Value::Array(list) => (format!("{field}[{place}]"), list.get(place)),
        single => (field.to_owned(), Some(single)),
    };
    if input.is_some_and(Value::is_object) {
        field.push('.');
        field.push_str(column);
    }
    field
}

/// The labels of a prediction, best first: all that it scored for a single-label task, those over the threshold for a
/// multi-label task, all candidates of zero-shot classification. None for tasks that answer no labels.
pub(crate) fn ranked(prediction: Prediction) -> Vec<LabelScore> {
    match prediction {
        Prediction::Label { scores: Some(scores), .. } => scores,
        Prediction::Label { label, score, .. } => vec![LabelScore { label, score }],
        Prediction::Labels { labels } => labels,
        Prediction::Entities { .. } | Prediction::Embedding { .. } | Prediction::Similarity { .. } => {
            Vec::new()
        }
    }
}

/// A prediction in one string: its label, or as JSON what is more than one: labels, spans, a vector.
pub(crate) fn in_words(prediction: &Prediction) -> String {
    match prediction {
        Prediction::Label { label, .. } => label.clone(),
        Prediction::Labels { labels } => {
            let names: Vec<&str> = labels.iter().map(|scored| scored.label.as_str()).collect();
            serde_json::to_string(&names).unwrap_or_default()
        }
        Prediction::Entities { entities } => serde_json::to_string(entities).unwrap_or_default(),
        Prediction::Embedding { embedding } => serde_json::to_string(embedding).unwrap_or_default(),
        Prediction::Similarity { score } => score.to_string(),
    }
}
