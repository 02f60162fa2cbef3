//! What the encoders of other figures lose in int8, as the reports of their trainings say; nothing is measured again.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::environment;
use crate::figures::record::{Bench, Record, Target};
use crate::figures::training::number;

/// Figures that train encoders; SICK's own record has its loss.
const MODELS: [&str; 5] = ["encoder-massive", "encoder-goemotions", "wnut17", "nli", "uner"];
/// Most points that int8 may lose.
const LOST: f64 = 0.5;

/// Points of each model's metric that its int8 weights lose on the test rows, of the models that were trained.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for model in MODELS {
        let path = report(model)?;
        if !path.is_file() {
            eprintln!("{model} was not trained yet: `cargo xtask figure {model}` does");
            continue;
        }
        let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let report: Value =
            serde_json::from_slice(&text).with_context(|| format!("{} is no report", path.display()))?;
        if report["quantisation"].is_null() {
            eprintln!(
                "the report of {model} holds no int8 loss: its model is no encoder, or of an older loquat"
            );
            continue;
        }
        let lost = 100.0 * number(&report, "/quantisation/lost")?;
        let detail = json!({
            "metric": report["metric"], "version": report["version"], "quantisation": report["quantisation"],
            "trainedBy": report["provenance"]["codeVersion"],
        });
        let record =
            bench.record(&format!("int8-loss/{model}"), "points", Some(Target::AtMost(LOST)), vec![lost]);
        records.push(record.with_detail(detail));
    }
    ensure!(!records.is_empty(), "no report of {} holds an int8 loss yet", MODELS.join(", "));
    Ok(records)
}

/// Where the training of a figure leaves its report.
fn report(model: &str) -> Result<PathBuf> {
    let folder = environment::cache_folder()?.join("figures").join(model);
    Ok(folder.join(".loquat/runs").join(model).join("report.json"))
}
