//! `loquat completions`: a completion script for a shell.

use clap_complete::Shell;

use crate::failure::Failure;
use crate::{arguments, output};

/// Prints the script.
pub(crate) fn run(shell: Shell) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut arguments::command(), "loquat", &mut script);
    output::answer(&String::from_utf8_lossy(&script))?;
    Ok(0)
}
