//! `Endpoint` as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::document::Document;
use super::model::check_template;
use super::training::span;
use crate::problem::{Context, INVALID_VALUE, as_name};
use crate::resource::endpoint::{Endpoint, Requests, ZeroShot};
use crate::{ModelReference, Name, Task};

/// Which model version answers, how fast, within which limits.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct EndpointSpec {
    /// The model version that answers: `name@alias`, `name:version`, or `name` for `name@champion`. An alias follows
    /// promotions without a restart; a version never changes.
    #[schemars(required, length(min = 1), extend("examples" = ["tickets@champion"]))]
    model: Option<String>,
    /// Whether it answers the routes of its task that name no model. Set it when several endpoints have one task.
    #[serde(default)]
    default: bool,
    /// Task to answer, where it differs from the model's: `zero-shot-classification` by an entailment model.
    task: Option<Task>,
    /// Sentence that a label is put into, for zero-shot classification; the model's own when left out. Write it in the
    /// language of the texts.
    #[schemars(length(min = 1), extend("examples" = ["This example is {label}."]))]
    template: Option<String>,
    /// Labels of requests that name none, for zero-shot classification.
    #[schemars(length(min = 1))]
    labels: Option<Vec<String>>,
    /// Cheaper models to ask first. Not yet supported.
    cascade: Option<Vec<Stage>>,
    /// Shares of the requests for other versions. Not yet supported.
    traffic: Option<Vec<Portion>>,
    /// Versions whose answers are compared and never returned. Not yet supported.
    shadow: Option<Vec<String>>,
    /// What of the machine the endpoint may use.
    resources: Option<ResourcesSpec>,
    /// How many copies run.
    scaling: Option<ScalingSpec>,
    /// Limits of requests.
    requests: Option<RequestsSpec>,
}

/// A model that is asked before the endpoint's own.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Stage {
    /// The model version to ask.
    #[schemars(required)]
    model: Option<String>,
    /// Share of answers on which it has to agree with the endpoint's own model.
    agreement: Option<f64>,
}

/// A share of the requests.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Portion {
    /// The model version that answers.
    #[schemars(required)]
    model: Option<String>,
    /// Percent of the requests.
    #[schemars(range(min = 0, max = 100))]
    percent: Option<f64>,
}

/// What of the machine the endpoint may use.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "EndpointResources")]
struct ResourcesSpec {
    /// Threads; the server's when left out. Set it to keep endpoints of one server from slowing each other.
    #[schemars(range(min = 1, max = 4096))]
    threads: Option<usize>,
    /// Most memory. Not yet supported.
    memory: Option<String>,
    /// Graphics processors. More than 0 is not yet supported.
    gpu: Option<u32>,
}

/// How many copies run.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ScalingSpec {
    /// Fewest copies. Only 1 is supported yet.
    min_replicas: Option<u32>,
    /// Most copies. Only 1 is supported yet.
    max_replicas: Option<u32>,
    /// Time in the queue above which copies are added. Not yet supported.
    target_queue_time: Option<String>,
    /// Time without requests after which copies end. Not yet supported.
    idle_timeout: Option<String>,
}

/// Limits of requests.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RequestsSpec {
    /// Longest time that a request may take, waiting included; 10s when left out. Lower it when callers give up
    /// sooner.
    #[schemars(extend("examples" = ["1s"], "default" = "10s", "pattern" = r"^\s*[0-9.]+\s*(ms|s|m|h|d)\s*$"))]
    timeout: Option<String>,
    /// Most requests waiting; more are refused at once. Lower it to fail fast, raise it for bursts.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 512))]
    max_queue: Option<usize>,
    /// Most tokens computed together. Not yet supported.
    max_batch_tokens: Option<usize>,
    /// Longest input in characters; longer ones are refused. Left out: the server's limit on the body.
    #[schemars(range(min = 1))]
    max_length: Option<usize>,
    /// Most inputs in one request. Raise it for bulk callers.
    #[schemars(range(min = 1), extend("default" = 1000))]
    max_inputs: Option<usize>,
}

/// Validates an `Endpoint`; `None` when what it lacks leaves no endpoint.
pub(crate) fn validate(context: &mut Context<'_>, document: &Document<EndpointSpec>) -> Option<Endpoint> {
    let name = document.name(context);
    let spec = document.spec.as_ref()?;
    let model = spec.model.as_deref().and_then(|text| read_model(context, text));
    spec.refuse_later(context);
    if let Some(scaling) = &spec.scaling {
        scaling.refuse_later(context);
    }
    let requests = spec.requests.as_ref().map(|raw| raw.validate(context)).unwrap_or_default();
    Some(Endpoint {
        name: name?,
        model: model?,
        default: spec.default,
        zero_shot: spec.zero_shot(context),
        threads: spec.resources.as_ref().and_then(|raw| raw.threads),
        requests,
    })
}

