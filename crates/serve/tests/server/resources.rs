//! Resources of a running server: applied, listed, deleted, followed, and what they change.

use std::time::Duration;

use loquat_serve::{Grant, KeyFile, Scope};
use loquat_spec::{Endpoint, ModelReference, Portion, Requests, Resources, Scaling, Task, ZeroShot};
use serde_json::{Value, json};

use crate::harness::{LABELS, Registry, Server, declaring, endpoint, grant, tiny_model};

const ENDPOINTS: &str = "/apis/loquat.dev/v1alpha1/endpoints";

/// An Endpoint as a user writes it.
fn manifest(name: &str, spec: &str) -> String {
    format!("apiVersion: loquat.dev/v1alpha1\nkind: Endpoint\nmetadata: {{ name: {name} }}\nspec: {spec}\n")
}

fn path(name: &str) -> String {
    format!("{ENDPOINTS}/{name}")
}

/// The only condition of a resource.
fn condition(object: &Value) -> (String, String, String) {
    let condition = &object["status"]["conditions"][0];
    assert_eq!(condition["type"], "Ready", "{object}");
    let word = |name: &str| condition[name].as_str().unwrap().to_owned();
    (word("status"), word("reason"), word("message"))
}

fn label(server: &Server, endpoint: &str) -> (u16, Value) {
    let reply = server.post(&format!("/models/{endpoint}/predict"), &json!({ "inputs": "parcel" }));
    (reply.status, reply.json()["predictions"][0]["label"].clone())
}

fn two_versions() -> Registry {
    let registry = Registry::with_tickets();
    registry.register("tickets", &tiny_model(Task::TextClassification, 1));
    registry
}

#[test]
fn an_applied_endpoint_answers_changes_and_goes() {
    let registry = two_versions();
    let server = registry.serve();
    let created = server.put(&path("help"), &manifest("help", "{ model: \"tickets:1\" }"));
    assert_eq!(created.status, 201, "{}", created.text());
    assert_eq!(created.json()["spec"], json!({ "model": "tickets:1" }));
    server.eventually("it answers", |server| label(server, "help") == (200, json!(LABELS[1])));
    let found = server.get(&path("help")).json();
    assert_eq!(condition(&found).0, "True");
    assert_eq!((&found["status"]["version"], &found["metadata"]["generation"]), (&json!(1), &json!(1)));

    let changed = server.put(&path("help"), &manifest("help", "{ model: \"tickets:2\" }"));
    assert_eq!((changed.status, &changed.json()["metadata"]["generation"]), (200, &json!(2)));
    server.eventually("the other version answers", |server| label(server, "help") == (200, json!(LABELS[2])));
    server.eventually("it is observed", |server| {
        server.get(&path("help")).json()["status"]["observedGeneration"] == 2
    });
    let same = server.put(&path("help"), &manifest("help", "{ model: \"tickets:2\" }"));
    assert_eq!(same.json()["metadata"]["generation"], 2);

    assert_eq!(server.delete(&path("help")).status, 200);
    server.eventually("it is gone", |server| label(server, "help").0 == 404);
    assert_eq!(server.get(&path("help")).status, 404);
    assert_eq!(server.delete(&path("help")).status, 404);
}

