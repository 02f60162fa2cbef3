//! Ten models in one process whose memory is for three: every answer right, the weights within the budget.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::figures::record::{Bench, Record, Target};
use crate::figures::serving::{Client, SERVER_CORE, metric, resident_bytes};
use crate::figures::training::Folder;
use crate::process;
use crate::services::Server;

const MODELS: usize = 10;
/// Models whose weights the budget holds.
const ROOM: f64 = 3.0;
const ROUNDS: usize = 30;
const TEXTS: [&str; 3] =
    ["I want my money back", "wann kommt mein Paket endlich an", "no puedo entrar en mi cuenta"];

/// Wrong answers, and the most that the weights held of the budget.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Record>> {
    let folder = Folder::at(bench, "alias-moves", bench.scratch().join("many-models"))?;
    folder.train()?;
    let names: Vec<String> = (0..MODELS).map(|number| format!("copy-{number}")).collect();
    copies(bench, &folder, &names)?;
    let expected = predict(&folder)?;
    let one = size_of_one(&folder)?;
    let budget = (ROOM * one * 1.2).ceil();
    let options = ["--threads", "1", "--memory", &format!("{budget}B")];
    let server = Server::start(SERVER_CORE, folder.binary(), folder.path(), &options)?;
    let mut client = Client::connect(server.address())?;
    let (mut wrong, mut most, mut answers) = (0, 0.0_f64, 0);
    for round in 0..if bench.quick { 3 } else { ROUNDS } {
        for place in 0..MODELS {
            // Every other round goes the other way, so that what was used last is used first.
            let name = &names[if round % 2 == 0 { place } else { MODELS - 1 - place }];
            let (status, answer) =
                client.post(&format!("/models/{name}/predict"), &json!({ "inputs": TEXTS }))?;
            let right =
                status == 200 && answer["model"] == name.as_str() && answer["predictions"] == expected;
            wrong += u32::from(!right);
            answers += 1;
            most = most.max(metric(&mut client, "loquat_endpoint_resident_bytes")?);
        }
    }
    let process_bytes = resident_bytes(server.id())?;
    let unloads = metric(&mut client, "loquat_version_unloads_total")?;
    server.stop()?;
    ensure!(unloads > 0.0, "nothing was unloaded: the budget was no budget");
    let detail = json!({
        "models": MODELS, "bytesOfOne": one, "budget": budget, "answers": answers, "unloads": unloads,
        "residentAtEnd": process_bytes,
    });
    Ok(vec![
        bench
            .record("many-models/wrong-answers", "answers", Some(Target::AtMost(0.0)), vec![f64::from(wrong)])
            .with_detail(detail),
        bench.record("many-models/memory", "of the budget", Some(Target::AtMost(1.0)), vec![most / budget]),
    ])
}

/// Registers the trained model under every name.
fn copies(bench: &Bench, folder: &Folder, names: &[String]) -> Result<()> {
    let exported = bench.scratch().join("exported");
    process::run_aside(folder.loquat().args(["models", "export", "tickets"]).arg(&exported))?;
    for name in names {
        process::run_aside(folder.loquat().args(["models", "import", name]).arg(&exported))?;
        process::run_aside(folder.loquat().args(["models", "promote", &format!("{name}:1")]))?;
    }
    Ok(())
}

/// What the model answers outside a server.
fn predict(folder: &Folder) -> Result<Value> {
    let path = folder.path().join("texts.txt");
    std::fs::write(&path, TEXTS.join("\n"))?;
    let mut command: Command = folder.loquat();
    let printed = process::output(command.args(["predict", "tickets"]).arg(&path))?;
    let lines = printed.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    ensure!(lines.len() == TEXTS.len(), "one prediction a text");
    Ok(Value::Array(lines))
}

/// Bytes of the model, as a server counts them.
fn size_of_one(folder: &Folder) -> Result<f64> {
    let server = Server::start(SERVER_CORE, folder.binary(), folder.path(), &["--threads", "1"])?;
    let mut client = Client::connect(server.address())?;
    let text = client.get("/metrics")?;
    server.stop()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("loquat_endpoint_resident_bytes{endpoint=\"tickets\"} "));
    Ok(line.context("the server counts the model's bytes")?.parse()?)
}
