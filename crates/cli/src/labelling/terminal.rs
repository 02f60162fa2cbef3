//! Asks the questions of a session on the terminal: plain lines out, single keys in.
//!
//! The terminal is in raw mode only while a key is awaited, so that nothing has to be restored when something else fails.

use std::io::IsTerminal;

use console::{Key, Term};
use loquat_spec::ErrorCode;

use super::Tally;
use crate::failure::Failure;
use crate::output;

/// Questions that keys answer.
pub(crate) trait Asked {
    /// The question that waits for a key, as lines; `None` at the end.
    fn screen(&self) -> Option<String>;

    /// Does what a key says. Arrows are the characters of that shape, enter is a line end.
    ///
    /// # Errors
    /// When an answer can't be written.
    fn press(&mut self, key: char) -> Result<(), Failure>;

    /// What became of the questions so far.
    fn tally(&self) -> Tally;
}

/// Whether somebody sits there: standard input and standard error are terminals.
pub(crate) fn is_attended() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks until all questions are answered or the person quits; what became of them, and why it ended early where it did.
pub(crate) fn ask_all(mut session: impl Asked) -> (Tally, Result<(), Failure>) {
    let asked = ask(&mut session);
    (session.tally(), asked)
}

fn ask(session: &mut impl Asked) -> Result<(), Failure> {
    let terminal = Term::stderr();
    while let Some(screen) = session.screen() {
        output::say(&screen);
        let key = terminal.read_key_raw().map_err(|error| {
            Failure::new(ErrorCode::Unavailable, format!("cannot read from the terminal: {error}"))
        })?;
        match key {
            Key::Char(key) => session.press(key)?,
            Key::Enter => session.press('\n')?,
            Key::Tab => session.press('\t')?,
            Key::ArrowLeft => session.press('←')?,
            Key::ArrowRight => session.press('→')?,
            Key::ArrowUp => session.press('↑')?,
            Key::ArrowDown => session.press('↓')?,
            Key::CtrlC => {
                let message = "interrupted: the answers given are written, the same command goes on";
                return Err(Failure::new(ErrorCode::Cancelled, message));
            }
            _ => {}
        }
    }
    Ok(())
}
