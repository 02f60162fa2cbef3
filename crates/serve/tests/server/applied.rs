//! What is applied lasts: it is there after a restart, beside the folder's resources, whatever a file of it holds; and what a
//! server does with the kinds that answer nothing themselves.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use loquat_serve::{Grant, Importer, KeyFile, Scope, ServeConfig};
use loquat_spec::{Endpoint, Requests, Resources, Task};
use loquat_store::{AppliedFolder, NewVersion};
use serde_json::{Value, json};

use crate::harness::{LABELS, Registry, Reply, Server, declaring, endpoint, grant, name, tiny_model};

const ROOT: &str = "/apis/loquat.dev/v1alpha1";
const DATASET: &str =
    "{ task: text-classification, source: { path: a.jsonl }, columns: { text: t, label: l } }";
const TRAINING: &str = "{ dataset: data, metric: macro-f1 }";

fn manifest(kind: &str, name: &str, spec: &str) -> String {
    format!("apiVersion: loquat.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n")
}

fn path(kind: &str, name: &str) -> String {
    format!("{ROOT}/{kind}/{name}")
}

fn kept(registry: &Registry) -> PathBuf {
    registry.folder.path().join("applied")
}

/// A server with what was applied in earlier ones, and a folder that declares `endpoints`.
fn serve(registry: &Registry, endpoints: Vec<Endpoint>) -> Server {
    registry.serve_with(|config| {
        config.resources = declaring(endpoints);
        config.applied = Some(AppliedFolder::new(&kept(registry)));
    })
}

fn two_versions() -> Registry {
    let registry = Registry::with_tickets();
    registry.register("tickets", &tiny_model(Task::TextClassification, 1));
    registry
}

fn label(server: &Server, endpoint: &str) -> (u16, Value) {
    let reply = server.post(&format!("/models/{endpoint}/predict"), &json!({ "inputs": "parcel" }));
    (reply.status, reply.json()["predictions"][0]["label"].clone())
}

/// The resource as it stays between two runs of a server.
fn declared(server: &Server, kind: &str, name: &str) -> Option<Value> {
    let reply = server.get(&path(kind, name));
    let mut object = (reply.status == 200).then(|| reply.json())?;
    object.as_object_mut().unwrap().remove("status");
    Some(object)
}

fn put(server: &Server, kind: &str, name: &str, spec: &str) -> Reply {
    let plural = format!("{}s", kind.to_lowercase());
    server.put(&path(&plural, name), &manifest(kind, name, spec))
}

fn reason(server: &Server, kind: &str, name: &str) -> (String, String) {
    let object = server.get(&path(kind, name)).json();
    let condition = &object["status"]["conditions"][0];
    assert_eq!(condition["observedGeneration"], object["metadata"]["generation"], "{object}");
    (condition["status"].as_str().unwrap().to_owned(), condition["reason"].as_str().unwrap().to_owned())
}

#[test]
fn what_was_applied_is_there_after_a_restart_until_it_is_deleted() {
    let registry = two_versions();
    let server = serve(&registry, vec![]);
    put(&server, "Endpoint", "help", "{ model: \"tickets:1\" }");
    put(&server, "Endpoint", "help", "{ model: \"tickets:2\" }");
    put(&server, "Dataset", "data", DATASET);
    put(&server, "Training", "other", TRAINING);
    let find = |server: &Server| {
        [("endpoints", "help"), ("datasets", "data"), ("trainings", "other")]
            .map(|(kind, name)| declared(server, kind, name))
    };
    let before = find(&server);
    assert!(before.iter().all(Option::is_some), "{before:?}");
    drop(server);
    let server = serve(&registry, vec![]);
    assert_eq!(find(&server), before);
    server.eventually("it answers", |server| label(server, "help") == (200, json!(LABELS[2])));
    assert_eq!(server.delete(&path("endpoints", "help")).status, 200);
    drop(server);
    let server = serve(&registry, vec![]);
    assert_eq!(declared(&server, "endpoints", "help"), None);
    assert!(declared(&server, "datasets", "data").is_some());
}

#[test]
fn what_was_applied_stands_until_the_folder_says_something_else() {
    let registry = two_versions();
    let folder = |queue: usize| {
        vec![endpoint("help", "tickets:1", Requests { max_queue: queue, ..Requests::default() })]
    };
    let spec = |server: &Server| declared(server, "endpoints", "help").map(|object| object["spec"].clone());
    let server = serve(&registry, folder(5));
    assert_eq!(put(&server, "Endpoint", "help", "{ model: \"tickets:2\" }").status, 200);
    drop(server);
    let server = serve(&registry, folder(5));
    assert_eq!(spec(&server), Some(json!({ "model": "tickets:2" })), "the folder says what it said");
    drop(server);
    let changed = Some(json!({ "model": "tickets:1", "requests": { "maxQueue": 6 } }));
    for _ in 0..2 {
        assert_eq!(spec(&serve(&registry, folder(6))), changed, "the folder was changed since");
    }
    let server = serve(&registry, folder(6));
    assert_eq!(server.delete(&path("endpoints", "help")).status, 200);
    drop(server);
    assert_eq!(spec(&serve(&registry, folder(6))), None, "what was deleted stays so");
    assert_eq!(spec(&serve(&registry, vec![])), None);
    assert!(spec(&serve(&registry, folder(6))).is_some(), "the folder declares it anew");
}

