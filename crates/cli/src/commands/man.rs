//! `loquat man`: manual pages.

use crate::failure::Failure;
use crate::{arguments, output};

/// Prints the page of loquat, or of the command that the words name.
pub(crate) fn run(words: &[String]) -> Result<u8, Failure> {
    let mut command = arguments::command();
    command.build();
    for word in words {
        let known: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        let found = command.find_subcommand(word).cloned();
        command = found.ok_or_else(|| Failure::unknown("command", word, &known))?;
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    output::answer(&String::from_utf8_lossy(&page))?;
    Ok(0)
}
