//! Models that a server of another framework answers for.

use std::time::Duration;

use loquat_infer::{ModelServers, ServerConfig, import_server};
use loquat_spec::{Model, ModelServer, ModelSource, Precision, Requests, Share, Task, ZeroShot};
use loquat_store::NewVersion;
use loquat_testkit::InferenceServer;
use serde_json::{Value, json};

use crate::harness::{Registry, Server, declaring, endpoint, name};

/// Registers a model that a server answers for.
fn register(registry: &Registry, (task, labels): (Task, &[&str])) {
    let resource = Model {
        name: name("mood"),
        task,
        source: ModelSource::Server(ModelServer { command: None, url: String::new() }),
        labels: (!labels.is_empty()).then(|| labels.iter().map(|label| (*label).to_owned()).collect()),
        max_length: None,
        template: None,
        precision: Precision::F32,
        agreement: Share::parse("98%").unwrap(),
        dataset: None,
    };
    let staging = registry.store.stage().unwrap();
    import_server(&resource, staging.path()).unwrap();
    let new = NewVersion { outcome: "imported".to_owned(), ..NewVersion::default() };
    registry.store.register(&name("mood"), staging, new).unwrap();
    registry.promote("mood", 1);
}

/// Serves the model, its server at `url`; requests may take as long as `requests` says.
fn serve(registry: &Registry, url: &str, requests: Requests, zero_shot: Option<ZeroShot>) -> Server {
    let servers = ModelServers::default();
    let folder = registry.folder.path().to_owned();
    let (url, launcher) = (url.to_owned(), Vec::new());
    let config = ServerConfig { model: name("mood"), url, command: None, folder, launcher };
    servers.declare(vec![config]).unwrap();
    registry.serve_with(move |config| {
        config.servers = servers;
        let mut declared = endpoint("mood", "mood@champion", requests);
        declared.zero_shot = zero_shot;
        config.resources = declaring(vec![declared]);
    })
}

fn ready(server: &Server) {
    server.eventually("the model's server is ready", |server| server.get("/health/ready").status == 200);
}

