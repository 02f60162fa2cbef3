//! KServe v1, text-embeddings-inference, OpenAI, MLflow, LibreTranslate and the services that Loquat replaces.

use loquat_spec::{Requests, Task};
use serde_json::{Value, json};

use crate::harness::{LABELS, Registry, Reply, Server, declaring, endpoint, tiny_model};

/// A single-label, a multi-label and a language model; the first is the default.
fn three_models() -> (Registry, Server) {
    let registry = Registry::with_tickets();
    registry.register("topics", &tiny_model(Task::MultiLabelClassification, 0));
    registry.promote("topics", 1);
    let server = registry.serve_with(|config| {
        let mut tickets = endpoint("tickets", "tickets", Requests { max_inputs: 4, ..Requests::default() });
        tickets.default = true;
        config.resources = declaring(vec![tickets]);
    });
    (registry, server)
}

fn only_tickets() -> (Registry, Server) {
    let registry = Registry::with_tickets();
    let server = registry.serve();
    (registry, server)
}

/// A request that must be refused, and how.
struct Refused {
    path: &'static str,
    body: Value,
    status: u16,
    /// What the error must name.
    names: &'static str,
}

fn refused(path: &'static str, body: Value, status: u16, names: &'static str) -> Refused {
    Refused { path, body, status, names }
}

