//! The Open Inference Protocol over gRPC. Messages are written out here byte by byte, independent of the server's own.

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use loquat_spec::{Endpoint, Requests, Task};

use crate::harness::{LABELS, Registry, Server, declaring, endpoint, tiny_model};
use crate::tiny_encoders::{RELEVANCE, register};

const SERVICE: &str = "inference.GRPCInferenceService";
const INVALID_ARGUMENT: &str = "3";
const FAILED_PRECONDITION: &str = "9";
const NOT_FOUND: &str = "5";
const UNAVAILABLE: &str = "14";
const UNIMPLEMENTED: &str = "12";

/// A field of wire type 2: a string, bytes or a message.
fn field(number: u8, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let length = u8::try_from(bytes.len()).expect("short fields only");
    assert!(length < 128, "short fields only");
    [&[number << 3 | 2, length], bytes].concat()
}

/// A field of wire type 0.
fn number(field: u8, value: u8) -> Vec<u8> {
    vec![field << 3, value]
}

/// A number in base 128, lowest digits first, and what follows it.
fn varint(bytes: &[u8]) -> (usize, &[u8]) {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0).expect("a last digit");
    let digits = bytes[..=end].iter().rev();
    (digits.fold(0, |number, digit| number << 7 | usize::from(digit & 0x7f)), &bytes[end + 1..])
}

/// The fields of a message: number and content; a number's content is its digits.
fn fields(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    while let Some((key, rest)) = bytes.split_first() {
        // Field numbers from 16 on take two bytes; only the last of a configuration has one.
        if key & 0x80 != 0 {
            break;
        }
        let (length, rest) = match key & 7 {
            0 => (rest.len() - varint(rest).1.len(), rest),
            2 => varint(rest),
            other => panic!("wire type {other}"),
        };
        found.push((key >> 3, rest[..length].to_vec()));
        bytes = &rest[length..];
    }
    found
}

fn all(fields: &[(u8, Vec<u8>)], number: u8) -> Vec<Vec<u8>> {
    fields.iter().filter(|(found, _)| *found == number).map(|(_, content)| content.clone()).collect()
}

fn text(fields: &[(u8, Vec<u8>)], number: u8) -> String {
    String::from_utf8(all(fields, number).concat()).unwrap()
}

struct Answer {
    status: String,
    message: String,
    body: Vec<u8>,
}

impl Answer {
    fn fields(&self) -> Vec<(u8, Vec<u8>)> {
        assert_eq!(self.status, "0", "{}", self.message);
        let (head, message) = self.body.split_at(5);
        assert_eq!(head[0], 0, "not compressed");
        assert_eq!(u32::from_be_bytes(head[1..].try_into().unwrap()) as usize, message.len());
        fields(message)
    }
}

/// A message of a status, whose signs and blanks are percent-encoded.
fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

fn call(server: &Server, method: &str, message: &[u8]) -> Answer {
    call_with(server, method, &[message])
}

/// A message with the five bytes that go before it.
fn framed(message: &[u8]) -> Vec<u8> {
    [&[0][..], &(message.len() as u32).to_be_bytes(), message].concat()
}

/// The messages of a stream.
fn unframed(mut body: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Some((head, rest)) = body.split_at_checked(5) {
        let (message, rest) = rest.split_at(u32::from_be_bytes(head[1..].try_into().unwrap()) as usize);
        messages.push(message.to_vec());
        body = rest;
    }
    messages
}

fn call_with(server: &Server, method: &str, messages: &[&[u8]]) -> Answer {
    let address = server.address;
    let path = if method.contains('/') { format!("/{method}") } else { format!("/{SERVICE}/{method}") };
    let framed: Vec<u8> = messages.iter().flat_map(|message| framed(message)).collect();
    let request = Request::post(format!("http://{address}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", "5S")
        .body(Full::new(Bytes::from(framed)))
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async move {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        let driver = tokio::spawn(connection);
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let mut headers: HeaderMap = response.headers().clone();
        assert!(headers.contains_key("x-request-id"));
        let collected = Body::new(response.into_body()).collect().await.unwrap();
        headers.extend(collected.trailers().cloned().unwrap_or_default());
        driver.abort();
        let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        Answer {
            status: header("grpc-status").expect("a status"),
            message: decoded(&header("grpc-message").unwrap_or_default()),
            body: collected.to_bytes().to_vec(),
        }
    })
}

