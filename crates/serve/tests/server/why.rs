//! Why a request took as long as it did, how an endpoint fares, and the same under the names of another server.

use std::time::Duration;

use loquat_serve::{Grant, KeyFile, Scope};
use loquat_spec::Requests;
use serde_json::{Value, json};

use crate::harness::{Registry, Server, declaring, endpoint, grant};

fn ask(server: &Server, id: &str, inputs: &Value) -> u16 {
    let body = serde_json::to_vec(&json!({ "inputs": inputs })).unwrap();
    let headers = [("content-type", "application/json"), ("x-request-id", id)];
    server.client().request("POST", "/models/tickets/predict", &headers, &body).status
}

fn why(server: &Server, subject: &str) -> Value {
    let reply = server.get(&format!("/why/{}", subject.replace('/', "%2F")));
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

#[test]
fn a_request_is_explained_by_its_id() {
    let registry = Registry::with_tickets();
    let server = registry.serve();
    assert_eq!(ask(&server, "team/7", &json!(["where is my parcel", "money"])), 200);
    let found = why(&server, "team/7");
    assert_eq!((&found["kind"], &found["status"]), (&json!("request"), &json!(200)));
    assert_eq!(
        (&found["endpoint"], &found["model"], &found["version"], &found["inputs"]),
        (&json!("tickets"), &json!("tickets"), &json!(1), &json!(2))
    );
    let milliseconds = &found["milliseconds"];
    let parts: f64 = ["queue", "tokenise", "inference", "other"]
        .iter()
        .map(|part| milliseconds[part].as_f64().unwrap())
        .sum();
    assert!((parts - milliseconds["total"].as_f64().unwrap()).abs() < 0.01, "{milliseconds}");
    assert_eq!(milliseconds["allowed"], 10_000.0);
    assert!(!found["because"].as_array().unwrap().is_empty());
    assert!(found["tokens"].as_u64().unwrap() > 0);
    let absent = server.get("/why/nobody");
    assert_eq!(absent.status, 404);
    assert!(absent.text().contains("remembered"), "{}", absent.text());
}

#[test]
fn many_inputs_go_through_the_queue_and_say_what_they_shared() {
    let registry = Registry::with_tickets();
    let server = registry.serve();
    assert_eq!(ask(&server, "large", &json!(vec!["where is my parcel ".repeat(15); 1000])), 200);
    let found = why(&server, "large");
    assert_eq!(found["queue"]["requests"], 0);
    assert_eq!(found["batch"]["requests"], 1);
    assert!(found["batch"]["texts"].as_u64().unwrap() > 0, "{found}");
    assert_eq!(found["limits"]["max_queue"], 512);
}

#[test]
fn a_refused_request_says_why() {
    let registry = Registry::with_tickets();
    let server = registry.serve_with(|config| {
        let requests = Requests { max_inputs: 1, ..Requests::default() };
        config.resources = declaring(vec![endpoint("tickets", "tickets", requests)]);
    });
    assert_eq!(ask(&server, "two", &json!(["a", "b"])), 413);
    let found = why(&server, "two");
    assert_eq!(found["status"], 413);
    let because = found["because"][0].as_str().unwrap();
    assert!(because.contains("exceed the limit of 1"), "{because}");
}

#[test]
fn an_endpoint_says_how_it_fares_and_what_was_slowest() {
    let registry = Registry::with_tickets();
    let server = registry.serve_with(|config| {
        config.resources = declaring(vec![endpoint("late", "missing", Requests::default())]);
    });
    assert_eq!(ask(&server, "one", &json!("a")), 200);
    let found = why(&server, "tickets");
    assert_eq!((&found["kind"], &found["ready"]), (&json!("endpoint"), &json!(true)));
    assert_eq!(found["requests"], json!({ "answered": 1, "refused": 0, "late": 0, "failed": 0 }));
    assert_eq!(found["slowest"][0]["request_id"], "one");
    let found = why(&server, "late");
    assert_eq!((&found["ready"], &found["condition"]["reason"]), (&json!(false), &json!("VersionMissing")));
    assert!(found["because"][0].as_str().unwrap().contains("loquat train"), "{found}");
}

#[test]
fn a_caller_sees_its_own_requests_only() {
    let registry = Registry::with_tickets();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let some = || Some(vec!["tickets".to_owned()]);
    let one = KeyFile::add(&file, Grant { models: some(), ..grant("one") }).unwrap();
    let two = KeyFile::add(&file, Grant { models: some(), ..grant("two") }).unwrap();
    let admin = KeyFile::add(&file, Grant { scopes: vec![Scope::Admin], ..grant("admin") }).unwrap();
    let server = registry.serve_with(|config| config.keys = Some(file.clone()));
    let send = |key: &str, method: &str, path: &str, body: &[u8]| {
        let header = format!("Bearer {key}");
        let headers = [("authorization", header.as_str()), ("x-request-id", "mine")];
        server.client().request(method, path, &headers, body).status
    };
    assert_eq!(send(&one, "POST", "/models/tickets/predict", b"{\"inputs\": \"a\"}"), 200);
    assert_eq!(send(&one, "GET", "/why/mine", b""), 200);
    assert_eq!(send(&two, "GET", "/why/mine", b""), 403);
    assert_eq!(send(&two, "GET", "/why/tickets", b""), 200);
    assert_eq!(send(&admin, "GET", "/why/mine", b""), 200);
    assert_eq!(send(&admin, "GET", "/why/tickets", b""), 200);
}

#[test]
fn metrics_come_under_the_names_of_another_server_where_asked_for() {
    let registry = Registry::with_tickets();
    let usual = registry.serve().get("/metrics").text();
    assert!(!usual.lines().any(|line| line.starts_with("te_")), "{usual}");
    let server = registry.serve_with(|config| config.tei_metrics = true);
    let mut client = server.client();
    client.post("/predict", &json!({ "inputs": "money" }));
    client.post("/predict", &json!({ "inputs": 1 }));
    client.post("/embed", &json!({ "inputs": "a" }));
    let text = client.request("GET", "/metrics", &[], b"").text();
    for line in [
        "te_request_count 3",
        "te_request_success 1",
        "te_predict_count 2",
        "te_predict_success 1",
        "te_embed_count 1",
        "te_embed_success 0",
        "te_request_failure{err=\"validation\"} 1",
        "te_request_failure{err=\"inference\"} 1",
        "te_request_duration_count 1",
        "te_request_duration_bucket{le=\"0.000015\"} 0",
        "te_request_inference_duration_count 1",
        "te_queue_size 0",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line:?} in\n{text}");
    }
    let bounds = text.lines().filter(|line| line.starts_with("te_request_duration_bucket{")).count();
    assert_eq!(bounds, 36);
}

#[test]
fn idle_time_is_nobodys_fault() {
    // A request that waits for its body is slow outside queue and model.
    let registry = Registry::with_tickets();
    let server = registry.serve();
    let body = b"{\"inputs\": \"a\"}";
    let mut client = server.client();
    let headers = [("content-type", "application/json"), ("x-request-id", "slow")];
    let head = crate::harness::head("POST", "/models/tickets/predict", &headers, body.len());
    client.send(&head);
    std::thread::sleep(Duration::from_millis(120));
    client.send(body);
    assert_eq!(client.read().unwrap().status, 200);
    let found = why(&server, "slow");
    assert!(found["because"][0].as_str().unwrap().contains("outside queue and model"), "{found}");
}