#[test]
fn a_damaged_file_loses_nothing_else() {
    let registry = two_versions();
    let server = serve(&registry, vec![]);
    for name in ["good", "cut", "wrong"] {
        put(&server, "Endpoint", name, "{ model: tickets }");
    }
    drop(server);
    let file = |name: &str| kept(&registry).join(format!("Endpoint.{name}.json"));
    let text = std::fs::read_to_string(file("cut")).unwrap();
    std::fs::write(file("cut"), &text[..text.len() - 9]).unwrap();
    std::fs::write(
        file("wrong"),
        text.replace("name\": \"cut", "name\": \"wrong").replace("kind: Endpoint", "kind: Pod"),
    )
    .unwrap();
    let server = serve(&registry, vec![]);
    server.eventually("the rest answers", |server| label(server, "good").0 == 200);
    assert_eq!(declared(&server, "endpoints", "cut"), None);
    assert_eq!(declared(&server, "endpoints", "wrong"), None);
    assert!(file("cut").exists() && file("wrong").exists(), "what can't be read is left to be mended");
    assert_eq!(put(&server, "Endpoint", "cut", "{ model: tickets }").status, 201);
    drop(server);
    assert!(declared(&serve(&registry, vec![]), "endpoints", "cut").is_some());
}

#[test]
fn applies_at_once_lose_nothing() {
    let registry = two_versions();
    let server = serve(&registry, vec![]);
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let server = &server;
            scope.spawn(move || {
                for number in 0..8 {
                    let name = format!("own-{writer}-{number}");
                    assert_eq!(put(server, "Endpoint", &name, "{ model: tickets }").status, 201);
                    let spec = format!(
                        "{{ model: tickets, requests: {{ maxQueue: {} }} }}",
                        1 + number + writer * 8
                    );
                    assert!(put(server, "Endpoint", "shared", &spec).status < 300);
                }
            });
        }
    });
    let all = |server: &Server| -> Vec<Value> {
        let items = server.get(&format!("{ROOT}/endpoints")).json()["items"].as_array().unwrap().clone();
        items.into_iter().map(|item| json!([item["metadata"], item["spec"]])).collect()
    };
    let before = all(&server);
    // The registered model has an endpoint of its own.
    assert_eq!(before.len(), 4 * 8 + 2);
    drop(server);
    assert_eq!(all(&serve(&registry, vec![])), before);
}

#[test]
fn resources_of_one_body_are_applied_together_or_not_at_all() {
    let registry = two_versions();
    let server = serve(&registry, vec![]);
    let parts = [
        manifest("Training", "news", TRAINING),
        manifest("Endpoint", "news", "{ model: news }"),
        manifest("Dataset", "data", DATASET),
    ];
    let both = parts.join("---\n");
    let found = |server: &Server| {
        [("datasets", "data"), ("trainings", "news"), ("endpoints", "news")]
            .map(|(kind, name)| declared(server, kind, name).is_some())
    };
    let bad = format!("{both}---\n{}", manifest("Endpoint", "bad", "{ modle: news }"));
    assert_eq!(server.put(ROOT, &bad).status, 422);
    assert_eq!(found(&server), [false; 3]);
    let dry = server.put(&format!("{ROOT}?dryRun=All"), &both);
    assert_eq!((dry.status, dry.json()["changes"].clone()), (200, json!(["created", "created", "created"])));
    assert_eq!(found(&server), [false; 3]);
    let applied = server.put(ROOT, &both);
    assert_eq!(applied.status, 200, "{}", applied.text());
    let kinds: Vec<Value> =
        applied.json()["items"].as_array().unwrap().iter().map(|item| item["kind"].clone()).collect();
    assert_eq!(kinds, ["Dataset", "Training", "Endpoint"], "who is named comes first");
    assert_eq!(found(&server), [true; 3]);
    assert_eq!(server.put(ROOT, &both).json()["changes"], json!(["unchanged", "unchanged", "unchanged"]));
    assert_eq!(server.put(ROOT, "").status, 422);
}

