//! The OpenAPI 3.1 document of every route.

use loquat_spec::{Entity, Explanation, LabelScore, PredictParameters};
use serde_json::{Map, Value, json};

use super::{operations, schemas};
use crate::form::Form;

/// The OpenAPI 3.1 document of every route of [`routes`](crate::routes).
pub fn openapi() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Loquat",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Text models behind endpoints: Loquat's own prediction route, the Open Inference Protocol v2, KServe v1, text-embeddings-inference, OpenAI, MLflow, LibreTranslate, health and metrics. Every response carries header x-request-id: the caller's where it is short and plain, else a new one.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" }
        },
        "servers": [{ "url": "/" }],
        "tags": [
            { "name": "prediction", "description": "Loquat's own routes; errors are RFC 9457 problems." },
            { "name": "open inference protocol", "description": "Version 2 over REST; errors are {\"error\"}." },
            { "name": "openai and kserve v1", "description": "Errors carry the members of both." },
            { "name": "text-embeddings-inference", "description": "Errors are {\"error\", \"error_type\"}." },
            { "name": "mlflow", "description": "Errors are {\"error_code\", \"message\"}." },
            { "name": "libretranslate", "description": "Errors are {\"error\"}." },
            { "name": "operation", "description": "Health, metrics and this document." }
        ],
        "paths": paths(),
        "components": components()
    })
}

fn paths() -> Map<String, Value> {
    let mut paths = own_paths();
    paths.extend(operation_paths());
    paths.extend(open_inference_paths());
    paths.extend(operations::paths());
    paths
}

fn own_paths() -> Map<String, Value> {
    let mut predict = json!({
        "operationId": "predict",
        "summary": "Predict one text or a list of texts",
        "description": "Predictions come back as a list in the order of the inputs.",
        "parameters": [parameter("endpoint", "Name of an endpoint, or of a registered model without one."), request_id()],
        "requestBody": body("PredictRequest"),
        "responses": { "200": answer("PredictResponse", "Predictions, in order.") }
    });
    errors(
        &mut predict,
        Form::Problem,
        &["400", "404", "408", "413", "415", "422", "429", "500", "503", "504"],
    );
    object([
        ("/models/{endpoint}/predict", operation("post", "prediction", predict)),
        (
            "/models",
            operation(
                "get",
                "prediction",
                json!({
                    "operationId": "listModels",
                    "summary": "Every endpoint and the version that answers it",
                    "responses": { "200": answer("ModelList", "Endpoints, ordered by name.") }
                }),
            ),
        ),
    ])
}

fn operation_paths() -> Map<String, Value> {
    let health = json!({
        "operationId": "health",
        "summary": "One word on the server's health",
        "description": "Plain text OK or ERROR where header accept prefers text/plain.",
        "responses": {
            "200": either_text("Health", "Every endpoint answers."),
            "503": either_text("Health", "Starting, draining, or an endpoint has no version that answers.")
        }
    });
    let live = json!({
        "operationId": "healthLive",
        "summary": "Whether the process serves requests at all",
        "responses": { "200": answer("Live", "It does.") }
    });
    let ready = json!({
        "operationId": "healthReady",
        "summary": "Whether the server should be sent requests, and what is missing",
        "responses": {
            "200": answer("Ready", "Every endpoint has a version that answers."),
            "503": answer("Ready", "Starting, draining, or an endpoint has no version that answers.")
        }
    });
    let metrics = json!({
        "operationId": "metrics",
        "summary": "Counters and histograms in the Prometheus text format",
        "responses": { "200": { "description": "Metrics.", "content": { "text/plain": { "schema": { "type": "string" } } } } }
    });
    let document = json!({
        "operationId": "openapi",
        "summary": "This document",
        "responses": {
            "200": { "description": "The document.", "content": { "application/json": { "schema": { "type": "object" } } } }
        }
    });
    object([
        ("/health", operation("get", "operation", health)),
        ("/health/live", operation("get", "operation", live)),
        ("/health/ready", operation("get", "operation", ready)),
        ("/metrics", operation("get", "operation", metrics)),
        ("/openapi.json", operation("get", "operation", document)),
    ])
}

