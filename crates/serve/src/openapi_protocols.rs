//! The OpenAPI operations of the protocols that clients of other servers speak.

use serde_json::{Map, Value, json};

use crate::form::Form;

/// One operation in short.
struct Operation {
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    /// Schema of the request body; none where there is none.
    body: Option<&'static str>,
    /// Schema of the 200 answer; none where the answer is no JSON.
    answer: Option<&'static str>,
    /// Statuses of errors.
    errors: &'static [&'static str],
}

const NONE: &[&str] = &[];
const READ: &[&str] = &["404"];
const VERSIONED: &[&str] = &["404", "503"];
/// What a route that reads a body may answer.
const ASKS: &[&str] = &["400", "404", "408", "413", "415", "429", "500", "503", "504"];
const ASKS_OWN: &[&str] = &["400", "404", "408", "413", "415", "422", "429", "500", "503", "504"];
const TEI_ASKS: &[&str] = &["400", "404", "408", "413", "415", "422", "424", "429", "500", "503", "504"];

macro_rules! operations {
    ($($method:literal $path:literal $id:literal $summary:literal $body:expr, $answer:expr, $errors:expr;)*) => {
        &[$(Operation {
            method: $method, path: $path, id: $id, summary: $summary, body: $body, answer: $answer, errors: $errors,
        }),*]
    };
}

const OPERATIONS: &[Operation] = operations![
    "get" "/v2/models/{model}/config" "v2ModelConfig" "Triton's configuration of a model"
        None, Some("AnyObject"), VERSIONED;
    "get" "/v2/models/{model}/versions/{version}/config" "v2ModelVersionConfig" "Triton's configuration of a version"
        None, Some("AnyObject"), VERSIONED;
    "get" "/v2/models/stats" "v2Stats" "Triton's statistics of every model"
        None, Some("V2Statistics"), NONE;
    "get" "/v2/models/{model}/stats" "v2ModelStats" "Triton's statistics of a model"
        None, Some("V2Statistics"), VERSIONED;
    "get" "/v2/models/{model}/versions/{version}/stats" "v2ModelVersionStats" "Triton's statistics of a version"
        None, Some("V2Statistics"), VERSIONED;
    "post" "/v2/repository/index" "v2RepositoryIndex" "Triton's index of models"
        Some("V2RepositoryIndexRequest"), Some("V2RepositoryIndex"), &["400", "408", "413", "415"];
    "post" "/v2/repository/models/{model}/load" "v2RepositoryLoad" "Whether a model is loaded; the store decides which version"
        None, Some("AnyObject"), VERSIONED;
    "post" "/v2/repository/models/{model}/unload" "v2RepositoryUnload" "Not yet supported"
        None, None, &["400", "404"];
    "get" "/v1/models" "v1Models" "Models, for clients of OpenAI and of KServe v1"
        None, Some("V1Models"), NONE;
    "get" "/v1/models/{model}" "v1Model" "One model, for clients of OpenAI and of KServe v1"
        None, Some("V1Model"), READ;
    "post" "/v1/models/{model}:predict" "v1Predict" "KServe v1: predict a list of instances"
        Some("V1PredictRequest"), Some("Predictions"), ASKS;
    "post" "/v1/chat/completions" "chatCompletions" "OpenAI: the label of the user's last message"
        Some("ChatRequest"), Some("ChatResponse"), ASKS;
    "post" "/v1/embeddings" "openaiEmbeddings" "OpenAI: vectors of texts"
        Some("EmbeddingsRequest"), Some("EmbeddingsResponse"), ASKS;
    "post" "/embeddings" "embeddings" "As /v1/embeddings"
        Some("EmbeddingsRequest"), Some("EmbeddingsResponse"), ASKS;
    "get" "/" "root" "The word alive"
        None, Some("AnyObject"), NONE;
    "post" "/" "teiRoot" "As /embed or /predict, by the task of the default model"
        Some("TeiPredictRequest"), Some("AnyList"), TEI_ASKS;
    "post" "/predict" "teiPredict" "text-embeddings-inference: labels of a text, a pair or a batch"
        Some("TeiPredictRequest"), Some("TeiPredictions"), TEI_ASKS;
    "post" "/embed" "teiEmbed" "text-embeddings-inference: vectors of texts"
        Some("TeiEmbedRequest"), Some("Vectors"), TEI_ASKS;
    "post" "/embed_all" "teiEmbedAll" "Vectors of tokens: not yet supported"
        None, None, &["400", "404", "424", "503"];
    "post" "/embed_sparse" "teiEmbedSparse" "Sparse embeddings; no model that is loaded has the task"
        None, None, &["424"];
    "post" "/similarity" "teiSimilarity" "text-embeddings-inference: cosines of one text with several"
        Some("TeiSimilarityRequest"), Some("Scores"), TEI_ASKS;
    "post" "/rerank" "teiRerank" "text-embeddings-inference: texts by how well they answer a query"
        Some("TeiRerankRequest"), Some("TeiRanking"), TEI_ASKS;
    "post" "/tokenize" "teiTokenize" "Tokens; no model that is loaded has a tokenizer"
        None, None, &["424"];
    "post" "/decode" "teiDecode" "Text of tokens; no model that is loaded has a tokenizer"
        None, None, &["424"];
    "post" "/vertex" "teiVertex" "Bodies of /predict as instances"
        Some("VertexRequest"), Some("AnyPredictions"), TEI_ASKS;
    "get" "/info" "teiInfo" "What answers /predict"
        None, Some("TeiInfo"), &["400", "404", "424", "503"];
    "post" "/invocations" "mlflowInvocations" "MLflow: score a data frame, instances or inputs"
        Some("MlflowRequest"), Some("Predictions"), ASKS;
    "get" "/ping" "mlflowPing" "MLflow: whether the server is up"
        None, None, NONE;
    "get" "/version" "mlflowVersion" "MLflow: version of the server"
        None, None, NONE;
    "post" "/detect" "detect" "LibreTranslate: language of a text"
        Some("DetectRequest"), Some("Detections"), ASKS;
    "get" "/languages" "languages" "LibreTranslate: pairs of languages that can be translated"
        None, Some("Languages"), NONE;
    "post" "/translate" "translate" "LibreTranslate: translation; no model that is loaded has the task"
        None, None, &["400"];
    "get" "/translate" "translateQuery" "Translation of the query's q; no model that is loaded has the task"
        None, None, &["400"];
    "post" "/classify" "classify" "Zero-shot classification: labels of a text, best first"
        Some("ClassifyRequest"), Some("Classified"), ASKS_OWN;
    "get" "/status" "status" "The word alive"
        None, None, NONE;
];

