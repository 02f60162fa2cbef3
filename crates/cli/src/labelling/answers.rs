//! The file of answers: jsonl, one row appended and flushed with each answer, the last of which can be taken back.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use loquat_spec::ErrorCode;
use serde_json::{Map, Value};

use crate::failure::Failure;

/// A file of rows that grows.
#[derive(Debug)]
pub(crate) struct Answers {
    path: PathBuf,
    file: File,
    /// Rows that it held when it was opened.
    before: Vec<Map<String, Value>>,
    /// Where each row appended since begins.
    starts: Vec<u64>,
}

impl Answers {
    /// Opens `path`, or makes it. A last line that was cut off, as by a killed process, is dropped.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::file("open", path, &error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        let text = std::io::read_to_string(&mut file).map_err(failed)?;
        let mut before = Vec::new();
        let mut sound = 0;
        for (number, line) in text.split_inclusive('\n').enumerate() {
            match serde_json::from_str(line) {
                Ok(row) => before.push(row),
                Err(_) if line.trim().is_empty() => {}
                Err(_) if !line.ends_with('\n') => break,
                Err(error) => return Err(foreign(path, number + 1, &error)),
            }
            sound += line.len();
        }
        file.set_len(sound as u64).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        if sound > 0 && !text[..sound].ends_with('\n') {
            file.write_all(b"\n").map_err(failed)?;
        }
        Ok(Self { path: path.to_owned(), file, before, starts: Vec::new() })
    }

    /// Rows that the file held when it was opened.
    pub(crate) fn before(&self) -> &[Map<String, Value>] {
        &self.before
    }

    /// Appends a row.
    pub(crate) fn append(&mut self, row: &Map<String, Value>) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(row).map_err(|error| Failure::json(&error))?;
        line.push(b'\n');
        let failed = |error: std::io::Error| Failure::file("write", &self.path, &error);
        self.starts.push(self.file.stream_position().map_err(failed)?);
        self.file.write_all(&line).and_then(|()| self.file.flush()).map_err(failed)
    }

    /// Writes all rows; gives their number.
    pub(crate) fn append_all(
        &mut self,
        rows: impl Iterator<Item = Map<String, Value>>,
    ) -> Result<usize, Failure> {
        let mut written = 0;
        for row in rows {
            self.append(&row)?;
            written += 1;
        }
        Ok(written)
    }

    /// Takes back the row appended last since the file was opened.
    pub(crate) fn take_back(&mut self) -> Result<(), Failure> {
        let Some(start) = self.starts.pop() else { return Ok(()) };
        let cut = self.file.set_len(start).and_then(|()| self.file.seek(SeekFrom::Start(start)));
        cut.map(|_| ()).map_err(|error| Failure::file("write", &self.path, &error))
    }
}

fn foreign(path: &Path, line: usize, error: &serde_json::Error) -> Failure {
    let message =
        format!("{}: line {line} is no row ({error}); mend it, or name another file with -o", path.display());
    Failure::new(ErrorCode::Invalid, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> Map<String, Value> {
        Map::from_iter([("text".to_owned(), Value::from(text))])
    }

    #[test]
    fn rows_are_appended_taken_back_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let mut answers = Answers::open(&path).unwrap();
        for text in ["one", "two", "three"] {
            answers.append(&row(text)).unwrap();
        }
        answers.take_back().unwrap();
        answers.append(&row("four")).unwrap();
        let text = "{\"text\":\"one\"}\n{\"text\":\"two\"}\n{\"text\":\"four\"}\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);

        let mut again = Answers::open(&path).unwrap();
        assert_eq!(again.before(), [row("one"), row("two"), row("four")]);
        again.take_back().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "rows of another session stay");
    }

    #[test]
    fn a_line_cut_off_is_dropped_and_one_without_a_line_end_kept() {
        struct Case {
            found: &'static str,
            left: &'static str,
        }
        let cases = [
            Case {
                found: "{\"text\":\"one\"}\n{\"text\":\"tw",
                left: "{\"text\":\"one\"}\n{\"text\":\"new\"}\n",
            },
            Case { found: "{\"text\":\"one\"}", left: "{\"text\":\"one\"}\n{\"text\":\"new\"}\n" },
            Case { found: "", left: "{\"text\":\"new\"}\n" },
        ];
        for Case { found, left } in cases {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.jsonl");
            std::fs::write(&path, found).unwrap();
            Answers::open(&path).unwrap().append(&row("new")).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), left);
        }
    }

    #[test]
    fn a_file_of_something_else_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        std::fs::write(&path, "# notes\nmore\n").unwrap();
        let failure = Answers::open(&path).unwrap_err();
        assert!(failure.text().unwrap().contains("line 1 is no row"), "{failure:?}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "# notes\nmore\n");
    }
}
