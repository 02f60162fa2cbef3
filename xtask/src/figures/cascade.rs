//! Cascades over 200 random calibration draws: how often the stated agreement is missed, and what is saved.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::figures::record::{Bench, Record, Target, median};
use crate::figures::training::{Folder, number};
use crate::{environment, process};

const AGREEMENT: f64 = 0.98;
/// What `loquat models cascade` takes when nothing is stated.
const CONFIDENCE: f64 = 0.99;
const DRAWS: usize = 200;
/// Most draws, in percent, that may miss the stated agreement.
const MISSED: f64 = 5.0;

/// A cheap model, a dear one, and rows that neither was trained on. The models are those of other figures' folders, trained there where
/// they are not yet.
struct Cascade {
    name: &'static str,
    cheap: &'static str,
    dear: &'static str,
    rows: &'static str,
    /// Least saving, in percent, where one is asked for.
    saved: Option<f64>,
}

const CASCADES: &[Cascade] = &[
    Cascade {
        name: "massive-linear",
        cheap: "cascade-small",
        dear: "massive",
        rows: "massive_en/test.jsonl",
        saved: None,
    },
    Cascade {
        name: "massive",
        cheap: "massive",
        dear: "encoder-massive",
        rows: "massive_en/test.jsonl",
        saved: Some(50.0),
    },
    Cascade {
        name: "goemotions",
        cheap: "goemotions",
        dear: "encoder-goemotions",
        rows: "goemotions/test.jsonl",
        saved: None,
    },
];

/// Percentages of draws that missed, and of the dear model's time saved. A quick run takes the linear models alone.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Record>> {
    let profile: &[&str] = if bench.quick { &[] } else { &["--release"] };
    let build = [&["build", "--package", "loquat-train", "--example", "cascade_draws"][..], profile].concat();
    process::run_aside(&mut bench.workspace.cargo(&build))?;
    let folder = if bench.quick { "debug" } else { "release" };
    let program = bench.workspace.target().join(folder).join("examples/cascade_draws");
    let cascades = if bench.quick { &CASCADES[..1] } else { CASCADES };
    let mut records = Vec::new();
    for cascade in cascades {
        let mut command = Command::new(&program);
        for model in [cascade.cheap, cascade.dear] {
            let trained = Folder::open(bench, model)?;
            trained.train()?;
            command.arg(trained.path().join(".loquat/store")).arg(model);
        }
        command.arg(environment::data_folder()?.join(cascade.rows));
        command.args([AGREEMENT.to_string(), CONFIDENCE.to_string(), DRAWS.to_string()]);
        let found: Value =
            serde_json::from_str(&process::output(&mut command)?).context("the example prints JSON")?;
        records.extend(records_of(bench, cascade, &found)?);
    }
    Ok(records)
}

fn records_of(bench: &Bench, cascade: &Cascade, found: &Value) -> Result<Vec<Record>> {
    let middle = |what: &str| -> Result<f64> {
        let values = found[what].as_array().with_context(|| format!("the draws have no {what}"))?;
        Ok(median(&values.iter().filter_map(Value::as_f64).collect::<Vec<_>>()))
    };
    let missed = 100.0 * number(found, "/missed")? / DRAWS as f64;
    let detail = json!({
        "agreement": AGREEMENT, "confidence": CONFIDENCE, "draws": DRAWS,
        "cheap": cascade.cheap, "dear": cascade.dear,
        "rows": found["rows"], "drawn": found["drawn"],
        "judged": "on the rows not drawn",
        "missedOnAllRows": found["missedOfAll"],
        "agreementOfTheCheapModelAlone": found["agreement"],
        "medianAgreement": middle("found")?, "medianEarly": middle("early")?,
    });
    let times = json!({
        "cheapSeconds": found["cheapSeconds"], "dearSeconds": found["dearSeconds"],
        "cascadeSeconds": found["cascadeSeconds"],
        "counted": "one thread, every row; the value is the measured time with the first draw's threshold",
        "medianOverDraws": 100.0 * middle("saved")?,
    });
    let saved = 100.0 * (1.0 - number(found, "/cascadeSeconds")? / number(found, "/dearSeconds")?);
    let name = |what: &str| format!("cascade/{}/{what}", cascade.name);
    Ok(vec![
        bench.record(&name("missed"), "%", Some(Target::AtMost(MISSED)), vec![missed]).with_detail(detail),
        bench.record(&name("saved"), "%", cascade.saved.map(Target::AtLeast), vec![saved]).with_detail(times),
    ])
}
