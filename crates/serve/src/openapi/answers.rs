//! Schemas of what clients of other servers are answered, errors included.

use serde_json::{Value, json};

/// The schemas of answers by name, in groups.
pub(super) fn answers() -> [Value; 4] {
    [shared(), tei(), triton(), openai()]
}

/// What several protocols answer.
fn shared() -> Value {
    json!({
        "AnyObject": { "type": "object" },
        "AnyList": { "type": "array" },
        "Vectors": { "type": "array", "items": { "type": "array", "items": { "type": "number" } } },
        "TokenVectors": { "type": "array", "items": { "$ref": "#/components/schemas/Vectors" } },
        "Strings": { "type": "array", "items": { "type": "string" } },
        "Scores": { "type": "array", "items": { "type": "number" } },
        "Predictions": {
            "type": "object",
            "properties": { "predictions": { "type": "array", "items": { "$ref": "#/components/schemas/Prediction" } } },
            "required": ["predictions"]
        },
        "AnyPredictions": {
            "type": "object",
            "properties": { "predictions": { "type": "array" } },
            "required": ["predictions"]
        },
        "Classified": {
            "description": "Labels, best first; a list of such answers for a list of texts.",
            "type": ["object", "array"],
            "properties": {
                "sequence": { "type": "string" },
                "labels": { "type": "array", "items": { "type": "string" } },
                "scores": { "type": "array", "items": { "type": "number" } }
            }
        },
        "Detections": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "confidence": { "type": "number", "minimum": 0, "maximum": 100 },
                    "language": { "type": "string" }
                },
                "required": ["confidence", "language"]
            }
        },
        "Languages": { "type": "array", "items": { "type": "object" } }
    })
}

/// Those of text-embeddings-inference.
fn tei() -> Value {
    let scores = json!({ "type": "array", "items": { "$ref": "#/components/schemas/LabelScore" } });
    json!({
        "TeiTokens": {
            "type": "array",
            "items": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "id": { "type": "integer" },
                        "text": { "type": "string" },
                        "special": { "type": "boolean" },
                        "start": { "type": ["integer", "null"] },
                        "stop": { "type": ["integer", "null"] }
                    },
                    "required": ["id", "text", "special", "start", "stop"]
                }
            }
        },
        "TeiRanking": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "index": { "type": "integer" },
                    "score": { "type": "number", "minimum": 0, "maximum": 1 },
                    "text": { "type": "string" }
                },
                "required": ["index", "score"]
            }
        },
        "TeiPredictions": {
            "description": "Labels, best first; a list of such lists for a batch.",
            "type": "array",
            "items": { "anyOf": [{ "$ref": "#/components/schemas/LabelScore" }, scores] }
        },
        "TeiInfo": {
            "type": "object",
            "properties": {
                "model_id": { "type": "string" },
                "model_sha": { "type": ["string", "null"] },
                "model_dtype": { "type": "string" },
                "served_model_name": { "type": "string" },
                "model_type": { "type": "object" },
                "max_concurrent_requests": { "type": "integer" },
                "max_input_length": { "description": "Characters.", "type": "integer" },
                "max_client_batch_size": { "type": "integer" },
                "auto_truncate": { "type": "boolean" },
                "version": { "type": "string" }
            },
            "required": ["model_id", "model_type", "max_input_length", "max_client_batch_size", "version"]
        }
    })
}

/// Those of Triton.
fn triton() -> Value {
    let timed = json!({
        "type": "object",
        "properties": { "count": { "type": "integer" }, "ns": { "type": "integer" } },
        "required": ["count", "ns"]
    });
    json!({
        "V2Statistics": {
            "type": "object",
            "properties": {
                "model_stats": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "name": { "type": "string" },
                            "version": { "type": "string" },
                            "inference_count": { "type": "integer" },
                            "execution_count": { "type": "integer" },
                            "inference_stats": {
                                "type": "object",
                                "properties": { "success": timed, "fail": timed, "queue": timed, "compute_infer": timed }
                            }
                        },
                        "required": ["name", "version", "inference_count", "execution_count", "inference_stats"]
                    }
                }
            },
            "required": ["model_stats"]
        },
        "V2RepositoryIndex": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": { "type": "string" },
                    "version": { "type": "string" },
                    "state": { "enum": ["READY", "UNAVAILABLE"] },
                    "reason": { "type": "string" }
                },
                "required": ["name", "state"]
            }
        }
    })
}

/// Those of KServe and OpenAI.
fn openai() -> Value {
    json!({
        "V1Model": {
            "type": "object",
            "properties": {
                "id": { "type": "string" },
                "object": { "const": "model" },
                "created": { "type": "integer" },
                "owned_by": { "type": "string" },
                "name": { "type": "string" },
                "ready": { "type": "boolean" }
            },
            "required": ["id", "object", "created", "owned_by", "name", "ready"]
        },
        "V1Models": {
            "type": "object",
            "properties": {
                "object": { "const": "list" },
                "data": { "type": "array", "items": { "$ref": "#/components/schemas/V1Model" } },
                "models": { "type": "array", "items": { "type": "string" } }
            },
            "required": ["object", "data", "models"]
        },
        "ChatResponse": {
            "type": "object",
            "properties": {
                "id": { "type": "string" },
                "object": { "const": "chat.completion" },
                "created": { "type": "integer" },
                "model": { "type": "string" },
                "choices": { "type": "array", "items": { "type": "object" } },
                "usage": { "description": "Words stand for tokens.", "type": "object" }
            },
            "required": ["id", "object", "created", "model", "choices", "usage"]
        },
        "EmbeddingsResponse": {
            "type": "object",
            "properties": {
                "object": { "const": "list" },
                "data": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "object": { "const": "embedding" },
                            "index": { "type": "integer" },
                            "embedding": {
                                "description": "Numbers, or their little-endian 32-bit form in base64.",
                                "type": ["array", "string"]
                            }
                        },
                        "required": ["object", "index", "embedding"]
                    }
                },
                "model": { "type": "string" },
                "usage": { "description": "Tokens are estimated from the length.", "type": "object" }
            },
            "required": ["object", "data", "model", "usage"]
        }
    })
}

/// The schemas of errors by name.
pub(super) fn errors() -> Value {
    json!({
        "TeiError": {
            "type": "object",
            "properties": {
                "error": { "type": "string" },
                "error_type": { "enum": ["Unhealthy", "Backend", "Overloaded", "Validation", "Tokenizer", "Empty"] }
            },
            "required": ["error", "error_type"]
        },
        "OpenAiError": {
            "type": "object",
            "properties": {
                "error": {
                    "type": "object",
                    "properties": {
                        "message": { "type": "string" },
                        "type": { "type": "string" },
                        "param": { "type": ["string", "null"] },
                        "code": { "type": ["string", "null"] }
                    },
                    "required": ["message", "type"]
                },
                "message": { "type": "string" },
                "type": { "type": "string" },
                "code": { "type": "integer" }
            },
            "required": ["error", "message", "type", "code"]
        },
        "MlflowError": {
            "type": "object",
            "properties": { "error_code": { "type": "string" }, "message": { "type": "string" } },
            "required": ["error_code", "message"]
        },
        "LibreTranslateError": {
            "type": "object",
            "properties": { "error": { "type": "string" } },
            "required": ["error"]
        }
    })
}
