//! Questions about the spans of a text, asked one after the other: which there are, of which kinds; knows no terminal.

use std::ops::Range;

use serde_json::{Map, Value, json};

use super::session::{Past, visible};
use super::{Answers, Asked, Tally};
use crate::failure::Failure;

/// Keys that give the chosen span a kind, in the order in which kinds are shown; the letters left out do something else.
const KINDS: &str = "123456789bcdefgijmortvwyz";

/// A span of units: words of a text, or the tokens of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Its kind.
    pub(crate) kind: String,
    /// The units in it.
    pub(crate) units: Range<usize>,
}

/// How spans are written.
#[derive(Debug, Clone)]
pub(crate) struct Marking {
    /// Column of the spans or tags.
    pub(crate) column: String,
    /// Whether rows have a BIO tag for each token, instead of spans of characters.
    pub(crate) tags: bool,
}

/// A row whose spans are to be marked.
#[derive(Debug, Clone)]
pub(crate) struct SpanQuestion {
    /// What is shown; of tokens, with blanks between them.
    pub(crate) text: String,
    /// Places of the units in it, in characters.
    pub(crate) units: Vec<Range<usize>>,
    /// Kinds to choose from.
    pub(crate) kinds: Vec<String>,
    /// The spans to begin with.
    pub(crate) guess: Vec<Mark>,
    /// The spans that it has, where they are in doubt.
    pub(crate) given: Option<Vec<Mark>>,
    /// The row that the answer is written into.
    pub(crate) row: Map<String, Value>,
}

impl SpanQuestion {
    /// Spans of characters as marks: each takes the units that it touches, of two that share one the first has it.
    pub(crate) fn marks<'s>(
        units: &[Range<usize>],
        spans: impl Iterator<Item = (&'s str, Range<usize>)>,
    ) -> Vec<Mark> {
        let mut marks: Vec<Mark> = Vec::new();
        for (kind, place) in spans {
            let first = units.partition_point(|unit| unit.end <= place.start);
            let end = units.partition_point(|unit| unit.start < place.end);
            let first = first.max(marks.last().map_or(0, |mark| mark.units.end));
            if first < end {
                marks.push(Mark { kind: kind.to_owned(), units: first..end });
            }
        }
        marks
    }
}

impl Marking {
    /// The row with these spans; `None`: not labelled yet.
    pub(crate) fn row(&self, question: &SpanQuestion, marks: Option<&[Mark]>) -> Map<String, Value> {
        let value = match marks {
            None => Value::Null,
            Some(marks) if self.tags => tags(marks, question.units.len()),
            Some(marks) => marks.iter().map(|mark| span(mark, &question.units)).collect(),
        };
        let mut row = question.row.clone();
        row.insert(self.column.clone(), value);
        row
    }
}

fn span(mark: &Mark, units: &[Range<usize>]) -> Value {
    json!({
        "start": units[mark.units.start].start, "end": units[mark.units.end - 1].end, "label": mark.kind,
    })
}

/// A BIO tag for each token.
fn tags(marks: &[Mark], count: usize) -> Value {
    let mut tags = vec!["O".to_owned(); count];
    for mark in marks {
        for unit in mark.units.clone() {
            let prefix = if unit == mark.units.start { "B" } else { "I" };
            tags[unit] = format!("{prefix}-{}", mark.kind);
        }
    }
    tags.into()
}

/// Questions, and how far they are answered.
#[derive(Debug)]
pub(crate) struct SpanSession<'a> {
    marking: Marking,
    questions: &'a [SpanQuestion],
    answers: &'a mut Answers,
    past: Vec<Past>,
    /// The spans of the question that waits, in order.
    marks: Vec<Mark>,
    /// The one that keys change.
    chosen: usize,
    colour: bool,
    has_quit: bool,
}

