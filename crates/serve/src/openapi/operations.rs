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
    "put" "/apis/loquat.dev/v1alpha1" "applyResources" "Create or change resources of any kinds, all or none; with dryRun=All, check only"
        Some("Resource"), Some("AppliedResources"), &["400", "403", "408", "409", "413", "422", "503"];
    "get" "/apis/loquat.dev/v1alpha1/{kind}" "listResources" "Resources of the running server"
        None, Some("ResourceList"), &["400", "403", "404"];
    "get" "/apis/loquat.dev/v1alpha1/{kind}/{name}" "getResource" "A resource, with how it fares"
        None, Some("Resource"), &["400", "403", "404"];
    "put" "/apis/loquat.dev/v1alpha1/{kind}/{name}" "putResource" "Create or change a resource; with dryRun=All, check only"
        Some("Resource"), Some("Resource"), &["400", "403", "404", "408", "409", "413", "422", "503"];
    "delete" "/apis/loquat.dev/v1alpha1/{kind}/{name}" "deleteResource" "Delete a resource; with dryRun=All, check only"
        None, Some("AnyObject"), &["400", "403", "404", "409", "422", "503"];
    "get" "/why/{subject}" "why" "Why a request was slow, or how an endpoint fares"
        None, Some("Why"), &["403", "404"];
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
    "post" "/v2/repository/models/{model}/load" "v2RepositoryLoad" "Load a model; its alias says which version"
        None, Some("AnyObject"), VERSIONED;
    "post" "/v2/repository/models/{model}/unload" "v2RepositoryUnload" "Unload a model until it is loaded again"
        None, Some("AnyObject"), &["403", "404", "503"];
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
    "post" "/embed_all" "teiEmbedAll" "text-embeddings-inference: vectors of the tokens of texts"
        Some("TeiEmbedAllRequest"), Some("TokenVectors"), TEI_ASKS;
    "post" "/embed_sparse" "teiEmbedSparse" "Sparse embeddings; no model that is loaded has the task"
        None, None, &["424"];
    "post" "/similarity" "teiSimilarity" "text-embeddings-inference: cosines of one text with several"
        Some("TeiSimilarityRequest"), Some("Scores"), TEI_ASKS;
    "post" "/rerank" "teiRerank" "text-embeddings-inference: texts by how well they answer a query"
        Some("TeiRerankRequest"), Some("TeiRanking"), TEI_ASKS;
    "post" "/tokenize" "teiTokenize" "text-embeddings-inference: tokens of texts"
        Some("TeiTokenizeRequest"), Some("TeiTokens"), TEI_ASKS;
    "post" "/decode" "teiDecode" "text-embeddings-inference: text of tokens"
        Some("TeiDecodeRequest"), Some("Strings"), TEI_ASKS;
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
pub(super) fn paths() -> Map<String, Value> {
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
        for (name, description) in [
            ("model", "Name of an endpoint."),
            ("version", "A registered version."),
            ("kind", "endpoints, models, trainings or datasets."),
            ("name", "Name of the resource."),
            ("subject", "Name of an endpoint, or id of a request."),
        ] {
            if self.path.contains(&format!("{{{name}}}")) {
                parameters.push(super::document::parameter(name, description));
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
            )
        {
            parameters.push(model_header());
        }
        let mut responses = Map::new();
        match self.answer {
            Some(schema) => {
                responses.insert("200".to_owned(), super::document::answer(schema, "The answer."));
            }
            None if self.errors.is_empty() => {
                responses.insert("200".to_owned(), json!({ "description": "The answer, no JSON." }));
            }
            None => {}
        }
        if matches!(self.id, "applyResources" | "putResource" | "deleteResource") {
            parameters.push(dry_run());
        }
        if self.id == "putResource" {
            responses.insert("201".to_owned(), super::document::answer("Resource", "Created."));
        }
        if self.id == "v1Model" {
            responses.insert("503".to_owned(), super::document::answer("V1Model", "Not ready."));
        }
        for code in self.errors {
            let reference = format!("#/components/responses/{}{code}", prefix(form));
            responses.insert((*code).to_owned(), json!({ "$ref": reference }));
        }
        let mut described = json!({
            "operationId": self.id,
            "summary": self.summary,
            "tags": [tag(form, self.path)],
            "parameters": parameters,
            "responses": responses
        });
        if let Some(schema) = self.body {
            let mut body = super::document::body(schema);
            if self.id == "mlflowInvocations" {
                body["content"]["text/csv"] = json!({ "schema": { "type": "string" } });
            }
            if matches!(self.id, "applyResources" | "putResource") {
                body["content"]["application/yaml"] = body["content"]["application/json"].clone();
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

fn dry_run() -> Value {
    json!({
        "name": "dryRun",
        "in": "query",
        "description": "Says what would change and changes nothing.",
        "schema": { "const": "All" }
    })
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
pub(super) fn prefix(form: Form) -> &'static str {
    match form {
        Form::Problem => "Problem",
        Form::OpenInference => "V2Error",
        Form::Tei => "TeiError",
        Form::OpenAi => "OpenAiError",
        Form::MlFlow => "MlflowError",
        Form::LibreTranslate | Form::Grpc => "LibreTranslateError",
    }
}

fn tag(form: Form, path: &str) -> &'static str {
    match form {
        Form::Problem if path != "/classify" && path != "/status" => "operation",
        Form::Problem => "prediction",
        Form::OpenInference => "open inference protocol",
        Form::Tei => "text-embeddings-inference",
        Form::OpenAi => "openai and kserve v1",
        Form::MlFlow => "mlflow",
        Form::LibreTranslate | Form::Grpc => "libretranslate",
    }
}
