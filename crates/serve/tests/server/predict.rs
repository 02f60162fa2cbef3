//! `POST /models/{endpoint}/predict`.

use loquat_spec::{Requests, Task};
use serde_json::{Value, json};

use crate::harness::{Registry, declaring, endpoint, tiny_model};

const PATH: &str = "/models/tickets/predict";
const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

fn labels(reply: &Value) -> Vec<&str> {
    reply["predictions"].as_array().unwrap().iter().map(|p| p["label"].as_str().unwrap()).collect()
}

#[test]
fn answers_strings_objects_and_lists_in_order() {
    let registry = Registry::with_tickets();
    let server = registry.serve();
    for (inputs, expected) in [
        (json!("where is my parcel"), vec!["delivery"]),
        (json!({ "text": "forgot my password" }), vec!["login"]),
        (json!(["money", { "text": "parcel" }, "password"]), vec!["refund", "delivery", "login"]),
    ] {
        let reply = server.post(PATH, &json!({ "inputs": inputs }));
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.header("content-type"), Some("application/json"));
        let reply = reply.json();
        assert_eq!(labels(&reply), expected);
        assert_eq!((&reply["model"], &reply["version"]), (&json!("tickets"), &json!(1)));
    }
}

#[test]
fn a_large_request_equals_its_texts_one_by_one() {
    let registry = Registry::with_tickets();
    let server = registry.serve();
    let texts: Vec<String> =
        (0..900).map(|n| format!("{} number {n}", ["money", "parcel", "password"][n % 3])).collect();
    let together = server.post(PATH, &json!({ "inputs": texts })).json();
    let mut client = server.client();
    for (number, text) in texts.iter().enumerate().step_by(37) {
        let alone = client.post(PATH, &json!({ "inputs": text })).json();
        assert_eq!(alone["predictions"][0], together["predictions"][number]);
    }
}

#[test]
fn parameters_add_scores_and_explanations() {
    let registry = Registry::with_tickets();
    let server = registry.serve();
    let body =
        json!({ "inputs": "die é parcel", "parameters": { "top_k": 2, "explain": true, "labels": null } });
    let prediction = server.post(PATH, &body).json()["predictions"][0].clone();
    assert_eq!(prediction["scores"].as_array().unwrap().len(), 2);
    assert_eq!(prediction["scores"][0]["label"], "delivery");
    let piece = &prediction["explanation"][0];
    assert_eq!((&piece["start"], &piece["end"], &piece["text"]), (&json!(6), &json!(12), &json!("parcel")));
}

