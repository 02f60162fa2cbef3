//! Schemas of what clients of other servers send.

use serde_json::{Value, json};

/// The schemas by name, in groups.
pub(super) fn requests() -> [Value; 3] {
    [servers(), tei(), texts()]
}

/// Those of KServe, Triton, MLflow and OpenAI.
fn servers() -> Value {
    let texts = json!({ "type": "array", "minItems": 1, "items": { "$ref": "#/components/schemas/Input" } });
    json!({
        "V2RepositoryIndexRequest": {
            "type": "object",
            "properties": { "ready": { "type": "boolean" } },
            "additionalProperties": false
        },
        "V1PredictRequest": {
            "type": "object",
            "properties": { "instances": texts, "signature_name": { "type": "string" } },
            "required": ["instances"],
            "additionalProperties": false,
            "examples": [{ "instances": ["where is my parcel?"] }]
        },
        "MlflowRequest": {
            "description": "One of the members.",
            "type": "object",
            "properties": {
                "dataframe_split": {
                    "type": "object",
                    "properties": {
                        "columns": { "type": "array", "items": { "type": "string" } },
                        "data": { "type": "array", "items": { "type": "array" } }
                    },
                    "required": ["data"]
                },
                "dataframe_records": { "type": "array", "items": { "type": "object" } },
                "instances": texts,
                "inputs": { "type": ["array", "object", "string"] }
            },
            "minProperties": 1,
            "maxProperties": 1,
            "examples": [{ "inputs": ["where is my parcel?"] }]
        },
        "ChatRequest": {
            "type": "object",
            "properties": {
                "model": { "description": "Name of an endpoint; else the default.", "type": "string" },
                "messages": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "properties": {
                            "role": { "enum": ["user", "system", "assistant", "developer"] },
                            "content": { "type": "string" }
                        },
                        "required": ["role", "content"]
                    }
                },
                "stream": { "description": "Answer as server-sent events.", "type": "boolean", "default": false },
                "temperature": { "description": "Without effect.", "type": "number" },
                "max_tokens": { "description": "Without effect.", "type": "integer" }
            },
            "required": ["messages"],
            "examples": [{ "messages": [{ "role": "user", "content": "where is my parcel?" }] }]
        },
        "EmbeddingsRequest": {
            "type": "object",
            "properties": {
                "input": { "$ref": "#/components/schemas/Texts" },
                "model": { "description": "Name of an endpoint; else the default.", "type": "string" },
                "encoding_format": { "enum": ["float", "base64"] },
                "dimensions": { "description": "How many of a vector's first values.", "type": "integer", "minimum": 1 },
                "user": { "description": "Without effect.", "type": "string" }
            },
            "required": ["input"],
            "additionalProperties": false,
            "examples": [{ "input": "where is my parcel?" }]
        },
        "VertexRequest": {
            "type": "object",
            "properties": {
                "instances": { "type": "array", "minItems": 1, "items": { "$ref": "#/components/schemas/TeiPredictRequest" } }
            },
            "required": ["instances"]
        }
    })
}

/// Those of text-embeddings-inference that ask for labels and vectors.
fn tei() -> Value {
    let sequence = json!({ "type": "array", "minItems": 1, "maxItems": 2, "items": { "type": "string" } });
    json!({
        "TeiPredictRequest": {
            "type": "object",
            "properties": {
                "inputs": {
                    "description": "A text; a flat list of two is a pair; a list of lists is a batch.",
                    "oneOf": [
                        { "type": "string" },
                        sequence,
                        { "type": "array", "minItems": 1, "items": sequence }
                    ]
                },
                "raw_scores": { "const": false },
                "truncate": { "type": "boolean" },
                "truncation_direction": { "enum": ["Left", "Right"] }
            },
            "required": ["inputs"],
            "additionalProperties": false,
            "examples": [{ "inputs": "where is my parcel?" }]
        },
        "TeiEmbedRequest": {
            "type": "object",
            "properties": {
                "inputs": { "$ref": "#/components/schemas/Texts" },
                "normalize": { "description": "Whether vectors have length 1.", "type": "boolean", "default": true },
                "dimensions": { "description": "How many of a vector's first values.", "type": "integer", "minimum": 1 },
                "prompt_name": { "description": "Which of the model's prompts stands before each text.", "type": "string" },
                "truncate": { "type": "boolean" },
                "truncation_direction": { "enum": ["Left", "Right"] }
            },
            "required": ["inputs"],
            "additionalProperties": false,
            "examples": [{ "inputs": "where is my parcel?" }]
        },
        "TeiEmbedAllRequest": {
            "type": "object",
            "properties": {
                "inputs": { "$ref": "#/components/schemas/Texts" },
                "prompt_name": { "description": "Which of the model's prompts stands before each text.", "type": "string" },
                "truncate": { "type": "boolean" },
                "truncation_direction": { "enum": ["Left", "Right"] }
            },
            "required": ["inputs"],
            "additionalProperties": false,
            "examples": [{ "inputs": "where is my parcel?" }]
        },
        "TeiSimilarityRequest": {
            "type": "object",
            "properties": {
                "inputs": {
                    "type": "object",
                    "properties": {
                        "source_sentence": { "type": "string" },
                        "sentences": { "type": "array", "minItems": 1, "items": { "type": "string" } }
                    },
                    "required": ["source_sentence", "sentences"],
                    "additionalProperties": false
                }
            },
            "required": ["inputs"],
            "additionalProperties": false
        },
        "TeiRerankRequest": {
            "type": "object",
            "properties": {
                "query": { "type": "string" },
                "texts": { "type": "array", "minItems": 1, "items": { "type": "string" } },
                "raw_scores": { "const": false },
                "return_text": { "type": "boolean" },
                "truncate": { "type": "boolean" },
                "truncation_direction": { "enum": ["Left", "Right"] }
            },
            "required": ["query", "texts"],
            "additionalProperties": false
        }
    })
}

/// Texts, their tokens, their language and their labels.
fn texts() -> Value {
    json!({
        "Texts": {
            "oneOf": [
                { "type": "string" },
                { "type": "array", "minItems": 1, "items": { "type": "string" } }
            ]
        },
        "TeiTokenizeRequest": {
            "type": "object",
            "properties": {
                "inputs": { "$ref": "#/components/schemas/Texts" },
                "add_special_tokens": { "type": "boolean", "default": true },
                "prompt_name": { "description": "Which of the model's prompts stands before each text.", "type": "string" }
            },
            "required": ["inputs"],
            "additionalProperties": false,
            "examples": [{ "inputs": "where is my parcel?" }]
        },
        "TeiDecodeRequest": {
            "type": "object",
            "properties": {
                "ids": { "description": "Ids of tokens, or lists of them.", "type": "array" },
                "skip_special_tokens": { "type": "boolean", "default": true }
            },
            "required": ["ids"],
            "additionalProperties": false,
            "examples": [{ "ids": [101, 2073, 102] }]
        },
        "ClassifyRequest": {
            "type": "object",
            "properties": {
                "sequence": { "$ref": "#/components/schemas/Texts" },
                "labels": { "type": "array", "minItems": 1, "items": { "type": "string" } }
            },
            "required": ["sequence"],
            "additionalProperties": false,
            "examples": [{ "sequence": "where is my parcel?", "labels": ["delivery", "refund"] }]
        },
        "DetectRequest": {
            "type": "object",
            "properties": { "q": { "type": "string" }, "api_key": { "type": "string" } },
            "required": ["q"],
            "examples": [{ "q": "where is my parcel?" }]
        }
    })
}