/// The paths of [`OPERATIONS`].
pub(crate) fn paths() -> Map<String, Value> {
    let mut paths: Map<String, Value> = Map::new();
    for operation in OPERATIONS {
        let entry = paths.entry(operation.path).or_insert_with(|| json!({}));
        entry[operation.method] = operation.describe();
    }
    paths
}

impl Operation {
    fn describe(&self) -> Value {
        let form = Form::of(self.path);
        let mut parameters: Vec<Value> = Vec::new();
        for (name, description) in [("model", "Name of an endpoint."), ("version", "A registered version.")] {
            if self.path.contains(&format!("{{{name}}}")) {
                parameters.push(super::openapi::parameter(name, description));
            }
        }
        if self.errors == TEI_ASKS
            || matches!(
                self.id,
                "mlflowInvocations"
                    | "detect"
                    | "chatCompletions"
                    | "teiInfo"
                    | "openaiEmbeddings"
                    | "embeddings"
                    | "classify"
                    | "teiEmbedAll"
            )
        {
            parameters.push(model_header());
        }
        let mut responses = Map::new();
        match self.answer {
            Some(schema) => {
                responses.insert("200".to_owned(), super::openapi::answer(schema, "The answer."));
            }
            None if self.errors.is_empty() => {
                responses.insert("200".to_owned(), json!({ "description": "The answer, no JSON." }));
            }
            None => {}
        }
        if self.id == "v1Model" {
            responses.insert("503".to_owned(), super::openapi::answer("V1Model", "Not ready."));
        }
        for code in self.errors {
            let reference = format!("#/components/responses/{}{code}", prefix(form));
            responses.insert((*code).to_owned(), json!({ "$ref": reference }));
        }
        let mut described = json!({
            "operationId": self.id,
            "summary": self.summary,
            "tags": [tag(form)],
            "parameters": parameters,
            "responses": responses
        });
        if let Some(schema) = self.body {
            let mut body = super::openapi::body(schema);
            if self.id == "mlflowInvocations" {
                body["content"]["text/csv"] = json!({ "schema": { "type": "string" } });
            }
            if self.id == "detect" {
                body["content"]["application/x-www-form-urlencoded"] =
                    body["content"]["application/json"].clone();
            }
            if self.id == "v2RepositoryIndex" {
                body["required"] = false.into();
            }
            described["requestBody"] = body;
        }
        described
    }
}