fn open_inference_paths() -> Map<String, Value> {
    let get = |id: &str, summary: &str, schema: &str, unready: Option<&str>| {
        let mut responses = object([("200", answer(schema, "The answer."))]);
        if let Some(schema) = unready {
            responses.insert("503".to_owned(), answer(schema, "Not ready."));
        }
        json!({ "operationId": id, "summary": summary, "responses": responses })
    };
    let mut paths = object([
        ("/v2", tagged(get("v2Server", "Name, version and extensions of the server", "V2Server", None))),
        ("/v2/health/live", tagged(get("v2Live", "Whether the server is live", "V2Health", None))),
        (
            "/v2/health/ready",
            tagged(get("v2Ready", "Whether every model is ready", "V2Health", Some("V2Health"))),
        ),
    ]);
    for (versioned, prefix) in
        [(false, "/v2/models/{model}"), (true, "/v2/models/{model}/versions/{version}")]
    {
        for (suffix, mut operation, method) in [
            ("", get("v2Model", "Tensors of a model", "V2Model", None), "get"),
            (
                "/ready",
                get("v2ModelReady", "Whether a model is ready", "V2ModelReady", Some("V2ModelReady")),
                "get",
            ),
            ("/infer", infer(), "post"),
        ] {
            let mut parameters = vec![parameter("model", "Name of an endpoint.")];
            if versioned {
                parameters
                    .push(parameter("version", "A registered version; it is loaded when first asked for."));
                let id = operation["operationId"]
                    .as_str()
                    .unwrap_or_default()
                    .replace("v2Model", "v2ModelVersion");
                let id = if id == "v2Infer" { "v2InferVersion".to_owned() } else { id };
                operation["operationId"] = id.into();
            }
            operation["parameters"] = parameters.into();
            let codes: &[&str] = match suffix {
                "/infer" => &["400", "404", "408", "413", "415", "429", "500", "503", "504"],
                "/ready" => &["404"],
                _ => &["404", "503"],
            };
            errors(&mut operation, Form::OpenInference, codes);
            paths.insert(
                format!("{prefix}{suffix}"),
                self::operation(method, "open inference protocol", operation),
            );
        }
    }
    paths
}

fn infer() -> Value {
    json!({
        "operationId": "v2Infer",
        "summary": "Predict a tensor of texts",
        "description": "One input of datatype BYTES called text (or input-0), flat or nested, row-major; as raw bytes behind the JSON with header inference-header-content-length.",
        "requestBody": body("V2InferRequest"),
        "responses": { "200": answer("V2InferResponse", "Output tensors.") }
    })
}

fn tagged(operation: Value) -> Value {
    self::operation("get", "open inference protocol", operation)
}

fn operation(method: &str, tag: &str, mut operation: Value) -> Value {
    operation["tags"] = json!([tag]);
    Value::Object(object([(method, operation)]))
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

/// A JSON request body.
pub(super) fn body(schema: &str) -> Value {
    json!({ "required": true, "content": { "application/json": { "schema": reference(schema) } } })
}

/// A JSON answer.
pub(super) fn answer(schema: &str, description: &str) -> Value {
    json!({
        "description": description,
        "headers": { "x-request-id": { "schema": { "type": "string" } } },
        "content": { "application/json": { "schema": reference(schema) } }
    })
}

fn either_text(schema: &str, description: &str) -> Value {
    json!({
        "description": description,
        "content": { "application/json": { "schema": reference(schema) }, "text/plain": { "schema": { "type": "string" } } }
    })
}

/// A parameter of the path.
pub(super) fn parameter(name: &str, description: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "description": description, "schema": { "type": "string" } })
}

fn request_id() -> Value {
    json!({
        "name": "x-request-id",
        "in": "header",
        "description": "Identifies the request in logs; 1 to 128 letters, digits and -_.:/+=@.",
        "schema": { "type": "string", "maxLength": 128 }
    })
}

/// Adds the error responses of `codes`, by reference.
fn errors(operation: &mut Value, form: Form, codes: &[&str]) {
    let prefix = operations::prefix(form);
    for code in codes {
        operation["responses"][*code] = json!({ "$ref": format!("#/components/responses/{prefix}{code}") });
    }
}

