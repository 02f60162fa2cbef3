//! Traces: what a collector gets, read by the types of `opentelemetry-proto`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::json;

use crate::harness::Registry;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// A collector: the bodies that it gets.
fn collector() -> (String, Receiver<ExportTraceServiceRequest>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            while let Some(body) = request(&mut reader) {
                reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
                if tell.send(ExportTraceServiceRequest::decode(&body[..]).unwrap()).is_err() {
                    return;
                }
            }
        }
    });
    (url, told)
}

/// The body of the next request on a connection.
fn request(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    assert!(line.starts_with("POST /v1/traces "), "{line}");
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
        assert!(
            !line.starts_with("content-type") || line == "content-type: application/x-protobuf",
            "{line}"
        );
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    Some(body)
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some((attribute.key.clone(), text.clone())),
        Value::IntValue(number) => Some((attribute.key.clone(), number.to_string())),
        _ => None,
    };
    attributes.iter().filter_map(text).collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn spans(request: &ExportTraceServiceRequest) -> Vec<Span> {
    let resources = request.resource_spans.iter();
    resources.flat_map(|resource| &resource.scope_spans).flat_map(|scope| scope.spans.clone()).collect()
}

#[test]
fn a_request_is_a_span_of_its_senders_trace_with_what_its_time_went_into() {
    let registry = Registry::with_tickets();
    let (url, told) = collector();
    let server = registry.serve_with(|config| config.otlp_endpoint = Some(url));
    let parent = format!("00-{TRACE}-{SPAN}-01");
    let send = |parent: &str, id: &str, inputs: serde_json::Value| {
        let headers = [("traceparent", parent), ("x-request-id", id), ("content-type", "application/json")];
        let body = json!({ "inputs": inputs }).to_string();
        server.client().request("POST", "/models/tickets/predict", &headers, body.as_bytes()).status
    };
    assert_eq!(send(&format!("00-{TRACE}-{SPAN}-00"), "unsampled", json!("a")), 200);
    assert_eq!(send(&parent, "seven", json!(vec!["where is my parcel ".repeat(15); 300])), 200);
    let request = told.recv_timeout(Duration::from_secs(20)).expect("spans come");
    let resource = texts(&request.resource_spans[0].resource.as_ref().unwrap().attributes);
    assert_eq!(resource["service.name"], "loquat");
    let spans = spans(&request);
    let whole = &spans[0];
    assert_eq!(
        (hexadecimal(&whole.trace_id), hexadecimal(&whole.parent_span_id)),
        (TRACE.into(), SPAN.into())
    );
    assert_eq!((whole.name.as_str(), whole.kind), ("POST predict", 2));
    let attributes = texts(&whole.attributes);
    for (name, value) in [
        ("http.request.method", "POST"),
        ("url.path", "/models/tickets/predict"),
        ("http.response.status_code", "200"),
        ("loquat.request_id", "seven"),
        ("loquat.endpoint", "tickets"),
        ("loquat.model", "tickets"),
        ("loquat.version", "1"),
        ("loquat.inputs", "300"),
        ("loquat.batch.requests", "1"),
    ] {
        assert_eq!(attributes[name], value, "{name}");
    }
    let parts = &spans[1..];
    assert!(parts.iter().any(|part| part.name == "inference"), "{parts:?}");
    for part in parts {
        assert_eq!(
            (&part.trace_id, &part.parent_span_id),
            (&whole.trace_id, &whole.span_id),
            "{}",
            part.name
        );
        assert!(part.start_time_unix_nano >= whole.start_time_unix_nano, "{}", part.name);
        assert!(part.start_time_unix_nano <= part.end_time_unix_nano, "{}", part.name);
        assert!(part.end_time_unix_nano <= whole.end_time_unix_nano, "{}", part.name);
    }
    assert!(
        !spans
            .iter()
            .any(|span| texts(&span.attributes).get("loquat.request_id").is_some_and(|id| id == "unsampled"))
    );
}

#[test]
fn a_collector_that_is_gone_costs_no_request() {
    let registry = Registry::with_tickets();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = registry.serve_with(|config| config.otlp_endpoint = Some(format!("http://{closed}/")));
    for _ in 0..50 {
        assert_eq!(server.post("/models/tickets/predict", &json!({ "inputs": "a" })).status, 200);
    }
    assert!(server.get("/metrics").text().contains("loquat_traces_dropped_total 0"));
}
