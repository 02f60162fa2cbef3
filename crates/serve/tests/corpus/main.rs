//! Replays the corpora of the fuzz targets for request bodies.

#[cfg(test)]
mod entry;
#[cfg(test)]
#[expect(dead_code, reason = "the replay needs a part of the tests' client only")]
#[path = "../server/harness.rs"]
mod harness;

#[cfg(test)]
use std::path::Path;

#[cfg(test)]
use entry::{Edge, Route};

#[cfg(test)]
fn replay(target: &str, route: Route) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut edge = Edge::start();
    let mut replayed = 0;
    for file in std::fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        eprintln!("{}", path.display());
        edge.request(route, &std::fs::read(&path).unwrap());
        replayed += 1;
    }
    assert!(replayed > 0, "{} is empty", folder.display());
}

#[test]
fn no_predict_request_of_the_corpus_is_answered_with_a_fault() {
    replay("http_predict", Route::Predict);
}

#[test]
fn no_request_of_any_protocol_of_the_corpus_is_answered_with_a_fault() {
    replay("http_protocols", Route::Any);
}

#[test]
fn no_infer_request_of_the_corpus_is_answered_with_a_fault() {
    replay("http_infer", Route::Infer);
}
