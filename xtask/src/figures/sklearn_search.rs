//! A grid search against the same in scikit-learn: features, folds and grid of an expert.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::figures::record::{Bench, Record, Target};
use crate::figures::training::{Folder, number};
use crate::{process, services};

const NAME: &str = "sklearn-search";
const THREADS: &str = "2";

/// Time of both searches and the best score of each.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Record>> {
    let python =
        services::python_environment(&bench.workspace.path("xtask/figures/sklearn_requirements.txt"))?;
    let grid = bench.workspace.path("xtask/figures/sklearn_grid.json");
    let folder = Folder::open(bench, NAME)?;
    let build = ["build", "--release", "--package", "loquat-train", "--example", "grid"];
    process::run_aside(&mut bench.workspace.cargo(&build))?;
    let mut own = Command::new(bench.workspace.target().join("release/examples/grid"));
    own.arg(folder.path().join("resources.yaml")).arg(&grid).arg(THREADS);
    let own = process::output(&mut own)?;
    let scratch = tempfile::tempdir()?;
    let rows = scratch.path().join("rows.json");
    std::fs::write(&rows, &own)?;
    let own: Value = serde_json::from_str(&own).context("the grid prints JSON")?;
    let mut script = Command::new(python);
    script.arg(bench.workspace.path("xtask/figures/sklearn_search.py")).arg(&grid).arg(&rows);
    let peer: Value = serde_json::from_str(&process::output(&mut script)?)
        .context("the scikit-learn script prints JSON")?;
    records(bench, &own, &peer)
}

fn records(bench: &Bench, own: &Value, peer: &Value) -> Result<Vec<Record>> {
    let version = format!(
        "scikit-learn {}",
        peer.get("version").and_then(Value::as_str).unwrap_or("of unknown version")
    );
    let peer_seconds = number(peer, "/seconds")?;
    let time = bench
        .record(
            "sklearn-search/time",
            "s",
            Some(Target::AtMost(peer_seconds / 5.0)),
            vec![number(own, "/seconds")?],
        )
        .with_peer(peer_seconds, version.clone(), true)
        .with_detail(json!({
            "counted": "from texts in memory to the score of every configuration on every fold, two threads or processes",
            "scores": own["scores"],
            "peer": peer,
        }));
    let peer_best = best(peer)?;
    let score = bench
        .record("sklearn-search/score", "%", Some(Target::AtLeast(peer_best)), vec![best(own)?])
        .with_peer(peer_best, version, false);
    Ok(vec![time, score])
}

/// The best score, in percent.
fn best(side: &Value) -> Result<f64> {
    let scores = side["scores"].as_array().context("a list of scores")?;
    let best = scores.iter().filter_map(Value::as_f64).reduce(f64::max);
    Ok(100.0 * best.context("a score")?)
}
