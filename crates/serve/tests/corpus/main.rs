//! Replays the corpora of the fuzz targets for request bodies.

#[cfg(test)]
mod bodies;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod choices;
#[cfg(test)]
mod entry;
#[cfg(test)]
#[expect(dead_code, reason = "the replay needs a part of the tests' client only")]
#[path = "../server/harness.rs"]
mod harness;
#[cfg(test)]
mod json;
#[cfg(test)]
mod structured;
#[cfg(test)]
#[path = "../server/tiny_encoders.rs"]
mod tiny_encoders;

#[cfg(test)]
use std::path::Path;

#[cfg(test)]
use entry::{Edge, Route};

/// Requests of each route and calls of each method, made of bytes that mean nothing.
#[cfg(test)]
const EACH: u64 = 24;

#[cfg(test)]
fn replay(target: &str, mut request: impl FnMut(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut replayed = 0;
    for file in std::fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        eprintln!("{}", path.display());
        request(&std::fs::read(&path).unwrap());
        replayed += 1;
    }
    assert!(replayed > 0, "{} is empty", folder.display());
}

/// Bytes that begin with `first` and follow from `seed`.
#[cfg(test)]
fn bytes(first: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(first as u64 + 1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    let length = if seed == 0 { 0 } else { 8 + 16 * (seed as usize % 16) };
    [first as u8].into_iter().chain((0..length).map(|_| next())).collect()
}

#[test]
fn no_predict_request_of_the_corpus_is_answered_with_a_fault() {
    let mut edge = Edge::start();
    replay("http_predict", |input| edge.request(Route::Predict, input));
}

#[test]
fn no_request_of_any_protocol_of_the_corpus_is_answered_with_a_fault() {
    let mut edge = Edge::start();
    replay("http_protocols", |input| edge.request(Route::Any, input));
}

#[test]
fn no_infer_request_of_the_corpus_is_answered_with_a_fault() {
    let mut edge = Edge::start();
    replay("http_infer", |input| edge.request(Route::Infer, input));
}

#[test]
fn no_request_of_any_route_is_answered_with_a_fault() {
    let mut edge = Edge::with_encoders();
    replay("http_structured", |input| edge.structured(input));
    for route in 0..loquat_serve::routes().count() {
        (0..EACH).for_each(|seed| edge.structured(&bytes(route, seed)));
    }
}

#[test]
fn no_call_of_any_method_is_answered_with_a_fault() {
    let mut edge = Edge::with_encoders();
    replay("grpc_structured", |input| edge.call(input));
    for method in 0..calls::COUNT {
        (0..EACH).for_each(|seed| edge.call(&bytes(method, seed)));
    }
}

#[test]
fn every_route_that_takes_a_body_has_its_form() {
    for (method, path) in loquat_serve::routes() {
        let takes_body = matches!(method, "POST" | "PUT");
        assert!(!takes_body || bodies::members(path).is_some(), "{method} {path}");
    }
}