#[test]
fn a_dry_run_and_a_bad_resource_change_nothing() {
    let registry = two_versions();
    let server = registry.serve();
    let good = manifest("help", "{ model: \"tickets:1\" }");
    let dry = server.put(&format!("{}?dryRun=All", path("help")), &good);
    assert_eq!((dry.status, &dry.json()["spec"]["model"]), (201, &json!("tickets:1")));
    assert_eq!(server.get(&path("help")).status, 404);
    assert_eq!(server.put(&path("help"), &good).status, 201);
    let before = server.get(&path("help")).json()["spec"].clone();
    for (body, status, names) in [
        (manifest("help", "{ model: \"tickets:0\" }"), 422, "spec.model"),
        (manifest("help", "{ modle: tickets }"), 422, "modle"),
        (manifest("other", "{ model: tickets }"), 422, "metadata.name"),
        (format!("{good}---\n{good}"), 422, "already"),
        (good.replace("Endpoint", "Stream"), 422, "Stream"),
        ("kind: [".to_owned(), 422, "body"),
        (String::new(), 422, "one Endpoint"),
        ("apiVersion: loquat.dev/v1alpha1\nkind: Dataset\nmetadata: { name: help }\nspec: { task: text-classification, \
          source: { path: a.jsonl }, columns: { text: text, label: label } }\n"
            .to_owned(), 422, "one Endpoint"),
    ] {
        let refused = server.put(&path("help"), &body);
        assert_eq!(refused.status, status, "{body}: {}", refused.text());
        assert!(refused.text().contains(names), "{body}: {}", refused.text());
        assert_eq!(server.get(&path("help")).json()["spec"], before);
    }
    assert_eq!(server.put(&format!("{}?dryRun=some", path("help")), &good).status, 422);
    let other = server.put("/apis/loquat.dev/v1alpha1/trainings/help", &good);
    assert_eq!(other.status, 422, "{}", other.text());
    assert!(other.text().contains("one Training"), "{}", other.text());
    let kind = server.put("/apis/loquat.dev/v1alpha1/streams/help", &good);
    assert_eq!(kind.status, 400, "{}", kind.text());
    assert!(kind.text().contains("not yet supported"), "{}", kind.text());
    assert_eq!(server.get("/apis/loquat.dev/v1alpha1/pods").status, 404);
}

#[test]
fn what_is_missing_shows_in_the_condition_and_leaves_the_old_version_answering() {
    let registry = two_versions();
    let server = registry.serve();
    server.put(&path("help"), &manifest("help", "{ model: \"tickets:1\" }"));
    server.eventually("it answers", |server| label(server, "help").0 == 200);
    server.put(&path("help"), &manifest("help", "{ model: \"tickets:9\" }"));
    server.eventually("it says why", |server| {
        condition(&server.get(&path("help")).json()).1 == "PreviousVersionServing"
    });
    let (status, _, message) = condition(&server.get(&path("help")).json());
    assert_eq!(status, "True");
    assert!(message.contains("no version 9") && message.contains("version 1 keeps"), "{message}");
    assert_eq!(label(&server, "help"), (200, json!(LABELS[1])));

    server.put(&path("late"), &manifest("late", "{ model: missing }"));
    server.eventually("it says why", |server| {
        condition(&server.get(&path("late")).json()).1 == "VersionMissing"
    });
    assert_eq!(condition(&server.get(&path("late")).json()).0, "False");
    assert_eq!(server.get("/health/ready").status, 503);
}

#[test]
fn every_field_comes_back_as_it_was_put() {
    let registry = two_versions();
    let server = registry.serve();
    let whole = Endpoint {
        default: true,
        zero_shot: Some(ZeroShot { template: Some("On {label}.".to_owned()), labels: vec!["a".to_owned()] }),
        threads: Some(3),
        traffic: vec![Portion { model: "tickets:2".parse().unwrap(), percent: 12.5 }],
        shadow: vec!["tickets@next".parse::<ModelReference>().unwrap()],
        scaling: Scaling { keep_loaded: false, idle_timeout: Duration::from_secs(5400) },
        requests: Requests {
            timeout: Duration::from_millis(1500),
            max_queue: 7,
            max_batch_tokens: 99,
            max_inputs: 5,
            max_length: Some(80),
        },
        ..endpoint("whole", "tickets", Requests::default())
    };
    let folder = registry.serve_with(|config| config.resources = declaring(vec![whole.clone()]));
    let object = folder.get(&path("whole")).json();
    assert_eq!(object["metadata"]["managedFields"][0]["manager"], "loquat-folder");
    assert_eq!(
        object["spec"],
        json!({
            "model": "tickets@champion", "default": true, "task": "zero-shot-classification",
            "template": "On {label}.", "labels": ["a"],
            "traffic": [{ "model": "tickets:2", "percent": 12.5 }], "shadow": ["tickets@next"],
            "resources": { "threads": 3 },
            "scaling": { "minReplicas": 0, "idleTimeout": "90m" },
            "requests": {
                "timeout": "1500ms", "maxQueue": 7, "maxBatchTokens": 99, "maxLength": 80, "maxInputs": 5
            }
        })
    );
    let mut written = object.clone();
    written.as_object_mut().unwrap().remove("status");
    written["metadata"] = json!({ "name": "whole" });
    let put = server.put(&path("whole"), &written.to_string());
    assert_eq!(put.status, 201, "{}", put.text());
    assert_eq!(put.json()["spec"], object["spec"]);
}