impl<'a> SpanSession<'a> {
    /// Starts with the first question; answers are appended as they are given.
    pub(crate) fn new(
        marking: Marking,
        questions: &'a [SpanQuestion],
        answers: &'a mut Answers,
        colour: bool,
    ) -> Self {
        let (past, marks) = (Vec::new(), Vec::new());
        let mut session =
            Self { marking, questions, answers, past, marks, chosen: 0, colour, has_quit: false };
        session.enter();
        session
    }

    fn question(&self) -> Option<&'a SpanQuestion> {
        self.questions.get(self.past.len()).filter(|_| !self.has_quit)
    }

    fn answer(&mut self, question: &SpanQuestion) -> Result<(), Failure> {
        let is_kept = question.given.as_ref() == Some(&self.marks);
        // Spans that are kept are written as they stand, be they cut as they may.
        let row = if is_kept { question.row.clone() } else { self.marking.row(question, Some(&self.marks)) };
        self.answers.append(&row)?;
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

    /// A question begins with its guess, the first span of which is chosen.
    fn enter(&mut self) {
        self.marks = self.question().map(|question| question.guess.clone()).unwrap_or_default();
        self.chosen = 0;
    }

    /// Moves the ends of the chosen span, unless that leaves the text, takes another span's unit, or leaves none.
    fn stretch(&mut self, start: isize, end: isize, count: usize) {
        let Some(mark) = self.marks.get(self.chosen) else { return };
        let moved = |place: usize, by: isize| place.checked_add_signed(by);
        let (Some(start), Some(end)) = (moved(mark.units.start, start), moved(mark.units.end, end)) else {
            return;
        };
        let before = self.chosen.checked_sub(1).map_or(0, |place| self.marks[place].units.end);
        let after = self.marks.get(self.chosen + 1).map_or(count, |mark| mark.units.start);
        if before <= start && start < end && end <= after {
            self.marks[self.chosen].units = start..end;
        }
    }

    /// Adds a span of one unit at the first free one behind the chosen span, else the first free of all.
    fn add(&mut self, question: &SpanQuestion) {
        let is_free = |unit: &usize| !self.marks.iter().any(|mark| mark.units.contains(unit));
        let behind = self.marks.get(self.chosen).map_or(0, |mark| mark.units.end);
        let count = question.units.len();
        let Some(unit) = (behind..count).find(is_free).or_else(|| (0..behind).find(is_free)) else { return };
        let kind = self.marks.get(self.chosen).map(|mark| &mark.kind).or(question.kinds.first());
        let Some(kind) = kind.cloned() else { return };
        self.chosen = self.marks.partition_point(|mark| mark.units.start < unit);
        self.marks.insert(self.chosen, Mark { kind, units: unit..unit + 1 });
    }

    /// A text with its spans in brackets, each with its kind; the chosen one between arrows.
    fn shown(&self, question: &SpanQuestion, marks: &[Mark], chosen: Option<usize>) -> String {
        let characters: Vec<char> = visible(&question.text).chars().collect();
        let piece = |place: Range<usize>| characters[place].iter().collect::<String>();
        let (mut text, mut from) = (String::new(), 0);
        for (number, mark) in marks.iter().enumerate() {
            let place = question.units[mark.units.start].start..question.units[mark.units.end - 1].end;
            text.push_str(&piece(from..place.start));
            from = place.end;
            let words = format!("[{} {}]", piece(place), visible(&mark.kind));
            let words = if chosen == Some(number) { format!("»{words}«") } else { words };
            // Reverse for the one that keys change, underlined for the others.
            match (self.colour, chosen == Some(number)) {
                (true, true) => text.push_str(&format!("\u{1b}[7m{words}\u{1b}[0m")),
                (true, false) => text.push_str(&format!("\u{1b}[4m{words}\u{1b}[0m")),
                (false, _) => text.push_str(&words),
            }
        }
        text + &piece(from..characters.len())
    }
}

