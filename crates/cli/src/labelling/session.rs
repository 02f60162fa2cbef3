//! Questions asked one after the other, and what each key does to them; knows no terminal.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Answers, Asked};
use crate::failure::Failure;

/// Keys that choose a label, in the order in which labels are shown; the letters left out do something else.
const CHOICES: &str = "123456789abcdefghijlmnoprtvwxyz";

/// How answers are written.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    /// Column of the label or labels.
    pub(crate) column: String,
    /// Whether a text has a set of labels.
    pub(crate) many: bool,
}

impl Form {
    /// The row with these labels; `None`: not labelled yet.
    pub(crate) fn row(&self, row: &Map<String, Value>, labels: Option<&[String]>) -> Map<String, Value> {
        let mut row = row.clone();
        let value = match labels {
            None => Value::Null,
            Some(labels) if self.many => Value::from(labels),
            Some(labels) => labels.first().map_or(Value::Null, |label| Value::from(label.as_str())),
        };
        row.insert(self.column.clone(), value);
        row
    }
}

/// A row to be labelled.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// What is shown.
    pub(crate) text: String,
    /// Labels to choose from with the model's probabilities, the likeliest first.
    pub(crate) labels: Vec<(String, f32)>,
    /// What is taken unless another choice is made.
    pub(crate) guess: Vec<String>,
    /// The labels that it has, where they are in doubt.
    pub(crate) given: Option<Vec<String>>,
    /// The row that the answer is written into.
    pub(crate) row: Map<String, Value>,
}

/// What became of the questions of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    /// Rows written with a label that they did not have.
    pub(crate) labelled: usize,
    /// Rows written with the label that they had.
    pub(crate) kept: usize,
    /// Rows passed over.
    pub(crate) skipped: usize,
}

/// What was done with a question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Past {
    Labelled,
    Kept,
    Skipped,
}

impl Tally {
    /// Counts what was done.
    pub(super) fn of(past: &[Past]) -> Self {
        let count = |what: Past| past.iter().filter(|past| **past == what).count();
        Self { labelled: count(Past::Labelled), kept: count(Past::Kept), skipped: count(Past::Skipped) }
    }
}

/// Questions, and how far they are answered.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    form: Form,
    questions: &'a [Question],
    answers: &'a mut Answers,
    past: Vec<Past>,
    ticked: BTreeSet<String>,
    page: usize,
    has_quit: bool,
}

impl<'a> Session<'a> {
    /// Starts with the first question; answers are appended as they are given.
    pub(crate) fn new(form: Form, questions: &'a [Question], answers: &'a mut Answers) -> Self {
        let mut session = Self {
            form,
            questions,
            answers,
            past: Vec::new(),
            ticked: BTreeSet::new(),
            page: 0,
            has_quit: false,
        };
        session.enter();
        session
    }

    /// The question that waits for a key; `None` at the end.
    fn question(&self) -> Option<&'a Question> {
        self.questions.get(self.past.len()).filter(|_| !self.has_quit)
    }

    fn choose(&mut self, label: &str) -> Result<(), Failure> {
        if !self.form.many {
            return self.answer(&[label.to_owned()]);
        }
        if !self.ticked.remove(label) {
            self.ticked.insert(label.to_owned());
        }
        Ok(())
    }

    fn answer(&mut self, labels: &[String]) -> Result<(), Failure> {
        let Some(question) = self.question() else { return Ok(()) };
        self.answers.append(&self.form.row(&question.row, Some(labels)))?;
        let is_kept = question.given.as_deref() == Some(labels);
        self.pass(if is_kept { Past::Kept } else { Past::Labelled });
        Ok(())
    }

    fn undo(&mut self) -> Result<(), Failure> {
        if let Some(Past::Labelled | Past::Kept) = self.past.pop() {
            self.answers.take_back()?;
        }
        self.enter();
        Ok(())
    }

    fn pass(&mut self, past: Past) {
        self.past.push(past);
        self.enter();
    }

    /// A question begins with its guess ticked and the likeliest labels shown.
    fn enter(&mut self) {
        self.page = 0;
        let guess = self.question().map(|question| question.guess.iter().cloned());
        self.ticked = guess.into_iter().flatten().collect();
    }
}

impl Asked for Session<'_> {
    fn screen(&self) -> Option<String> {
        let question = self.question()?;
        let mut lines = vec![
            String::new(),
            format!("{}/{}  {}", self.past.len() + 1, self.questions.len(), visible(&question.text)),
        ];
        if let Some(given) = &question.given {
            let given = if given.is_empty() { "no label".to_owned() } else { given.join(", ") };
            lines.push(format!("  k  keep {given}"));
        }
        let shown = question.labels.iter().skip(self.page * CHOICES.len());
        for (key, (label, probability)) in CHOICES.chars().zip(shown) {
            let tick = match (self.form.many, self.ticked.contains(label)) {
                (false, _) => "",
                (true, true) => "[x] ",
                (true, false) => "[ ] ",
            };
            lines.push(format!("  {key}  {tick}{label}  {:.0} %", 100.0 * probability));
        }
        let more = if question.labels.len() > CHOICES.len() { "space more labels, " } else { "" };
        let enter = if self.form.many { "enter take what is ticked" } else { "enter take the first" };
        lines.push(format!("  {enter}, {more}s skip, u undo, q quit"));
        Some(lines.join("\n"))
    }

    /// Does what a key says; a line end takes what is ticked, or the guess. Keys without a meaning do nothing.
    fn press(&mut self, key: char) -> Result<(), Failure> {
        let Some(question) = self.question() else { return Ok(()) };
        match key {
            'q' => self.has_quit = true,
            's' => self.pass(Past::Skipped),
            'u' => self.undo()?,
            'k' => {
                if let Some(given) = &question.given {
                    self.answer(given)?;
                }
            }
            ' ' => self.page = (self.page + 1) % question.labels.len().div_ceil(CHOICES.len()).max(1),
            '\n' if self.form.many => self.answer(&Vec::from_iter(self.ticked.clone()))?,
            '\n' => self.answer(&question.guess)?,
            _ => {
                let place = CHOICES.find(key).map(|place| self.page * CHOICES.len() + place);
                if let Some((label, _)) = place.and_then(|place| question.labels.get(place)) {
                    self.choose(label)?;
                }
            }
        }
        Ok(())
    }

    fn tally(&self) -> Tally {
        Tally::of(&self.past)
    }
}

