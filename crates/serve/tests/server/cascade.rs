//! A cheap version before the endpoint's own: who answers, what is shown of it, and what happens when either moves on.

use loquat_models::Model;
use loquat_spec::{CascadeStage, Endpoint, ModelReference, Requests, Task, ZeroShot};
use loquat_store::{CalibratedVersion, CascadeCalibration, Tradeoff};
use serde_json::{Value, json};

use crate::harness::{Registry, Server, declaring, endpoint, tiny_model};
use crate::tiny_encoders;

const CONDITIONS: &str = "/apis/loquat.dev/v1alpha1/endpoints/tickets";

/// A store with `small:1`, which takes words for other labels than `tickets:1` does.
fn registry() -> Registry {
    let registry = Registry::with_tickets();
    registry.register("small", &tiny_model(Task::TextClassification, 1));
    registry.promote("small", 1);
    registry
}

fn version(registry: &Registry, reference: &str) -> CalibratedVersion {
    let reference: ModelReference = reference.parse().unwrap();
    let record = registry.store.resolve(&reference).unwrap().record;
    CalibratedVersion { name: record.name, version: record.version, digest: record.digest }
}

/// Records that `cheap` answers where it is sure by 0.9, which it is of the words that it knows.
fn calibrate(registry: &Registry, cheap: &str, dear: &str) {
    registry.store.record_cascade(&calibration(registry, cheap, dear)).unwrap();
}

fn calibration(registry: &Registry, cheap: &str, dear: &str) -> CascadeCalibration {
    let chosen =
        Tradeoff { agreement: 0.98, threshold: 0.9, early: 0.5, found: 0.99, least: 0.981, saving: 0.4 };
    CascadeCalibration {
        cheap: version(registry, cheap),
        dear: version(registry, dear),
        confidence: 0.99,
        chosen,
        tradeoffs: vec![chosen],
        rows: 400,
        cheap_seconds: 0.01,
        dear_seconds: 0.02,
        zero_shot: None,
        data_hash: String::new(),
        created: String::new(),
    }
}

fn cascaded() -> Endpoint {
    let stage = CascadeStage { model: "small".parse().unwrap(), agreement: 0.98 };
    Endpoint { cascade: vec![stage], ..endpoint("tickets", "tickets", Requests::default()) }
}

fn serve(registry: &Registry) -> Server {
    registry.serve_with(|config| config.resources = declaring(vec![cascaded()]))
}

/// Model, version and labels of an answer.
fn ask(server: &Server, texts: &[&str]) -> (String, u64, Vec<String>) {
    let reply = server.post("/models/tickets/predict", &json!({ "inputs": texts }));
    assert_eq!(reply.status, 200, "{}", reply.text());
    let body = reply.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let predictions = body["predictions"].as_array().unwrap();
    let labels = predictions.iter().map(|prediction| text(&prediction["label"])).collect();
    (text(&body["model"]), body["version"].as_u64().unwrap(), labels)
}

/// Condition `Cascade` of the endpoint.
fn condition(server: &Server) -> Value {
    let conditions = server.get(CONDITIONS).json()["status"]["conditions"].clone();
    let conditions = conditions.as_array().unwrap();
    conditions.iter().find(|condition| condition["type"] == "Cascade").cloned().unwrap_or_default()
}

