//! Schemas of the bodies that no shared type describes.

use serde_json::{Map, Value, json};

use super::{answers, requests};

/// Schemas by name.
pub(super) fn schemas() -> Map<String, Value> {
    let mut all = Map::new();
    let own = [inputs(), predictions(), operation(), open_inference(), inference(), resources()];
    let others = requests::requests().into_iter().chain(answers::answers()).chain([answers::errors()]);
    for group in own.into_iter().chain(others) {
        if let Value::Object(group) = group {
            all.extend(group);
        }
    }
    all
}

/// An object with these columns and no other.
fn columns(names: &[&str]) -> Value {
    let properties: Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), json!({ "type": "string" }))).collect();
    json!({ "type": "object", "properties": properties, "required": names, "additionalProperties": false })
}

fn inputs() -> Value {
    json!({
        "Input": {
            "description": "A text, or an object with the task's columns.",
            "oneOf": [
                { "type": "string" },
                columns(&["text"]),
                columns(&["premise", "hypothesis"]),
                columns(&["text_a", "text_b"])
            ]
        },
        "PredictRequest": {
            "type": "object",
            "properties": {
                "inputs": {
                    "description": "One input or a list of inputs.",
                    "oneOf": [
                        { "$ref": "#/components/schemas/Input" },
                        { "type": "array", "items": { "$ref": "#/components/schemas/Input" }, "minItems": 1 }
                    ]
                },
                "parameters": { "$ref": "#/components/schemas/PredictParameters" }
            },
            "required": ["inputs"],
            "additionalProperties": false,
            "examples": [{ "inputs": "where is my parcel?", "parameters": { "top_k": 3 } }]
        }
    })
}

fn predictions() -> Value {
    json!({
        "Prediction": {
            "oneOf": [
                {
                    "title": "one label",
                    "type": "object",
                    "properties": {
                        "label": { "type": "string" },
                        "score": { "type": "number", "minimum": 0, "maximum": 1 },
                        "scores": {
                            "description": "The best labels, with top_k.",
                            "type": "array",
                            "items": { "$ref": "#/components/schemas/LabelScore" }
                        },
                        "explanation": {
                            "description": "What decided, with explain.",
                            "type": "array",
                            "items": { "$ref": "#/components/schemas/Explanation" }
                        }
                    },
                    "required": ["label", "score"]
                },
                {
                    "title": "several labels",
                    "type": "object",
                    "properties": {
                        "labels": {
                            "description": "Labels over the threshold, best first; of zero-shot models all.",
                            "type": "array",
                            "items": { "$ref": "#/components/schemas/LabelScore" }
                        }
                    },
                    "required": ["labels"]
                },
                {
                    "title": "spans of the text",
                    "type": "object",
                    "properties": {
                        "entities": { "type": "array", "items": { "$ref": "#/components/schemas/Entity" } }
                    },
                    "required": ["entities"]
                },
                {
                    "title": "vector",
                    "type": "object",
                    "properties": { "embedding": { "type": "array", "items": { "type": "number" } } },
                    "required": ["embedding"]
                },
                {
                    "title": "likeness of two texts",
                    "type": "object",
                    "properties": { "score": { "type": "number", "minimum": -1, "maximum": 1 } },
                    "required": ["score"],
                    "additionalProperties": false
                }
            ]
        },
        "PredictResponse": {
            "type": "object",
            "properties": {
                "model": { "type": "string" },
                "version": { "type": "integer", "minimum": 1 },
                "request_id": { "type": "string" },
                "predictions": { "type": "array", "items": { "$ref": "#/components/schemas/Prediction" } }
            },
            "required": ["model", "version", "request_id", "predictions"]
        },
        "Problem": {
            "description": "RFC 9457 problem details.",
            "type": "object",
            "properties": {
                "type": { "type": "string", "format": "uri" },
                "title": { "type": "string" },
                "status": { "type": "integer" },
                "detail": { "type": "string" },
                "field": { "description": "Where the request is at fault, as in inputs[3].text.", "type": "string" },
                "remedy": { "type": "string" },
                "request_id": { "type": "string" }
            },
            "required": ["type", "title", "status", "detail", "request_id"]
        }
    })
}

fn operation() -> Value {
    json!({
        "ModelList": {
            "type": "object",
            "properties": { "models": { "type": "array", "items": { "$ref": "#/components/schemas/ModelCard" } } },
            "required": ["models"]
        },
        "ModelCard": {
            "type": "object",
            "properties": {
                "name": { "description": "The endpoint's name.", "type": "string" },
                "model": { "description": "The registered model's name.", "type": "string" },
                "reference": { "description": "Which version answers, as declared.", "type": "string" },
                "ready": { "type": "boolean" },
                "default": { "type": "boolean" },
                "implicit": { "description": "Whether no resource declares it.", "type": "boolean" },
                "versions": { "type": "array", "items": { "type": "integer" } },
                "version": { "description": "The version that answers.", "type": "integer" },
                "digest": { "description": "SHA-256 of its artifact.", "type": "string" },
                "task": { "type": "string" },
                "labels": { "type": "array", "items": { "type": "string" } },
                "languages": { "type": "array", "items": { "type": "string" } },
                "detail": { "description": "Why the version that should answer doesn't.", "type": "string" }
            },
            "required": ["name", "model", "reference", "ready", "default", "implicit", "versions"]
        },
        "Health": {
            "type": "object",
            "properties": { "status": { "enum": ["ok", "starting", "draining", "not-ready"] } },
            "required": ["status"]
        },
        "Live": { "type": "object", "properties": { "live": { "const": true } }, "required": ["live"] },
        "Ready": {
            "type": "object",
            "properties": {
                "ready": { "type": "boolean" },
                "status": { "enum": ["ready", "starting", "draining", "not-ready"] },
                "detail": { "description": "What is wrong with the store as a whole.", "type": "string" },
                "endpoints": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "name": { "type": "string" },
                            "ready": { "type": "boolean" },
                            "model": { "type": "string" },
                            "version": { "type": "integer" },
                            "detail": { "type": "string" }
                        },
                        "required": ["name", "ready", "model"]
                    }
                }
            },
            "required": ["ready", "status", "endpoints"]
        }
    })
}

