//! The training step of MiniLM, 6 layers of width 384, against PyTorch: time for each real token, and memory.
//!
//! Both learn the same texts of mixed lengths on two threads, in turns in one run; the ratio is that of medians.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::figures::encoder::tweets;
use crate::figures::line_program::LineProgram;
use crate::figures::record::{Bench, Record, Target, median};
use crate::{process, services};

const ROUNDS: usize = 5;
const THREADS: usize = 2;
const BATCH: usize = 32;
const LABELS: usize = 8;
/// How PyTorch is given the texts.
const ORDERS: [&str; 2] = ["drawn", "bucketed"];

/// What a side took of each round.
#[derive(Default)]
struct Side {
    microseconds: Vec<f64>,
    memory: f64,
}

/// Microseconds for a real token beside PyTorch's at its better order, and megabytes beside its.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Record>> {
    let python =
        services::python_environment(&bench.workspace.path("xtask/figures/encoder_requirements.txt"))?;
    let start = || {
        let script = bench.workspace.path("xtask/figures/training_step.py");
        LineProgram::start(Command::new(&python).arg(script))
    };
    // One process for each order, so that the memory of one says nothing of the other.
    let mut peers = [start()?, start()?];
    let version = peers[0].greeting["version"].as_str().context("the peer says its version")?.to_owned();
    let mut own = start_own(bench, &peers[0])?;
    let ids = peers[0].ask(&json!({ "tokenise": tweets()? }))?["ids"].take();
    let lengths: Vec<usize> =
        ids.as_array().into_iter().flatten().map(|ids| ids.as_array().map_or(0, Vec::len)).collect();
    let tokens = lengths.iter().sum::<usize>() as f64;
    let labels: Vec<usize> = (0..lengths.len()).map(|place| place % LABELS).collect();
    let question = json!({ "ids": ids, "labels": labels, "threads": THREADS, "batch": BATCH });
    let mut sides: BTreeMap<&str, Side> = BTreeMap::new();
    // The first round warms caches and is dropped.
    for round in 0..=ROUNDS {
        let mut took = vec![("loquat", own.ask(&question)?)];
        for (peer, order) in peers.iter_mut().zip(ORDERS) {
            let mut question = question.clone();
            question["order"] = json!(order);
            took.push((order, peer.ask(&question)?));
        }
        for (name, answer) in took {
            let side = sides.entry(name).or_default();
            side.memory = answer["memory"].as_f64().context("an answer says the memory")? / 1e6;
            if round > 0 {
                let seconds = answer["seconds"].as_f64().context("an answer says its seconds")?;
                side.microseconds.push(1e6 * seconds / tokens);
            }
        }
    }
    Ok(records(bench, &sides, &version, (lengths.len(), tokens)))
}

fn start_own(bench: &Bench, peer: &LineProgram) -> Result<LineProgram> {
    let build = ["build", "--release", "--package", "loquat-nn", "--example", "training_step"];
    process::run_aside(&mut bench.workspace.cargo(&build))?;
    let model = peer.greeting["model"].as_str().context("the peer names its model")?;
    LineProgram::start(
        Command::new(bench.workspace.target().join("release/examples/training_step")).arg(model),
    )
}

fn records(
    bench: &Bench,
    sides: &BTreeMap<&str, Side>,
    version: &str,
    (texts, tokens): (usize, f64),
) -> Vec<Record> {
    let time = |order: &str| median(&sides[order].microseconds);
    let best = ORDERS.into_iter().min_by(|a, b| time(a).total_cmp(&time(b))).unwrap_or(ORDERS[0]);
    let medians: Value = sides.keys().map(|name| ((*name).to_owned(), json!(time(name)))).collect();
    let memory: Value = sides.iter().map(|(name, side)| ((*name).to_owned(), json!(side.memory))).collect();
    let peer = format!("{version}, {best}");
    let step = bench
        .record("training-step/token", "µs", Some(Target::AtMost(time(best))), sides["loquat"].microseconds.clone())
        .with_peer(time(best), peer.clone(), true)
        .with_detail(json!({ "texts": texts, "tokens": tokens, "threads": THREADS, "batch": BATCH, "medians": medians }));
    let memory = bench
        .record("training-step/memory", "MB", None, vec![sides["loquat"].memory])
        .with_peer(sides[best].memory, peer, true)
        .with_detail(memory);
    vec![step, memory]
}
