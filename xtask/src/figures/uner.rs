//! Names in ten languages (Universal NER) by one model, beside a conditional random field on the same rows.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::figures::record::{Bench, Record, Target};
use crate::figures::training::{Folder, detail};
use crate::{environment, process, services};

const NAME: &str = "uner";

/// The mean over languages of the F1 of entities on the test parts.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Record>> {
    let python = services::python_environment(&bench.workspace.path("xtask/figures/uner_requirements.txt"))?;
    let mut script = Command::new(python);
    script.arg(bench.workspace.path("xtask/figures/uner.py")).arg(environment::data_folder()?.join(NAME));
    let peer: Value = serde_json::from_str(&process::output(&mut script)?)?;
    let peers: BTreeMap<String, f64> = serde_json::from_value(peer["languages"].clone())?;
    let folder = Folder::open(bench, NAME)?;
    folder.clear()?;
    let seconds = folder.train()?;
    let report = folder.report(NAME)?;
    let own = languages(&report)?;
    ensure!(own.keys().eq(peers.keys()), "both answer in the same languages: {own:?} and {peers:?}");
    let version = peer["version"].as_str().context("the peer says its version")?.to_owned();
    let mut detail = detail(&report, seconds);
    detail["languages"] =
        json!(own.iter().map(|(name, value)| (name, [*value, peers[name]])).collect::<BTreeMap<_, _>>());
    let record = bench
        .record("uner/mean-entity-f1", "%", Some(Target::AtLeast(mean(&peers))), vec![mean(&own)])
        .with_peer(mean(&peers), version, false)
        .with_detail(detail);
    Ok(vec![record])
}

fn languages(report: &Value) -> Result<BTreeMap<String, f64>> {
    let languages = report["perLanguage"].as_array().context("the report tells languages apart")?;
    let one = |row: &Value| Some((row["language"].as_str()?.to_owned(), row["value"].as_f64()?));
    languages.iter().map(|row| one(row).context("a language has a value")).collect()
}

/// In percent.
fn mean(values: &BTreeMap<String, f64>) -> f64 {
    100.0 * values.values().sum::<f64>() / values.len().max(1) as f64
}