const FORMS: [Form; 6] =
    [Form::Problem, Form::OpenInference, Form::Tei, Form::OpenAi, Form::MlFlow, Form::LibreTranslate];

fn components() -> Value {
    let meanings = [
        (
            "400",
            "The body breaks off, is not UTF-8 or not JSON; on /v2, /v1 and the routes of MLflow and LibreTranslate also every broken rule.",
        ),
        ("403", "The key of the request does not allow it."),
        ("404", "No such endpoint, model or version."),
        ("408", "The body did not arrive within the time that the endpoint allows."),
        ("409", "The state of the resource forbids it."),
        ("413", "A limit on the body, the number of inputs or the length of one is exceeded."),
        ("415", "The body is not JSON, or is compressed."),
        ("422", "A member is missing, unknown or breaks a rule, and is named."),
        ("424", "No loaded model has the task of the route; those that exist are named."),
        ("429", "The endpoint's queue is full; header retry-after says when to try again."),
        ("500", "A fault in the server."),
        ("503", "The endpoint has no version that answers yet."),
        ("504", "The answer took longer than the endpoint allows."),
    ];
    let mut responses = Map::new();
    for (code, meaning) in meanings {
        let headers = if matches!(code, "429" | "503") {
            json!({ "retry-after": { "schema": { "type": "integer" } } })
        } else {
            json!({})
        };
        for form in FORMS {
            let (prefix, media) = (operations::prefix(form), form.media());
            let schema = prefix;
            let own = match code {
                "422" => matches!(form, Form::Problem | Form::Tei),
                "424" => form == Form::Tei,
                _ => true,
            };
            if !own {
                continue;
            }
            let response = json!({
                "description": meaning,
                "headers": headers,
                "content": { media: { "schema": reference(schema) } }
            });
            responses.insert(format!("{prefix}{code}"), response);
        }
    }
    let mut schemas = schemas::schemas();
    schemas.insert("PredictParameters".to_owned(), derived::<PredictParameters>());
    schemas.insert("Entity".to_owned(), derived::<Entity>());
    schemas.insert("LabelScore".to_owned(), derived::<LabelScore>());
    schemas.insert("Explanation".to_owned(), derived::<Explanation>());
    json!({ "schemas": schemas, "responses": responses })
}

/// The schema of a type that the wire and the program share.
fn derived<T: schemars::JsonSchema>() -> Value {
    let mut schema = schemars::schema_for!(T).to_value();
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("$schema");
    }
    schema
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn describes_every_route_and_no_other() {
        let document = openapi();
        let mut described = BTreeSet::new();
        for (path, operations) in document["paths"].as_object().expect("paths") {
            for method in operations.as_object().expect("operations").keys() {
                described.insert((method.to_uppercase(), path.clone()));
            }
        }
        let routed: BTreeSet<(String, String)> =
            crate::routes().map(|(method, path)| (method.to_owned(), path.to_owned())).collect();
        assert_eq!(described, routed);
    }

    #[test]
    fn every_reference_resolves() {
        fn visit(document: &Value, value: &Value) {
            match value {
                Value::Object(map) => {
                    if let Some(Value::String(reference)) = map.get("$ref") {
                        let pointer = reference.strip_prefix('#').expect("a local reference");
                        assert!(document.pointer(pointer).is_some(), "{reference}");
                    }
                    map.values().for_each(|value| visit(document, value));
                }
                Value::Array(list) => list.iter().for_each(|value| visit(document, value)),
                _ => {}
            }
        }
        let document = openapi();
        visit(&document, &document);
    }

    #[test]
    fn operation_ids_are_unique_and_path_parameters_declared() {
        let document = openapi();
        let mut ids = BTreeSet::new();
        for (path, operations) in document["paths"].as_object().expect("paths") {
            for operation in operations.as_object().expect("operations").values() {
                let id = operation["operationId"].as_str().expect("an id");
                assert!(ids.insert(id.to_owned()), "{id} twice");
                let in_path = |parameter: &&Value| parameter["in"] == "path";
                let declared =
                    operation["parameters"].as_array().map_or(0, |list| list.iter().filter(in_path).count());
                assert_eq!(declared, path.matches('{').count(), "{path}");
            }
        }
    }
}
