//! Health, metrics, the list of endpoints, the OpenAPI document, starting.

use std::time::Duration;

use loquat_serve::{ServeConfig, ServeError};
use loquat_spec::{ErrorCode, Requests};
use serde_json::json;

use crate::harness::{Registry, declaring, endpoint};

#[test]
fn health_speaks_json_or_plain_text() {
    let registry = Registry::with_tickets();
    let server = registry.serve();
    let reply = server.get("/health");
    assert_eq!((reply.status, reply.json()), (200, json!({ "status": "ok" })));
    let reply = server.client().request("GET", "/health", &[("accept", "text/plain")], b"");
    assert_eq!((reply.status, reply.text().as_str()), (200, "OK"));
    assert_eq!(server.get("/health/live").json(), json!({ "live": true }));
    let ready = server.get("/health/ready");
    assert_eq!(ready.status, 200);
    assert_eq!(
        ready.json(),
        json!({
            "ready": true,
            "status": "ready",
            "endpoints": [{ "name": "tickets", "ready": true, "model": "tickets@champion", "version": 1 }]
        })
    );
}

#[test]
fn an_endpoint_without_its_model_is_not_ready_and_says_why() {
    let registry = Registry::with_tickets();
    let server = registry.serve_with(|config| {
        config.resources = declaring(vec![endpoint("other", "missing@champion", Requests::default())]);
    });
    let ready = server.get("/health/ready");
    assert_eq!(ready.status, 503);
    let detail = ready.json()["endpoints"][0]["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("no model missing"), "{detail}");
    assert_eq!(server.get("/health").status, 503);
    assert_eq!(server.get("/v2/health/ready").json(), json!({ "live": false, "ready": false }));
    let reply = server.post("/models/other/predict", &json!({ "inputs": "a" }));
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    assert_eq!(server.post("/models/tickets/predict", &json!({ "inputs": "a" })).status, 200);
}

#[test]
fn an_empty_store_is_ready_and_serves_a_model_once_it_is_promoted() {
    let registry = Registry::new();
    let server = registry.serve();
    assert_eq!(server.get("/health/ready").status, 200);
    assert_eq!(server.get("/models").json(), json!({ "models": [] }));
    registry.register("late", &crate::harness::tiny_model(loquat_spec::Task::TextClassification, 0));
    registry.promote("late", 1);
    server.eventually("the new model answers", |server| {
        server.post("/models/late/predict", &json!({ "inputs": "parcel" })).status == 200
    });
}

#[test]
fn the_list_of_models_says_what_answers() {
    let registry = Registry::with_tickets();
    let server = registry.serve();
    let card = server.get("/models").json()["models"][0].clone();
    assert_eq!(card["name"], "tickets");
    assert_eq!(card["implicit"], true);
    assert_eq!(card["task"], "text-classification");
    assert_eq!(card["labels"], json!(["refund", "delivery", "login"]));
    assert_eq!(card["digest"].as_str().unwrap().len(), 64);
}

#[test]
fn metrics_count_requests_and_measure_predictions() {
    let registry = Registry::with_tickets();
    let server = registry.serve();
    let mut client = server.client();
    for _ in 0..3 {
        client.post("/models/tickets/predict", &json!({ "inputs": ["a", "b"] }));
    }
    client.post("/models/tickets/predict", &json!({ "inputs": 1 }));
    let reply = client.request("GET", "/metrics", &[], b"");
    assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = reply.text();
    for line in [
        "loquat_requests_total{route=\"predict\",status=\"200\"} 3",
        "loquat_requests_total{route=\"predict\",status=\"422\"} 1",
        "loquat_request_duration_seconds_count{route=\"predict\"} 4",
        "loquat_predict_duration_seconds_count{endpoint=\"tickets\"} 3",
        "loquat_request_inputs_bucket{endpoint=\"tickets\",le=\"2\"} 3",
        "loquat_request_inputs_sum{endpoint=\"tickets\"} 6",
        "loquat_endpoint_ready{endpoint=\"tickets\"} 1",
        "loquat_endpoint_info{endpoint=\"tickets\",model=\"tickets\",version=\"1\"} 1",
        "loquat_requests_in_flight 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("loquat_") && value.parse::<f64>().is_ok(), "{line}");
    }
}

/// Names of metrics in a text, without what a histogram adds to its own.
fn metric_names(text: &str) -> std::collections::BTreeSet<String> {
    let word = |c: char| c.is_ascii_lowercase() || c == '_';
    let words = text.split(|c| !word(c)).filter(|word| word.starts_with("loquat_"));
    let base = |word: &str| {
        let ends = ["_bucket", "_sum", "_count"];
        let base = ends.iter().find_map(|end| word.strip_suffix(end));
        base.unwrap_or(word).to_owned()
    };
    words.map(base).collect()
}

#[test]
fn dashboard_and_alerts_name_metrics_that_exist() {
    let registry = Registry::with_tickets();
    let metrics = metric_names(&registry.serve().get("/metrics").text());
    for file in ["grafana/loquat-serving.json", "prometheus/loquat-alerts.yaml"] {
        let path = format!("{}/../../deploy/{file}", env!("CARGO_MANIFEST_DIR"));
        let used = metric_names(&std::fs::read_to_string(path).unwrap());
        let unknown: Vec<&String> = used.difference(&metrics).collect();
        assert!(used.len() > 3 && unknown.is_empty(), "{file} names {unknown:?}");
    }
}

#[test]
fn the_openapi_document_is_served_and_its_routes_answer() {
    let registry = Registry::with_tickets();
    let server = registry.serve();
    let document = server.get("/openapi.json").json();
    assert_eq!(document, loquat_serve::openapi());
    assert_eq!(document["openapi"], "3.1.0");
    let mut client = server.client();
    for (method, path) in loquat_serve::routes() {
        let real =
            path.replace("{endpoint}", "tickets").replace("{model}", "tickets").replace("{version}", "1");
        let reply = client.request(method, &real, &[], if method == "POST" { b"{}" } else { b"" });
        let described = &document["paths"][path][method.to_lowercase()]["responses"];
        assert!(described[reply.status.to_string()].is_object(), "{method} {path} answered {}", reply.status);
    }
}

fn start(registry: &Registry, listen: &str, insecure: bool) -> Result<(), ServeError> {
    let config = ServeConfig {
        insecure,
        drain: Duration::from_secs(1),
        ..ServeConfig::new(listen.parse().unwrap(), registry.store.clone())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(loquat_serve::serve(config, |_| (), std::future::ready(())))
}

#[test]
fn addresses_off_loopback_are_refused_unless_insecure() {
    let registry = Registry::new();
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let error = start(&registry, listen, false).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Invalid);
        assert!(error.to_string().contains("--insecure"), "{error}");
    }
    start(&registry, "0.0.0.0:0", true).unwrap();
    start(&registry, "127.0.0.2:0", false).unwrap();
}

#[test]
fn an_address_in_use_is_an_error_that_names_it() {
    let registry = Registry::new();
    let server = registry.serve();
    let error = start(&registry, &server.address.to_string(), false).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert!(error.to_string().contains(&server.address.to_string()), "{error}");
}
