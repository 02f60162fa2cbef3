//! The HTML reports of the example and of two evaluation sets in a real browser: what axe-core finds, and pictures.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::figures::record::{Bench, Record, Target};
use crate::figures::training::Folder;
use crate::{environment, process, services};

/// Models of other figures, trained there where they are not yet: eight labels, sixty, and 25 languages.
const REPORTS: [&str; 3] = ["tickets", "massive", "sib200"];

/// Serious findings of axe-core, and views that are too wide, ask the network or stumble. Pictures go to the target folder: those of
/// evaluation sets hold texts of theirs.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Record>> {
    process::run(&mut Command::new(bench.workspace.path("services/chromium.sh")))?;
    let python = services::python_environment(&bench.workspace.path("services/clients/requirements.txt"))?;
    let pictures = environment::target_folder()?.join("report-pages");
    let mut command = Command::new(python);
    command.arg(bench.workspace.path("xtask/figures/report_pages.py")).arg(&pictures);
    for model in if bench.quick { &REPORTS[..1] } else { &REPORTS[..] } {
        let folder = Folder::open(bench, model)?;
        folder.train()?;
        let page = bench.scratch().join(format!("{model}.html"));
        process::run_aside(folder.loquat().args(["report", model, "--format", "html", "-o"]).arg(&page))?;
        command.arg(format!("{model}={}", page.display()));
    }
    let found: Value =
        serde_json::from_str(&process::output(&mut command)?).context("the script prints JSON")?;
    let views = found["views"].as_array().context("the script looked at nothing")?;
    let serious: usize = views.iter().map(|view| count(view, "serious")).sum();
    let amiss = |view: &&Value| {
        count(view, "asked") + count(view, "errors") > 0 || view["tooWide"].as_f64().is_none_or(|by| by > 0.0)
    };
    // Where they lie is this machine's own and no part of the record.
    eprintln!("pictures: {}", pictures.display());
    let detail = json!({ "chromium": found["chromium"], "views": views });
    Ok(vec![
        bench
            .record("report-pages/serious", "findings", Some(Target::AtMost(0.0)), vec![serious as f64])
            .with_detail(detail),
        bench.record(
            "report-pages/amiss",
            "views",
            Some(Target::AtMost(0.0)),
            vec![views.iter().filter(amiss).count() as f64],
        ),
    ])
}

fn count(view: &Value, what: &str) -> usize {
    view[what].as_array().map_or(0, Vec::len)
}
