//! Open Inference Protocol v2 over REST.

use loquat_spec::{Requests, Task};
use serde_json::{Value, json};

use crate::harness::{LABELS, Registry, Server, declaring, endpoint, tiny_model};

const INFER: &str = "/v2/models/tickets/infer";

fn tensor(data: Value, shape: Value) -> Value {
    json!({ "name": "text", "shape": shape, "datatype": "BYTES", "data": data })
}

fn two_versions() -> (Registry, Server) {
    let registry = Registry::with_tickets();
    registry.register("tickets", &tiny_model(Task::TextClassification, 1));
    let server = registry.serve();
    (registry, server)
}

#[test]
fn metadata_and_health_have_the_protocols_forms() {
    let (_registry, server) = two_versions();
    let tensors = json!([{ "name": "text", "datatype": "BYTES", "shape": [-1] }]);
    for (path, expected) in [
        (
            "/v2",
            json!({ "name": "loquat", "version": env!("CARGO_PKG_VERSION"), "extensions": ["binary_tensor_data", "classification", "model_configuration", "model_repository", "statistics"] }),
        ),
        ("/v2/health/live", json!({ "live": true, "ready": true })),
        ("/v2/health/ready", json!({ "live": true, "ready": true })),
        ("/v2/models/tickets/ready", json!({ "name": "tickets", "ready": true })),
        ("/v2/models/tickets/versions/2/ready", json!({ "name": "tickets", "ready": true })),
    ] {
        let reply = server.get(path);
        assert_eq!((reply.status, reply.json()), (200, expected), "{path}");
    }
    for path in ["/v2/models/tickets", "/v2/models/tickets/versions/1"] {
        let metadata = server.get(path).json();
        assert_eq!(metadata["name"], "tickets");
        assert_eq!(metadata["versions"], json!(["1", "2"]));
        assert_eq!(metadata["platform"], "loquat_safetensors");
        assert_eq!(metadata["inputs"], tensors);
        let names: Vec<&str> =
            metadata["outputs"].as_array().unwrap().iter().map(|o| o["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["label", "score", "scores"]);
    }
}

#[test]
fn infers_flat_and_nested_data_and_echoes_the_id() {
    let (_registry, server) = two_versions();
    for (data, shape) in [
        (json!(["money", "parcel"]), json!([2])),
        (json!(["money", "parcel"]), json!([2, 1])),
        (json!([["money"], ["parcel"]]), json!([2, 1])),
        (json!([["money", "parcel"]]), json!([1, 2])),
    ] {
        let reply = server.post(INFER, &json!({ "id": "é-7", "inputs": [tensor(data, shape.clone())] }));
        assert_eq!(reply.status, 200, "{}", reply.text());
        let body = reply.json();
        assert_eq!((&body["model_name"], &body["model_version"]), (&json!("tickets"), &json!("1")));
        assert_eq!(body["id"], "é-7");
        let [label, score] = body["outputs"].as_array().unwrap().as_slice() else { panic!("{body}") };
        assert_eq!(
            (&label["name"], &label["datatype"], &label["shape"]),
            (&json!("label"), &json!("BYTES"), &shape)
        );
        assert_eq!(label["data"], json!(["refund", "delivery"]));
        assert_eq!(
            (&score["name"], &score["datatype"], &score["shape"]),
            (&json!("score"), &json!("FP32"), &shape)
        );
        assert!(score["data"][0].as_f64().unwrap() > 0.9);
    }
}

#[test]
fn versions_answer_for_themselves() {
    let (_registry, server) = two_versions();
    for (version, label) in [(1, "delivery"), (2, "login"), (1, "delivery")] {
        let path = format!("/v2/models/tickets/versions/{version}/infer");
        let body = server.post(&path, &json!({ "inputs": [tensor(json!(["parcel"]), json!([1]))] })).json();
        assert_eq!(body["model_version"], version.to_string());
        assert_eq!(body["outputs"][0]["data"][0], label);
    }
}

#[test]
fn outputs_are_those_asked_for() {
    let (_registry, server) = two_versions();
    let body = json!({
        "inputs": [tensor(json!(["parcel", "money"]), json!([2]))],
        "outputs": [{ "name": "scores" }, { "name": "label" }]
    });
    let outputs = server.post(INFER, &body).json()["outputs"].clone();
    assert_eq!(outputs[0]["shape"], json!([2, 3]));
    let scores: Vec<f64> =
        outputs[0]["data"].as_array().unwrap().iter().map(|s| s.as_f64().unwrap()).collect();
    assert!(scores[1] > 0.9 && scores[3] > 0.9, "row-major in label order: {scores:?}");
    assert_eq!(outputs[1]["data"], json!(["delivery", "refund"]));
    let body = json!({
        "inputs": [tensor(json!(["parcel"]), json!([1]))],
        "outputs": [{ "name": "scores", "parameters": { "classification": 2 } }]
    });
    let output = server.post(INFER, &body).json()["outputs"][0].clone();
    assert_eq!((&output["datatype"], &output["shape"]), (&json!("BYTES"), &json!([1, 2])));
    assert!(output["data"][0].as_str().unwrap().ends_with(":1:delivery"), "{output}");
}

#[test]
fn multi_label_models_answer_lists_of_labels() {
    let registry = Registry::new();
    registry.register("tags", &tiny_model(Task::MultiLabelClassification, 0));
    registry.promote("tags", 1);
    let server = registry.serve();
    let mut body = json!({ "inputs": [tensor(json!(["parcel", "nothing"]), json!([2]))] });
    let outputs = server.post("/v2/models/tags/infer", &body).json()["outputs"].clone();
    assert_eq!(outputs[0]["name"], "labels");
    assert_eq!(outputs[0]["data"][0], r#"["delivery"]"#);
    assert_eq!(outputs[1]["shape"], json!([2, 3]));
    body["parameters"] = json!({ "threshold": 0.0 });
    let outputs = server.post("/v2/models/tags/infer", &body).json()["outputs"].clone();
    let all: Vec<String> = serde_json::from_str(outputs[0]["data"][0].as_str().unwrap()).unwrap();
    assert_eq!(all.len(), LABELS.len());
}

#[test]
fn binary_tensors_come_and_go_behind_the_json() {
    let (_registry, server) = two_versions();
    let mut tail = Vec::new();
    for text in ["parcel", "money é"] {
        tail.extend_from_slice(&(text.len() as u32).to_le_bytes());
        tail.extend_from_slice(text.as_bytes());
    }
    let json = serde_json::to_vec(&json!({
        "inputs": [{ "name": "text", "shape": [2], "datatype": "BYTES", "parameters": { "binary_data_size": tail.len() } }],
        "parameters": { "binary_data_output": true }
    }))
    .unwrap();
    let length = json.len().to_string();
    let headers =
        [("inference-header-content-length", length.as_str()), ("content-type", "application/octet-stream")];
    let reply = server.client().request("POST", INFER, &headers, &[json, tail].concat());
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    assert_eq!(reply.header("content-type"), Some("application/octet-stream"));
    let split: usize = reply.header("inference-header-content-length").unwrap().parse().unwrap();
    let body: Value = serde_json::from_slice(&reply.body[..split]).unwrap();
    assert!(body["outputs"][0]["data"].is_null());
    let first = body["outputs"][0]["parameters"]["binary_data_size"].as_u64().unwrap() as usize;
    assert_eq!(&reply.body[split..split + first], b"\x08\0\0\0delivery\x06\0\0\0refund");
    let score = f32::from_le_bytes(reply.body[split + first..split + first + 4].try_into().unwrap());
    assert!(score > 0.9);
    assert_eq!(reply.body.len(), split + first + 8);
}

struct Case {
    name: &'static str,
    body: Value,
    field: &'static str,
}

fn refused() -> Vec<Case> {
    let good = tensor(json!(["a"]), json!([1]));
    let with = |key: &str, value: Value| {
        let mut tensor = good.clone();
        tensor[key] = value;
        json!({ "inputs": [tensor] })
    };
    let without = |key: &str| {
        let mut tensor = good.clone();
        tensor.as_object_mut().unwrap().remove(key);
        json!({ "inputs": [tensor] })
    };
    let beside = |key: &str, value: Value| {
        let mut body = json!({ "inputs": [good.clone()] });
        body[key] = value;
        body
    };
    let case = |name, body, field| Case { name, body, field };
    vec![
        case("no inputs", json!({}), "inputs"),
        case("inputs object", json!({ "inputs": {} }), "inputs"),
        case("no tensor", json!({ "inputs": [] }), "inputs"),
        case("two tensors", json!({ "inputs": [good, good] }), "inputs"),
        case("tensor string", json!({ "inputs": ["a"] }), "inputs[0]"),
        case("unknown name", with("name", json!("pixels")), "inputs[0].name"),
        case("no name", without("name"), "inputs[0].name"),
        case("name number", with("name", json!(1)), "inputs[0].name"),
        case("datatype", with("datatype", json!("FP32")), "inputs[0].datatype"),
        case("no datatype", without("datatype"), "inputs[0].datatype"),
        case("no shape", without("shape"), "inputs[0].shape"),
        case("empty shape", with("shape", json!([])), "inputs[0].shape"),
        case("negative shape", with("shape", json!([-1])), "inputs[0].shape[0]"),
        case("shape string", with("shape", json!("1")), "inputs[0].shape"),
        case("shape too large", with("shape", json!([2])), "inputs[0].shape"),
        case("shape overflow", with("shape", json!([u64::MAX, u64::MAX])), "inputs[0].shape"),
        case("no data", without("data"), "inputs[0].data"),
        case("data string", with("data", json!("a")), "inputs[0].data"),
        case("data number", with("data", json!([1])), "inputs[0].data[0]"),
        case("nested number", with("data", json!([["a", null]])), "inputs[0].data[0][1]"),
        case("no element", json!({ "inputs": [tensor(json!([]), json!([0]))] }), "inputs[0].data"),
        case("unknown member", with("dtype", json!("BYTES")), "inputs[0].dtype"),
        case("binary without header", with("parameters", json!({ "binary_data_size": 5 })), "inputs[0].data"),
        case("tensor parameter", with("parameters", json!({ "x": 5 })), "inputs[0].parameters.x"),
        case("unknown top member", beside("inputz", json!([])), "inputz"),
        case("id number", beside("id", json!(7)), "id"),
        case("parameters list", beside("parameters", json!([])), "parameters"),
        case("unknown parameter", beside("parameters", json!({ "x": 1 })), "parameters.x"),
        case("parameter object", beside("parameters", json!({ "x": {} })), "parameters.x"),
        case("sequence", beside("parameters", json!({ "sequence_id": 5 })), "parameters.sequence_id"),
        case("timeout", beside("parameters", json!({ "timeout": -1 })), "parameters.timeout"),
        case("threshold", beside("parameters", json!({ "threshold": 0.5 })), "parameters.threshold"),
        case("unknown output", beside("outputs", json!([{ "name": "logits" }])), "outputs[0].name"),
        case("output string", beside("outputs", json!(["label"])), "outputs[0]"),
        case("outputs string", beside("outputs", json!("label")), "outputs"),
        case(
            "output twice",
            beside("outputs", json!([{ "name": "label" }, { "name": "label" }])),
            "outputs[1].name",
        ),
        case(
            "classification",
            beside("outputs", json!([{ "name": "label", "parameters": { "classification": 1 } }])),
            "outputs[0].parameters.classification",
        ),
    ]
}

#[test]
fn every_bad_request_is_a_400_whose_error_names_the_field() {
    let (_registry, server) = two_versions();
    let mut client = server.client();
    let mut wrong = Vec::new();
    for case in refused() {
        let reply = client.post(INFER, &case.body);
        let body = reply.json();
        let error = body["error"].as_str().unwrap_or_default();
        let names = error.strip_prefix(case.field).is_some_and(|rest| rest.starts_with([':', ' ']));
        if reply.status != 400 || !names || body.as_object().unwrap().len() != 1 {
            wrong.push(format!("{}: {} {body}", case.name, reply.status));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn parameters_that_clients_send_unasked_are_taken() {
    let (_registry, server) = two_versions();
    let body = json!({
        "inputs": [tensor(json!(["parcel"]), json!([1]))],
        "parameters": {
            "priority": 1, "timeout": 5_000_000, "sequence_id": 0, "sequence_start": false, "triton_x": "y",
            "binary_data_output": false, "headers": "a"
        }
    });
    assert_eq!(server.post(INFER, &body).status, 200);
}

#[test]
fn other_refusals_keep_the_protocols_error_form() {
    let (_registry, server) = two_versions();
    let good = json!({ "inputs": [tensor(json!(["a"]), json!([1]))] });
    for (reply, status) in [
        (server.post("/v2/models/nope/infer", &good), 404),
        (server.post("/v2/models/tickets/versions/9/infer", &good), 404),
        (server.post("/v2/models/tickets/versions/x/infer", &good), 404),
        (server.get("/v2/models/nope"), 404),
        (server.get("/v2/models/nope/ready"), 404),
        (server.get("/v2/models/tickets/versions/9/ready"), 404),
        (server.get("/v2/nope"), 404),
        (server.get(INFER), 405),
        (server.client().request("POST", INFER, &[("content-type", "text/csv")], b"a"), 415),
        (server.client().request("POST", INFER, &[], b"{"), 400),
        (server.client().request("POST", INFER, &[("inference-header-content-length", "99")], b"{}"), 400),
        (server.client().request("POST", INFER, &[("inference-header-content-length", "x")], b"{}"), 400),
    ] {
        assert_eq!(reply.status, status, "{}", reply.text());
        assert!(reply.json()["error"].is_string(), "{}", reply.text());
    }
}

#[test]
fn limits_hold_here_too() {
    let registry = Registry::with_tickets();
    let limits = Requests { max_inputs: 2, max_length: Some(5), ..Requests::default() };
    let server = registry
        .serve_with(|config| config.resources = declaring(vec![endpoint("tickets", "tickets", limits)]));
    for (data, shape) in [(json!(["a", "b", "c"]), json!([3])), (json!(["a", "123456"]), json!([2]))] {
        let reply = server.post(INFER, &json!({ "inputs": [tensor(data, shape)] }));
        assert_eq!(reply.status, 413, "{}", reply.text());
        assert!(reply.json()["error"].as_str().unwrap().starts_with("inputs[0].data"), "{}", reply.text());
    }
}
