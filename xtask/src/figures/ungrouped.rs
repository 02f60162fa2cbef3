//! What is lost when translations of one sentence are not grouped: the warning, and how much too good the score is.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::figures::record::{Bench, Record, Target};
use crate::figures::training::{Folder, number};

const NAME: &str = "sib200-ungrouped";
const WARNING: &str = "translation-leakage";
/// Points by which random folds should flatter the model at the least.
const FLATTERY: f64 = 10.0;

/// SIB-200 without `group`: the score over random folds against that on sentences that no fold holds.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Record>> {
    let folder = Folder::open(bench, NAME)?;
    folder.clear()?;
    folder.train()?;
    let report = folder.report(NAME)?;
    let folds = number(&report, "/outer/mean")? * 100.0;
    let unseen = number(&report, "/test/metrics/accuracy/value")? * 100.0;
    let warning = warning(&report)?;
    let proposes =
        warning.get("remedy").and_then(Value::as_str).is_some_and(|remedy| remedy.contains("`group: id`"));
    let warned = bench
        .record(
            "sib200-ungrouped/warning",
            "warnings",
            Some(Target::AtLeast(1.0)),
            vec![f64::from(u8::from(proposes))],
        )
        .with_detail(warning.clone());
    let flattery = bench
        .record("sib200-ungrouped/flattery", "points", Some(Target::AtLeast(FLATTERY)), vec![folds - unseen])
        .with_detail(json!({ "randomFolds": folds, "unseenSentences": unseen }));
    Ok(vec![warned, flattery])
}

fn warning(report: &Value) -> Result<&Value> {
    let findings = report.pointer("/dataset/findings").and_then(Value::as_array);
    let is_it = |finding: &&Value| finding.get("check").and_then(Value::as_str) == Some(WARNING);
    findings.into_iter().flatten().find(is_it).with_context(|| format!("the report has no {WARNING} finding"))
}