#[test]
fn the_list_holds_models_without_a_resource_which_cannot_be_deleted() {
    let registry = two_versions();
    let server = registry.serve();
    server.put(&path("help"), &manifest("help", "{ model: tickets }"));
    let list = server.get(ENDPOINTS).json();
    let named: Vec<(&str, &str)> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let manager = item["metadata"]["managedFields"][0]["manager"].as_str().unwrap();
            (item["metadata"]["name"].as_str().unwrap(), manager)
        })
        .collect();
    assert_eq!(named, [("help", "loquat-apply"), ("tickets", "loquat-store")]);
    let refused = server.delete(&path("tickets"));
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.text().contains("loquat models rm tickets"), "{}", refused.text());
}

#[test]
fn a_second_default_of_a_task_is_refused() {
    let registry = two_versions();
    let server = registry.serve();
    let spec = "{ model: tickets, default: true }";
    assert_eq!(server.put(&path("first"), &manifest("first", spec)).status, 201);
    server.eventually("it answers", |server| label(server, "first").0 == 200);
    let refused = server.put(&path("second"), &manifest("second", spec));
    assert_eq!(
        (refused.status, &refused.json()["field"]),
        (422, &json!("spec.default")),
        "{}",
        refused.text()
    );
    assert_eq!(server.put(&path("first"), &manifest("first", spec)).status, 200);
}

#[test]
fn the_folder_is_followed_and_leaves_what_was_applied() {
    let registry = two_versions();
    let (tell, changes) = tokio::sync::watch::channel(Resources::default());
    let named = |name: &str| endpoint(name, "tickets", Requests::default());
    let server = registry.serve_with(|config| {
        config.resources = declaring(vec![named("one"), named("two")]);
        config.changes = Some(changes);
    });
    server.put(&path("mine"), &manifest("mine", "{ model: tickets }"));
    server.put(&path("two"), &manifest("two", "{ model: \"tickets:2\" }"));
    tell.send(declaring(vec![named("three")])).unwrap();
    server.eventually("what the folder dropped is gone", |server| label(server, "one").0 == 404);
    server.eventually("what it holds answers", |server| label(server, "three").0 == 200);
    server.eventually("what was applied stays", |server| label(server, "mine").0 == 200);
    server.eventually("also under a name that the folder had", |server| {
        label(server, "two") == (200, json!(LABELS[2]))
    });
    tell.send(declaring(vec![named("two")])).unwrap();
    server.eventually("the folder takes it back", |server| label(server, "two") == (200, json!(LABELS[1])));
}

#[test]
fn requests_in_flight_survive_the_change_of_an_endpoint() {
    let registry = two_versions();
    let server = registry.serve();
    server.put(&path("help"), &manifest("help", "{ model: \"tickets:1\" }"));
    server.eventually("it answers", |server| label(server, "help").0 == 200);
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = server.client();
                    let ask = |_| {
                        client.post("/models/help/predict", &json!({ "inputs": vec!["parcel"; 300] })).status
                    };
                    (0..40).map(ask).filter(|status| *status != 200).count()
                })
            })
            .collect();
        for turn in 0..20 {
            let spec =
                format!("{{ model: \"tickets:{}\", requests: {{ maxQueue: {} }} }}", 1 + turn % 2, 20 + turn);
            assert_eq!(server.put(&path("help"), &manifest("help", &spec)).status, 200);
        }
        for failed in asking {
            assert_eq!(failed.join().unwrap(), 0);
        }
    });
}

