//! CoNLL files: token and tag a line, a blank line between sentences.
//!
//! Columns are parted by tabs, or by white space in lines without a tab; with more than two, the first is the token
//! and the last the tag, as in CoNLL-2003. Lines that begin with `# ` are comments; `# key = value` before a
//! sentence gives it a column.

use serde_json::{Map, Value};

use crate::lines::{self, Lines};
use crate::{DataError, Fault};

/// A reader of sentences.
pub(crate) struct Conll {
    lines: Lines,
    ended: bool,
}

impl Conll {
    /// A reader of the sentences in `lines`.
    pub(crate) fn new(lines: Lines) -> Self {
        Self { lines, ended: false }
    }

    /// The next sentence's first line and its lines, parted by line feeds.
    pub(crate) fn next(&mut self) -> Option<Result<(u64, Vec<u8>), DataError>> {
        let mut block = Vec::new();
        let mut first = None;
        while !self.ended {
            let start = block.len();
            match self.lines.read(&mut block) {
                Ok(Some(line)) => {
                    lines::trim_return(&mut block);
                    if is_blank(&block[start..]) {
                        block.truncate(start);
                        if first.is_some() {
                            break;
                        }
                        continue;
                    }
                    first.get_or_insert(line);
                    if block.len() > self.lines.limit() {
                        let (file, limit) = (self.lines.file().to_owned(), self.lines.limit());
                        return Some(Err(DataError::LineTooLong { file, line, limit }));
                    }
                    block.push(b'\n');
                }
                Ok(None) => self.ended = true,
                Err(error) => {
                    self.skip_sentence();
                    return Some(Err(error));
                }
            }
        }
        first.map(|line| Ok((line, block)))
    }

    /// Passes over the rest of a sentence that can't be read whole, so that no torso passes for a sentence.
    fn skip_sentence(&mut self) {
        let mut line = Vec::new();
        loop {
            line.clear();
            match self.lines.read(&mut line) {
                Ok(Some(_)) => {
                    lines::trim_return(&mut line);
                    if is_blank(&line) {
                        return;
                    }
                }
                Ok(None) => {
                    self.ended = true;
                    return;
                }
                Err(error) if error.ends_file() => {
                    self.ended = true;
                    return;
                }
                Err(_) => {}
            }
        }
    }
}

fn is_blank(line: &[u8]) -> bool {
    // A line that holds a tab is a token line, however empty it looks.
    line.iter().all(|byte| *byte == b' ')
}

/// The sentence as an object with `tokens` and, where the lines have them, `tags`. `None` for a block of comments or
/// a document mark only.
pub(crate) fn object(block: &str, first: u64) -> Result<Option<Map<String, Value>>, (u64, Fault)> {
    let mut object = Map::new();
    let mut tokens = Vec::new();
    let mut tags = Vec::new();
    let mut untagged = None;
    for (number, line) in (first..).zip(block.lines()) {
        if is_comment(line, !tokens.is_empty()) {
            add_column(line, &mut object);
            continue;
        }
        let (token, tag) = token_and_tag(line);
        if token.is_empty() {
            return Err((number, Fault::MissingToken));
        }
        match tag {
            Some(tag) => tags.push(Value::from(tag)),
            None => {
                untagged.get_or_insert((number, token.to_owned()));
            }
        }
        tokens.push(Value::from(token));
    }
    if let Some((number, token)) = untagged
        && !tags.is_empty()
    {
        return Err((number, Fault::MissingTag(token)));
    }
    if tokens.is_empty() || tokens[0] == "-DOCSTART-" {
        return Ok(None);
    }
    object.insert("tokens".to_owned(), Value::Array(tokens));
    if !tags.is_empty() {
        object.insert("tags".to_owned(), Value::Array(tags));
    }
    Ok(Some(object))
}

/// Whether the line is a comment. Inside a sentence, `# O` is a token with its tag.
fn is_comment(line: &str, inside: bool) -> bool {
    let Some(rest) = line.strip_prefix("# ") else { return false };
    let token_line = rest == "O" || rest.starts_with("B-") || rest.starts_with("I-");
    !(line.contains('\t') || inside && token_line && !rest.contains(' '))
}

fn add_column(comment: &str, object: &mut Map<String, Value>) {
    if let Some((key, value)) = comment[2..].split_once('=') {
        let key = key.trim();
        if !matches!(key, "tokens" | "tags" | "") {
            object.insert(key.to_owned(), Value::from(value.trim()));
        }
    }
}

fn token_and_tag(line: &str) -> (&str, Option<&str>) {
    if line.contains('\t') {
        let line = line.trim_end();
        let token = line.split('\t').next().unwrap_or_default();
        let tag = line.rsplit_once('\t').map(|(_, tag)| tag.trim());
        return (token.trim_matches(' '), tag);
    }
    let mut columns = line.split(' ').filter(|column| !column.is_empty());
    (columns.next().unwrap_or_default(), columns.next_back())
}
