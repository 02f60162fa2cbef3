//! SICK relatedness: Spearman's correlation of the tuned backbone, beside the same backbone untuned on the same pairs.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::figures::record::{Bench, Record, Target};
use crate::figures::training::{Folder, number};

/// Points that tuning is to gain.
const GAIN: f64 = 3.0;

/// Trains from nothing and reads both scores from the report.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Record>> {
    let folder = Folder::open(bench, "sick")?;
    folder.clear()?;
    let seconds = folder.train()?;
    let report = folder.report("sick")?;
    let tuned = number(&report, "/test/metrics/spearman/value")? * 100.0;
    let untuned = baseline(&report, "the backbone untuned")? * 100.0;
    let int8 = baseline(&report, "this model in int8")? * 100.0;
    let detail = json!({
        "wallSeconds": seconds,
        "int8": int8,
        "test": report.get("test"),
        "trials": report.get("trials"),
        "notes": report.get("notes"),
    });
    let record = bench.record("sick/spearman", "%", Some(Target::AtLeast(untuned + GAIN)), vec![tuned]);
    let loss = bench.record("sick/int8-loss", "points", Some(Target::AtMost(0.5)), vec![tuned - int8]);
    Ok(vec![record.with_peer(untuned, "the backbone untuned".to_owned(), false).with_detail(detail), loss])
}

fn baseline(report: &Value, name: &str) -> Result<f64> {
    let all = report["baselines"].as_array().context("the report lists baselines")?;
    let found = all.iter().find(|baseline| baseline["name"] == name);
    found.and_then(|found| found["value"].as_f64()).with_context(|| format!("no baseline is called {name:?}"))
}
