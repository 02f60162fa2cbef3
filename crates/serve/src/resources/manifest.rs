//! A resource written out as it is declared, with how it fares; of an endpoint what is as when left out is left out.

use std::time::Duration;

use loquat_spec::{API_VERSION, CascadeStage, Endpoint, Requests, Scaling, Task};
use serde_json::{Map, Value, json};

use super::condition::{Condition, timestamp};
use super::declaration::{Declaration, Manager};
use super::item::Kind;
use crate::host::{App, Host, Table};

/// A resource with how it fares; an endpoint that is not hosted yet is loading. Reads the registry for the other kinds.
pub(super) fn object_of(app: &App, table: &Table, declaration: &Declaration) -> Value {
    let key = declaration.item.key();
    let mut metadata = json!({
        "name": key.name,
        "generation": declaration.generation,
        "managedFields": [{ "manager": declaration.manager.as_str() }],
    });
    if declaration.manager != Manager::Store {
        metadata["creationTimestamp"] = timestamp(declaration.created).into();
    }
    let status = match (key.kind, table.hosts.get(&key.name)) {
        (Kind::Endpoint, Some(host)) => status(host),
        (Kind::Endpoint, None) => {
            json!({ "observedGeneration": 0, "conditions": [Condition::loading().to_json(0)] })
        }
        _ => app.standings.status(app, declaration),
    };
    json!({
        "apiVersion": API_VERSION,
        "kind": key.kind.as_str(),
        "metadata": metadata,
        "spec": declaration.spec,
        "status": status,
    })
}

/// The declaration that stands for a registered model which no resource mentions.
pub(super) fn implicit(host: &Host) -> Option<Declaration> {
    let name = loquat_spec::Name::new(&host.name).ok().filter(|_| host.implicit)?;
    Some(Declaration::of_store(Endpoint::new(name, host.reference.clone()), host.generation))
}

fn status(host: &Host) -> Value {
    let conditions = [Some(&host.condition), host.cascade_condition.as_ref()].into_iter().flatten();
    let mut status = json!({
        "observedGeneration": host.generation,
        "conditions": conditions.map(|condition| condition.to_json(host.generation)).collect::<Vec<_>>(),
    });
    if let Some(pipeline) = &host.pipeline {
        status["model"] = pipeline.model().into();
        status["version"] = pipeline.version().into();
    }
    status
}

/// What is wanted of an endpoint.
pub(super) fn spec(endpoint: &Endpoint) -> Value {
    let mut spec = Map::new();
    let mut put = |name: &str, value: Value| spec.insert(name.to_owned(), value);
    put("model", endpoint.model.to_string().into());
    if endpoint.default {
        put("default", true.into());
    }
    if let Some(zero_shot) = &endpoint.zero_shot {
        put("task", Task::ZeroShotClassification.as_str().into());
        if let Some(template) = &zero_shot.template {
            put("template", template.as_str().into());
        }
        if !zero_shot.labels.is_empty() {
            put("labels", zero_shot.labels.clone().into());
        }
    }
    if !endpoint.cascade.is_empty() {
        let stage =
            |stage: &CascadeStage| json!({ "model": stage.model.to_string(), "agreement": stage.agreement });
        put("cascade", endpoint.cascade.iter().map(stage).collect());
    }
    if !endpoint.traffic.is_empty() {
        let share = |portion: &loquat_spec::Portion| json!({ "model": portion.model.to_string(), "percent": portion.percent });
        put("traffic", endpoint.traffic.iter().map(share).collect());
    }
    if !endpoint.shadow.is_empty() {
        put("shadow", endpoint.shadow.iter().map(ToString::to_string).collect());
    }
    for (name, members) in [
        ("resources", resources(endpoint)),
        ("scaling", scaling(&endpoint.scaling)),
        ("requests", requests(&endpoint.requests)),
    ] {
        if !members.is_empty() {
            put(name, members.into());
        }
    }
    spec.into()
}

fn resources(endpoint: &Endpoint) -> Map<String, Value> {
    let mut members = Map::new();
    if let Some(threads) = endpoint.threads {
        members.insert("threads".to_owned(), threads.into());
    }
    if endpoint.gpu {
        members.insert("gpu".to_owned(), 1.into());
    }
    members
}

fn scaling(scaling: &Scaling) -> Map<String, Value> {
    let usual = Scaling::default();
    let mut members = Map::new();
    if scaling.keep_loaded != usual.keep_loaded {
        members.insert("minReplicas".to_owned(), u32::from(scaling.keep_loaded).into());
    }
    if scaling.idle_timeout != usual.idle_timeout {
        members.insert("idleTimeout".to_owned(), duration(scaling.idle_timeout).into());
    }
    members
}

fn requests(requests: &Requests) -> Map<String, Value> {
    let usual = Requests::default();
    let mut members = Map::new();
    if requests.timeout != usual.timeout {
        members.insert("timeout".to_owned(), duration(requests.timeout).into());
    }
    for (name, value, usual) in [
        ("maxQueue", Some(requests.max_queue), Some(usual.max_queue)),
        ("maxBatchTokens", Some(requests.max_batch_tokens), Some(usual.max_batch_tokens)),
        ("maxLength", requests.max_length, usual.max_length),
        ("maxInputs", Some(requests.max_inputs), Some(usual.max_inputs)),
    ] {
        if value != usual {
            members.insert(name.to_owned(), value.into());
        }
    }
    members
}

/// A duration in the largest unit that it is a whole number of.
fn duration(duration: Duration) -> String {
    let (seconds, milliseconds) = (duration.as_secs(), duration.as_millis());
    match (seconds, duration.subsec_nanos()) {
        (_, nanoseconds) if nanoseconds > 0 => match nanoseconds % 1_000_000 {
            0 => format!("{milliseconds}ms"),
            _ => format!("{}ms", duration.as_secs_f64() * 1e3),
        },
        (0, _) => "0s".to_owned(),
        _ if seconds % 86_400 == 0 => format!("{}d", seconds / 86_400),
        _ if seconds % 3_600 == 0 => format!("{}h", seconds / 3_600),
        _ if seconds % 60 == 0 => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}