#[test]
fn only_keys_of_scope_admin_change_anything() {
    let registry = two_versions();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let admin = KeyFile::add(&file, Grant { scopes: vec![Scope::Admin], ..grant("operator") }).unwrap();
    let all = KeyFile::add(&file, grant("caller")).unwrap();
    let models = Some(vec!["tickets".to_owned()]);
    let some = KeyFile::add(&file, Grant { models, ..grant("narrow") }).unwrap();
    let server = registry.serve_with(|config| config.keys = Some(file.clone()));
    let ask = |key: &str, method: &str, path: &str, body: &str| {
        let header = format!("Bearer {key}");
        server.client().request(method, path, &[("authorization", &header)], body.as_bytes()).status
    };
    let good = manifest("help", "{ model: tickets }");
    let dry = format!("{}?dryRun=All", path("help"));
    let repository = |verb: &str| format!("/v2/repository/models/tickets/{verb}");
    for key in [&all, &some] {
        assert_eq!(ask(key, "PUT", &path("help"), &good), 403);
        assert_eq!(ask(key, "PUT", &dry, &good), 403);
        assert_eq!(ask(key, "DELETE", &path("tickets"), ""), 403);
        assert_eq!(ask(key, "POST", &repository("unload"), ""), 403);
        assert_eq!(ask(key, "POST", &repository("load"), ""), 403);
    }
    assert_eq!((ask(&all, "GET", ENDPOINTS, ""), ask(&some, "GET", ENDPOINTS, "")), (200, 403));
    assert_eq!(ask(&admin, "PUT", &path("help"), &good), 201);
    assert_eq!(ask(&admin, "POST", &repository("unload"), ""), 200);
    assert_eq!(ask(&admin, "POST", &repository("load"), ""), 200);
    assert_eq!(ask(&admin, "GET", ENDPOINTS, ""), 200);
    assert_eq!(ask(&admin, "DELETE", &path("help"), ""), 200);
    let question = r#"{"inputs": "parcel"}"#;
    assert_eq!(ask(&admin, "POST", "/models/tickets/predict", question), 403);
    assert_eq!(ask(&all, "POST", "/models/tickets/predict", question), 200);
}

#[test]
fn a_model_unloaded_on_request_stays_away_until_it_is_loaded() {
    let registry = two_versions();
    let server = registry.serve();
    assert_eq!(server.post("/v2/repository/models/tickets/unload", &json!({})).status, 200);
    assert_eq!(label(&server, "tickets").0, 503);
    assert_eq!(condition(&server.get(&path("tickets")).json()).1, "Unloaded");
    assert_eq!(server.get("/v2/models/tickets/ready").status, 503);
    assert_eq!(server.get("/health/ready").status, 200, "what is unloaded on request is not missed");
    // A look at the store meanwhile loads nothing.
    registry.promote("tickets", 2);
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(label(&server, "tickets").0, 503);
    assert_eq!(server.post("/v2/repository/models/tickets/load", &json!({})).status, 200);
    assert_eq!(label(&server, "tickets"), (200, json!(LABELS[2])));
}

#[test]
fn a_gpu_that_is_not_there_is_refused_and_nothing_answers_in_its_place() {
    let registry = two_versions();
    let server = registry.serve();
    let spec = "{ model: \"tickets:1\", resources: { gpu: 1 } }";
    let created = server.put(&path("fast"), &manifest("fast", spec));
    assert_eq!(created.status, 201, "{}", created.text());
    assert_eq!(created.json()["spec"]["resources"], json!({ "gpu": 1 }));
    server.eventually("it says why", |server| {
        let (status, _, message) = condition(&server.get(&path("fast")).json());
        status == "False" && message.contains("--onnxruntime") && message.contains("gpu: 0")
    });
    assert_eq!(label(&server, "fast").0, 503);
    // Another endpoint of the same version answers on the processor.
    server.put(&path("slow"), &manifest("slow", "{ model: \"tickets:1\" }"));
    server.eventually("it answers", |server| label(server, "slow") == (200, json!(LABELS[1])));
    assert_eq!(label(&server, "fast").0, 503);
    // Nor does it go on answering there once it is asked for a GPU.
    server.put(&path("slow"), &manifest("slow", spec));
    server.eventually("it is refused", |server| {
        label(server, "slow").0 == 503 && condition(&server.get(&path("slow")).json()).1 == "VersionNotLoaded"
    });
}
