//! The record of one measured figure: the value, what it should be, and on what it was measured.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::process;
use crate::workspace::Workspace;

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Record {
    /// Its name, `group/what`.
    pub(crate) figure: String,
    /// What was measured: the median where there were several runs.
    pub(crate) value: f64,
    /// Unit of value, target, peer and runs.
    pub(crate) unit: String,
    /// What it should be, if anything is asked of it.
    pub(crate) target: Option<Target>,
    /// Whether the value meets the target.
    pub(crate) met: Option<bool>,
    /// The peer's value in the same run, if there is a peer.
    pub(crate) peer: Option<f64>,
    /// The peer's name and version.
    pub(crate) peer_version: Option<String>,
    /// How many times better than the peer, in the direction of the target.
    pub(crate) ratio: Option<f64>,
    /// Every run's value.
    pub(crate) runs: Vec<f64>,
    /// The processor and how many of its threads the machine has.
    pub(crate) cpu: String,
    /// The commit, with `-dirty` where the work tree differed.
    pub(crate) commit: String,
    /// Hash of the sources that the figure depends on: it is valid until they change.
    pub(crate) sources: Option<String>,
    /// The day, UTC.
    pub(crate) date: String,
    /// Whatever else is worth keeping.
    pub(crate) detail: serde_json::Value,
}

/// A bound on a value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Target {
    /// The value must not be smaller.
    AtLeast(f64),
    /// The value must not be larger.
    AtMost(f64),
}

impl Target {
    fn met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
        }
    }
}

/// Where and on what figures are measured.
#[derive(Debug)]
pub(crate) struct Bench {
    /// The workspace.
    pub(crate) workspace: Workspace,
    /// Whether only to see that the figure works.
    pub(crate) quick: bool,
    scratch: TempDir,
    binary: OnceCell<PathBuf>,
    cpu: String,
    commit: String,
    date: String,
}

impl Bench {
    /// Reads processor, commit and day.
    pub(crate) fn new(workspace: &Workspace, quick: bool) -> Result<Self> {
        let root = workspace.root();
        Ok(Self {
            workspace: workspace.clone(),
            quick,
            scratch: tempfile::tempdir()?,
            binary: OnceCell::new(),
            cpu: cpu()?,
            commit: commit(root)?,
            date: today(),
        })
    }

    /// The release binary (of a quick run the debug one, as it was built last): built once and copied, so that a change of the checkout while a figure is measured changes
    /// nothing of it.
    pub(crate) fn binary(&self) -> Result<PathBuf> {
        if let Some(binary) = self.binary.get() {
            return Ok(binary.clone());
        }
        let copy = self.scratch.path().join("loquat");
        let built =
            if self.quick { self.workspace.binary("debug") } else { self.workspace.build_release()? };
        std::fs::copy(built, &copy).context("the built binary cannot be copied")?;
        Ok(self.binary.get_or_init(|| copy).clone())
    }

    /// A folder for what the figure makes, which goes with it.
    pub(crate) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// Seconds of a load: few in a quick run.
    pub(crate) fn seconds(&self, whole: f64) -> f64 {
        if self.quick { whole.min(2.0) } else { whole }
    }

    /// A record of `runs`, whose median is the value.
    pub(crate) fn record(&self, figure: &str, unit: &str, target: Option<Target>, runs: Vec<f64>) -> Record {
        let value = median(&runs);
        Record {
            figure: figure.to_owned(),
            value,
            unit: unit.to_owned(),
            target,
            met: target.map(|target| target.met(value)),
            peer: None,
            peer_version: None,
            ratio: None,
            runs,
            cpu: self.cpu.clone(),
            commit: self.commit.clone(),
            sources: None,
            date: self.date.clone(),
            detail: serde_json::Value::Null,
        }
    }
}

impl Record {
    /// The record with what else is worth keeping.
    pub(crate) fn with_detail(self, detail: serde_json::Value) -> Self {
        Self { detail, ..self }
    }

    /// The record with a peer measured in the same run. `ratio` is peer over value where less is better, else value over peer.
    pub(crate) fn with_peer(self, peer: f64, version: String, less_is_better: bool) -> Self {
        let ratio = if less_is_better { peer / self.value } else { self.value / peer };
        Self { peer: Some(peer), peer_version: Some(version), ratio: Some(ratio), ..self }
    }
}

/// The middle value; the mean of the two middle ones of an even number; not a number when there is none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}

fn cpu() -> Result<String> {
    let threads = std::thread::available_parallelism()?.get();
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        text.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(std::env::consts::ARCH);
    Ok(format!("{}, {threads} threads", model.trim_start_matches([' ', '\t', ':'])))
}

fn commit(root: &Path) -> Result<String> {
    let git = |arguments: &[&str]| process::output(Command::new("git").args(arguments).current_dir(root));
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?.trim().to_owned();
    let dirty = git(&["status", "--porcelain", "--", "crates", "Cargo.toml", "Cargo.lock", "xtask"])?;
    Ok(if dirty.trim().is_empty() { commit } else { format!("{commit}-dirty") })
}

fn today() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_even_and_odd_counts() {
        assert_eq!(median(&[3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]).to_bits(), 2.5_f64.to_bits());
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn targets_include_their_bound() {
        assert!(Target::AtLeast(86.5).met(86.5));
        assert!(!Target::AtLeast(86.5).met(86.49));
        assert!(Target::AtMost(1.0).met(1.0));
        assert!(!Target::AtMost(1.0).met(f64::NAN));
    }
}
