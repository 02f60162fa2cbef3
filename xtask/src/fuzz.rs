//! `cargo xtask fuzz`: runs the fuzz targets, prints a line a target and stores the records.
//!
//! The crate `fuzz` lies outside the workspace because it is compiled with coverage instrumentation. libFuzzer does the
//! search; what cargo-fuzz would add are the compiler flags, which stand here.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use crate::figures::{Bench, Record, STORED, Target as Bound};
use crate::process;
use crate::workspace::Workspace;

/// Coverage as libFuzzer expects it: counters of edges and their places, and the operands of comparisons.
const INSTRUMENTATION: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1";
/// Most bytes of an input; twice the largest file of a corpus.
const MOST_BYTES: usize = 4096;
/// Most resident memory of a target, in MiB.
const MOST_MEMORY: usize = 2048;
/// Longest time of one input, in seconds.
const MOST_SECONDS: usize = 20;
/// Where the records lie, below the folder of figures.
const RECORDS: &str = "fuzz.json";

/// A fuzz target.
struct Target {
    name: &'static str,
    /// Its file in `fuzz/dictionaries`.
    dictionary: &'static str,
}

const TARGETS: &[Target] = &[
    Target { name: "resources", dictionary: "resources" },
    Target { name: "jsonl", dictionary: "text" },
    Target { name: "csv", dictionary: "text" },
    Target { name: "tsv", dictionary: "text" },
    Target { name: "conll", dictionary: "text" },
    Target { name: "lines", dictionary: "text" },
    Target { name: "parquet", dictionary: "parquet" },
    Target { name: "http_predict", dictionary: "http" },
    Target { name: "http_protocols", dictionary: "protocols" },
    Target { name: "http_infer", dictionary: "http" },
    Target { name: "http_structured", dictionary: "http" },
    Target { name: "grpc_structured", dictionary: "http" },
];

/// What one run of a target came to.
#[derive(Debug, Clone, Copy, Serialize)]
struct Run {
    target: &'static str,
    seconds: f64,
    executions: u64,
    crashes: u64,
}

/// The instrumented build and the folders that the runs write.
struct Fuzzer<'a> {
    workspace: &'a Workspace,
    /// Everything written lies here: the build, inputs found (kept from run to run), logs and inputs at fault.
    folder: PathBuf,
    binaries: PathBuf,
}

/// Runs one target, or all of them one after another, for `minutes` each.
pub(crate) fn run(workspace: &Workspace, target: Option<&str>, minutes: f64) -> Result<()> {
    ensure!(minutes > 0.0, "--minutes must be over 0");
    let targets = selected(target)?;
    let fuzzer = Fuzzer::build(workspace, &targets)?;
    let bench = Bench::new(workspace, false)?;
    let mut found = Vec::new();
    for target in targets {
        let run = fuzzer.run(target, minutes * 60.0)?;
        println!("{}", serde_json::to_string(&run)?);
        store(&bench, &run)?;
        if run.crashes > 0 {
            found.push(format!("{}: see {}", target.name, fuzzer.folder_of(target).display()));
        }
    }
    if !found.is_empty() {
        bail!("inputs at fault\n{}\nmend it, and add the input to fuzz/corpus", found.join("\n"));
    }
    Ok(())
}

fn selected(target: Option<&str>) -> Result<Vec<&'static Target>> {
    let found: Vec<_> =
        TARGETS.iter().filter(|known| target.is_none_or(|target| target == known.name)).collect();
    if found.is_empty() {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        bail!("no fuzz target {:?}; targets are {}", target.unwrap_or_default(), names.join(", "));
    }
    Ok(found)
}

impl<'a> Fuzzer<'a> {
    /// Builds `targets`. A target triple is named so that the flags spare build scripts and macros.
    fn build(workspace: &'a Workspace, targets: &[&Target]) -> Result<Self> {
        let folder = workspace.target().join("fuzz");
        let host = workspace.host()?;
        let mut command =
            workspace.cargo(&["build", "--release", "--locked", "--manifest-path", "fuzz/Cargo.toml"]);
        command.args(["--target", &host]).env("CARGO_TARGET_DIR", &folder);
        command.env("RUSTFLAGS", INSTRUMENTATION);
        for target in targets {
            command.args(["--bin", target.name]);
        }
        process::run_aside(&mut command)?;
        let binaries = folder.join(host).join("release");
        Ok(Self { workspace, folder, binaries })
    }

    fn folder_of(&self, target: &Target) -> PathBuf {
        self.folder.join("runs").join(target.name)
    }

