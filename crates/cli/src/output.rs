//! Standard output for answers, standard error for everything else, and colours for both.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use crate::failure::Failure;

/// Colours that the command line uses.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Colour {
    /// Errors.
    Red,
    /// Warnings.
    Yellow,
    /// What went well.
    Green,
    /// Names and headings.
    Bold,
    /// What may be skipped.
    Dim,
}

/// Whether each stream takes colours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// Standard output.
    pub(crate) stdout: bool,
    /// Standard error.
    pub(crate) stderr: bool,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColourChoice {
    /// On terminals, unless `NO_COLOR` is set.
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

impl Style {
    /// Decides from the choice, `NO_COLOR` and what the streams are.
    #[expect(clippy::disallowed_methods, reason = "the cli is where the environment is read")]
    pub(crate) fn new(choice: ColourChoice) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        match choice {
            ColourChoice::Always => Self { stdout: true, stderr: true },
            ColourChoice::Never => Self { stdout: false, stderr: false },
            ColourChoice::Auto => Self {
                stdout: wanted && io::stdout().is_terminal(),
                stderr: wanted && io::stderr().is_terminal(),
            },
        }
    }
}

/// `text` in a colour, or as it is.
pub(crate) fn paint(text: &str, colour: Colour, enabled: bool) -> String {
    if !enabled {
        return text.to_owned();
    }
    let code = match colour {
        Colour::Red => "31;1",
        Colour::Yellow => "33;1",
        Colour::Green => "32;1",
        Colour::Bold => "1",
        Colour::Dim => "2",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// Writes a line to standard error. A closed standard error leaves nobody to tell, so its failure is dropped.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes `text` to standard output, with a line end when it has none.
pub(crate) fn answer(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

/// Where an answer goes: a file when one is named, else standard output; buffered.
pub(crate) fn destination(path: Option<&Path>) -> Result<Box<dyn Write>, Failure> {
    match path {
        Some(path) => {
            let file = File::create(path).map_err(|error| Failure::file("write", path, &error))?;
            Ok(Box::new(BufWriter::with_capacity(1 << 16, file)))
        }
        None => Ok(Box::new(BufWriter::with_capacity(1 << 16, io::stdout()))),
    }
}

/// Writes a whole text to the file, or to standard output when none is named.
pub(crate) fn write_whole(path: Option<&Path>, text: &str) -> Result<(), Failure> {
    match path {
        Some(path) => {
            std::fs::write(path, with_line_end(text)).map_err(|error| Failure::file("write", path, &error))
        }
        None => answer(text),
    }
}

/// Rows as columns, each as wide as its widest cell, two blanks apart.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A value as indented JSON.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map_err(|error| Failure::json(&error))
}

fn with_line_end(text: &str) -> String {
    if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

/// `1 row`, `2 rows`, with thousands separated.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(number))
}

/// `1,234,567`.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `3.1 MB`, in powers of ten as in resources.
pub(crate) fn bytes(number: u64) -> String {
    let value = number as f64;
    match number {
        0..1_000 => format!("{number} B"),
        1_000..1_000_000 => format!("{:.1} kB", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", value / 1e6),
        _ => format!("{:.1} GB", value / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separates_thousands() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_000), "1,000");
        assert_eq!(count(1, "row"), "1 row");
        assert_eq!(count(1_234_567, "row"), "1,234,567 rows");
    }

    #[test]
    fn writes_sizes_in_powers_of_ten() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(3_100_000), "3.1 MB");
    }

    #[test]
    fn paints_only_when_enabled() {
        assert_eq!(paint("x", Colour::Red, false), "x");
        assert_eq!(paint("x", Colour::Bold, true), "\u{1b}[1mx\u{1b}[0m");
    }
}