fn check_refusals(server: &Server, cases: Vec<Refused>, message: impl Fn(&Value) -> Option<&str>) {
    let mut wrong = Vec::new();
    for Refused { path, body, status, names } in cases {
        let reply = server.post(path, &body);
        let answer = reply.json();
        let text = message(&answer).unwrap_or_default();
        if reply.status != status || !text.contains(names) {
            wrong.push(format!("{path} {body}: {} {answer}, wanted {status} with {names:?}", reply.status));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn labels(predictions: &Value) -> Vec<&str> {
    predictions.as_array().unwrap().iter().map(|p| p["label"].as_str().unwrap()).collect()
}

#[test]
fn kserve_v1_answers_every_instance() {
    let (_registry, server) = three_models();
    let body = json!({ "instances": ["money", { "text": "parcel" }, "password"] });
    let reply = server.post("/v1/models/tickets:predict", &body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(labels(&reply.json()["predictions"]), LABELS);
    let topics = server.post("/v1/models/topics:predict", &json!({ "instances": ["parcel"] })).json();
    assert_eq!(topics["predictions"][0]["labels"][0]["label"], "delivery");
}

#[test]
fn kserve_v1_and_openai_share_the_list_of_models() {
    let (_registry, server) = three_models();
    let list = server.get("/v1/models").json();
    assert_eq!((&list["object"], &list["models"]), (&json!("list"), &json!(["tickets", "topics"])));
    let card = server.get("/v1/models/tickets").json();
    assert_eq!(list["data"][0], card);
    assert_eq!(
        (&card["id"], &card["name"], &card["ready"]),
        (&json!("tickets"), &json!("tickets"), &json!(true))
    );
    assert_eq!((&card["object"], &card["owned_by"]), (&json!("model"), &json!("loquat")));
    let missing = server.get("/v1/models/nobody");
    assert_eq!((missing.status, &missing.json()["error"]["code"]), (404, &json!("model_not_found")));
}

#[test]
fn chat_comes_as_events_where_asked_for() {
    let (_registry, server) = three_models();
    let body = json!({
        "model": "tickets", "messages": [{ "role": "user", "content": "money" }], "stream": true,
        "stream_options": { "include_usage": true }
    });
    let reply = server.post("/v1/chat/completions", &body);
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/event-stream")));
    let text = reply.text();
    let events: Vec<&str> =
        text.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap()).collect();
    let (done, chunks) = events.split_last().unwrap();
    assert_eq!(*done, "[DONE]");
    let chunks: Vec<Value> = chunks.iter().map(|chunk| serde_json::from_str(chunk).unwrap()).collect();
    assert!(chunks.iter().all(|chunk| chunk["object"] == "chat.completion.chunk"), "{chunks:?}");
    let content: String =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(content, "refund");
    assert_eq!(chunks[2]["choices"][0]["finish_reason"], "stop");
    assert_eq!((&chunks[3]["choices"], &chunks[3]["usage"]["total_tokens"]), (&json!([]), &json!(2)));
}

#[test]
fn kserve_v1_and_openai_name_what_is_wrong() {
    let (_registry, server) = three_models();
    let predict = "/v1/models/tickets:predict";
    let chat = "/v1/chat/completions";
    let user = |content: Value| json!({ "messages": [{ "role": "user", "content": content }] });
    let cases = vec![
        refused(predict, json!({}), 400, "instances"),
        refused(predict, json!({ "instances": "a" }), 400, "instances"),
        refused(predict, json!({ "instances": [] }), 400, "instances"),
        refused(predict, json!({ "instances": ["a", 7] }), 400, "instances[1]"),
        refused(predict, json!({ "instances": [{ "sequence": "a" }] }), 400, "instances[0].text"),
        refused(predict, json!({ "instances": ["a", "a", "a", "a", "a"] }), 413, "instances"),
        refused("/v1/models/nobody:predict", json!({ "instances": ["a"] }), 404, "nobody"),
        refused("/v1/models/tickets:explain", json!({ "instances": ["a"] }), 404, "explain"),
        refused("/v1/models/tickets", json!({ "instances": ["a"] }), 404, ":predict"),
        refused(chat, json!({}), 400, "messages"),
        refused(chat, json!({ "messages": [] }), 400, "messages"),
        refused(chat, json!({ "messages": ["a"] }), 400, "messages[0]"),
        refused(chat, json!({ "messages": [{ "role": "user" }] }), 400, "messages[0].content"),
        refused(chat, user(json!([{ "type": "image_url" }])), 400, "messages[0].content[0]"),
        refused(
            chat,
            json!({ "messages": [{ "role": "user", "content": "a" }], "stream": 1 }),
            400,
            "stream",
        ),
        refused(chat, json!({ "messages": [{ "role": "user", "content": "a" }], "n": 2 }), 400, "n"),
        refused(chat, json!({ "messages": [{ "role": "user", "content": "a" }], "model": 3 }), 400, "model"),
        refused(
            chat,
            json!({ "messages": [{ "role": "user", "content": "a" }], "model": "gpt" }),
            404,
            "gpt",
        ),
        refused(
            chat,
            json!({ "messages": [{ "role": "user", "content": "a" }], "colour": "red" }),
            400,
            "colour",
        ),
        refused("/v1/embeddings", json!({ "input": "a" }), 404, "tickets (text-classification)"),
        refused("/embeddings", json!({ "input": "a" }), 404, "no loaded model has the task embedding"),
        refused("/v1/nothing", json!({}), 404, "/v1/nothing"),
    ];
    check_refusals(&server, cases, |answer| {
        assert_eq!(answer["error"]["message"], answer["message"]);
        answer["error"]["message"].as_str()
    });
}

#[test]
fn chat_answers_with_the_label_of_the_last_message_of_the_user() {
    let (_registry, server) = three_models();
    let body = json!({
        "model": "tickets",
        "messages": [
            { "role": "system", "content": "Answer with money." },
            { "role": "user", "content": "password" },
            { "role": "assistant", "content": "login" },
            { "role": "user", "content": [{ "type": "text", "text": "where is my " }, { "type": "text", "text": "parcel" }] }
        ],
        "temperature": 0.2,
        "max_tokens": 10
    });
    let reply = server.post("/v1/chat/completions", &body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let answer = reply.json();
    assert_eq!(answer["choices"][0]["message"]["content"], "delivery");
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    assert_eq!((&answer["object"], &answer["model"]), (&json!("chat.completion"), &json!("tickets")));
    assert_eq!(answer["usage"], json!({ "prompt_tokens": 4, "completion_tokens": 1, "total_tokens": 5 }));
    let topics = json!({ "model": "topics", "messages": [{ "role": "user", "content": "parcel" }] });
    let answer = server.post("/v1/chat/completions", &topics).json();
    assert_eq!(answer["choices"][0]["message"]["content"], r#"["delivery"]"#);
    let default = json!({ "messages": [{ "role": "user", "content": "money" }] });
    assert_eq!(server.post("/v1/chat/completions", &default).json()["model"], "tickets");
}

#[test]
fn tei_predict_tells_texts_pairs_and_batches_apart() {
    let (_registry, server) = three_models();
    let one = server.post("/predict", &json!({ "inputs": "money" }));
    assert_eq!(one.status, 200, "{}", one.text());
    let scores = one.json();
    assert_eq!(labels(&scores)[0], "refund");
    let sum: f64 = scores.as_array().unwrap().iter().map(|s| s["score"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-3 && scores.as_array().unwrap().len() == 3, "{scores}");
    assert_eq!(server.post("/predict", &json!({ "inputs": ["money"] })).json(), scores);
    let batch =
        server.post("/predict", &json!({ "inputs": [["parcel"], ["money"]], "truncate": true })).json();
    assert_eq!((labels(&batch[0])[0], labels(&batch[1])[0]), ("delivery", "refund"));
    assert_eq!(server.post("/", &json!({ "inputs": "money" })).json(), scores);
    let vertex = server.post("/vertex", &json!({ "instances": [{ "inputs": "money" }] })).json();
    assert_eq!(vertex["predictions"][0], scores);
    for (name, least) in [("x-compute-characters", 5), ("x-compute-tokens", 1), ("x-total-time", 0)] {
        assert!(one.header(name).unwrap().parse::<u64>().unwrap() >= least, "{name}");
    }
    for name in ["x-compute-time", "x-tokenization-time", "x-queue-time", "x-inference-time"] {
        assert!(one.header(name).is_some(), "{name}");
    }
    assert_eq!(one.header("x-compute-type"), Some("cpu"));
}

#[test]
fn tei_scores_every_label_of_a_multi_label_model() {
    let (_registry, server) = three_models();
    let body = serde_json::to_vec(&json!({ "inputs": "parcel" })).unwrap();
    let headers = [("content-type", "application/json"), ("x-loquat-model", "topics")];
    let reply = server.client().request("POST", "/predict", &headers, &body);
    assert_eq!(labels(&reply.json()).len(), 3, "{}", reply.text());
}

#[test]
fn tei_names_what_is_wrong_with_its_own_types_and_statuses() {
    let (_registry, server) = three_models();
    let cases = vec![
        refused("/predict", json!({}), 422, "inputs"),
        refused("/predict", json!({ "inputs": [] }), 400, "inputs"),
        refused("/predict", json!({ "inputs": 3 }), 422, "inputs"),
        refused("/predict", json!({ "inputs": ["a", "b"] }), 422, "[[\"a\"], [\"b\"]]"),
        refused("/predict", json!({ "inputs": [["a"], "b"] }), 422, "inputs[1]"),
        refused("/predict", json!({ "inputs": [["a"], [3]] }), 422, "inputs[1][0]"),
        refused("/predict", json!({ "inputs": [["a"], []] }), 422, "inputs[1]"),
        refused("/predict", json!({ "inputs": "a", "raw_scores": true }), 422, "raw_scores"),
        refused("/predict", json!({ "inputs": "a", "truncate": 1 }), 422, "truncate"),
        refused(
            "/predict",
            json!({ "inputs": "a", "truncation_direction": "Up" }),
            422,
            "truncation_direction",
        ),
        refused("/predict", json!({ "inputs": "a", "colour": 1 }), 422, "colour"),
        refused("/predict", json!({ "inputs": [["a"], ["a"], ["a"], ["a"], ["a"]] }), 413, "inputs"),
        refused("/vertex", json!({ "instances": [3] }), 422, "instances[0]"),
        refused("/vertex", json!({}), 422, "instances"),
        refused("/embed", json!({ "inputs": "a" }), 424, "tickets (text-classification)"),
        refused("/embed_all", json!({ "inputs": "a" }), 424, "embedding"),
        refused("/embed_sparse", json!({ "inputs": "a" }), 424, "embedding"),
        refused("/similarity", json!({ "inputs": {} }), 424, "embedding"),
        refused("/rerank", json!({ "query": "a", "texts": ["b"] }), 424, "reranker"),
        refused("/tokenize", json!({ "inputs": "a" }), 424, "tokenizer"),
        refused("/decode", json!({ "ids": [1] }), 424, "tokenizer"),
    ];
    let types = ["Unhealthy", "Backend", "Overloaded", "Validation", "Tokenizer", "Empty"];
    check_refusals(&server, cases, |answer| {
        assert!(types.contains(&answer["error_type"].as_str().unwrap_or_default()), "{answer}");
        answer["error"].as_str()
    });
    assert_eq!(server.post("/predict", &json!({ "inputs": [] })).json()["error_type"], "Empty");
    assert_eq!(server.post("/embed", &json!({})).json()["error_type"], "Backend");
}

#[test]
fn tei_info_names_the_labels() {
    let (_registry, server) = three_models();
    let info = server.get("/info").json();
    assert_eq!((&info["model_id"], &info["served_model_name"]), (&json!("tickets"), &json!("tickets")));
    assert_eq!(info["model_type"]["classifier"]["id2label"]["1"], "delivery");
    assert_eq!(info["model_type"]["classifier"]["label2id"]["delivery"], 1);
    assert_eq!(info["max_client_batch_size"], 4);
    assert!(info["model_sha"].as_str().unwrap().len() > 10);
    let root = server.get("/");
    assert_eq!((root.status, root.json()), (200, json!({ "status": "alive" })));
}

#[test]
fn several_candidates_without_a_default_are_listed() {
    let registry = Registry::with_tickets();
    registry.register("other", &tiny_model(Task::TextClassification, 1));
    registry.promote("other", 1);
    let server = registry.serve();
    let reply = server.post("/predict", &json!({ "inputs": "a" }));
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("other, tickets"), "{}", reply.text());
    let headers = [("content-type", "application/json"), ("x-loquat-model", "other")];
    let reply = server.client().request("POST", "/predict", &headers, br#"{"inputs": "money"}"#);
    assert_eq!(labels(&reply.json())[0], "delivery");
    let headers = [("content-type", "application/json"), ("x-loquat-model", "nobody")];
    let reply = server.client().request("POST", "/predict", &headers, br#"{"inputs": "money"}"#);
    assert_eq!(reply.status, 404);
    assert!(reply.text().contains("x-loquat-model"), "{}", reply.text());
}

#[test]
fn mlflow_reads_every_shape_of_inputs() {
    let (_registry, server) = three_models();
    for body in [
        json!({ "dataframe_split": { "columns": ["text"], "data": [["money"], ["parcel"]] } }),
        json!({ "dataframe_split": { "columns": ["body"], "index": [0, 1], "data": [["money"], ["parcel"]] } }),
        json!({ "dataframe_records": [{ "text": "money" }, { "text": "parcel" }] }),
        json!({ "instances": ["money", "parcel"] }),
        json!({ "inputs": ["money", "parcel"] }),
        json!({ "inputs": [["money"], ["parcel"]] }),
        json!({ "inputs": { "text": ["money", "parcel"] }, "params": {} }),
    ] {
        let reply = server.post("/invocations", &body);
        assert_eq!(reply.status, 200, "{body}: {}", reply.text());
        assert_eq!(labels(&reply.json()["predictions"]), ["refund", "delivery"], "{body}");
    }
    let csv = [("content-type", "text/csv; charset=utf-8")];
    let reply = server.client().request("POST", "/invocations", &csv, b"text\n\"money, please\"\nparcel\n");
    assert_eq!(labels(&reply.json()["predictions"]), ["refund", "delivery"], "{}", reply.text());
    let tei = [("content-type", "application/json"), ("x-loquat-protocol", "tei")];
    let reply = server.client().request("POST", "/invocations", &tei, br#"{"inputs": "money"}"#);
    assert_eq!(labels(&reply.json())[0], "refund");
    let reply = server.client().request("POST", "/invocations", &tei, br#"{"inputs": 3}"#);
    assert_eq!(reply.json()["error_type"], "Validation");
    for path in ["/ping", "/version"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
}

#[test]
fn mlflow_names_what_is_wrong() {
    let (_registry, server) = three_models();
    let path = "/invocations";
    let split =
        |columns: Value, data: Value| json!({ "dataframe_split": { "columns": columns, "data": data } });
    let cases = vec![
        refused(path, json!({}), 400, "dataframe_split"),
        refused(path, json!({ "inputs": ["a"], "instances": ["a"] }), 400, "2 of the members"),
        refused(path, json!({ "inputs": [] }), 400, "inputs"),
        refused(path, json!({ "inputs": [3] }), 400, "inputs[0]"),
        refused(path, json!({ "inputs": { "text": "a" } }), 400, "inputs.text"),
        refused(path, json!({ "inputs": { "a": ["x"], "b": [] } }), 400, "inputs.b"),
        refused(path, json!({ "dataframe_records": {} }), 400, "dataframe_records"),
        refused(
            path,
            json!({ "dataframe_records": [{ "a": "x", "b": "y" }] }),
            400,
            "dataframe_records[0].text",
        ),
        refused(path, split(json!(["text"]), json!([["a"], ["a", "b"]])), 400, "dataframe_split.data[1]"),
        refused(path, split(json!(["text"]), json!(["a"])), 400, "dataframe_split.data[0]"),
        refused(path, split(json!(3), json!([["a"]])), 400, "dataframe_split.columns"),
        refused(path, split(json!(["text"]), json!([[3]])), 400, "dataframe_split.data[0]"),
        refused(path, json!({ "inputs": ["a"], "params": { "k": 1 } }), 400, "params"),
    ];
    check_refusals(&server, cases, |answer| {
        assert_eq!(answer["error_code"], if answer["message"].is_string() { "BAD_REQUEST" } else { "" });
        answer["message"].as_str()
    });
    let csv = [("content-type", "text/csv")];
    for (body, names) in [
        (&b"a,b\nx,y\n"[..], "body[0].text"),
        (b"", "body"),
        (b"text\n\xff\n", "UTF-8"),
        (b"text\na,b\n", "body[0]"),
    ] {
        let reply = server.client().request("POST", path, &csv, body);
        assert_eq!(reply.status, 400, "{}", reply.text());
        assert!(reply.text().contains(names), "{}", reply.text());
    }
}

fn detect(server: &Server, media: &str, body: &[u8]) -> Reply {
    server.client().request("POST", "/detect", &[("content-type", media)], body)
}

#[test]
fn detection_falls_back_to_the_built_in_detector() {
    let (_registry, server) = only_tickets();
    let form = "application/x-www-form-urlencoded";
    let german = "q=Mein+Paket+ist+noch+immer+nicht+angekommen%2C+wo+ist+es%3F&api_key=";
    let reply = detect(&server, form, german.as_bytes());
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()[0]["language"], "de");
    let confidence = reply.json()[0]["confidence"].as_f64().unwrap();
    assert!((0.0..=100.0).contains(&confidence));
    let json = br#"{"q": "Where is the parcel that I have ordered last week?"}"#;
    for media in ["application/json", form] {
        assert_eq!(detect(&server, media, json).json()[0]["language"], "en");
    }
    assert_eq!(server.get("/languages").json(), json!([]));
}

#[test]
fn detection_asks_the_language_model_that_is_loaded() {
    let registry = Registry::with_tickets();
    registry.register("languages", &tiny_model(Task::LanguageIdentification, 0));
    registry.promote("languages", 1);
    let server = registry.serve();
    let answer = server.post("/detect", &json!({ "q": "parcel" })).json();
    assert_eq!(answer[0]["language"], LABELS[1]);
    assert!(answer[0]["confidence"].as_f64().unwrap() > 90.0, "{answer}");
}

#[test]
fn libretranslate_names_what_is_wrong() {
    let (_registry, server) = only_tickets();
    let translation = json!({ "q": "a", "source": "en", "target": "de" });
    let cases = vec![
        refused("/detect", json!({}), 400, "q"),
        refused("/detect", json!({ "q": "" }), 400, "q"),
        refused("/detect", json!({ "q": ["a"] }), 400, "q"),
        refused("/detect", json!({ "q": "a", "k": 1 }), 400, "k"),
        refused("/translate", translation, 400, "no loaded model has the task translation"),
    ];
    check_refusals(&server, cases, |answer| answer["error"].as_str());
    for body in ["q=%zz", "q=%ff", "q", "", "p=1"] {
        let reply = detect(&server, "application/x-www-form-urlencoded", body.as_bytes());
        assert_eq!(reply.status, 400, "{body}: {}", reply.text());
    }
    assert_eq!(detect(&server, "text/plain", b"q=a").status, 415);
}

#[test]
fn the_replaced_services_routes_answer() {
    let (_registry, server) = only_tickets();
    assert_eq!(server.get("/status").text(), "alive");
    let reply = server.post("/classify", &json!({ "sequence": "a", "labels": ["x"] }));
    assert_eq!(reply.status, 404);
    assert!(reply.text().contains("tickets (text-classification)"), "{}", reply.text());
    for (path, names) in [
        ("/translate", "\\\"q\\\""),
        ("/translate?q=", "\\\"q\\\""),
        ("/translate?p=1&q=%20", "\\\"q\\\""),
        ("/translate?q=hello+there", "task translation"),
    ] {
        let reply = server.get(path);
        assert_eq!(reply.status, 400, "{path}");
        assert!(reply.text().contains(names), "{path}: {}", reply.text());
    }
}

#[test]
fn tritons_repository_configuration_and_statistics_answer() {
    let (_registry, server) = three_models();
    let index = server.client().request("POST", "/v2/repository/index", &[], b"").json();
    assert_eq!(index[0], json!({ "name": "tickets", "version": "1", "state": "READY", "reason": "" }));
    assert_eq!(server.post("/v2/repository/index", &json!({ "ready": true })).json(), index);
    assert_eq!(server.post("/v2/repository/index", &json!({ "ready": 3 })).status, 400);
    assert_eq!(server.post("/v2/repository/models/tickets/load", &json!({})).status, 200);
    assert_eq!(server.post("/v2/repository/models/nobody/load", &json!({})).status, 404);
    let config = server.get("/v2/models/tickets/config").json();
    assert_eq!(config["input"][0], json!({ "name": "text", "data_type": "TYPE_STRING", "dims": [-1] }));
    assert_eq!(config["output"][0]["data_type"], "TYPE_STRING");
    server.post("/v1/models/tickets:predict", &json!({ "instances": ["a", "b", "c"] }));
    for path in ["/v2/models/tickets/stats", "/v2/models/tickets/versions/1/stats", "/v2/models/stats"] {
        let stats = server.get(path).json()["model_stats"][0].clone();
        assert_eq!((&stats["name"], &stats["version"]), (&json!("tickets"), &json!("1")));
        assert_eq!((&stats["inference_count"], &stats["execution_count"]), (&json!(3), &json!(1)));
        assert_eq!(stats["inference_stats"]["success"]["count"], 1);
        assert!(stats["inference_stats"]["compute_infer"]["ns"].as_u64().unwrap() > 0);
    }
    assert_eq!(server.get("/v2/models/nobody/stats").status, 404);
}

#[test]
fn a_server_without_models_says_so() {
    let registry = Registry::new();
    let server = registry.serve();
    let reply = server.post("/predict", &json!({ "inputs": "a" }));
    assert_eq!(reply.status, 424);
    assert!(reply.text().contains("no model is loaded"), "{}", reply.text());
}
