//! A search against the same search in scikit-learn: the trials that Loquat made, on as many folds, as an expert writes it.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::figures::record::{Bench, Record, Target};
use crate::figures::training::{Folder, number};
use crate::{environment, process, services};

const NAME: &str = "sklearn-search";
const FOLDS: u32 = 5;

/// Time of both searches and the best score of each.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Record>> {
    let python =
        services::python_environment(&bench.workspace.path("xtask/figures/sklearn_requirements.txt"))?;
    let folder = Folder::open(bench, NAME)?;
    folder.clear()?;
    folder.train()?;
    let report = folder.report(NAME)?;
    let seconds = number(&report, "/searchSeconds")?;
    let scratch = tempfile::tempdir()?;
    let trials = scratch.path().join("report.json");
    std::fs::write(&trials, report.to_string())?;
    let mut script = Command::new(python);
    script.arg(bench.workspace.path("xtask/figures/sklearn_search.py")).arg(&trials);
    script.arg(environment::data_folder()?.join("massive_en/train.jsonl")).arg(FOLDS.to_string());
    let peer: Value = serde_json::from_str(&process::output(&mut script)?)
        .context("the scikit-learn script prints JSON")?;
    records(bench, seconds, &report, &peer)
}

fn records(bench: &Bench, seconds: f64, report: &Value, peer: &Value) -> Result<Vec<Record>> {
    let version = format!(
        "scikit-learn {}",
        peer.get("version").and_then(Value::as_str).unwrap_or("of unknown version")
    );
    let peer_seconds = number(peer, "/seconds")?;
    let detail = json!({
        "counted": "the rounds of the final search on five folds, by either; outer folds, refit and test are Loquat's alone",
        "wholeTraining": report.get("seconds"),
        "comparableTrialSeconds": comparable_seconds(report, peer),
        "peer": peer,
    });
    let time = bench
        .record("sklearn-search/time", "s", Some(Target::AtMost(peer_seconds / 5.0)), vec![seconds])
        .with_peer(peer_seconds, version.clone(), true)
        .with_detail(detail);
    let best = number(report, "/bestSearch")? * 100.0;
    let peer_best = number(peer, "/best")? * 100.0;
    let score = bench
        .record("sklearn-search/score", "%", Some(Target::AtLeast(peer_best)), vec![best])
        .with_peer(peer_best, version, false);
    Ok(vec![time, score])
}

/// Seconds that Loquat spent on the trials that the peer has a counterpart for.
fn comparable_seconds(report: &Value, peer: &Value) -> f64 {
    let left_out = peer.get("leftOut").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let trials = report.get("trials").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let compared =
        trials.iter().filter(|trial| trial.get("number").is_none_or(|number| !left_out.contains(number)));
    compared.filter_map(|trial| trial.get("seconds").and_then(Value::as_f64)).sum()
}