impl Asked for SpanSession<'_> {
    fn screen(&self) -> Option<String> {
        let question = self.question()?;
        let shown = self.shown(question, &self.marks, Some(self.chosen));
        let mut lines =
            vec![String::new(), format!("{}/{}  {shown}", self.past.len() + 1, self.questions.len())];
        if let Some(given) = &question.given {
            lines.push(format!("  k  keep {}", self.shown(question, given, None)));
        }
        let kinds = KINDS.chars().zip(&question.kinds).map(|(key, kind)| format!("{key} {}", visible(kind)));
        lines.push(format!("  {}", kinds.collect::<Vec<_>>().join("  ")));
        lines.push("  n p choose, a add, x delete, h l move, < > start, - + end".to_owned());
        lines.push("  enter take these, s skip, u undo, q quit".to_owned());
        Some(lines.join("\n"))
    }

    /// Does what a key says; a line end takes the spans as they are shown. Keys without a meaning do nothing.
    fn press(&mut self, key: char) -> Result<(), Failure> {
        let Some(question) = self.question() else { return Ok(()) };
        let (count, last) = (question.units.len(), self.marks.len().saturating_sub(1));
        match key {
            'q' => self.has_quit = true,
            's' => self.pass(Past::Skipped),
            'u' => self.undo()?,
            'k' => {
                if let Some(given) = &question.given {
                    self.marks.clone_from(given);
                    self.answer(question)?;
                }
            }
            '\n' => self.answer(question)?,
            'n' | '↓' | '\t' => self.chosen = if self.chosen < last { self.chosen + 1 } else { 0 },
            'p' | '↑' => self.chosen = self.chosen.checked_sub(1).unwrap_or(last),
            'a' => self.add(question),
            'x' => {
                if self.chosen < self.marks.len() {
                    self.marks.remove(self.chosen);
                }
                self.chosen = self.chosen.min(self.marks.len().saturating_sub(1));
            }
            'h' | '←' => self.stretch(-1, -1, count),
            'l' | '→' => self.stretch(1, 1, count),
            '<' => self.stretch(-1, 0, count),
            '>' => self.stretch(1, 0, count),
            '-' => self.stretch(0, -1, count),
            '+' => self.stretch(0, 1, count),
            _ => {
                let kind = KINDS.find(key).and_then(|place| question.kinds.get(place));
                if let (Some(kind), Some(mark)) = (kind, self.marks.get_mut(self.chosen)) {
                    mark.kind.clone_from(kind);
                }
            }
        }
        Ok(())
    }

    fn tally(&self) -> Tally {
        Tally::of(&self.past)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str) -> Vec<Range<usize>> {
        let mut start = 0;
        text.split(' ')
            .map(|word| {
                let unit = start..start + word.chars().count();
                start = unit.end + 1;
                unit
            })
            .collect()
    }

    fn mark(kind: &str, units: Range<usize>) -> Mark {
        Mark { kind: kind.to_owned(), units }
    }

    fn question(text: &str, guess: &[Mark], given: Option<&[Mark]>) -> SpanQuestion {
        let column = json!({ "tokens": text, "spans": "as they were" });
        SpanQuestion {
            text: text.to_owned(),
            units: units(text),
            kinds: vec!["city".to_owned(), "person".to_owned()],
            guess: guess.to_vec(),
            given: given.map(<[Mark]>::to_vec),
            row: column.as_object().unwrap().clone(),
        }
    }

    /// The column of each row written after keys, and the last screen.
    fn after(tags: bool, questions: &[SpanQuestion], keys: &str) -> (Vec<Value>, Option<String>, Tally) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let mut answers = Answers::open(&path).unwrap();
        let marking = Marking { column: "spans".to_owned(), tags };
        let mut session = SpanSession::new(marking, questions, &mut answers, false);
        keys.chars().for_each(|key| session.press(key).unwrap());
        let (screen, tally) = (session.screen(), session.tally());
        let text = std::fs::read_to_string(&path).unwrap();
        let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["spans"].clone());
        (rows.collect(), screen, tally)
    }

    #[test]
    fn keys_move_stretch_name_add_and_delete_spans() {
        struct Case {
            keys: &'static str,
            tags: [&'static str; 5],
        }
        let cases = [
            Case { keys: "", tags: ["B-person", "O", "O", "O", "B-city"] },
            Case { keys: "+", tags: ["B-person", "I-person", "O", "O", "B-city"] },
            Case { keys: "++++", tags: ["B-person", "I-person", "I-person", "I-person", "B-city"] },
            Case { keys: "+-", tags: ["B-person", "O", "O", "O", "B-city"] },
            Case { keys: "-h<", tags: ["B-person", "O", "O", "O", "B-city"] },
            Case { keys: "lll", tags: ["O", "O", "O", "B-person", "B-city"] },
            Case { keys: "l>+", tags: ["O", "B-person", "I-person", "O", "B-city"] },
            Case { keys: "1", tags: ["B-city", "O", "O", "O", "B-city"] },
            Case { keys: "n2", tags: ["B-person", "O", "O", "O", "B-person"] },
            Case { keys: "nn1", tags: ["B-city", "O", "O", "O", "B-city"] },
            Case { keys: "px", tags: ["B-person", "O", "O", "O", "O"] },
            Case { keys: "xxx", tags: ["O", "O", "O", "O", "O"] },
            Case { keys: "xxa", tags: ["B-city", "O", "O", "O", "O"] },
            Case { keys: "a→1", tags: ["B-person", "O", "B-city", "O", "B-city"] },
            Case { keys: "aaaaaa", tags: ["B-person", "B-person", "B-person", "B-person", "B-city"] },
        ];
        let questions =
            [question("Anna moved from near Lisbon", &[mark("person", 0..1), mark("city", 4..5)], None)];
        for Case { keys, tags } in cases {
            let (rows, ..) = after(true, &questions, &format!("{keys}\n"));
            assert_eq!(rows, [json!(tags)], "{keys}");
        }
    }

    #[test]
    fn spans_are_written_in_characters() {
        let questions = [question("Zoë saw Lisbon", &[mark("city", 2..3)], None)];
        let (rows, ..) = after(false, &questions, "h+\n");
        assert_eq!(rows, [json!([{ "start": 4, "end": 14, "label": "city" }])]);
    }

    #[test]
    fn doubtful_spans_are_kept_as_they_stand_or_replaced() {
        let given = [mark("city", 0..1)];
        let one = question("Anna sleeps", &[], Some(&given));
        let (rows, screen, tally) = after(false, &[one.clone(), one.clone(), one], "kau\ns");
        assert_eq!(rows, [json!([])]);
        assert_eq!(tally, Tally { labelled: 1, kept: 0, skipped: 1 }, "the kept one was taken back");
        let screen = screen.unwrap();
        assert!(
            screen.contains("3/3  Anna sleeps\n  k  keep [Anna city] sleeps\n  1 city  2 person\n"),
            "{screen}"
        );
        let (rows, ..) = after(false, &[question("Anna sleeps", &[], Some(&given))], "k");
        assert_eq!(rows, [json!("as they were")]);
    }

    #[test]
    fn the_screen_shows_spans_and_no_control_characters() {
        let questions = [question("a\u{1b}[2J b c", &[mark("city", 0..1), mark("person", 2..3)], None)];
        let screen = after(false, &questions, "n").1.unwrap();
        assert!(screen.contains("1/1  [a [2J city] b »[c person]«\n"), "{screen}");
        assert!(!screen.contains('\u{1b}') && screen.ends_with("q quit"), "{screen}");
    }

    #[test]
    fn spans_of_characters_take_the_units_that_they_touch() {
        let units = units("one two three four");
        let spans = [("a", 2..5), ("b", 4..9), ("c", 18..18), ("d", 14..18)];
        let marks = SpanQuestion::marks(&units, spans.into_iter());
        assert_eq!(marks, [mark("a", 0..2), mark("b", 2..3), mark("d", 3..4)]);
    }
}
