//! `Endpoint` as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::document::Document;
use super::model::check_template;
use super::training::span;
use crate::problem::{Context, INVALID_VALUE, MISSING_FIELD, as_name};
use crate::resource::endpoint::{CascadeStage, Endpoint, Portion as Share, Requests, Scaling, ZeroShot};
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
    /// Task to answer, where it differs from the model's: `zero-shot-classification`, by an entailment model or an embedding model.
    task: Option<Task>,
    /// Sentence that a label is put into, for zero-shot classification; the model's own when left out. Write it in the
    /// language of the texts.
    #[schemars(length(min = 1), extend("examples" = ["This example is {label}."]))]
    template: Option<String>,
    /// Labels of requests that name none, for zero-shot classification.
    #[schemars(length(min = 1))]
    labels: Option<Vec<String>>,
    /// Cheaper models for the same labels to ask first, the cheapest first; the model answers what they are not sure of. Use it
    /// where most inputs are easy. `loquat train` and `loquat models cascade` measure how sure is sure enough.
    cascade: Option<Vec<Stage>>,
    /// Shares of the requests that other versions answer; the rest is the model's. Use it to try a version on a few requests.
    traffic: Option<Vec<Portion>>,
    /// Versions whose answers are compared with the model's, counted, and never returned.
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
    /// Share of all inputs on which the answer must stay what the endpoint's model would have said; 0.98 when left out. Raise
    /// it where answers matter more than speed.
    #[schemars(range(min = 0, max = 1), extend("default" = 0.98))]
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
    /// Graphics processors: 1 for an ONNX model on a server that was started with a libonnxruntime built with CUDA
    /// (`--onnxruntime`). More is not yet supported.
    gpu: Option<u32>,
}