#[test]
fn trainings_and_data_sets_are_kept_valid_and_never_said_to_be_worked_on() {
    let registry = two_versions();
    let server = serve(&registry, vec![]);
    let alone = put(&server, "Training", "news", TRAINING);
    assert_eq!((alone.status, &alone.json()["field"]), (422, &json!("spec.dataset")), "{}", alone.text());
    assert_eq!(put(&server, "Dataset", "data", DATASET).status, 201);
    assert_eq!(put(&server, "Training", "news", TRAINING).status, 201);
    assert_eq!(reason(&server, "datasets", "data"), ("Unknown".to_owned(), "NotRead".to_owned()));
    assert_eq!(reason(&server, "trainings", "news"), ("False".to_owned(), "NotTrained".to_owned()));
    let message =
        server.get(&path("trainings", "news")).json()["status"]["conditions"][0]["message"].to_string();
    assert!(message.contains("does not train") && message.contains("loquat train DIR"), "{message}");

    let broken = put(
        &server,
        "Dataset",
        "data",
        "{ task: embedding, source: { path: a.jsonl }, columns: { text: t } }",
    );
    assert_eq!(broken.status, 422, "{}", broken.text());
    assert!(broken.text().contains("Training news, which is declared already"), "{}", broken.text());
    let used = server.delete(&path("datasets", "data"));
    assert_eq!(used.status, 409, "{}", used.text());
    assert!(used.text().contains("delete Training news first"), "{}", used.text());
    let taken = put(&server, "Model", "news", "{ task: text-classification, source: { path: m } }");
    assert_eq!(taken.status, 409, "{}", taken.text());

    // What another process trains from it shows.
    let staging = registry.store.stage().unwrap();
    tiny_model(Task::TextClassification, 0).save(staging.path()).unwrap();
    let resource =
        format!("{}---\n{}", manifest("Dataset", "data", DATASET), manifest("Training", "news", TRAINING));
    let new = NewVersion { outcome: "completed".to_owned(), resource, ..NewVersion::default() };
    registry.store.register(&name("news"), staging, new).unwrap();
    assert_eq!(reason(&server, "trainings", "news"), ("True".to_owned(), "Trained".to_owned()));
    put(&server, "Training", "news", "{ dataset: data, metric: accuracy }");
    assert_eq!(reason(&server, "trainings", "news").1, "NotTrained", "the version is of another text");

    assert_eq!(server.delete(&path("trainings", "news")).status, 200);
    assert_eq!(server.delete(&path("datasets", "data")).status, 200);
    assert_eq!(server.delete(&path("datasets", "data")).status, 404);
}

#[test]
fn an_applied_model_is_imported_and_answers_and_a_failure_is_said() {
    let registry = Registry::new();
    let (store, broken) = (registry.store.clone(), Arc::new(AtomicBool::new(true)));
    let seen = Arc::clone(&broken);
    let importer = Importer::new(move |resources: &Resources, model| {
        if seen.load(Ordering::SeqCst) {
            return Err("the hub is away".to_owned());
        }
        let located = resources.models.iter().find(|located| located.value.name == *model).unwrap();
        let staging = store.stage().unwrap();
        tiny_model(Task::TextClassification, 0).save(staging.path()).unwrap();
        let resource = located.text.clone();
        let new = NewVersion { outcome: "imported".to_owned(), resource, ..NewVersion::default() };
        let record = store.register(model, staging, new).unwrap();
        store.set_alias(model, &name("champion"), record.version).map(drop).map_err(|error| error.to_string())
    });
    let server = registry.serve_with(|config| config.importer = Some(importer));
    let spec = |length: usize| {
        format!("{{ task: text-classification, source: {{ path: m }}, maxLength: {length} }}")
    };
    assert_eq!(put(&server, "Model", "mood", &spec(8)).status, 201);
    server.eventually("the failure is said", |server| reason(server, "models", "mood").1 == "ImportFailed");
    assert!(server.get(&path("models", "mood")).text().contains("the hub is away"));
    broken.store(false, Ordering::SeqCst);
    assert_eq!(put(&server, "Model", "mood", &spec(9)).status, 200);
    server.eventually("it is imported", |server| reason(server, "models", "mood").1 == "Imported");
    server.eventually("it answers", |server| label(server, "mood").0 == 200);
    assert_eq!(server.get(&path("models", "mood")).json()["status"]["version"], 1);
}

#[test]
fn a_command_is_taken_only_from_those_who_say_who_they_are() {
    let registry = Registry::with_tickets();
    let spec = "{ task: text-classification, labels: [a, b], server: { command: [sleep, \"9\"], url: \"http://127.0.0.1:1\", \
                protocol: oip-v2 } }";
    let refused = put(&registry.serve(), "Model", "mood", spec);
    assert_eq!(
        (refused.status, &refused.json()["field"]),
        (403, &json!("spec.server.command")),
        "{}",
        refused.text()
    );
    let keys = registry.folder.path().join("keys.json");
    let admin = Grant { scopes: vec![Scope::Admin], ..grant("admin") };
    let key = KeyFile::add(&keys, admin).unwrap();
    let server = registry.serve_with(|config: &mut ServeConfig| config.keys = Some(keys));
    let header = ("authorization", format!("Bearer {key}"));
    let body = manifest("Model", "mood", spec);
    let headers = [(header.0, header.1.as_str())];
    let taken = server.client().request("PUT", &path("models", "mood"), &headers, body.as_bytes());
    assert_eq!(taken.status, 201, "{}", taken.text());
}