fn open_inference() -> Value {
    json!({
        "V2Server": {
            "type": "object",
            "properties": {
                "name": { "type": "string" },
                "version": { "type": "string" },
                "extensions": { "type": "array", "items": { "type": "string" } }
            },
            "required": ["name", "version", "extensions"]
        },
        "V2Health": {
            "type": "object",
            "properties": { "live": { "type": "boolean" }, "ready": { "type": "boolean" } },
            "required": ["live", "ready"]
        },
        "V2TensorMetadata": {
            "type": "object",
            "properties": {
                "name": { "type": "string" },
                "datatype": { "type": "string" },
                "shape": { "type": "array", "items": { "type": "integer" } }
            },
            "required": ["name", "datatype", "shape"]
        },
        "V2Model": {
            "type": "object",
            "properties": {
                "name": { "type": "string" },
                "versions": { "type": "array", "items": { "type": "string" } },
                "platform": { "type": "string" },
                "inputs": { "type": "array", "items": { "$ref": "#/components/schemas/V2TensorMetadata" } },
                "outputs": { "type": "array", "items": { "$ref": "#/components/schemas/V2TensorMetadata" } }
            },
            "required": ["name", "platform", "inputs", "outputs"]
        },
        "V2ModelReady": {
            "type": "object",
            "properties": { "name": { "type": "string" }, "ready": { "type": "boolean" } },
            "required": ["name", "ready"]
        },
        "V2Parameters": {
            "type": "object",
            "additionalProperties": { "type": ["string", "number", "boolean"] }
        },
        "V2Error": { "type": "object", "properties": { "error": { "type": "string" } }, "required": ["error"] }
    })
}

fn inference() -> Value {
    json!({
        "V2InferRequest": {
            "type": "object",
            "properties": {
                "id": { "type": "string" },
                "model_name": { "description": "Not read: the path says which.", "type": "string" },
                "model_version": { "description": "Not read: the path says which.", "type": ["string", "null"] },
                "parameters": { "$ref": "#/components/schemas/V2Parameters" },
                "inputs": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": 1,
                    "items": {
                        "type": "object",
                        "properties": {
                            "name": { "enum": ["text", "input-0", "input_0", "inputs"] },
                            "shape": { "type": "array", "items": { "type": "integer", "minimum": 0 }, "minItems": 1 },
                            "datatype": { "const": "BYTES" },
                            "parameters": { "$ref": "#/components/schemas/V2Parameters" },
                            "data": { "description": "Strings, flat or nested, row-major.", "type": "array" }
                        },
                        "required": ["name", "shape", "datatype"],
                        "additionalProperties": false
                    }
                },
                "outputs": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "name": { "enum": ["label", "score", "scores", "labels"] },
                            "parameters": { "$ref": "#/components/schemas/V2Parameters" }
                        },
                        "required": ["name"],
                        "additionalProperties": false
                    }
                }
            },
            "required": ["inputs"],
            "additionalProperties": false,
            "examples": [
                { "inputs": [{ "name": "text", "shape": [1], "datatype": "BYTES", "data": ["where is my parcel?"] }] }
            ]
        },
        "V2InferResponse": {
            "type": "object",
            "properties": {
                "model_name": { "type": "string" },
                "model_version": { "type": "string" },
                "id": { "type": "string" },
                "outputs": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "name": { "type": "string" },
                            "shape": { "type": "array", "items": { "type": "integer" } },
                            "datatype": { "enum": ["BYTES", "FP32"] },
                            "parameters": { "$ref": "#/components/schemas/V2Parameters" },
                            "data": { "type": "array" }
                        },
                        "required": ["name", "shape", "datatype"]
                    }
                }
            },
            "required": ["model_name", "model_version", "outputs"]
        }
    })
}

fn resources() -> Value {
    json!({
        "Resource": {
            "description": "A resource in the Kubernetes shape; GET /apis answers its status too.",
            "type": "object",
            "properties": {
                "apiVersion": { "const": loquat_spec::API_VERSION },
                "kind": { "enum": loquat_spec::KINDS },
                "metadata": {
                    "type": "object",
                    "properties": { "name": { "type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$" } },
                    "required": ["name"]
                },
                "spec": { "type": "object" }
            },
            "required": ["apiVersion", "kind", "metadata", "spec"]
        },
        "ResourceList": {
            "type": "object",
            "properties": { "items": { "type": "array", "items": { "$ref": "#/components/schemas/Resource" } } },
            "required": ["apiVersion", "kind", "items"]
        },
        "AppliedResources": {
            "type": "object",
            "properties": {
                "items": { "type": "array", "items": { "$ref": "#/components/schemas/Resource" } },
                "changes": { "type": "array", "items": { "enum": ["created", "configured", "unchanged"] } }
            },
            "required": ["apiVersion", "kind", "items", "changes"]
        },
        "Why": {
            "type": "object",
            "properties": {
                "kind": { "enum": ["request", "endpoint"] },
                "because": { "type": "array", "items": { "type": "string" } }
            },
            "required": ["kind", "because"]
        }
    })
}