/// How many copies run.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ScalingSpec {
    /// 1 keeps the model loaded; 0 loads it when a request comes and unloads it when idle. More is not yet supported.
    min_replicas: Option<u32>,
    /// Most copies. Only 1 is supported yet.
    max_replicas: Option<u32>,
    /// Time in the queue above which copies are added. Not yet supported.
    target_queue_time: Option<String>,
    /// Time without requests after which a model with minReplicas: 0 is unloaded; 5m when left out.
    #[schemars(extend("examples" = ["5m"], "default" = "5m", "pattern" = r"^\s*[0-9.]+\s*(ms|s|m|h|d)\s*$"))]
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
    /// Most tokens computed together; a longer input goes alone. Lower it where long inputs need much memory. Batches
    /// are smaller already where a larger one would not raise the throughput.
    #[schemars(range(min = 1, max = 10_000_000), extend("default" = 16384))]
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
    let scaling = spec.scaling.as_ref().map(|raw| raw.validate(context)).unwrap_or_default();
    let cascade = spec.cascade(context, model.as_ref());
    let traffic = spec.traffic(context);
    let shadow = spec.shadow.iter().flatten().enumerate();
    let shadow: Vec<_> = shadow
        .filter_map(|(place, text)| read_reference(context, &format!("spec.shadow[{place}]"), text))
        .collect();
    let requests = spec.requests.as_ref().map(|raw| raw.validate(context)).unwrap_or_default();
    Some(Endpoint {
        name: name?,
        model: model?,
        default: spec.default,
        zero_shot: spec.zero_shot(context),
        threads: spec.resources.as_ref().and_then(|raw| raw.threads),
        gpu: spec.resources.as_ref().and_then(|raw| raw.gpu).is_some_and(|gpu| gpu > 0),
        cascade,
        traffic,
        shadow,
        scaling,
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
    read_reference(context, "spec.model", text)
}

pub(crate) fn read_reference(context: &mut Context<'_>, field: &str, text: &str) -> Option<ModelReference> {
    let near = as_name(text.split([':', '@']).next().unwrap_or(text));
    let remedy = format!("write {near}@champion or {near}:1");
    context.read(field, text.parse::<ModelReference>(), &remedy)
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
                let remedy =
                    "remove it, or write zero-shot-classification for an entailment or embedding model";
                context.value("spec.task", INVALID_VALUE, message, remedy);
                return None;
            }
            None if self.template.is_none() && self.labels.is_none() => return None,
            None => {}
        }
        let labels = self.labels.clone().unwrap_or_default();
        Some(ZeroShot { template: self.template.clone(), labels })
    }

    fn cascade(&self, context: &mut Context<'_>, dear: Option<&ModelReference>) -> Vec<CascadeStage> {
        let mut stages: Vec<CascadeStage> = Vec::new();
        let zero_shot = self.task.is_some() || self.template.is_some();
        if zero_shot && self.labels.is_none() && self.cascade.as_ref().is_some_and(|list| !list.is_empty()) {
            let message = "how sure is sure enough depends on the labels, and the endpoint has none";
            context.key(
                "spec.cascade",
                MISSING_FIELD,
                message,
                "add spec.labels: [LABEL, …], or remove the cascade",
            );
        }
        for (place, raw) in self.cascade.iter().flatten().enumerate() {
            let field = format!("spec.cascade[{place}]");
            let agreement = raw.agreement.unwrap_or(CascadeStage::AGREEMENT);
            if agreement <= 0.0 || agreement >= 1.0 {
                let remedy = "write a share above 0 and below 1, such as 0.98";
                let message = format!("{agreement} can't be calibrated; allowed: above 0 and below 1");
                context.value(&format!("{field}.agreement"), INVALID_VALUE, message, remedy);
            }
            let named = raw.model.as_deref();
            let Some(model) = named.and_then(|text| read_reference(context, &format!("{field}.model"), text))
            else {
                continue;
            };
            if dear == Some(&model) || stages.iter().any(|stage| stage.model == model) {
                let message = format!("{model} is asked twice");
                let remedy = "name a cheaper version, or remove the stage";
                context.value(&format!("{field}.model"), INVALID_VALUE, message, remedy);
            }
            stages.push(CascadeStage { model, agreement });
        }
        stages
    }

    fn traffic(&self, context: &mut Context<'_>) -> Vec<Share> {
        let mut shares: Vec<Share> = Vec::new();
        for (place, raw) in self.traffic.iter().flatten().enumerate() {
            let field = format!("spec.traffic[{place}].percent");
            let model = raw.model.as_deref();
            let model =
                model.and_then(|text| read_reference(context, &format!("spec.traffic[{place}].model"), text));
            match raw.percent {
                None => context.key(
                    &format!("spec.traffic[{place}]"),
                    MISSING_FIELD,
                    "the share lacks percent",
                    "add percent: 10",
                ),
                Some(percent) if percent > 0.0 => shares.extend(model.map(|model| Share { model, percent })),
                Some(percent) => {
                    context.value(&field, INVALID_VALUE, format!("{percent} is no share"), "write above 0");
                }
            }
        }
        let sum: f64 = shares.iter().map(|share| share.percent).sum();
        if sum > 100.0 {
            let message = format!("the shares add up to {sum} percent; allowed: at most 100");
            context.value("spec.traffic", INVALID_VALUE, message, "lower them; the rest is the model's");
        }
        shares
    }

    fn refuse_later(&self, context: &mut Context<'_>) {
        let Some(resources) = &self.resources else { return };
        if resources.memory.is_some() {
            context.later_field(
                "spec.resources.memory",
                "remove it; the memory of an endpoint is not bounded yet",
            );
        }
        if let Some(gpu) = resources.gpu.filter(|gpu| *gpu > 1) {
            context.later_value(
                "spec.resources.gpu",
                format!("answering on {gpu} GPUs"),
                "write 1, or 0 to answer on the processor, or name a server that has several in spec.server of the Model",
            );
        }
    }
}

impl ScalingSpec {
    fn validate(&self, context: &mut Context<'_>) -> Scaling {
        if let Some(count) = self.min_replicas.filter(|count| *count > 1) {
            context.later_value(
                "spec.scaling.minReplicas",
                count,
                "write 0 or 1; an endpoint runs as one copy",
            );
        }
        if let Some(count) = self.max_replicas.filter(|count| *count != 1) {
            let remedy = "write 1 or remove it; an endpoint runs as one copy";
            context.later_value("spec.scaling.maxReplicas", count, remedy);
        }
        if self.target_queue_time.is_some() {
            context.later_field("spec.scaling.targetQueueTime", "remove it; an endpoint runs as one copy");
        }
        let idle = span(context, "spec.scaling.idleTimeout", self.idle_timeout.as_deref());
        let usual = Scaling::default();
        Scaling {
            keep_loaded: self.min_replicas != Some(0),
            idle_timeout: idle.unwrap_or(usual.idle_timeout),
        }
    }
}

impl RequestsSpec {
    fn validate(&self, context: &mut Context<'_>) -> Requests {
        let defaults = Requests::default();
        Requests {
            timeout: span(context, "spec.requests.timeout", self.timeout.as_deref())
                .unwrap_or(defaults.timeout),
            max_queue: self.max_queue.unwrap_or(defaults.max_queue),
            max_batch_tokens: self.max_batch_tokens.unwrap_or(defaults.max_batch_tokens),
            max_inputs: self.max_inputs.unwrap_or(defaults.max_inputs),
            max_length: self.max_length,
        }
    }
}
