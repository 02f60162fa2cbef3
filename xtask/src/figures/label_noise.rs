//! Labels that were flipped on purpose: how many of them training doubts, beside cleanlab on the same probabilities.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::figures::record::{Bench, Record, Target};
use crate::figures::training::{Folder, number};
use crate::{environment, process, services};

/// Name of the model in the figure's resources.
const MODEL: &str = "noise";
/// One label in so many is flipped.
const ONE_IN: u64 = 20;
/// What both recall and precision should reach, in percent.
const TARGET: f64 = 50.0;

/// The rows whose labels are flipped, and what the figure calls them.
struct Set {
    name: &'static str,
    rows: PathBuf,
}

/// Recall and precision on the example and on MASSIVE.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Record>> {
    let requirements = bench.workspace.path("xtask/figures/label_noise_requirements.txt");
    let python = services::python_environment(&requirements)?;
    let sets = [
        Set { name: "tickets", rows: bench.workspace.path("examples/tickets/data/tickets.jsonl") },
        Set { name: "massive", rows: environment::data_folder()?.join("massive_en/train.jsonl") },
    ];
    let mut records = Vec::new();
    for set in &sets {
        records.extend(measure_one(bench, set, &python)?);
    }
    Ok(records)
}

fn measure_one(bench: &Bench, set: &Set, python: &Path) -> Result<Vec<Record>> {
    let folder = Folder::open(bench, &format!("label-noise-{}", set.name))?;
    folder.clear()?;
    let flipped = flip(&set.rows, &folder.path().join("rows.jsonl"))?;
    folder.train()?;
    let answers = folder.path().join(format!(".loquat/runs/{MODEL}/out-of-fold.jsonl"));
    let own = doubted(&answers, &flipped)?;
    let list = folder.path().join("flipped.json");
    std::fs::write(&list, serde_json::to_string(&flipped)?)?;
    let script = bench.workspace.path("xtask/figures/label_noise.py");
    let peer: Value =
        serde_json::from_str(&process::output(Command::new(python).arg(script).arg(&answers).arg(&list))?)
            .context("the cleanlab script prints JSON")?;
    let version = format!("cleanlab {}", peer.get("version").and_then(Value::as_str).unwrap_or_default());
    let record = |what: &str, value: f64| -> Result<Record> {
        let figure = format!("label-noise/{}/{what}", set.name);
        let theirs = number(&peer, &format!("/ways/prune_by_noise_rate/{what}"))?;
        let detail = json!({ "named": own.named, "flipped": own.flipped, "peer": peer["ways"] });
        let record = bench.record(&figure, "%", Some(Target::AtLeast(TARGET)), vec![value]);
        Ok(record.with_peer(theirs, version.clone(), false).with_detail(detail))
    };
    Ok(vec![record("recall", own.recall)?, record("precision", own.precision)?])
}

/// Writes `source` with one label in twenty flipped to another, and gives the rows flipped.
fn flip(source: &Path, target: &Path) -> Result<HashSet<u64>> {
    let text =
        std::fs::read_to_string(source).with_context(|| format!("cannot read {}", source.display()))?;
    let mut rows: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let label = |row: &Value| row.get("label").and_then(Value::as_str).map(str::to_owned);
    let labels: BTreeSet<String> = rows.iter().filter_map(label).collect();
    let mut flipped = HashSet::new();
    for (place, row) in (0..).zip(&mut rows) {
        let drawn = scrambled(place);
        if !drawn.is_multiple_of(ONE_IN) {
            continue;
        }
        let others: Vec<&String> = labels.iter().filter(|label| row["label"] != **label).collect();
        row["label"] = json!(others[(drawn / ONE_IN) as usize % others.len()]);
        flipped.insert(place);
    }
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    std::fs::write(target, lines.join("\n") + "\n")?;
    Ok(flipped)
}

/// The number's place in a fixed shuffle (splitmix64, Steele et al. 2014).
fn scrambled(place: u64) -> u64 {
    let mut z = (place + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// What was found of what was flipped among the training rows.
struct Found {
    named: usize,
    flipped: usize,
    recall: f64,
    precision: f64,
}

fn doubted(answers: &Path, flipped: &HashSet<u64>) -> Result<Found> {
    let text =
        std::fs::read_to_string(answers).with_context(|| format!("cannot read {}", answers.display()))?;
    let (mut named, mut wrong, mut found) = (0, 0, 0);
    for line in text.lines() {
        let row: Value = serde_json::from_str(line)?;
        let is_named = row.get("suggested").is_some();
        let is_wrong = row["row"].as_u64().is_some_and(|row| flipped.contains(&row));
        named += usize::from(is_named);
        wrong += usize::from(is_wrong);
        found += usize::from(is_named && is_wrong);
    }
    let percent = |of: usize| 100.0 * found as f64 / of.max(1) as f64;
    Ok(Found { named, flipped: wrong, recall: percent(wrong), precision: percent(named) })
}
