//! Asks the questions of a session on the terminal: plain lines out, single keys in.
//!
//! The terminal is in raw mode only while a key is awaited, so that nothing has to be restored when something else fails.

use std::io::IsTerminal;

use console::{Key, Term};
use loquat_spec::ErrorCode;

use super::Session;
use crate::failure::Failure;
use crate::output;

/// Whether somebody sits there: standard input and standard error are terminals.
pub(crate) fn is_attended() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks until all questions are answered or the person quits.
pub(crate) fn ask(session: &mut Session<'_>) -> Result<(), Failure> {
    let terminal = Term::stderr();
    while session.question().is_some() {
        output::say(&session.screen());
        let key = terminal.read_key_raw().map_err(|error| {
            Failure::new(ErrorCode::Unavailable, format!("cannot read from the terminal: {error}"))
        })?;
        match key {
            Key::Char(key) => session.press(key)?,
            Key::Enter => session.press('\n')?,
            Key::CtrlC => {
                let message = "interrupted: the answers given are written, the same command goes on";
                return Err(Failure::new(ErrorCode::Cancelled, message));
            }
            _ => {}
        }
    }
    Ok(())
}
