//! Bytes of the artifact that reaches the score.

use anyhow::Result;
use serde_json::json;

use crate::figures::record::{Bench, Record, Target};
use crate::figures::training::{Folder, number};

const BYTES_PER_MEGABYTE: f64 = 1e6;

/// The 60-class artifact, with its score, and the example's.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Record>> {
    let cases = [("massive", "accuracy", Some(Target::AtMost(5.0))), ("tickets", "macro-f1", None)];
    cases.into_iter().map(|(name, metric, target)| record(bench, name, metric, target)).collect()
}

fn record(bench: &Bench, name: &str, metric: &str, target: Option<Target>) -> Result<Record> {
    let folder = Folder::open(bench, name)?;
    folder.train()?;
    let report = folder.report(name)?;
    let megabytes = number(&report, "/cost/artifactBytes")? / BYTES_PER_MEGABYTE;
    let score = number(&report, &format!("/test/metrics/{metric}/value"))?;
    let detail = json!({ metric: score, "cost": report.get("cost") });
    Ok(bench.record(&format!("artifact-size/{name}"), "MB", target, vec![megabytes]).with_detail(detail))
}
