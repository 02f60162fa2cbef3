//! Checks, figures and the services test of the workspace; run as `cargo xtask COMMAND`.
//!
//! Nothing here is linked into the product: it drives `cargo`, the built `loquat` binary and real clients from outside.

mod check;
mod environment;
mod figures;
mod fuzz;
mod gpu;
mod process;
mod sanitize;
mod services;
mod stopwatch;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::check::Stage;
use crate::figures::LoadPlan;
use crate::workspace::Workspace;

/// Checks, figures and the services test.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs every check, cheapest first, and stops at the first failure.
    Check {
        /// Start at this stage, taking the earlier ones as passed.
        #[arg(long, value_enum)]
        from: Option<Stage>,
        /// Run this stage alone.
        #[arg(long, value_enum, conflicts_with = "from")]
        only: Option<Stage>,
    },
    /// Writes the generated files: JSON schemas and the command line reference.
    Generate,
    /// Drives a real server and its registry with the clients that users run.
    ServicesTest,
    /// Compares encoders with PyTorch and transformers; installs some gigabytes.
    References,
    /// Builds and tests the binary with nothing but serving; not part of the check.
    ServeOnly,
    /// Measures a named figure, prints its records and stores them in docs/figures.
    Figure {
        /// Name of the figure; without it, all are listed, and whether their records are of the sources as they are.
        name: Option<String>,
        /// Only see that it works: the debug build as it is, short loads, nothing stored.
        #[arg(long)]
        quick: bool,
    },
    /// Trains a model that figures share into the user's cache: `nli`, an entailment model, in up to 45 minutes.
    Models {
        /// Name of the model.
        name: String,
    },
    /// Searches for inputs that make a reader, the resource parser or the server panic; not part of the check.
    Fuzz {
        /// Name of the target; without it, all run one after another.
        target: Option<String>,
        /// Minutes for each target.
        #[arg(long, default_value_t = 10.0)]
        minutes: f64,
    },
    /// Runs what computes on a GPU on a software driver for Vulkan; not part of the check.
    GpuTest,
    /// Runs the tests of the CPU kernels under AddressSanitizer; not part of the check.
    Sanitize,
    /// Writes docs/benchmarks.md from the stored figures.
    Benchmarks,
    /// Sends requests at a constant rate and prints the latencies; `figure http-latency` starts it on a core of its own.
    #[command(hide = true)]
    GenerateLoad(LoadPlan),
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    let workspace = Workspace::find()?;
    match arguments.command {
        Command::Check { from, only } => check::run(&workspace, from, only),
        Command::Generate => check::generate(&workspace),
        Command::ServicesTest => services::test(&workspace),
        Command::References => services::references(&workspace),
        Command::ServeOnly => check::serve_only(&workspace),
        Command::Figure { name: Some(name), quick } => figures::measure(&workspace, &name, quick),
        Command::Figure { name: None, .. } => figures::list(&workspace),
        Command::Models { name } => figures::make_model(&workspace, &name),
        Command::Fuzz { target, minutes } => fuzz::run(&workspace, target.as_deref(), minutes),
        Command::GpuTest => gpu::test(&workspace),
        Command::Sanitize => sanitize::run(&workspace),
        Command::Benchmarks => figures::write_benchmarks(&workspace),
        Command::GenerateLoad(plan) => figures::generate_load(&plan),
    }
}
