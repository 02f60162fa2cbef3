//! KServe v1: `POST /v1/models/{model}:predict`. Every instance is answered, in order.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use loquat_spec::{ErrorCode, Task};
use serde_json::Value;

use crate::ask::Ask;
use crate::body::{self, Members, wrong_type};
use crate::choose::Chosen;
use crate::exchange::Exchange;
use crate::host::App;
use crate::predict::check_count;
use crate::problem::Problem;
use crate::protocols::legacy::{Answers, classified};
use crate::render::{Captured, Predictions, captured, json};

/// Answers `POST /v1/models/{model}:predict`; the path's last segment is taken apart here.
pub(crate) async fn predict(
    State(app): State<Arc<App>>,
    path: Captured<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let exchange = Exchange::of(&request);
    let segment = captured(path)?;
    let (model, verb) = segment.rsplit_once(':').unwrap_or((&segment, ""));
    if verb != "predict" {
        let shown: String = verb.chars().take(40).collect();
        return Err(Problem::new(ErrorCode::NotFound, format!("a model does not answer {shown:?}"))
            .field("path")
            .remedy("send POST /v1/models/MODEL:predict"));
    }
    let host = Arc::clone(app.table().host(model)?);
    let pipeline = Arc::clone(host.pipeline()?);
    let members = body::members(request, &app, &host, &exchange).await?;
    let [instances, signature] = members.take("", ["instances", "signature_name"])?;
    if let Some(signature) = signature.filter(|name| !name.is_string() && !name.is_null()) {
        return Err(wrong_type("signature_name", &signature, "a string"));
    }
    let instances = match instances {
        Some(list @ Value::Array(_)) => list,
        Some(other) => return Err(wrong_type("instances", &other, "a list of texts or objects")),
        None => {
            return Err(Problem::new(ErrorCode::Invalid, "member \"instances\" is missing")
                .field("instances")
                .remedy("send {\"instances\": [\"a text\", …]}"));
        }
    };
    if pipeline.task() == Task::ZeroShotClassification && has_sequences(&instances) {
        let predictions = classified_each(&Chosen { host, pipeline }, instances, &exchange).await?;
        return Ok(json(StatusCode::OK, &Predictions { predictions }, 256));
    }
    let predictions = Ask::new(&host, &pipeline, &instances, "instances")?.predict(&exchange).await?;
    let capacity = 32 + predictions.len() * 96;
    Ok(json(StatusCode::OK, &Predictions { predictions }, capacity))
}

/// Whether instances come with labels of their own, `{"sequence", "labels"}`.
fn has_sequences(instances: &Value) -> bool {
    instances.get(0).is_some_and(|first| first.get("sequence").is_some())
}

async fn classified_each(
    chosen: &Chosen,
    instances: Value,
    exchange: &Exchange,
) -> Result<Vec<Answers>, Problem> {
    let Value::Array(list) = instances else { return Ok(Vec::new()) };
    check_count(&chosen.host, list.len(), "instances")?;
    let mut predictions = Vec::with_capacity(list.len());
    for (place, instance) in list.into_iter().enumerate() {
        let path = format!("instances[{place}]");
        let Value::Object(object) = instance else { return Err(wrong_type(&path, &instance, "an object")) };
        predictions.push(classified(chosen, Members::of(object), &path, exchange).await?);
    }
    Ok(predictions)
}
