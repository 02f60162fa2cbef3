//! What one small request costs the server, in processor time of its own threads: unlike wall time, that can be
//! measured on a busy machine.

use std::fs;

use loquat_spec::Task;
use serde_json::json;

use crate::harness::{Registry, head, model_with};

const CONNECTIONS: usize = 4;
const REQUESTS: usize = 20_000;
/// Features of the models measured: next to none, which leaves the cost of HTTP, and a usual vocabulary.
const FEATURES: [u32; 2] = [0, 200_000];
/// 15,000 requests a second a core.
const MOST_MICROSECONDS: f64 = 66.0;

/// Nanoseconds that the workers of tokio have run.
fn worker_time() -> u64 {
    let mut sum = 0;
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let folder = task.unwrap().path();
        let name = fs::read_to_string(folder.join("comm")).unwrap_or_default();
        if name.starts_with("tokio") {
            let times = fs::read_to_string(folder.join("schedstat")).unwrap_or_default();
            sum += times.split(' ').next().and_then(|time| time.parse::<u64>().ok()).unwrap_or_default();
        }
    }
    sum
}

#[test]
#[cfg(target_os = "linux")]
#[ignore = "measures; run alone with --ignored"]
fn a_small_request_costs_less_than_a_15_000th_of_a_core_second() {
    for features in FEATURES {
        let microseconds = cost(features);
        let rate = 1e6 / microseconds;
        println!(
            "{features} features: {microseconds:.1} µs of processor time a request, {rate:.0} requests/s a core"
        );
        assert!(microseconds < MOST_MICROSECONDS, "{features} features: {microseconds} µs a request");
    }
}

/// Microseconds of processor time that one small request costs.
fn cost(features: u32) -> f64 {
    let registry = Registry::new();
    registry.register("tickets", &model_with(Task::TextClassification, 0, features));
    registry.promote("tickets", 1);
    let server = registry.serve();
    let body = serde_json::to_vec(&json!({ "inputs": "where is my parcel, it should have come on monday" }))
        .unwrap();
    let mut request =
        head("POST", "/models/tickets/predict", &[("content-type", "application/json")], body.len());
    request.extend_from_slice(&body);
    let run = |count: usize| {
        std::thread::scope(|scope| {
            for _ in 0..CONNECTIONS {
                scope.spawn(|| {
                    let mut client = server.client();
                    for _ in 0..count / CONNECTIONS {
                        client.send(&request);
                        assert_eq!(client.read().expect("a reply").status, 200);
                    }
                });
            }
        });
    };
    run(REQUESTS / 10);
    let before = worker_time();
    run(REQUESTS);
    (worker_time() - before) as f64 / 1e3 / REQUESTS as f64
}
