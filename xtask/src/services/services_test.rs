//! The test itself: train the example with a small budget, serve it, run the clients, end the server.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::services::{ObjectStores, Server, python};
use crate::stopwatch::Stopwatch;
use crate::workspace::Workspace;

/// Two clients bring the same messages of gRPC, and one process can't load both.
const ALONE: &[&str] = &["test_kserve.py"];
const FLINK: &str = "test_flink.py";
const OBJECT_STORES: &str = "test_object_stores.py";

/// Runs every stage of the services test and prints the minutes of each.
pub(crate) fn test(workspace: &Workspace) -> Result<()> {
    let mut stopwatch = Stopwatch::default();
    let result = stages(workspace, &mut stopwatch);
    println!("{}", stopwatch.table());
    result
}

fn stages(workspace: &Workspace, stopwatch: &mut Stopwatch) -> Result<()> {
    let build = || process::run(&mut workspace.cargo(&["build", "--workspace", "--all-targets", "--locked"]));
    stopwatch.time("build", build)?;
    let requirements = workspace.path("services/clients/requirements.txt");
    let python = stopwatch.time("clients", || python::environment(&requirements))?;
    let chromium = workspace.path("services/chromium.sh");
    stopwatch.time("browser", || process::run(&mut Command::new(&chromium)))?;
    let binary = workspace.binary("debug");
    let folder = tempfile::tempdir()?;
    stopwatch.time("train", || train(workspace, &binary, folder.path()))?;
    let server = stopwatch.time("serve", || Server::start(&[], &binary, folder.path(), &[]))?;
    let clients =
        Clients { workspace, binary: &binary, folder: folder.path(), url: server.address().to_string() };
    stopwatch.time("client tests", || {
        clients.test(&python, "", &[])?;
        ALONE.iter().try_for_each(|file| clients.test(&python, file, &[]))
    })?;
    stopwatch.time("flink", || clients.test(&python, FLINK, &[]))?;
    stopwatch.time("object stores", || {
        let objects = ObjectStores::install(workspace)?;
        clients.test(&objects.python, OBJECT_STORES, &[("LOQUAT_TEST_OBJECTS", objects.folder.as_os_str())])
    })?;
    stopwatch.time("drain", || {
        let status = server.stop()?;
        if !status.success() {
            bail!("the server ended with {status} after SIGTERM, and should end with 0");
        }
        Ok(())
    })
}

/// The client tests and what they are about.
struct Clients<'a> {
    workspace: &'a Workspace,
    binary: &'a Path,
    /// The trained and served folder.
    folder: &'a Path,
    /// Host and port of the server.
    url: String,
}

impl Clients<'_> {
    /// Runs one file of tests; all but those that run apart when it is empty.
    fn test(&self, python: &Path, file: &str, variables: &[(&str, &OsStr)]) -> Result<()> {
        let clients = self.workspace.path("services/clients");
        let mut pytest = Command::new(python);
        pytest.args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]).arg(clients.join(file));
        if file.is_empty() {
            let apart = ALONE.iter().chain([&FLINK, &OBJECT_STORES]);
            pytest.args(apart.map(|file| format!("--ignore={}", clients.join(file).display())));
        }
        pytest.current_dir(self.folder).env("PYTHONDONTWRITEBYTECODE", "1");
        pytest.env("LOQUAT_TEST_URL", format!("http://{}", self.url));
        pytest.env("LOQUAT_TEST_BINARY", self.binary).env("LOQUAT_TEST_FOLDER", self.folder);
        process::run(pytest.envs(variables.iter().copied()))
    }
}

/// Runs the comparisons with PyTorch and transformers, which weigh some gigabytes and are no part of the services test.
pub(crate) fn references(workspace: &Workspace) -> Result<()> {
    process::run(&mut workspace.cargo(&["build", "--workspace", "--all-targets", "--locked"]))?;
    let python = python::environment(&workspace.path("services/references/requirements.txt"))?;
    process::run(
        Command::new(&python)
            .args(["-m", "pytest", "-q", "-p", "no:cacheprovider"])
            .arg(workspace.path("services/references"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("LOQUAT_TEST_BINARY", workspace.binary("debug")),
    )
}

/// Trains the example's data under the small budget of `services/tickets.yaml`.
fn train(workspace: &Workspace, binary: &Path, folder: &Path) -> Result<()> {
    let data = workspace.path("examples/tickets/data");
    let resource = std::fs::read_to_string(workspace.path("services/tickets.yaml"))
        .context("services/tickets.yaml cannot be read")?
        .replace("$EXAMPLE_DATA", &data.to_string_lossy());
    std::fs::write(folder.join("tickets.yaml"), resource)?;
    process::run(Command::new(binary).arg("train").arg(folder))
}
