//! One function a fuzz target.
//!
//! What is checked stands beside the tests of the crate concerned (`tests/corpus/entry.rs`), whose replay of
//! `fuzz/corpus` runs with `cargo test`. `cargo xtask fuzz` builds and runs the targets; an input that it finds at fault
//! goes into the corpus together with the mending.
//!
//! Corpora are hand-written, at most 40 files of 2 kB a target; the Parquet files come from `--example parquet_seeds`. Inputs of
//! the targets whose names end in `structured` are rows of choices, random at first; where a fault was found, its input.

#[path = "../../crates/serve/tests/corpus/bodies.rs"]
mod bodies;
#[path = "../../crates/serve/tests/corpus/calls.rs"]
#[expect(dead_code, reason = "the number of methods is for the replay")]
mod calls;
#[path = "../../crates/serve/tests/corpus/choices.rs"]
mod choices;
#[path = "../../crates/data/tests/corpus/entry.rs"]
mod data;
#[path = "../../crates/serve/tests/server/harness.rs"]
#[expect(dead_code, reason = "the targets need a part of the tests' client only")]
mod harness;
#[path = "../../crates/serve/tests/corpus/json.rs"]
mod json;
#[path = "../../crates/serve/tests/corpus/entry.rs"]
mod serve;
#[path = "../../crates/spec/tests/corpus/entry.rs"]
mod spec;
#[path = "../../crates/serve/tests/corpus/structured.rs"]
mod structured;
#[path = "../../crates/serve/tests/server/tiny_encoders.rs"]
mod tiny_encoders;

use std::cell::RefCell;
use std::sync::Once;

use loquat_data::ReaderFormat;

use crate::serve::{Edge, Route};

/// A resource file.
pub fn resources(bytes: &[u8]) {
    spec::resources(bytes);
}

/// One JSON object a line.
pub fn jsonl(bytes: &[u8]) {
    data::records(bytes, ReaderFormat::Jsonl);
}

/// Comma-separated values.
pub fn csv(bytes: &[u8]) {
    data::records(bytes, ReaderFormat::Csv);
}

/// Tab-separated values.
pub fn tsv(bytes: &[u8]) {
    data::records(bytes, ReaderFormat::Tsv);
}

/// Token and tag a line.
pub fn conll(bytes: &[u8]) {
    data::records(bytes, ReaderFormat::Conll);
}

/// One text a line.
pub fn lines(bytes: &[u8]) {
    data::records(bytes, ReaderFormat::Lines);
}

/// A Parquet file. The decoder panics on some damaged files and the reader contains that, so only what escapes the
/// reader counts here: the hook that ends the process at every panic is taken out.
pub fn parquet(bytes: &[u8]) {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    data::records(bytes, ReaderFormat::Parquet);
}

/// A request to `/models/{endpoint}/predict`.
pub fn http_predict(bytes: &[u8]) {
    request(Route::Predict, bytes);
}

/// A request to `/v2/models/{model}/infer`.
pub fn http_infer(bytes: &[u8]) {
    request(Route::Infer, bytes);
}

/// A request to a path of any protocol.
pub fn http_protocols(bytes: &[u8]) {
    request(Route::Any, bytes);
}

/// A request of any route, well-formed but for a few choices, to models of every kind.
pub fn http_structured(bytes: &[u8]) {
    thread_local! {
        static EDGE: RefCell<Edge> = RefCell::new(Edge::with_encoders());
    }
    EDGE.with_borrow_mut(|edge| edge.structured(bytes));
}

/// A call of any method over gRPC.
pub fn grpc_structured(bytes: &[u8]) {
    thread_local! {
        static EDGE: RefCell<Edge> = RefCell::new(Edge::with_encoders());
    }
    EDGE.with_borrow_mut(|edge| edge.call(bytes));
}

fn request(route: Route, bytes: &[u8]) {
    thread_local! {
        static EDGE: RefCell<Edge> = RefCell::new(Edge::start());
    }
    EDGE.with_borrow_mut(|edge| edge.request(route, bytes));
}
