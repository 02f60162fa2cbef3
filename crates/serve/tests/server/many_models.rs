//! Many models in one process: loaded on demand, unloaded when idle or for others, sharing traffic, shadowing each other.

use std::time::Duration;

use loquat_spec::{Endpoint, Portion, Requests, Scaling, Task};
use serde_json::json;

use crate::harness::{LABELS, Registry, Server, declaring, endpoint, tiny_model};

/// What the metrics say about an endpoint.
fn metric(server: &Server, name: &str, endpoint: &str) -> u64 {
    let text = server.get("/metrics").text();
    let start = format!("{name}{{endpoint=\"{endpoint}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&start));
    line.unwrap_or_else(|| panic!("no {start} in\n{text}")).parse().unwrap()
}

fn label(server: &Server, endpoint: &str) -> (u64, String) {
    let reply = server.post(&format!("/models/{endpoint}/predict"), &json!({ "inputs": "parcel" }));
    assert_eq!(reply.status, 200, "{}", reply.text());
    let body = reply.json();
    (body["version"].as_u64().unwrap(), body["predictions"][0]["label"].as_str().unwrap().to_owned())
}

fn resident(server: &Server, endpoint: &str) -> u64 {
    metric(server, "loquat_endpoint_resident_bytes", endpoint)
}

#[test]
fn a_model_that_need_not_stay_is_loaded_by_a_request_and_leaves_when_idle() {
    let registry = Registry::with_tickets();
    let server = registry.serve_with(|config| {
        let scaling = Scaling { keep_loaded: false, idle_timeout: Duration::from_millis(300) };
        config.resources =
            declaring(vec![Endpoint { scaling, ..endpoint("tickets", "tickets", Requests::default()) }]);
    });
    assert_eq!(server.get("/health/ready").status, 200);
    assert_eq!(resident(&server, "tickets"), 0);
    for _ in 0..2 {
        assert_eq!(label(&server, "tickets"), (1, "delivery".to_owned()));
        server.eventually("it leaves", |server| resident(server, "tickets") == 0);
    }
    assert!(metric(&server, "loquat_version_unloads_total", "tickets") >= 2);
    assert_eq!(server.get("/health/ready").status, 200);
}

#[test]
fn ten_models_answer_within_the_memory_of_three() {
    let registry = Registry::new();
    let names: Vec<String> = (0..10).map(|number| format!("m{number}")).collect();
    for (turn, name) in names.iter().enumerate() {
        registry.register(name, &tiny_model(Task::TextClassification, turn));
        registry.promote(name, 1);
    }
    let one = resident(&registry.serve(), "m0");
    let budget = 3 * one + one / 2;
    let server = registry.serve_with(|config| config.memory = Some(budget));
    for round in 0..3 {
        for (turn, name) in names.iter().enumerate() {
            let expected = LABELS[(1 + turn) % LABELS.len()];
            assert_eq!(label(&server, name), (1, expected.to_owned()), "{name} in round {round}");
            let held: u64 = names.iter().map(|name| resident(&server, name)).sum();
            assert!(held <= budget, "{held} of {budget} after {name}");
        }
    }
    assert_eq!(server.get("/health/ready").status, 200);
}

#[test]
fn a_declared_model_stays_while_others_make_room() {
    let registry = Registry::with_tickets();
    for name in ["a", "b"] {
        registry.register(name, &tiny_model(Task::TextClassification, 1));
        registry.promote(name, 1);
    }
    let one = resident(&registry.serve(), "tickets");
    let server = registry.serve_with(|config| {
        config.memory = Some(2 * one + one / 2);
        config.resources = declaring(vec![endpoint("tickets", "tickets", Requests::default())]);
    });
    for name in ["a", "b", "a", "b"] {
        label(&server, name);
        assert!(resident(&server, "tickets") > 0, "a declared endpoint stays loaded");
    }
}

#[test]
fn versions_share_the_traffic_by_percent_and_name_themselves() {
    let registry = Registry::with_tickets();
    registry.register("tickets", &tiny_model(Task::TextClassification, 1));
    let server = registry.serve_with(|config| {
        let traffic = vec![Portion { model: "tickets:2".parse().unwrap(), percent: 25.0 }];
        config.resources =
            declaring(vec![Endpoint { traffic, ..endpoint("tickets", "tickets", Requests::default()) }]);
    });
    let mut seen = [0; 3];
    for _ in 0..400 {
        let (version, label) = label(&server, "tickets");
        assert_eq!(label, ["", "delivery", "login"][version as usize]);
        seen[version as usize] += 1;
    }
    assert!((95..=105).contains(&seen[2]), "{seen:?}");
}

#[test]
fn a_shadow_is_compared_and_never_returned() {
    let registry = Registry::with_tickets();
    registry.register("tickets", &tiny_model(Task::TextClassification, 1));
    registry.register("tickets", &tiny_model(Task::TextClassification, 0));
    let server = registry.serve_with(|config| {
        let shadow = vec!["tickets:2".parse().unwrap(), "tickets:3".parse().unwrap()];
        config.resources =
            declaring(vec![Endpoint { shadow, ..endpoint("tickets", "tickets", Requests::default()) }]);
    });
    for _ in 0..20 {
        assert_eq!(label(&server, "tickets"), (1, "delivery".to_owned()));
    }
    let counts = |server: &Server| {
        ["agreed", "differed", "skipped"]
            .map(|kind| metric(server, &format!("loquat_shadow_{kind}_total"), "tickets"))
    };
    server.eventually("every shadow answer is counted", |server| counts(server).iter().sum::<u64>() == 40);
    assert_eq!(counts(&server), [20, 20, 0]);
}
