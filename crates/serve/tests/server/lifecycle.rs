//! Aliases that move under load, versions that fail, the end.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use loquat_spec::Task;
use serde_json::json;

use crate::harness::{Registry, Server, head, tiny_model};

const PATH: &str = "/models/tickets/predict";

fn version(server: &Server) -> u64 {
    server.post(PATH, &json!({ "inputs": "parcel" })).json()["version"].as_u64().unwrap()
}

#[test]
fn an_alias_that_moves_under_load_loses_no_request_and_mixes_no_versions() {
    let registry = Registry::with_tickets();
    registry.register("tickets", &tiny_model(Task::TextClassification, 1));
    let server = registry.serve();
    let stop = AtomicBool::new(false);
    let answered = AtomicU64::new(0);
    let seen = std::thread::scope(|scope| {
        let load = || {
            let mut client = server.client();
            let mut seen = [0_u64; 3];
            while !stop.load(Ordering::Relaxed) {
                let reply = client.post(
                    PATH,
                    &json!({ "inputs": ["parcel", "parcel", "parcel", "parcel", "parcel", "parcel"] }),
                );
                assert_eq!(reply.status, 200, "{}", reply.text());
                let body = reply.json();
                let version = body["version"].as_u64().unwrap() as usize;
                let label = ["", "delivery", "login"][version];
                for prediction in body["predictions"].as_array().unwrap() {
                    assert_eq!(prediction["label"], label, "version {version}");
                }
                seen[version] += 1;
                answered.fetch_add(1, Ordering::Relaxed);
            }
            seen
        };
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(load)).collect();
        for target in [2, 1, 2] {
            registry.promote("tickets", target);
            server.eventually("the alias is followed", |server| version(server) == u64::from(target));
        }
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().map(|thread| thread.join().unwrap()).fold([0; 3], |mut sum, seen| {
            sum.iter_mut().zip(seen).for_each(|(sum, seen)| *sum += seen);
            sum
        })
    });
    assert!(seen[1] > 0 && seen[2] > 0, "{seen:?}");
    assert_eq!(seen[1] + seen[2], answered.load(Ordering::Relaxed));
}

#[test]
fn a_version_that_fails_its_golden_inputs_leaves_the_old_one_answering() {
    let registry = Registry::with_tickets();
    let mut broken = tiny_model(Task::TextClassification, 1);
    broken.manifest_mut().golden[0].scores = vec![1.0, 0.0, 0.0];
    registry.register("tickets", &broken);
    let server = registry.serve();
    registry.promote("tickets", 2);
    let detail = |server: &Server| server.get("/health/ready").json()["endpoints"][0]["detail"].clone();
    server.eventually("the failure shows", |server| detail(server).is_string());
    let found = detail(&server);
    let found = found.as_str().unwrap();
    assert!(found.contains("version 2") && found.contains("version 1 keeps answering"), "{found}");
    assert_eq!(version(&server), 1);
    assert_eq!(server.get("/health/ready").status, 200);
    assert!(server.get("/metrics").text().contains("loquat_endpoint_stale{endpoint=\"tickets\"} 1"));
    registry.register("tickets", &tiny_model(Task::TextClassification, 2));
    registry.promote("tickets", 3);
    server.eventually("the next version is taken", |server| version(server) == 3);
    assert!(detail(&server).is_null());
}

#[test]
fn an_endpoint_leaves_with_its_alias() {
    let registry = Registry::with_tickets();
    let server = registry.serve();
    assert_eq!(version(&server), 1);
    let champion = crate::harness::name("champion");
    registry.store.remove_alias(&crate::harness::name("tickets"), &champion).unwrap();
    server.eventually("the endpoint is gone", |server| {
        server.post(PATH, &json!({ "inputs": "parcel" })).status == 404
    });
}

#[test]
fn draining_ends_what_is_in_flight_and_refuses_what_comes_after() {
    let registry = Registry::with_tickets();
    let mut server = registry.serve();
    let body = br#"{"inputs": "parcel"}"#;
    let mut slow = server.client();
    slow.send(&head("POST", PATH, &[], body.len()));
    slow.send(&body[..5]);
    server.eventually("the slow request is in flight", |server| {
        server.get("/metrics").text().contains("loquat_requests_in_flight 2")
    });
    let mut idle = server.client();
    assert_eq!(idle.request("GET", "/health/live", &[], b"").status, 200);
    server.signal();
    server.eventually("readiness ends", |server| server.get("/health/ready").status == 503);
    let late = server.get("/health/ready");
    assert_eq!(
        (late.json()["status"].clone(), late.header("connection")),
        (json!("draining"), Some("close"))
    );
    slow.send(&body[5..]);
    let reply = slow.read().expect("the request in flight is answered");
    assert_eq!(reply.status, 200);
    assert!(idle.read().is_none(), "idle connections end");
    let address = server.address;
    server.join().unwrap();
    assert!(TcpStream::connect(address).is_err(), "new connections are refused");
}

#[test]
fn draining_ends_in_time_when_a_request_never_does() {
    let registry = Registry::with_tickets();
    let mut server = registry.serve_with(|config| config.drain = Duration::from_millis(400));
    let mut stuck = server.client();
    stuck.send(&head("POST", PATH, &[], 20));
    server.eventually("the request is in flight", |server| {
        server.get("/metrics").text().contains("loquat_requests_in_flight 2")
    });
    let start = Instant::now();
    server.signal();
    server.join().unwrap();
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert!(stuck.read().is_none());
}