    /// Runs a target for `seconds`; it ends early at the first input at fault.
    fn run(&self, target: &Target, seconds: f64) -> Result<Run> {
        let folder = self.folder_of(target);
        let found = folder.join("corpus");
        std::fs::create_dir_all(&found)?;
        let path = folder.join("log");
        let log = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("{} for {seconds:.0} s; log in {}", target.name, path.display());
        let start = Instant::now();
        let mut command = self.command(target, seconds, &folder);
        command.arg(&found).arg(self.corpus(target)).stderr(log);
        let status = command.status().with_context(|| format!("cannot start target {}", target.name))?;
        let seconds = start.elapsed().as_secs_f64();
        let text = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
        let executions = executions(&text)
            .with_context(|| format!("{} did not run; see {}", target.name, path.display()))?;
        let seconds = (seconds * 10.0).round() / 10.0;
        Ok(Run { target: target.name, seconds, executions, crashes: u64::from(!status.success()) })
    }

    fn command(&self, target: &Target, seconds: f64, folder: &Path) -> Command {
        let dictionary = self.workspace.path("fuzz/dictionaries").join(format!("{}.dict", target.dictionary));
        let mut command = Command::new(self.binaries.join(target.name));
        command
            .arg(format!("-max_total_time={}", seconds.ceil()))
            .arg(format!("-max_len={MOST_BYTES}"))
            .arg(format!("-rss_limit_mb={MOST_MEMORY}"))
            .arg(format!("-timeout={MOST_SECONDS}"))
            .arg(format!("-dict={}", dictionary.display()))
            .arg(format!("-artifact_prefix={}/", folder.display()))
            .arg("-print_final_stats=1");
        command
    }

    fn corpus(&self, target: &Target) -> PathBuf {
        self.workspace.path("fuzz/corpus").join(target.name)
    }
}

/// How many inputs libFuzzer ran, by the last line of its log that says so.
fn executions(log: &str) -> Option<u64> {
    let stated = log.lines().rev().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    if let Some(stated) = stated {
        return stated.trim().parse().ok();
    }
    // A target that ends by itself prints no statistics, but its last line of progress begins with the number.
    let progress = log.lines().rev().filter_map(|line| line.strip_prefix('#'));
    progress.filter_map(|line| line.split_whitespace().next()?.parse().ok()).next()
}

/// Replaces the record of the target.
fn store(bench: &Bench, run: &Run) -> Result<()> {
    let folder = bench.workspace.path(STORED);
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(RECORDS);
    let mut records: Vec<Record> = match std::fs::read_to_string(&path) {
        Ok(text) => {
            serde_json::from_str(&text).with_context(|| format!("{} holds no records", path.display()))?
        }
        Err(_) => Vec::new(),
    };
    let figure = format!("fuzz/{}", run.target);
    let record = bench
        .record(&figure, "crashes", Some(Bound::AtMost(0.0)), vec![run.crashes as f64])
        .with_detail(serde_json::json!({ "seconds": run.seconds, "executions": run.executions }));
    records.retain(|record| record.figure != figure);
    records.push(record);
    let place = |record: &Record| TARGETS.iter().position(|t| record.figure == format!("fuzz/{}", t.name));
    records.sort_by_key(place);
    let text = serde_json::to_string_pretty(&records)?;
    std::fs::write(&path, format!("{text}\n")).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_a_binary_a_corpus_and_a_dictionary() {
        let folder = Workspace::find().unwrap().path("fuzz");
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let binaries: Vec<&str> = manifest
            .lines()
            .skip_while(|line| *line != "[[bin]]")
            .filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
            .collect();
        assert_eq!(binaries, TARGETS.iter().map(|target| target.name).collect::<Vec<_>>());
        for target in TARGETS {
            assert!(folder.join("corpus").join(target.name).is_dir(), "{}", target.name);
            let dictionary = folder.join("dictionaries").join(format!("{}.dict", target.dictionary));
            assert!(dictionary.is_file(), "{}", dictionary.display());
        }
    }

    #[test]
    fn corpora_stay_small() {
        for target in TARGETS {
            let folder = Workspace::find().unwrap().path("fuzz/corpus").join(target.name);
            let sizes: Vec<u64> = std::fs::read_dir(folder)
                .unwrap()
                .map(|file| file.unwrap().metadata().unwrap().len())
                .collect();
            assert!(sizes.len() <= 40 && sizes.iter().all(|size| *size <= 2048), "{}", target.name);
        }
    }

    #[test]
    fn executions_are_read_from_statistics_or_progress() {
        let ended = "#2\tINITED cov: 1\nDone 77 runs in 2 second(s)\nstat::number_of_executed_units: 77\nstat::x: 1\n";
        assert_eq!(executions(ended), Some(77));
        assert_eq!(executions("#2\tINITED cov: 1\n#512\tpulse  cov: 3\nthread panicked\n"), Some(512));
        assert_eq!(executions("error while loading\n"), None);
    }
}
