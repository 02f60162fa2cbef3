//! What training makes of a backbone: a two-layer student, a vocabulary for one language, a model used to unlabelled texts, and
//! what it makes of none.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::figures::record::{Bench, Record, Target};
use crate::figures::training::{Folder, number};
use crate::process;

const ACCURACY: &str = "/test/metrics/accuracy/value";
/// The figure whose model is the teacher.
const TEACHER: &str = "encoder-massive";
/// Most points that a student may lose.
const LOST: f64 = 2.0;
/// How many times as fast as its teacher a student is at least.
const FASTER: f64 = 2.5;

/// Points that a student of the MASSIVE model loses, and its speed beside the teacher's.
pub(crate) fn distillation(bench: &Bench) -> Result<Vec<Record>> {
    let teacher = Folder::open(bench, TEACHER)?;
    teacher.train()?;
    let student = Folder::open(bench, "distillation")?;
    student.clear()?;
    let store = teacher.path().join(".loquat/store");
    process::run_aside(student.train_command().arg("--store").arg(store))?;
    let (wanted, found) = (teacher.report(TEACHER)?, run_report(student.path(), "distillation")?);
    let lost = 100.0 * (number(&wanted, ACCURACY)? - number(&found, ACCURACY)?);
    let speed = number(&found, "/distillation/teacherMicrosecondsPerText")?
        / number(&found, "/distillation/microsecondsPerText")?;
    let detail = json!({
        "distillation": found["distillation"], "test": found["test"], "teacher": wanted["test"],
        "cost": found["cost"], "cuts": found["cuts"], "notes": found["notes"], "seconds": found["seconds"],
    });
    Ok(vec![
        bench
            .record("distillation/lost", "points", Some(Target::AtMost(LOST)), vec![lost])
            .with_detail(detail),
        bench.record("distillation/speed", "times", Some(Target::AtLeast(FASTER)), vec![speed]),
    ])
}

/// Bytes saved by a vocabulary for English, and the test rows whose answer stays.
pub(crate) fn trimming(bench: &Bench) -> Result<Vec<Record>> {
    let folder = Folder::open(bench, "trimming")?;
    folder.clear()?;
    folder.train()?;
    let report = folder.report("trimming")?;
    let of = |what: &str| number(&report, &format!("/trimming/{what}"));
    let saved = (of("bytesBefore")? - of("bytes")?) / 1e6;
    let unchanged = 100.0 * of("unchanged")?;
    let detail = json!({ "trimming": report["trimming"], "notes": report["notes"], "test": report["test"] });
    Ok(vec![
        bench.record("trimming/saved", "MB", None, vec![saved]).with_detail(detail),
        bench.record("trimming/unchanged", "%", Some(Target::AtLeast(100.0)), vec![unchanged]),
    ])
}

/// Accuracy on MASSIVE from 2,033 labelled texts and 11,514 without labels, beside the same run without the latter.
pub(crate) fn adaptation(bench: &Bench) -> Result<Vec<Record>> {
    let (with, without) = (first_run(bench, "adaptation")?, first_run(bench, "adaptation-without")?);
    let detail = json!({
        "adaptation": with["adaptation"], "test": with["test"], "notes": with["notes"], "cuts": with["cuts"],
        "without": without["test"],
    });
    let record = bench.record("adaptation/accuracy", "%", None, vec![percent(&with)?]);
    let peer = "the same run without unlabelled texts".to_owned();
    Ok(vec![record.with_peer(percent(&without)?, peer, false).with_detail(detail)])
}

/// Accuracy on MASSIVE of an encoder without a backbone, beside the same search without encoders.
pub(crate) fn from_scratch(bench: &Bench) -> Result<Vec<Record>> {
    let (with, without) = (first_run(bench, "from-scratch")?, first_run(bench, "from-scratch-without")?);
    let detail = json!({
        "fromScratch": with["fromScratch"], "test": with["test"], "notes": with["notes"], "cuts": with["cuts"],
        "cost": with["cost"], "without": without["test"],
    });
    let record = bench.record("from-scratch/accuracy", "%", None, vec![percent(&with)?]);
    let peer = "the linear family in the same time".to_owned();
    Ok(vec![record.with_peer(percent(&without)?, peer, false).with_detail(detail)])
}

/// The report of a training that knows of no earlier one.
fn first_run(bench: &Bench, name: &str) -> Result<Value> {
    let folder = Folder::open(bench, name)?;
    folder.clear()?;
    folder.train()?;
    folder.report(name)
}

fn percent(report: &Value) -> Result<f64> {
    Ok(100.0 * number(report, ACCURACY)?)
}

/// The report in the folder of a run, whose version lies in another folder's registry.
fn run_report(folder: &Path, name: &str) -> Result<Value> {
    let path = folder.join(format!(".loquat/runs/{name}/report.json"));
    let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no report", path.display()))
}
