//! The `loquat` binary: arguments, layered configuration, progress and dispatch.
//!
//! Every command is one file under `commands`. Answers go to standard output, everything else to standard error;
//! the exit status follows from [`loquat_spec::ErrorCode`]. This is the only crate that reads the environment.

#[cfg(not(any(feature = "serve", feature = "train")))]
compile_error!("a loquat without the features `serve` and `train` has nothing to do: enable one");

mod arguments;
#[cfg(feature = "train")]
mod backbones;
mod bench;
#[cfg(feature = "serve")]
mod call;
mod commands;
mod context;
mod failure;
mod findings;
mod hub;
mod imports;
#[cfg(feature = "train")]
mod inputs;
mod interrupt;
mod labelling;
#[cfg(feature = "train")]
mod origins;
mod output;
#[cfg(feature = "train")]
mod progress;
mod reading;
mod remote;
mod resources;
mod rows;
mod sources;
mod starters;
mod stores;
mod table;
mod variables;
#[cfg(feature = "serve")]
mod watching;

use std::process::ExitCode;

use context::Context;
use failure::Failure;

fn main() -> ExitCode {
    let matches = arguments::command().get_matches();
    let context = match Context::new(&matches) {
        Ok(context) => context,
        Err(failure) => return report(&failure, false),
    };
    match commands::run(&context, &matches) {
        Ok(status) => ExitCode::from(status),
        Err(failure) => report(&failure, context.style.stderr),
    }
}

/// Writes the failure to standard error and gives its exit status. A reader that closed the pipe is no failure.
fn report(failure: &Failure, colour: bool) -> ExitCode {
    if failure.is_broken_pipe() {
        return ExitCode::SUCCESS;
    }
    if let Some(text) = failure.text() {
        let mark = output::paint("error:", output::Colour::Red, colour);
        output::say(&format!("{mark} {text}"));
    }
    ExitCode::from(failure.code.exit_status())
}
