//! Bulk prediction on one core: `loquat predict` pinned with taskset, a file in, a file out.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::figures::record::{Bench, Record, Target};
use crate::figures::training::Folder;
use crate::{environment, process};

const RUNS: usize = 5;
const TEXTS: usize = 300_000;

/// The 60-class model and the 8-class example.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Record>> {
    let massive = environment::data_folder()?.join("massive_en/test.jsonl");
    let tickets = bench.workspace.path("examples/tickets/data/tickets.jsonl");
    Ok(vec![record(bench, "massive", &massive, 20_000.0)?, record(bench, "tickets", &tickets, 100_000.0)?])
}

fn record(bench: &Bench, name: &str, source: &Path, target: f64) -> Result<Record> {
    let folder = Folder::open(bench, name)?;
    folder.train()?;
    let scratch = tempfile::tempdir()?;
    let input = repeated(source, scratch.path())?;
    let output = scratch.path().join("predictions.jsonl");
    let mut runs = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        runs.push(texts_per_second(&folder, name, &input, &output)?);
    }
    let detail = json!({
        "texts": TEXTS, "distinctTexts": lines(source)?.len(), "threads": 1,
        "includes": "start of the process, loading the model, reading jsonl, writing jsonl",
    });
    let figure = format!("bulk-predict/{name}");
    Ok(bench.record(&figure, "texts/s", Some(Target::AtLeast(target)), runs).with_detail(detail))
}

fn texts_per_second(folder: &Folder, model: &str, input: &Path, output: &Path) -> Result<f64> {
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(folder.binary()).args(["--threads", "1", "--dir"]).arg(folder.path());
    command.args(["predict", model]).arg(input).arg("-o").arg(output);
    let start = Instant::now();
    process::run_aside(&mut command)?;
    let seconds = start.elapsed().as_secs_f64();
    let written = lines(output)?.len();
    if written != TEXTS {
        bail!("{TEXTS} texts went in and {written} predictions came out");
    }
    Ok(f64::from(u32::try_from(TEXTS)?) / seconds)
}

/// The texts of `source` over and over, as jsonl with nothing but the text.
fn repeated(source: &Path, folder: &Path) -> Result<PathBuf> {
    let mut texts = Vec::new();
    for line in lines(source)? {
        let row: serde_json::Value = serde_json::from_str(&line)?;
        texts.push(json!({ "text": row.get("text").context("a row without text")? }).to_string());
    }
    let path = folder.join("texts.jsonl");
    let mut file = BufWriter::new(std::fs::File::create(&path)?);
    for text in texts.iter().cycle().take(TEXTS) {
        writeln!(file, "{text}")?;
    }
    file.flush()?;
    Ok(path)
}

fn lines(path: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.lines().map(str::to_owned).collect())
}