/// The endpoint resource that serves `model` under `name`, as YAML that is read back unedited.
pub fn to_yaml_endpoint(name: &Name, model: &ModelReference) -> String {
    format!(
        "# Serves the model {}: `loquat serve` with this file in its folder.\n\
         apiVersion: {}\n\
         kind: Endpoint\n\
         metadata:\n\
         \x20 name: \"{name}\"\n\
         spec:\n\
         \x20 # name@alias follows promotions; name:version never changes.\n\
         \x20 model: \"{model}\"\n",
        model.name,
        crate::schema::API_VERSION,
    )
}

fn read_model(context: &mut Context<'_>, text: &str) -> Option<ModelReference> {
    let near = as_name(text.split([':', '@']).next().unwrap_or(text));
    let remedy = format!("write {near}@champion or {near}:1");
    context.read("spec.model", text.parse::<ModelReference>(), &remedy)
}

impl EndpointSpec {
    fn zero_shot(&self, context: &mut Context<'_>) -> Option<ZeroShot> {
        if let Some(template) = &self.template {
            check_template(context, "spec.template", template);
        }
        match self.task {
            Some(Task::ZeroShotClassification) => {}
            Some(task) => {
                let message =
                    format!("an endpoint can't answer {} with a model for another task", task.as_str());
                let remedy = "remove it, or write zero-shot-classification for an entailment model";
                context.value("spec.task", INVALID_VALUE, message, remedy);
                return None;
            }
            None if self.template.is_none() && self.labels.is_none() => return None,
            None => {}
        }
        let labels = self.labels.clone().unwrap_or_default();
        Some(ZeroShot { template: self.template.clone(), labels })
    }

    fn refuse_later(&self, context: &mut Context<'_>) {
        let fields = [
            ("spec.cascade", self.cascade.as_ref().is_some_and(|list| !list.is_empty())),
            ("spec.traffic", self.traffic.as_ref().is_some_and(|list| !list.is_empty())),
            ("spec.shadow", self.shadow.as_ref().is_some_and(|list| !list.is_empty())),
        ];
        for (field, present) in fields {
            if present {
                context.later_field(field, "remove it; one model version answers");
            }
        }
        let Some(resources) = &self.resources else { return };
        if resources.memory.is_some() {
            context.later_field(
                "spec.resources.memory",
                "remove it; the memory of an endpoint is not bounded yet",
            );
        }
        if let Some(gpu) = resources.gpu.filter(|gpu| *gpu > 0) {
            context.later_value(
                "spec.resources.gpu",
                gpu,
                "write 0 or remove it; models answer on the processor",
            );
        }
    }
}

impl ScalingSpec {
    fn refuse_later(&self, context: &mut Context<'_>) {
        let replicas = [
            ("spec.scaling.minReplicas", self.min_replicas),
            ("spec.scaling.maxReplicas", self.max_replicas),
        ];
        for (field, count) in replicas {
            if let Some(count) = count.filter(|count| *count != 1) {
                context.later_value(field, count, "write 1 or remove it; an endpoint runs as one copy");
            }
        }
        let fields = [
            ("spec.scaling.targetQueueTime", self.target_queue_time.is_some()),
            ("spec.scaling.idleTimeout", self.idle_timeout.is_some()),
        ];
        for (field, present) in fields {
            if present {
                context.later_field(field, "remove it; an endpoint runs as one copy that stays loaded");
            }
        }
    }
}

impl RequestsSpec {
    fn validate(&self, context: &mut Context<'_>) -> Requests {
        if self.max_batch_tokens.is_some() {
            let supported = "remove it; maxQueue, maxInputs and maxLength bound the work";
            context.later_field("spec.requests.maxBatchTokens", supported);
        }
        let defaults = Requests::default();
        Requests {
            timeout: span(context, "spec.requests.timeout", self.timeout.as_deref())
                .unwrap_or(defaults.timeout),
            max_queue: self.max_queue.unwrap_or(defaults.max_queue),
            max_inputs: self.max_inputs.unwrap_or(defaults.max_inputs),
            max_length: self.max_length,
        }
    }
}
