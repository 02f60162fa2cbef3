//! Which share of the processor's peak the encoder engine reaches, and where the rest goes.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::figures::record::{Bench, Record};
use crate::process;

/// The shape of the engine's own figure.
const SEQUENCES: &str = "32";
const LENGTH: &str = "32";
const PERCENT: f64 = 100.0;

/// Billions of operations in products over what independent products of registers reach, for int8 and f32.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Record>> {
    let build = ["build", "--release", "--package", "loquat-kernels", "--example", "layers"];
    process::run_aside(&mut bench.workspace.cargo(&build))?;
    ["int8", "f32"].into_iter().map(|kind| record(bench, kind)).collect()
}

fn record(bench: &Bench, kind: &str) -> Result<Record> {
    let binary = bench.workspace.target().join("release/examples/layers");
    let profile = process::output(Command::new(binary).args([kind, SEQUENCES, LENGTH]))?;
    let profile: Value = serde_json::from_str(&profile)?;
    let number = |name: &str| profile[name].as_f64().with_context(|| format!("no {name} on this processor"));
    let (whole, most) = (number("milliseconds")?, number("most")?);
    let stages = profile["stages"].as_object().context("times of the stages")?;
    let shares: serde_json::Map<String, Value> = stages
        .iter()
        .map(|(name, time)| (name.clone(), json!(PERCENT * time.as_f64().unwrap_or(f64::NAN) / whole)))
        .collect();
    let share = PERCENT * number("gigaoperations")? / most;
    Ok(bench.record(&format!("encoder-profile/{kind}"), "% of the peak", None, vec![share]).with_detail(json!({
        "counted": "operations in products, over the time of all; 6 layers of width 384, 32 sequences of 32 tokens",
        "profile": profile,
        "percentOfTime": shares,
    })))
}