fn metric(server: &Server, name: &str) -> f64 {
    let text = server.get("/metrics").text();
    let start = format!("{name}{{endpoint=\"tickets\",model=\"small\",version=\"1\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&start));
    line.unwrap_or_else(|| panic!("no {start} in\n{text}")).parse().unwrap()
}

#[test]
fn the_cheap_version_answers_what_it_is_sure_of_and_names_itself() {
    let registry = registry();
    calibrate(&registry, "small:1", "tickets:1");
    let server = serve(&registry);
    let alone = |model: &str, labels: &[&str]| {
        (model.to_owned(), 1, labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(ask(&server, &["parcel"]), alone("small", &["login"]));
    assert_eq!(ask(&server, &["hello"]), alone("tickets", &["refund"]));
    let mixed = ask(&server, &["hello", "parcel", "hello", "money"]);
    assert_eq!(mixed, alone("tickets", &["refund", "login", "refund", "delivery"]));
    assert_eq!(condition(&server)["status"], "True");
    assert_eq!(condition(&server)["reason"], "Calibrated");
}

#[test]
fn a_request_for_a_certain_version_gets_that_version() {
    let registry = registry();
    calibrate(&registry, "small:1", "tickets:1");
    let server = serve(&registry);
    let body = json!({ "inputs": [
        { "name": "input-0", "shape": [1], "datatype": "BYTES", "data": ["parcel"] }
    ] });
    let label = |path: &str| {
        let reply = server.post(path, &body).json();
        let outputs = reply["outputs"].as_array().unwrap().clone();
        outputs.iter().find(|output| output["name"] == "label").unwrap()["data"][0].clone()
    };
    assert_eq!(label("/v2/models/tickets/infer"), "login");
    assert_eq!(label("/v2/models/tickets/versions/1/infer"), "delivery");
}

#[test]
fn metrics_and_why_show_the_live_share_and_its_drift() {
    let registry = registry();
    calibrate(&registry, "small:1", "tickets:1");
    let server = serve(&registry);
    assert!(metric(&server, "loquat_cascade_drift").abs() < 1e-9, "nothing has come yet");
    for _ in 0..20 {
        ask(&server, &["parcel"; 150]);
    }
    ask(&server, &["hello"; 10]);
    assert_eq!(metric(&server, "loquat_cascade_asked_total"), 3010.0);
    assert_eq!(metric(&server, "loquat_cascade_early_total"), 3000.0);
    assert_eq!(metric(&server, "loquat_cascade_calibrated_share"), 0.5);
    let share = metric(&server, "loquat_cascade_early_share");
    assert!((0.95..0.99).contains(&share), "{share}");
    let drift = metric(&server, "loquat_cascade_drift");
    let expected = 2.0 * share.sqrt().asin() - std::f64::consts::FRAC_PI_2;
    assert!((drift - expected).abs() < 1e-9, "{drift} {expected}");
    let why = server.get("/why/tickets").json();
    assert_eq!(why["cascade"][0]["early"], 3000);
    assert_eq!(why["cascade"][0]["model"], "small");
    let request = server.client().request(
        "POST",
        "/models/tickets/predict",
        &[("x-request-id", "mixed"), ("content-type", "application/json")],
        json!({ "inputs": ["parcel", "hello"] }).to_string().as_bytes(),
    );
    assert_eq!(request.status, 200, "{}", request.text());
    let why = server.get("/why/mixed").json();
    assert_eq!(why["early"], json!([{ "model": "small", "version": 1, "inputs": 1 }]));
    assert_eq!(why["model"], "tickets");
}

#[test]
fn without_a_calibration_the_endpoints_version_answers_alone_until_there_is_one() {
    let registry = registry();
    let server = serve(&registry);
    assert_eq!(ask(&server, &["parcel"]).2, ["delivery"]);
    let missing = condition(&server);
    assert_eq!(
        (missing["status"].as_str(), missing["reason"].as_str()),
        (Some("False"), Some("NotCalibrated"))
    );
    let message = missing["message"].as_str().unwrap();
    assert!(
        message.contains("loquat models cascade small:1 tickets:1 --dataset NAME --agreement 0.98"),
        "{message}"
    );
    assert_eq!(server.get("/health/ready").status, 200, "the endpoint answers all the same");

    calibrate(&registry, "small:1", "tickets:1");
    server.eventually("it is lined up", |server| condition(server)["status"] == "True");
    assert_eq!(ask(&server, &["parcel"]).2, ["login"]);

    registry.register("small", &tiny_model(Task::TextClassification, 2));
    registry.promote("small", 2);
    server.eventually("the new version is not calibrated", |server| condition(server)["status"] == "False");
    assert_eq!(ask(&server, &["parcel"]).2, ["delivery"]);
    registry.promote("small", 1);
    server.eventually("the pair is known", |server| condition(server)["status"] == "True");

    registry.register("tickets", &tiny_model(Task::TextClassification, 2));
    registry.promote("tickets", 2);
    server.eventually("the dear version moved", |server| condition(server)["status"] == "False");
    assert_eq!(ask(&server, &["parcel"]), ("tickets".to_owned(), 2, vec!["refund".to_owned()]));
}

#[test]
fn versions_with_other_labels_are_never_asked() {
    let registry = Registry::with_tickets();
    let mut other: Model = tiny_model(Task::TextClassification, 1);
    other.manifest_mut().labels[0] = "payment".to_owned();
    registry.register("small", &other);
    registry.promote("small", 1);
    calibrate(&registry, "small:1", "tickets:1");
    let server = serve(&registry);
    assert_eq!(ask(&server, &["parcel"]).2, ["delivery"]);
    assert_eq!(condition(&server)["reason"], "VersionsDiffer");
}

#[test]
fn likeness_answers_before_entailment_where_one_declared_label_is_asked_for() {
    let registry = Registry::new();
    tiny_encoders::register(&registry, "likeness", ("bert-embedding", Task::Embedding), &[]);
    let labels = ["contradiction", "neutral", "entailment"];
    tiny_encoders::register(&registry, "nli", ("bert-sequence", Task::TextPairClassification), &labels);
    let declared = ZeroShot { template: None, labels: vec!["rain".to_owned(), "sun".to_owned()] };
    let known = calibration(&registry, "likeness:1", "nli:1");
    registry.store.record_cascade(&known).unwrap();
    let stage = CascadeStage { model: "likeness".parse().unwrap(), agreement: 0.98 };
    let topics = Endpoint {
        cascade: vec![stage],
        zero_shot: Some(declared.clone()),
        ..endpoint("tickets", "nli", Requests::default())
    };
    let server = registry.serve_with(|config| config.resources = declaring(vec![topics]));
    assert_eq!(condition(&server)["reason"], "NotCalibrated", "that was calibrated without labels");

    let chosen = Tradeoff { threshold: 0.0, ..known.chosen };
    let with_labels = CascadeCalibration { zero_shot: Some(declared), chosen, ..known };
    registry.store.record_cascade(&with_labels).unwrap();
    server.eventually("it is lined up", |server| condition(server)["status"] == "True");
    let answerer = |parameters: Value| {
        let body = json!({ "inputs": ["it rains"], "parameters": parameters });
        server.post("/models/tickets/predict", &body).json()["model"].as_str().unwrap().to_owned()
    };
    assert_eq!(answerer(json!({ "exclusive": true })), "likeness");
    assert_eq!(answerer(json!({ "exclusive": true, "labels": ["rain", "sun"] })), "likeness");
    assert_eq!(answerer(json!({})), "nli", "scores of labels each on its own are the entailment model's");
    assert_eq!(answerer(json!({ "exclusive": true, "labels": ["rain", "snow"] })), "nli");
}

#[test]
fn a_resource_that_drops_its_cascade_is_followed() {
    let registry = registry();
    calibrate(&registry, "small:1", "tickets:1");
    let server = serve(&registry);
    let written = server.get(CONDITIONS).json();
    assert_eq!(written["spec"]["cascade"], json!([{ "model": "small@champion", "agreement": 0.98 }]));
    let plain = "apiVersion: loquat.dev/v1alpha1\nkind: Endpoint\nmetadata: { name: tickets }\nspec: { model: tickets }\n";
    assert_eq!(server.put(CONDITIONS, plain).status, 200);
    server.eventually("the cascade is gone", |server| condition(server).is_null());
    assert_eq!(ask(&server, &["parcel"]).2, ["delivery"]);
}
