//! Memory of the check of a jsonl file of 3 GB.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::environment;
use crate::figures::record::{Bench, Record, Target};
use crate::figures::synthetic::Synthetic;

const BYTES: u64 = 3_000_000_000;
const RESOURCE: &str = "apiVersion: loquat.dev/v1alpha1\nkind: Dataset\nmetadata: { name: large }\nspec:\n  \
                        task: text-classification\n  languages: [en]\n  source: { path: rows.jsonl }\n  \
                        columns: { text: text, label: label, language: lang }\n  split: { test: 10% }\n";
const TICK: Duration = Duration::from_millis(50);
const KIBIBYTES_PER_MEBIBYTE: f64 = 1024.0;

/// Most memory that the check held, and how long it took.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Record>> {
    // The system's folder for temporary files may lie in memory.
    let cache = environment::cache_folder()?.join("figures");
    std::fs::create_dir_all(&cache)?;
    let scratch = tempfile::tempdir_in(&cache)?;
    let rows = write_rows(scratch.path())?;
    let started = Instant::now();
    let mut check = Command::new(bench.binary()?)
        .args(["check", "--format", "json"])
        .current_dir(scratch.path())
        .stdout(Stdio::from(File::create(scratch.path().join("found.json"))?))
        .spawn()?;
    let mebibytes = most_memory(&mut check)?;
    let seconds = started.elapsed().as_secs_f64();
    let found: Value = serde_json::from_slice(&std::fs::read(scratch.path().join("found.json"))?)?;
    ensure!(found["rows"] == rows, "the check read {} of {rows} rows: {}", found["rows"], found["findings"]);
    let detail = json!({ "bytes": BYTES, "rows": rows });
    Ok(vec![
        bench
            .record("check-memory/resident", "MiB", Some(Target::AtMost(512.0)), vec![mebibytes])
            .with_detail(detail),
        bench.record("check-memory/time", "s", None, vec![seconds]),
    ])
}

/// The high-water mark of a process's memory in MiB, read until it ends.
fn most_memory(process: &mut Child) -> Result<f64> {
    let status = format!("/proc/{}/status", process.id());
    let mut most = 0.0_f64;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let mark = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = mark.and_then(|mark| mark.trim().trim_end_matches(" kB").parse::<f64>().ok());
        most = most.max(kibibytes.unwrap_or_default() / KIBIBYTES_PER_MEBIBYTE);
        if let Some(status) = process.try_wait()? {
            ensure!(status.code().is_some_and(|code| code <= 1), "the check ended with {status}");
            return Ok(most);
        }
        std::thread::sleep(TICK);
    }
}

fn write_rows(folder: &Path) -> Result<u64> {
    let mut texts = Synthetic::new(3);
    let path = folder.join("rows.jsonl");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let (mut bytes, mut rows) = (0, 0_u64);
    while bytes < BYTES {
        let words = 5 + texts.below(40);
        let text = texts.text(words).join(" ");
        let label = ["a", "b", "c", "d", "e", "f"][texts.below(6)];
        let line =
            format!("{{\"id\": {rows}, \"text\": \"{text}\", \"label\": \"{label}\", \"lang\": \"en\"}}\n");
        out.write_all(line.as_bytes())?;
        bytes += line.len() as u64;
        rows += 1;
    }
    out.flush()?;
    std::fs::write(folder.join("large.yaml"), RESOURCE)?;
    Ok(rows)
}
