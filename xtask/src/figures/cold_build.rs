//! Release builds from nothing: minutes of the first, bytes of the default and of the serve-only binary.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::json;

use crate::figures::record::{Bench, Record, Target};
use crate::process;

const BYTES_PER_MEGABYTE: u32 = 1_000_000;
const BUILD: &[&str] = &["build", "--release", "--locked", "--package", "loquat-cli"];
const SERVE_ONLY: &[&str] = &["--no-default-features", "--features", "serve"];

/// Builds the default binary in an empty folder, then the serve-only one.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Record>> {
    let folder = tempfile::tempdir()?;
    // Fetching is not building: what is measured starts with all sources on the disk.
    process::run_aside(&mut bench.workspace.cargo(&["fetch", "--locked"]))?;
    let start = Instant::now();
    let default = build(bench, &[], folder.path())?;
    let minutes = start.elapsed().as_secs_f64() / 60.0;
    let serve_only = build(bench, SERVE_ONLY, folder.path())?;
    let packages = json!({ "packages": bench.workspace.metadata()?.packages.len() });
    let record = |figure: &str, unit: &str, bound: f64, value: f64| {
        bench.record(figure, unit, Some(Target::AtMost(bound)), vec![value])
    };
    Ok(vec![
        record("cold-build/time", "min", 15.0, minutes).with_detail(packages),
        record("cold-build/binary", "MB", 60.0, default),
        record("cold-build/serve-only", "MB", 25.0, serve_only),
    ])
}

/// Builds into `folder` and returns the megabytes of the stripped binary.
fn build(bench: &Bench, options: &[&str], folder: &Path) -> Result<f64> {
    process::run_aside(bench.workspace.cargo(BUILD).args(options).env("CARGO_TARGET_DIR", folder))?;
    let stripped = folder.join("stripped");
    process::run_aside(Command::new("strip").arg("-o").arg(&stripped).arg(folder.join("release/loquat")))?;
    let bytes = std::fs::metadata(&stripped).with_context(|| format!("no {}", stripped.display()))?.len();
    Ok(f64::from(u32::try_from(bytes)?) / f64::from(BYTES_PER_MEGABYTE))
}