fn model_header() -> Value {
    json!({
        "name": crate::choose::MODEL,
        "in": "header",
        "description": "Name of the endpoint that answers, where several could.",
        "schema": { "type": "string" }
    })
}

/// What names the shared error responses of a form.
pub(crate) fn prefix(form: Form) -> &'static str {
    match form {
        Form::Problem => "Problem",
        Form::OpenInference => "V2Error",
        Form::Tei => "TeiError",
        Form::OpenAi => "OpenAiError",
        Form::MlFlow => "MlflowError",
        Form::LibreTranslate | Form::Grpc => "LibreTranslateError",
    }
}

fn tag(form: Form) -> &'static str {
    match form {
        Form::Problem => "prediction",
        Form::OpenInference => "open inference protocol",
        Form::Tei => "text-embeddings-inference",
        Form::OpenAi => "openai and kserve v1",
        Form::MlFlow => "mlflow",
        Form::LibreTranslate | Form::Grpc => "libretranslate",
    }
}

/// Schemas of the bodies.
pub(crate) fn schemas() -> Value {
    let mut all = requests();
    for group in [answers(), errors()] {
        if let (Some(all), Value::Object(group)) = (all.as_object_mut(), group) {
            all.extend(group);
        }
    }
    all
}

fn requests() -> Value {
    let texts = json!({ "type": "array", "minItems": 1, "items": { "$ref": "#/components/schemas/Input" } });
    let sequence = json!({ "type": "array", "minItems": 1, "maxItems": 2, "items": { "type": "string" } });
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
                "temperature": { "description": "Without effect.", "type": "number" },
                "max_tokens": { "description": "Without effect.", "type": "integer" }
            },
            "required": ["messages"],
            "examples": [{ "messages": [{ "role": "user", "content": "where is my parcel?" }] }]
        },
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
        "EmbeddingsRequest": {
            "type": "object",
            "properties": {
                "input": { "$ref": "#/components/schemas/Texts" },
                "model": { "description": "Name of an endpoint; else the default.", "type": "string" },
                "encoding_format": { "enum": ["float", "base64"] },
                "user": { "description": "Without effect.", "type": "string" }
            },
            "required": ["input"],
            "additionalProperties": false,
            "examples": [{ "input": "where is my parcel?" }]
        },
        "Texts": {
            "oneOf": [
                { "type": "string" },
                { "type": "array", "minItems": 1, "items": { "type": "string" } }
            ]
        },
        "TeiEmbedRequest": {
            "type": "object",
            "properties": {
                "inputs": { "$ref": "#/components/schemas/Texts" },
                "normalize": { "description": "Whether vectors have length 1.", "type": "boolean", "default": true },
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
        "VertexRequest": {
            "type": "object",
            "properties": {
                "instances": { "type": "array", "minItems": 1, "items": { "$ref": "#/components/schemas/TeiPredictRequest" } }
            },
            "required": ["instances"]
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
        "DetectRequest": {
            "type": "object",
            "properties": { "q": { "type": "string" }, "api_key": { "type": "string" } },
            "required": ["q"],
            "examples": [{ "q": "where is my parcel?" }]
        }
    })
}

fn answers() -> Value {
    let timed = json!({
        "type": "object",
        "properties": { "count": { "type": "integer" }, "ns": { "type": "integer" } },
        "required": ["count", "ns"]
    });
    let scores = json!({ "type": "array", "items": { "$ref": "#/components/schemas/LabelScore" } });
    json!({
        "AnyObject": { "type": "object" },
        "AnyList": { "type": "array" },
        "Vectors": { "type": "array", "items": { "type": "array", "items": { "type": "number" } } },
        "Scores": { "type": "array", "items": { "type": "number" } },
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
        "Classified": {
            "description": "Labels, best first; a list of such answers for a list of texts.",
            "type": ["object", "array"],
            "properties": {
                "sequence": { "type": "string" },
                "labels": { "type": "array", "items": { "type": "string" } },
                "scores": { "type": "array", "items": { "type": "number" } }
            }
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
        },
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
        },
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
        },
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

fn errors() -> Value {
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
