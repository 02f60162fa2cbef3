//! Latency of one prediction over HTTP at a constant rate: server on one core, load generator on the other.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::figures::record::{Bench, Record, Target, median};
use crate::figures::training::{Folder, number};
use crate::process;
use crate::services::Server;

const RUNS: usize = 3;
const RATE: u32 = 1000;
const SECONDS: u32 = 20;
const MODELS: &[&str] = &["tickets", "massive"];

/// p99 for the 8-class example and the 60-class model.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Record>> {
    MODELS.iter().map(|model| record(bench, model)).collect()
}

fn record(bench: &Bench, model: &str) -> Result<Record> {
    let folder = Folder::open(bench, model)?;
    folder.train()?;
    let server = Server::start(&["taskset", "-c", "0"], folder.binary(), folder.path(), &["--threads", "1"])?;
    let mut answers: Vec<Value> = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        answers.push(generate(&server, model)?);
    }
    server.stop()?;
    let p99 = answers.iter().map(|answer| number(answer, "/milliseconds/p99")).collect::<Result<Vec<_>>>()?;
    let p50 = answers.iter().map(|answer| number(answer, "/milliseconds/p50")).collect::<Result<Vec<_>>>()?;
    let figure = format!("http-latency/{model}");
    let detail = json!({
        "rate": RATE, "secondsEach": SECONDS, "p50": median(&p50), "runs": answers,
        "counted": "from the moment a request was due, keep-alive connections, loopback",
    });
    Ok(bench.record(&figure, "ms p99", Some(Target::AtMost(1.0)), p99).with_detail(detail))
}

/// This program again, on the second core, so that the generator never takes the server's.
fn generate(server: &Server, model: &str) -> Result<Value> {
    let mut command = Command::new("taskset");
    command.args(["-c", "1"]).arg(std::env::current_exe().context("the path of this program is unknown")?);
    command.args(["generate-load", "--address", &server.address().to_string()]);
    command.args(["--path", &format!("/models/{model}/predict")]);
    command.args(["--rate", &RATE.to_string(), "--seconds", &SECONDS.to_string()]);
    serde_json::from_str(&process::output(&mut command)?).context("the load generator prints JSON")
}
