//! The test itself: train the example with a small budget, serve it, run the clients, end the server.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::services::{Server, python};
use crate::stopwatch::Stopwatch;
use crate::workspace::Workspace;

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
    let clients = workspace.path("services/clients");
    // Two clients bring the same messages of gRPC, and one process can't load both.
    let alone = clients.join("test_kserve.py");
    let ignored = format!("--ignore={}", alone.display());
    let pytest = |selection: [&OsStr; 2]| {
        process::run(
            Command::new(&python)
                .args(["-m", "pytest", "-q", "-p", "no:cacheprovider"])
                .args(selection)
                .current_dir(folder.path())
                .env("PYTHONDONTWRITEBYTECODE", "1")
                .env("LOQUAT_TEST_URL", format!("http://{}", server.address()))
                .env("LOQUAT_TEST_BINARY", &binary)
                .env("LOQUAT_TEST_FOLDER", folder.path()),
        )
    };
    stopwatch.time("client tests", || {
        pytest([clients.as_os_str(), OsStr::new(&ignored)])?;
        pytest([alone.as_os_str(), OsStr::new("--quiet")])
    })?;
    stopwatch.time("drain", || {
        let status = server.stop()?;
        if !status.success() {
            bail!("the server ended with {status} after SIGTERM, and should end with 0");
        }
        Ok(())
    })
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