fn model(name: &str, version: &str) -> Vec<u8> {
    [field(1, name), if version.is_empty() { Vec::new() } else { field(2, version) }].concat()
}

/// A request for `texts`, their contents in the tensor or raw behind it.
fn infer(texts: &[&str], raw: bool, outputs: &[&str]) -> Vec<u8> {
    let contents: Vec<u8> = texts.iter().flat_map(|text| field(8, text)).collect();
    let mut tensor = [field(1, "text"), field(2, "BYTES"), field(3, [texts.len() as u8])].concat();
    if !raw {
        tensor.extend(field(5, contents));
    }
    let mut message = [field(1, "tickets"), field(3, "seventeen"), field(5, tensor)].concat();
    outputs.iter().for_each(|output| message.extend(field(6, field(1, output))));
    if raw {
        let element = |text: &&str| [&(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
        message.extend(field(7, texts.iter().flat_map(element).collect::<Vec<u8>>()));
    }
    message
}

fn two_versions() -> (Registry, Server) {
    let registry = Registry::with_tickets();
    registry.register("tickets", &tiny_model(Task::TextClassification, 1));
    let server = registry.serve();
    (registry, server)
}

#[test]
fn server_and_models_are_described() {
    let (_registry, server) = two_versions();
    assert_eq!(call(&server, "ServerLive", &[]).fields(), [(1, vec![1])]);
    assert_eq!(call(&server, "ServerReady", &[]).fields(), [(1, vec![1])]);
    assert_eq!(text(&call(&server, "ServerMetadata", &[]).fields(), 1), "loquat");
    assert_eq!(call(&server, "ModelReady", &model("tickets", "2")).fields(), [(1, vec![1])]);
    let metadata = call(&server, "ModelMetadata", &model("tickets", "")).fields();
    assert_eq!(
        (text(&metadata, 1), all(&metadata, 2)),
        ("tickets".to_owned(), vec![b"1".to_vec(), b"2".to_vec()])
    );
    let outputs: Vec<String> = all(&metadata, 5).iter().map(|output| text(&fields(output), 1)).collect();
    assert_eq!(outputs, ["label", "score", "scores"]);
    let config = call(&server, "ModelConfig", &model("tickets", "")).fields();
    assert_eq!(text(&fields(&all(&config, 1)[0]), 1), "tickets");
    let index = call(&server, "RepositoryIndex", &number(2, 1)).fields();
    let entry = fields(&all(&index, 1)[0]);
    assert_eq!(
        (text(&entry, 1), text(&entry, 2), text(&entry, 3)),
        ("tickets".into(), "1".into(), "READY".into())
    );
    assert_eq!(call(&server, "RepositoryModelLoad", &field(2, "tickets")).fields(), []);
}

#[test]
fn a_message_that_can_not_be_read_is_the_senders_fault() {
    let (_registry, server) = two_versions();
    for method in ["ModelInfer", "ModelReady", "tei.v1.Embed/Embed", "tei.v1.Predict/PredictStream"] {
        let answer = call(&server, method, &[1 << 3 | 2, 9, b'a']);
        assert_eq!(answer.status, INVALID_ARGUMENT, "{method}: {}", answer.message);
        assert!(answer.message.contains("can't be read"), "{}", answer.message);
    }
}

#[test]
fn texts_are_labelled_with_contents_and_raw() {
    let (_registry, server) = two_versions();
    let answer = call(&server, "ModelInfer", &infer(&["money", "parcel"], false, &["label"])).fields();
    assert_eq!(
        (text(&answer, 1), text(&answer, 2), text(&answer, 3)),
        ("tickets".into(), "1".into(), "seventeen".into())
    );
    let label = fields(&all(&answer, 5)[0]);
    assert_eq!(
        (text(&label, 1), text(&label, 2), all(&label, 3)),
        ("label".into(), "BYTES".into(), vec![vec![2]])
    );
    assert_eq!(all(&fields(&all(&label, 5)[0]), 8), [LABELS[0].as_bytes(), LABELS[1].as_bytes()]);
    let raw = call(&server, "ModelInfer", &infer(&["money", "parcel"], true, &["label", "score"])).fields();
    let contents = all(&raw, 6);
    assert_eq!(contents[0], b"\x06\0\0\0refund\x08\0\0\0delivery");
    assert_eq!(contents[1].len(), 8);
    assert!(f32::from_le_bytes(contents[1][..4].try_into().unwrap()) > 0.9);
    let statistics = call(&server, "ModelStatistics", &model("tickets", "")).fields();
    let statistics = fields(&all(&statistics, 1)[0]);
    assert_eq!((all(&statistics, 4), all(&statistics, 5)), (vec![vec![4]], vec![vec![2]]));
}

#[test]
fn what_is_wrong_is_named_in_the_status() {
    let (_registry, server) = two_versions();
    let tensor = |parts: &[Vec<u8>]| [field(1, "tickets"), field(5, parts.concat())].concat();
    let (name, bytes, shape) = (field(1, "text"), field(2, "BYTES"), field(3, [1]));
    let one = || field(5, field(8, "a"));
    let parameter = |name: &str, value: Vec<u8>| field(4, [field(1, name), field(2, value)].concat());
    for (method, message, status, names) in [
        ("ModelReady", model("nobody", ""), NOT_FOUND, "nobody"),
        ("ModelMetadata", model("tickets", "9"), NOT_FOUND, "versions are 1, 2"),
        ("ModelStatistics", model("nobody", ""), NOT_FOUND, "nobody"),
        ("RepositoryModelLoad", field(2, "nobody"), NOT_FOUND, "nobody"),
        ("ModelInfer", field(1, "nobody"), NOT_FOUND, "nobody"),
        ("ModelInfer", field(1, "tickets"), INVALID_ARGUMENT, "inputs"),
        (
            "ModelInfer",
            tensor(&[name.clone(), field(2, "FP32"), shape.clone(), one()]),
            INVALID_ARGUMENT,
            "inputs[0].datatype",
        ),
        (
            "ModelInfer",
            tensor(&[name.clone(), bytes.clone(), field(3, [2]), one()]),
            INVALID_ARGUMENT,
            "inputs[0].shape",
        ),
        (
            "ModelInfer",
            tensor(&[name.clone(), bytes.clone(), shape.clone()]),
            INVALID_ARGUMENT,
            "inputs[0].data",
        ),
        (
            "ModelInfer",
            tensor(&[name.clone(), bytes.clone(), shape.clone(), field(5, field(8, b"\xff"))]),
            INVALID_ARGUMENT,
            "bytes_contents[0]",
        ),
        (
            "ModelInfer",
            [infer(&["a"], true, &[]), field(7, "b")].concat(),
            INVALID_ARGUMENT,
            "raw_input_contents",
        ),
        ("ModelInfer", infer(&["a"], false, &["nothing"]), INVALID_ARGUMENT, "outputs[0].name"),
        (
            "ModelInfer",
            [infer(&["a"], false, &[]), parameter("colour", number(1, 1))].concat(),
            INVALID_ARGUMENT,
            "colour",
        ),
        (
            "ModelInfer",
            [infer(&["a"], false, &[]), parameter("timeout", Vec::new())].concat(),
            INVALID_ARGUMENT,
            "timeout",
        ),
        (
            "ModelInfer",
            [infer(&["a"], false, &[]), parameter("sequence_id", number(2, 7))].concat(),
            INVALID_ARGUMENT,
            "sequence_id",
        ),
        ("ModelStreamInfer", Vec::new(), UNIMPLEMENTED, "ModelStreamInfer"),
        ("inference.Nothing/Nothing", Vec::new(), UNIMPLEMENTED, "Nothing"),
    ] {
        let answer = call(&server, method, &message);
        assert_eq!(answer.status, status, "{method}: {}", answer.message);
        assert!(answer.message.contains(names), "{method}: {}", answer.message);
    }
}

#[test]
fn tei_predicts_and_says_what_no_model_does() {
    let (_registry, server) = two_versions();
    let info = call(&server, "tei.v1.Info/Info", &[]).fields();
    assert_eq!((text(&info, 4), all(&info, 7)), ("tickets".to_owned(), vec![vec![1]]));
    let answer = call(&server, "tei.v1.Predict/Predict", &field(1, "money")).body;
    let (best, rest) =
        (answer[5..].windows(6).position(|w| w == b"refund"), answer.windows(5).position(|w| w == b"login"));
    assert!(best.unwrap() < rest.unwrap(), "best first");
    for (method, message, status, names) in [
        ("tei.v1.Predict/Predict", [field(1, "a"), number(3, 1)].concat(), INVALID_ARGUMENT, "raw_scores"),
        ("tei.v1.Predict/PredictPair", [field(1, "a"), field(1, "b")].concat(), INVALID_ARGUMENT, "one text"),
        ("tei.v1.Embed/Embed", field(1, "a"), FAILED_PRECONDITION, "embedding"),
        ("tei.v1.Rerank/Rerank", field(1, "a"), FAILED_PRECONDITION, "reranker"),
        ("tei.v1.Tokenize/Tokenize", field(1, "a"), FAILED_PRECONDITION, "tokenizer"),
        ("tei.v1.Embed/EmbedStream", field(1, "a"), FAILED_PRECONDITION, "embedding"),
        ("tei.v1.Tokenize/Decode", number(1, 5), FAILED_PRECONDITION, "tokenizer"),
        ("tei.v1.Embed/EmbedSparse", field(1, "a"), FAILED_PRECONDITION, "sparse"),
        ("tei.v1.Embed/EmbedNothing", Vec::new(), UNIMPLEMENTED, "EmbedNothing"),
    ] {
        let answer = call(&server, method, &message);
        assert_eq!(answer.status, status, "{method}: {}", answer.message);
        assert!(answer.message.contains(names), "{method}: {}", answer.message);
    }
}

#[test]
fn a_model_is_unloaded_and_loaded_again() {
    let (_registry, server) = two_versions();
    assert_eq!(call(&server, "RepositoryModelUnload", &field(2, "tickets")).fields(), []);
    let index = fields(&all(&call(&server, "RepositoryIndex", &[]).fields(), 1)[0]);
    assert_eq!((text(&index, 3), text(&index, 2)), ("UNAVAILABLE".into(), String::new()));
    assert_eq!(call(&server, "ModelInfer", &infer(&["a"], false, &[])).status, UNAVAILABLE);
    assert_eq!(call(&server, "RepositoryModelLoad", &field(2, "tickets")).fields(), []);
    assert_eq!(call(&server, "ModelInfer", &infer(&["a"], false, &[])).status, "0");
    assert_eq!(call(&server, "RepositoryModelUnload", &field(2, "nobody")).status, NOT_FOUND);
}

#[test]
fn a_stream_is_answered_in_order_until_its_first_fault() {
    let (_registry, server) = two_versions();
    let texts: Vec<Vec<u8>> =
        ["money", "parcel", "password"].into_iter().cycle().take(100).map(|t| field(1, t)).collect();
    let messages: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
    let answer = call_with(&server, "tei.v1.Predict/PredictStream", &messages);
    assert_eq!(answer.status, "0", "{}", answer.message);
    let answers = unframed(&answer.body);
    assert_eq!(answers.len(), 100);
    let best = |message: &[u8]| {
        let scored = &message[2..];
        LABELS.into_iter().min_by_key(|label| {
            scored.windows(label.len()).position(|window| window == label.as_bytes()).unwrap()
        })
    };
    for (number, message) in answers.iter().enumerate() {
        assert_eq!(best(message), Some(LABELS[number % LABELS.len()]), "message {number}");
    }
    let raw = [field(1, "a"), number(3, 1)].concat();
    let answer = call_with(&server, "tei.v1.Predict/PredictStream", &[&texts[0], &raw, &texts[1]]);
    assert_eq!((answer.status.as_str(), unframed(&answer.body).len()), (INVALID_ARGUMENT, 1));
}

#[test]
fn encoders_answer_teis_methods_and_streams() {
    let registry = Registry::new();
    register(&registry, "vectors", ("bert-embedding", Task::Embedding), &[]);
    register(&registry, "ranker", ("bert-sequence", Task::TextPairClassification), &[RELEVANCE]);
    let server = registry.serve_with(|config| {
        let vectors = endpoint("vectors", "vectors", Requests::default());
        config.resources = declaring(vec![Endpoint { default: true, ..vectors }]);
    });
    let info = call(&server, "tei.v1.Info/Info", &[]).fields();
    assert_eq!((text(&info, 4), all(&info, 7)), ("vectors".to_owned(), Vec::<Vec<u8>>::new()));
    let floats = |content: &[u8]| -> Vec<f32> {
        content.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
    };
    let unit = [field(1, "a cat"), number(3, 1), number(6, 4)].concat();
    let found = floats(&all(&call(&server, "tei.v1.Embed/Embed", &unit).fields(), 1)[0]);
    let asked = serde_json::json!({ "inputs": "a cat", "dimensions": 4 });
    let over_http: Vec<f32> =
        serde_json::from_value(server.post("/embed", &asked).json()[0].clone()).unwrap();
    assert_eq!(found, over_http);
    let stream = call_with(&server, "tei.v1.Embed/EmbedStream", &[&unit, &field(1, "b")]);
    let lengths: Vec<usize> =
        unframed(&stream.body).iter().map(|message| floats(&all(&fields(message), 1)[0]).len()).collect();
    assert_eq!((stream.status.as_str(), lengths), ("0", vec![4, 16]));
    let of_tokens = call(&server, "tei.v1.Embed/EmbedAll", &field(1, "a cat")).fields();
    assert_eq!(all(&of_tokens, 1).len(), 6);

    let texts = |texts: &[&str]| texts.iter().flat_map(|text| field(2, text)).collect::<Vec<u8>>();
    let asked = [field(1, "cat"), texts(&["a dog", "cats purr", "rain"]), number(5, 1)].concat();
    let ranks = |answer: Answer| -> Vec<String> {
        all(&answer.fields(), 1).iter().map(|rank| text(&ranked_fields(rank), 2)).collect()
    };
    let together = ranks(call(&server, "tei.v1.Rerank/Rerank", &asked));
    let one = |text: &str| [field(1, "cat"), field(2, text), number(5, 1)].concat();
    let parts = [one("a dog"), one("cats purr"), one("rain")];
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    let streamed = ranks(call_with(&server, "tei.v1.Rerank/RerankStream", &parts));
    assert_eq!((together.len(), &together), (3, &streamed));

    let tokens = call(&server, "tei.v1.Tokenize/Tokenize", &[field(1, "a"), number(2, 1)].concat()).fields();
    let tokens: Vec<String> = all(&tokens, 1).iter().map(|token| text(&fields(token), 2)).collect();
    assert_eq!(tokens, ["[CLS]", "a", "[SEP]"]);
    let decoded = call(&server, "tei.v1.Tokenize/Decode", &[field(1, [2, 5, 3]), number(2, 1)].concat());
    assert_eq!(text(&decoded.fields(), 1), "a");
}

/// The fields of a rank before its score, which is of wire type 5.
fn ranked_fields(rank: &[u8]) -> Vec<(u8, Vec<u8>)> {
    fields(&rank[..rank.len() - 5])
}

#[test]
fn a_second_address_answers_too() {
    let registry = Registry::with_tickets();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut server = registry.serve_with(|config| config.grpc_listen = Some(free));
    assert_eq!(call(&server, "ServerReady", &[]).status, "0");
    server.address = free;
    assert_eq!(call(&server, "ServerReady", &[]).status, "0");
}

#[test]
fn bytes_that_are_no_message_are_refused() {
    let (_registry, server) = two_versions();
    let answer = call(&server, "ModelInfer", b"\xff\xff\xff\xff");
    assert_ne!(answer.status, "0");
}