fn texts(body: &Value, input: usize) -> Vec<String> {
    let data = body["inputs"][input]["data"].as_array().unwrap();
    data.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn floats(name: &str, rows: Vec<Vec<f64>>) -> Value {
    let shape = [rows.len(), rows.first().map_or(0, Vec::len)];
    json!({ "name": name, "datatype": "FP32", "shape": shape, "data": rows.concat() })
}

fn outputs(tensors: Vec<Value>) -> (u16, Value) {
    (200, json!({ "model_name": "mood", "outputs": tensors }))
}

/// Scores that say `up` where a text holds that word, in another order than the model's.
fn moods(body: &Value) -> (u16, Value) {
    let scores = |text: String| if text.contains("up") { vec![0.9, 0.1] } else { vec![0.2, 0.8] };
    let rows: Vec<Vec<f64>> = texts(body, 0).into_iter().map(scores).collect();
    let labels = json!({ "name": "labels", "datatype": "BYTES", "shape": [2], "data": ["up", "down"] });
    outputs(vec![floats("scores", rows), labels])
}

#[test]
fn a_server_that_is_down_is_told_at_once_and_everywhere_until_it_is_up() {
    let other = InferenceServer::start(moods).unwrap();
    let registry = Registry::new();
    register(&registry, (Task::TextClassification, &["down", "up"]));
    let server = serve(&registry, &other.url(), Requests::default(), None);
    let body = json!({ "inputs": ["going up", "sinking"], "parameters": { "top_k": 2 } });
    let refused = server.post("/models/mood/predict", &body);
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{}", refused.text());
    server.eventually("the reason is known", |server| {
        let ready = server.get("/health/ready");
        ready.status == 503 && ready.text().contains("503, not yet ready")
    });
    server.eventually("the condition follows", |server| {
        let why = server.get("/why/mood").json();
        why["ready"] == false && why["condition"]["reason"] == "ServerDown"
    });
    assert_eq!(server.get("/v2/models/mood/ready").status, 503);

    other.set_ready(true);
    ready(&server);
    let reply = server.post("/models/mood/predict", &body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let found = reply.json();
    assert_eq!(
        (&found["predictions"][0]["label"], &found["predictions"][1]["label"]),
        (&json!("up"), &json!("down"))
    );
    assert_eq!(found["predictions"][1]["scores"][1]["label"], "up");
    assert!((found["predictions"][1]["score"].as_f64().unwrap() - 0.8).abs() < 1e-6);
    assert_eq!(texts(&other.asked()[0], 0), ["going up", "sinking"], "one request asks for all its texts");
    server.eventually("the condition follows", |server| server.get("/why/mood").json()["ready"] == true);

    other.set_ready(false);
    server.eventually("it is down again", |server| server.post("/models/mood/predict", &body).status == 503);
}

#[test]
fn a_server_that_hangs_does_not_hold_requests_past_their_deadline() {
    let other = InferenceServer::start(|body| {
        std::thread::sleep(Duration::from_secs(3));
        moods(body)
    })
    .unwrap();
    other.set_ready(true);
    let registry = Registry::new();
    register(&registry, (Task::TextClassification, &["down", "up"]));
    let requests = Requests { timeout: Duration::from_millis(300), ..Requests::default() };
    let server = serve(&registry, &other.url(), requests, None);
    ready(&server);
    let reply = server.post("/models/mood/predict", &json!({ "inputs": "up" }));
    assert_eq!(reply.status, 504, "{}", reply.text());
}

#[test]
fn logits_vectors_and_pairs_are_understood_and_other_outputs_named() {
    struct Case {
        task: Task,
        labels: &'static [&'static str],
        answer: fn(&Value) -> (u16, Value),
        input: Value,
        status: u16,
        says: &'static str,
    }
    let cases = [
        Case {
            task: Task::TextClassification,
            labels: &["a", "b"],
            answer: |_| outputs(vec![floats("logits", vec![vec![0.0, 0.0]])]),
            input: json!("x"),
            status: 200,
            says: r#"{"label":"a","score":0.5}"#,
        },
        Case {
            task: Task::MultiLabelClassification,
            labels: &["a", "b"],
            answer: |_| outputs(vec![floats("logits", vec![vec![-9.0, 0.0]])]),
            input: json!("x"),
            status: 200,
            says: r#"{"labels":[{"label":"b","score":0.5}]}"#,
        },
        Case {
            task: Task::Embedding,
            labels: &[],
            answer: |body| {
                let row = |text: String| vec![text.len() as f64, 0.5];
                outputs(vec![floats("anything", texts(body, 0).into_iter().map(row).collect())])
            },
            input: json!("xy"),
            status: 200,
            says: r#"{"embedding":[2.0,0.5]}"#,
        },
        Case {
            task: Task::Embedding,
            labels: &[],
            answer: |body| outputs(vec![floats("embedding", vec![vec![1.0]; texts(body, 0).len()])]),
            input: json!({ "text_a": "x", "text_b": "y" }),
            status: 200,
            says: r#"{"score":1.0}"#,
        },
        Case {
            task: Task::TextPairClassification,
            labels: &["no", "yes"],
            answer: |body| {
                let same = texts(body, 0) == texts(body, 1);
                outputs(vec![floats(
                    "probabilities",
                    vec![if same { vec![0.25, 0.75] } else { vec![1.0, 0.0] }],
                )])
            },
            input: json!({ "premise": "x", "hypothesis": "x" }),
            status: 200,
            says: r#"{"label":"yes","score":0.75}"#,
        },
        Case {
            task: Task::TextClassification,
            labels: &["a", "b"],
            answer: |_| outputs(vec![floats("scores", vec![vec![1.0]])]),
            input: json!("x"),
            status: 500,
            says: "scores of shape [1, 1]",
        },
        Case {
            task: Task::TextClassification,
            labels: &["a", "b"],
            answer: |_| outputs(vec![floats("scores", vec![vec![3.0, -1.0]])]),
            input: json!("x"),
            status: 500,
            says: "call them logits",
        },
        Case {
            task: Task::TextClassification,
            labels: &["a", "b"],
            answer: |_| (400, json!({ "error": "too many words" })),
            input: json!("x"),
            status: 500,
            says: "too many words",
        },
    ];
    for (number, Case { task, labels, answer, input, status, says }) in cases.into_iter().enumerate() {
        let other = InferenceServer::start(answer).unwrap();
        other.set_inputs(json!([
            { "name": "text", "datatype": "BYTES", "shape": [-1] },
            { "name": "second", "datatype": "BYTES", "shape": [-1] },
        ]));
        other.set_ready(true);
        let registry = Registry::new();
        register(&registry, (task, labels));
        let server = serve(&registry, &other.url(), Requests::default(), None);
        ready(&server);
        let reply = server.post("/models/mood/predict", &json!({ "inputs": input }));
        assert_eq!(reply.status, status, "case {number}: {}", reply.text());
        assert!(reply.text().contains(says), "case {number}: {}", reply.text());
    }
}

#[test]
fn labels_of_a_request_are_scored_by_a_server_that_knows_entailment() {
    let other = InferenceServer::start(|body| {
        let row = |text: &String| if text.contains("rain") { vec![0.1, 0.9] } else { vec![0.7, 0.3] };
        outputs(vec![floats("scores", texts(body, 1).iter().map(row).collect())])
    })
    .unwrap();
    other.set_ready(true);
    let registry = Registry::new();
    register(&registry, (Task::TextPairClassification, &["contradiction", "entailment"]));
    let server = serve(&registry, &other.url(), Requests::default(), Some(ZeroShot::default()));
    ready(&server);
    let body = json!({ "inputs": "a wet day", "parameters": { "labels": ["sun", "rain"] } });
    let found = server.post("/models/mood/predict", &body).json();
    let labels = &found["predictions"][0]["labels"];
    assert_eq!((&labels[0]["label"], &labels[1]["label"]), (&json!("rain"), &json!("sun")), "{found}");
    assert!((labels[0]["score"].as_f64().unwrap() - 0.9).abs() < 1e-5, "{found}");
    let asked = &other.asked()[0];
    assert_eq!(texts(asked, 0), ["a wet day", "a wet day"]);
    assert_eq!(texts(asked, 1), ["This example is sun.", "This example is rain."]);
}
