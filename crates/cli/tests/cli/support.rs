//! What the tests share.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a run of the binary gave.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Fails the test with all output unless the status is as expected.
    #[track_caller]
    pub(crate) fn expect_status(self, status: i32) -> Self {
        assert_eq!(self.status, status, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    /// Standard output as one JSON value a line.
    #[track_caller]
    pub(crate) fn json_lines(&self) -> Vec<serde_json::Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The binary, to be run in `folder`, without the caller's configuration.
pub(crate) fn loquat(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loquat"));
    command.current_dir(folder);
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("LOQUAT_") {
            command.env_remove(variable);
        }
    }
    command
}

/// Runs the binary with arguments.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Run {
    run_with_input(folder, arguments, b"")
}

/// Runs the binary with arguments and standard input.
pub(crate) fn run_with_input(folder: &Path, arguments: &[&str], input: &[u8]) -> Run {
    let mut command = loquat(folder);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || {
        // A command that reads no input closes it; that is its right.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Run {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Writes a file below `folder`.
pub(crate) fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}

/// A starter folder `demo` whose search is small enough for a test.
pub(crate) fn starter(folder: &Path, task: &str) -> PathBuf {
    run(folder, &["init", task, "demo"]).expect_status(0);
    let resources = folder.join("demo/demo.yaml");
    let text = std::fs::read_to_string(&resources).unwrap();
    let small = text.replace("trials: 12, timeout: 30s", "trials: 4").replace("folds: 4", "folds: 2");
    assert_ne!(text, small, "the starter's search is not where the test looks for it");
    std::fs::write(&resources, small).unwrap();
    folder.join("demo")
}

/// Copies a folder with everything in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