#[test]
fn multi_label_models_answer_the_labels_over_the_threshold() {
    let registry = Registry::new();
    registry.register("tags", &tiny_model(Task::MultiLabelClassification, 0));
    registry.promote("tags", 1);
    let server = registry.serve();
    let answer = |threshold: f32| {
        let body = json!({ "inputs": "parcel money", "parameters": { "threshold": threshold } });
        server.post("/models/tags/predict", &body).json()["predictions"][0]["labels"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(answer(0.5), 2);
    assert_eq!(answer(0.0), 3);
    let reply =
        server.post("/models/tags/predict", &json!({ "inputs": "x", "parameters": { "threshold": 2 } }));
    assert_eq!((reply.status, reply.json()["field"].clone()), (422, json!("parameters.threshold")));
}

#[test]
fn the_request_id_is_the_callers_where_it_is_sane() {
    let registry = Registry::with_tickets();
    let server = registry.serve();
    let mut client = server.client();
    let body = br#"{"inputs": "parcel"}"#;
    let sent = client.request("POST", PATH, &[("x-request-id", "trace-42")], body);
    assert_eq!(sent.header("x-request-id"), Some("trace-42"));
    assert_eq!(sent.json()["request_id"], "trace-42");
    let odd = client.request("POST", PATH, &[("x-request-id", "a\"b c")], body);
    let fresh = odd.header("x-request-id").unwrap().to_owned();
    assert_ne!(fresh, "a\"b c");
    assert_eq!(odd.json()["request_id"], fresh.as_str());
    let failed = client.request("POST", PATH, &[("x-request-id", "trace-43")], b"{");
    assert_eq!(failed.json()["request_id"], "trace-43");
}

struct Case {
    name: &'static str,
    body: &'static [u8],
    status: u16,
    field: &'static str,
}

const REFUSED: &[Case] = &[
    Case { name: "empty", body: b"", status: 400, field: "body" },
    Case { name: "white space", body: b"  \n ", status: 400, field: "body" },
    Case { name: "cut off", body: br#"{"inputs": "a"#, status: 400, field: "body" },
    Case { name: "trailing", body: br#"{"inputs": "a"} x"#, status: 400, field: "body" },
    Case { name: "single quotes", body: b"{'inputs': 'a'}", status: 400, field: "body" },
    Case {
        name: "NaN",
        body: br#"{"inputs": "a", "parameters": {"threshold": NaN}}"#,
        status: 400,
        field: "body",
    },
    Case {
        name: "huge number",
        body: br#"{"inputs": "a", "parameters": {"threshold": 1e999}}"#,
        status: 400,
        field: "body",
    },
    Case { name: "invalid UTF-8", body: b"{\"inputs\": \"\xff\xfe\"}", status: 400, field: "body" },
    Case { name: "lone surrogate", body: br#"{"inputs": "\ud800"}"#, status: 400, field: "body" },
    Case { name: "list", body: b"[1, 2]", status: 422, field: "body" },
    Case { name: "string", body: br#""parcel""#, status: 422, field: "body" },
    Case { name: "null", body: b"null", status: 422, field: "body" },
    Case { name: "no inputs", body: b"{}", status: 422, field: "inputs" },
    Case { name: "null inputs", body: br#"{"inputs": null}"#, status: 422, field: "inputs" },
    Case { name: "empty list", body: br#"{"inputs": []}"#, status: 422, field: "inputs" },
    Case { name: "number", body: br#"{"inputs": 3}"#, status: 422, field: "inputs" },
    Case { name: "number in list", body: br#"{"inputs": ["a", 3]}"#, status: 422, field: "inputs[1]" },
    Case { name: "nested list", body: br#"{"inputs": [["a"]]}"#, status: 422, field: "inputs[0]" },
    Case { name: "no text", body: br#"{"inputs": [{"body": "a"}]}"#, status: 422, field: "inputs[0].text" },
    Case { name: "text number", body: br#"{"inputs": {"text": 3}}"#, status: 422, field: "inputs.text" },
    Case {
        name: "extra column",
        body: br#"{"inputs": {"text": "a", "b": 1}}"#,
        status: 422,
        field: "inputs.b",
    },
    Case { name: "unknown member", body: br#"{"inputs": "a", "input": "b"}"#, status: 422, field: "input" },
    Case {
        name: "repeated member",
        body: br#"{"inputs": "a", "inputs": "b"}"#,
        status: 422,
        field: "inputs",
    },
    Case {
        name: "parameters list",
        body: br#"{"inputs": "a", "parameters": []}"#,
        status: 422,
        field: "parameters",
    },
    Case {
        name: "unknown parameter",
        body: br#"{"inputs": "a", "parameters": {"topk": 1}}"#,
        status: 422,
        field: "parameters.topk",
    },
    Case {
        name: "top_k zero",
        body: br#"{"inputs": "a", "parameters": {"top_k": 0}}"#,
        status: 422,
        field: "parameters.top_k",
    },
    Case {
        name: "top_k negative",
        body: br#"{"inputs": "a", "parameters": {"top_k": -1}}"#,
        status: 422,
        field: "parameters.top_k",
    },
    Case {
        name: "top_k fraction",
        body: br#"{"inputs": "a", "parameters": {"top_k": 1.5}}"#,
        status: 422,
        field: "parameters.top_k",
    },
    Case {
        name: "top_k string",
        body: br#"{"inputs": "a", "parameters": {"top_k": "3"}}"#,
        status: 422,
        field: "parameters.top_k",
    },
    Case {
        name: "explain number",
        body: br#"{"inputs": "a", "parameters": {"explain": 1}}"#,
        status: 422,
        field: "parameters.explain",
    },
    Case {
        name: "labels",
        body: br#"{"inputs": "a", "parameters": {"labels": ["x"]}}"#,
        status: 422,
        field: "parameters.labels",
    },
    Case {
        name: "label number",
        body: br#"{"inputs": "a", "parameters": {"labels": ["x", 1]}}"#,
        status: 422,
        field: "parameters.labels[1]",
    },
    Case {
        name: "template",
        body: br#"{"inputs": "a", "parameters": {"template": "{label}"}}"#,
        status: 422,
        field: "parameters.template",
    },
    Case {
        name: "threshold",
        body: br#"{"inputs": "a", "parameters": {"threshold": 0.5}}"#,
        status: 422,
        field: "parameters.threshold",
    },
    Case {
        name: "threshold string",
        body: br#"{"inputs": "a", "parameters": {"threshold": "x"}}"#,
        status: 422,
        field: "parameters.threshold",
    },
];

#[test]
fn every_bad_body_is_a_4xx_that_names_the_field() {
    let registry = Registry::with_tickets();
    let server = registry.serve();
    let mut client = server.client();
    let mut wrong = Vec::new();
    for case in REFUSED {
        let reply = client.request("POST", PATH, JSON, case.body);
        let problem = reply.json();
        let complete =
            ["type", "title", "detail", "request_id"].iter().all(|member| problem[*member].is_string())
                && problem["status"] == reply.status
                && reply.header("content-type") == Some("application/problem+json");
        if (reply.status, problem["field"].as_str()) != (case.status, Some(case.field)) || !complete {
            wrong.push(format!("{}: {} {problem}", case.name, reply.status));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn deep_nesting_is_refused_without_harm() {
    let registry = Registry::with_tickets();
    let server = registry.serve();
    let body = [b"{\"inputs\":".as_slice(), &vec![b'['; 400_000]].concat();
    let reply = server.client().request("POST", PATH, JSON, &body);
    assert_eq!((reply.status, reply.json()["field"].clone()), (400, json!("body")));
    assert_eq!(server.post(PATH, &json!({ "inputs": "parcel" })).status, 200);
}

#[test]
fn faults_in_json_and_utf8_are_named_with_their_place() {
    let registry = Registry::with_tickets();
    let server = registry.serve();
    let detail = |body: &[u8]| {
        server.client().request("POST", PATH, JSON, body).json()["detail"].as_str().unwrap().to_owned()
    };
    let found = detail(b"{\n \"inputs\": tru }");
    assert!(found.contains("line 2, column 1"), "{found}");
    let found = detail(b"{\"inputs\": \"ab\xff\"}");
    assert!(found.contains("position 14"), "{found}");
}

#[test]
fn media_types_other_than_json_are_refused() {
    let registry = Registry::with_tickets();
    let server = registry.serve();
    let mut client = server.client();
    let body = br#"{"inputs": "parcel"}"#;
    for (headers, status, field) in [
        ([("content-type", "application/json; charset=UTF-8")], 200, Value::Null),
        ([("content-type", "application/vnd.api+json")], 200, Value::Null),
        ([("content-type", "text/plain")], 415, json!("content-type")),
        ([("content-type", "application/x-www-form-urlencoded")], 200, Value::Null),
        ([("content-type", "multipart/form-data")], 415, json!("content-type")),
        ([("content-type", "application/json; charset=latin1")], 415, json!("content-type")),
        ([("content-encoding", "gzip")], 415, json!("content-encoding")),
    ] {
        let reply = client.request("POST", PATH, &headers, body);
        assert_eq!((reply.status, reply.json()["field"].clone()), (status, field), "{headers:?}");
    }
    assert_eq!(client.request("POST", PATH, &[], body).status, 200, "no media type means JSON");
    let form =
        client.request("POST", PATH, &[("content-type", "application/x-www-form-urlencoded")], b"inputs=a");
    assert_eq!(form.status, 400, "a form is not JSON");
}

#[test]
fn limits_name_what_exceeds_them() {
    let registry = Registry::with_tickets();
    let limits = Requests { max_inputs: 3, max_length: Some(10), ..Requests::default() };
    let server = registry.serve_with(|config| {
        config.max_body = 1000;
        config.resources = declaring(vec![endpoint("tight", "tickets@champion", limits)]);
    });
    let post = |inputs: Value| {
        let reply = server.post("/models/tight/predict", &json!({ "inputs": inputs }));
        (reply.status, reply.json()["field"].clone())
    };
    assert_eq!(post(json!(["a", "b", "c", "d"])), (413, json!("inputs")));
    assert_eq!(post(json!("0123456789a")), (413, json!("inputs")));
    assert_eq!(post(json!(["a", { "text": "0123456789a" }])), (413, json!("inputs[1].text")));
    assert_eq!(post(json!("éééééééééé")).0, 200, "characters count, not bytes");
    assert_eq!(post(json!("x".repeat(2000))), (413, json!("body")));
    let mut client = server.client();
    client.send(b"POST /models/tight/predict HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n");
    for _ in 0..20 {
        client.send(b"40\r\n                                                                \r\n");
    }
    client.send(b"0\r\n\r\n");
    let reply = client.read().expect("a reply");
    assert_eq!((reply.status, reply.json()["field"].clone()), (413, json!("body")));
}

#[test]
fn a_body_much_larger_than_the_limit_is_answered_before_the_connection_ends() {
    let registry = Registry::with_tickets();
    let server = registry.serve_with(|config| config.max_body = 1000);
    let reply = server.client().request("POST", PATH, JSON, &vec![b' '; 8 << 20]);
    assert_eq!(reply.status, 413);
}

#[test]
fn a_body_that_never_arrives_is_answered_408() {
    let registry = Registry::with_tickets();
    let limits = Requests { timeout: std::time::Duration::from_millis(100), ..Requests::default() };
    let server = registry
        .serve_with(|config| config.resources = declaring(vec![endpoint("tickets", "tickets", limits)]));
    let mut client = server.client();
    client.send(b"POST /models/tickets/predict HTTP/1.1\r\nhost: t\r\ncontent-length: 20\r\n\r\n{");
    let reply = client.read().expect("a reply");
    assert_eq!((reply.status, reply.json()["field"].clone()), (408, json!("body")));
}

#[test]
fn unknown_paths_endpoints_and_methods_say_what_exists() {
    let registry = Registry::with_tickets();
    registry.register("draft", &tiny_model(Task::TextClassification, 0));
    let server = registry.serve();
    let body = json!({ "inputs": "a" });
    let unknown = server.post("/models/nope/predict", &body);
    assert_eq!((unknown.status, unknown.json()["field"].clone()), (404, json!("endpoint")));
    assert!(unknown.json()["remedy"].as_str().unwrap().contains("tickets"));
    let dormant = server.post("/models/draft/predict", &body);
    assert_eq!(dormant.status, 404);
    assert!(dormant.json()["remedy"].as_str().unwrap().contains("promote draft"));
    let path = server.get("/nope");
    assert_eq!((path.status, path.json()["field"].clone()), (404, json!("path")));
    let method = server.get(PATH);
    assert_eq!((method.status, method.header("allow")), (405, Some("POST")));
    assert_eq!(method.json()["field"], "method");
    assert_eq!(server.post("/models/%ff/predict", &body).status, 404);
}

#[test]
fn bursts_beyond_the_queue_are_refused_not_failed() {
    let registry = Registry::with_tickets();
    let limits = Requests { max_queue: 0, max_inputs: 100_000, ..Requests::default() };
    let server = registry.serve_with(|config| {
        config.max_body = 32 << 20;
        config.threads = 1;
        config.resources = declaring(vec![endpoint("tickets", "tickets", limits)]);
    });
    let texts: Vec<String> = (0..2000).map(|n| format!("parcel {n} ").repeat(30)).collect();
    let body = json!({ "inputs": texts });
    let send = || {
        let reply = server.post(PATH, &body);
        assert_eq!(reply.status == 429, reply.header("retry-after").is_some());
        reply.status
    };
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(send)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(statuses.iter().all(|status| matches!(status, 200 | 429)), "{statuses:?}");
    assert!(statuses.contains(&200), "{statuses:?}");
}
