//! `loquat launch`: becomes a command that ends with the process that started it.
//!
//! A server starts those of its models so: killed, it can end nothing itself. Linux tells a process that its parent has ended,
//! and goes on to once it runs another program. The parent is a thread there: the one that starts a server outlives it.

use std::os::unix::process::CommandExt;
use std::process::Command;

use loquat_spec::ErrorCode;

use crate::arguments::Launch;
use crate::failure::Failure;

/// Becomes the command; comes back only where that can't be.
pub(crate) fn run(arguments: &Launch) -> Failure {
    #[cfg(target_os = "linux")]
    if let Err(failure) = tie_to(arguments.parent) {
        return failure;
    }
    let [program, words @ ..] = &arguments.words[..] else {
        return Failure::new(ErrorCode::Invalid, "the command is empty");
    };
    let error = Command::new(program).args(words).exec();
    Failure::new(ErrorCode::Unavailable, format!("{} can't be started: {error}", program.display()))
}

/// Has this process killed when `parent` ends.
#[cfg(target_os = "linux")]
fn tie_to(parent: u32) -> Result<(), Failure> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| {
        Failure::new(ErrorCode::Unavailable, format!("cannot be tied to the process that starts it: {error}"))
    })?;
    // It may have ended before it was asked to tell; another process is the parent then.
    let found = getppid().and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok());
    if found == Some(parent) {
        return Ok(());
    }
    Err(Failure::new(ErrorCode::Cancelled, format!("process {parent}, which starts it, has ended")))
}
