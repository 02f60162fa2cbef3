//! Endpoints that compute on a GPU; run by `cargo xtask gpu-test`.

use loquat_spec::{Endpoint, Requests, Task};
use serde_json::{Value, json};

use crate::harness::{Registry, Server, declaring, endpoint};
use crate::tiny_encoders::register;

fn predictions(server: &Server, model: &str) -> Vec<Value> {
    let body = json!({ "inputs": ["it rains", "a much longer text than the first one, it is", "b"] });
    let reply = server.post(&format!("/models/{model}/predict"), &body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["predictions"].as_array().unwrap().clone()
}

#[test]
fn an_encoder_answers_on_a_gpu_as_on_the_processor() {
    let registry = Registry::new();
    register(&registry, "topics", ("bert-sequence", Task::TextClassification), &[]);
    let fast = Endpoint { gpu: true, ..endpoint("fast", "topics", Requests::default()) };
    let server = registry.serve_with(|config| config.resources = declaring(vec![fast]));
    for (known, found) in predictions(&server, "topics").iter().zip(predictions(&server, "fast")) {
        assert_eq!(known["label"], found["label"]);
        let score = |prediction: &Value| prediction["score"].as_f64().unwrap();
        assert!((score(known) - score(&found)).abs() < 1e-3, "{found} should be {known}");
    }
}