/// A text without what would move the cursor or colour the terminal.
pub(super) fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn question(text: &str, names: &[&str], given: Option<&[&str]>) -> Question {
        Question {
            text: text.to_owned(),
            labels: names.iter().map(|name| ((*name).to_owned(), 0.5)).collect(),
            guess: labels(&names[..1]),
            given: given.map(labels),
            row: Map::from_iter([("body".to_owned(), Value::from(text))]),
        }
    }

    /// What the file holds after keys, each row as `text=label`, and the tally.
    fn after(many: bool, questions: &[Question], keys: &str) -> (Vec<String>, Tally) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let mut answers = Answers::open(&path).unwrap();
        let form = Form { column: "intent".to_owned(), many };
        let mut session = Session::new(form, questions, &mut answers);
        keys.chars().for_each(|key| session.press(key).unwrap());
        let tally = session.tally();
        let text = std::fs::read_to_string(&path).unwrap();
        let rows = text.lines().map(|line| {
            let row: Value = serde_json::from_str(line).unwrap();
            format!("{}={}", row["body"].as_str().unwrap(), row["intent"])
        });
        (rows.collect(), tally)
    }

    #[test]
    fn keys_choose_skip_undo_and_quit() {
        struct Case {
            keys: &'static str,
            rows: &'static [&'static str],
            tally: (usize, usize, usize),
        }
        let cases = [
            Case { keys: "12\n", rows: &["x=\"a\"", "y=\"b\"", "z=\"a\""], tally: (3, 0, 0) },
            Case { keys: "1s2", rows: &["x=\"a\"", "z=\"b\""], tally: (2, 0, 1) },
            Case { keys: "1uu2", rows: &["x=\"b\""], tally: (1, 0, 0) },
            Case { keys: "1su1", rows: &["x=\"a\"", "y=\"a\""], tally: (2, 0, 0) },
            Case { keys: "1q2", rows: &["x=\"a\""], tally: (1, 0, 0) },
            Case { keys: "9k Z", rows: &[], tally: (0, 0, 0) },
            Case { keys: "1111", rows: &["x=\"a\"", "y=\"a\"", "z=\"a\""], tally: (3, 0, 0) },
        ];
        let questions: Vec<Question> = ["x", "y", "z"].map(|text| question(text, &["a", "b"], None)).to_vec();
        for Case { keys, rows, tally } in cases {
            let (found, counted) = after(false, &questions, keys);
            assert_eq!(found, rows, "{keys}");
            assert_eq!((counted.labelled, counted.kept, counted.skipped), tally, "{keys}");
        }
    }

    #[test]
    fn a_label_in_doubt_is_kept_or_replaced() {
        let questions = [question("x", &["a", "b"], Some(&["c"])), question("y", &["a"], Some(&["c"]))];
        let (rows, tally) = after(false, &questions, "k1");
        assert_eq!(rows, ["x=\"c\"", "y=\"a\""]);
        assert_eq!(tally, Tally { labelled: 1, kept: 1, skipped: 0 });
    }

    #[test]
    fn sets_of_labels_are_ticked_and_taken_with_enter() {
        let questions = [question("x", &["a", "b", "c"], None), question("y", &["a"], None)];
        let (rows, _) = after(true, &questions, "2\n1\n");
        assert_eq!(rows, ["x=[\"a\",\"b\"]", "y=[]"]);
    }

    #[test]
    fn labels_beyond_the_keys_are_on_further_pages() {
        let names: Vec<String> = (0..40).map(|n| format!("l{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let questions = [question("x", &names, None)];
        let place = CHOICES.len() + 1;
        assert_eq!(after(false, &questions, " 2").0, [format!("x=\"l{place}\"")]);
        assert_eq!(after(false, &questions, "  2").0, ["x=\"l1\""], "the pages go round");
    }

    #[test]
    fn the_screen_shows_the_keys_and_no_control_characters() {
        let questions = [question("x\u{1b}[2J", &["a", "b"], Some(&["c"]))];
        let folder = tempfile::tempdir().unwrap();
        let mut answers = Answers::open(&folder.path().join("a.jsonl")).unwrap();
        let form = Form { column: "intent".to_owned(), many: false };
        let session = Session::new(form, &questions, &mut answers);
        let screen = session.screen().unwrap();
        assert!(screen.contains("1/1  x [2J\n  k  keep c\n  1  a  50 %\n  2  b  50 %\n"), "{screen}");
        assert!(!screen.contains('\u{1b}'));
    }
}
