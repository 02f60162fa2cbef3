//! `loquat label review`: the labels that the last training doubts.
//!
//! A decided row is written with all its columns, the label as decided, and a member `review`: the row's number, file
//! and line, the labels that it `was` given and those `suggested`. The source is never written.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use loquat_data::Entry;
use loquat_spec::ErrorCode;
use serde_json::{Map, Value, json};

use super::marks;
use super::subject::{self, Asks, Subject};
use crate::arguments::LabelReview;
use crate::context::{self, Context};
use crate::failure::Failure;
use crate::labelling::{self, Answers, Doubt, Form, Question, Session, SpanQuestion, SpanSession};
use crate::{output, table};

/// Member of a written row that says what was reviewed.
pub(super) const REVIEW: &str = "review";

/// Asks about doubtful labels; without a terminal, writes the rows that it would ask about.
pub(crate) fn run(context: &Context, arguments: &LabelReview) -> Result<u8, Failure> {
    let folder = context.folder(arguments.folder.as_deref());
    let resources = subject::load(context, folder)?;
    let subject = Subject::new(folder, &resources, arguments.training.as_deref())?;
    let run = context::run_folder(folder, subject.training.name.as_str());
    refuse_stale(context, &subject, &run)?;
    let doubts = labelling::doubts(&run.join("out-of-fold.jsonl"))?;
    let wanted: HashSet<usize> = doubts.iter().map(|doubt| doubt.row).collect();
    let mut entries: HashMap<usize, Entry> = HashMap::new();
    let mut kinds: BTreeSet<String> = BTreeSet::new();
    subject.entries(context, &arguments.output, &mut |entry| {
        kinds.extend(entry.labels.iter().flatten().cloned());
        if wanted.contains(&entry.number) {
            entries.insert(entry.number, entry);
        }
    })?;
    let mut answers = Answers::open(&arguments.output)?;
    let reviewed: HashSet<u64> =
        answers.before().iter().filter_map(|row| row.get(REVIEW)?.get("row")?.as_u64()).collect();
    let open = doubts.iter().filter(|doubt| !reviewed.contains(&(doubt.row as u64)));
    let open: Vec<(&Doubt, &Entry)> =
        open.filter_map(|doubt| Some((doubt, entries.get(&doubt.row)?))).collect();
    let file = arguments.output.display();
    if open.is_empty() {
        let reviewed = output::count(reviewed.len(), "row");
        output::answer(&format!("no label is left in doubt; {file} holds {reviewed}"))?;
        return Ok(0);
    }
    let ended = match &subject.asks {
        Asks::Labels(form) => {
            let questions: Vec<Question> =
                open.iter().map(|(doubt, entry)| question(doubt, entry, form)).collect();
            if !labelling::is_attended() {
                let rows = questions.iter().map(|question| form.row(&question.row, None));
                return list(&mut answers, rows, (arguments, &subject));
            }
            labelling::ask_all(Session::new(form.clone(), &questions, &mut answers))
        }
        Asks::Spans(marking) => {
            let questions: Vec<SpanQuestion> =
                open.iter().map(|(doubt, entry)| marks::in_doubt(doubt, entry, marking, &kinds)).collect();
            if !labelling::is_attended() {
                let rows = questions.iter().map(|question| marking.row(question, None));
                return list(&mut answers, rows, (arguments, &subject));
            }
            let colour = context.style.stderr;
            labelling::ask_all(SpanSession::new(marking.clone(), &questions, &mut answers, colour))
        }
    };
    let (tally, asked) = ended;
    output::answer(&format!(
        "{file}: {} with a new label, {} kept, {} skipped; the same command goes on\n\
         to use it: `loquat label apply {} --reviewed {file} -o NEW.jsonl` writes all rows with the labels decided",
        output::count(tally.labelled, "row"),
        tally.kept,
        tally.skipped,
        folder.display()
    ))?;
    asked.map(|()| 0)
}

/// Writes rows for another tool to decide.
fn list(
    answers: &mut Answers,
    rows: impl Iterator<Item = Map<String, Value>>,
    (arguments, subject): (&LabelReview, &Subject<'_>),
) -> Result<u8, Failure> {
    let written = answers.append_all(rows)?;
    let (file, column) = (arguments.output.display(), subject.asks.column());
    output::answer(&format!(
        "{file}: {} in doubt, to decide in column {column:?}",
        output::count(written, "row")
    ))?;
    Ok(0)
}

/// Rows are named by number, so the data must be those of the run.
fn refuse_stale(context: &Context, subject: &Subject<'_>, run: &Path) -> Result<(), Failure> {
    let remedy = format!("train with `loquat train {}` first", subject.folder.display());
    let Ok(text) = std::fs::read_to_string(run.join("report.json")) else {
        let message = format!("{} has no run that could doubt labels: {remedy}", subject.training.name);
        return Err(Failure::new(ErrorCode::NotFound, message));
    };
    let report: Value = serde_json::from_str(&text).map_err(|error| Failure::json(&error))?;
    let table = table::load(context, subject.folder, subject.dataset)?;
    if report["dataset"]["hash"] == table.hash.as_str() {
        return Ok(());
    }
    let message = format!("the data of {} changed since its last run: {remedy}", subject.training.name);
    Err(Failure::new(ErrorCode::Conflict, message))
}

/// The row with what is reviewed.
pub(super) fn with_review(entry: &Entry, was: Value, suggested: Value) -> Map<String, Value> {
    let mut row = entry.columns.clone();
    let review = json!({
        "row": entry.number, "file": entry.file, "line": entry.line, "was": was, "suggested": suggested,
    });
    row.insert(REVIEW.to_owned(), review);
    row
}

fn question(doubt: &Doubt, entry: &Entry, form: &Form) -> Question {
    let many = form.many;
    let suggested = doubt.suggested.clone().unwrap_or_default();
    let mut labels: Vec<(String, f32)> =
        doubt.probabilities.iter().map(|(label, probability)| (label.clone(), *probability)).collect();
    let unlisted = suggested.iter().chain(&doubt.labels).filter(|label| doubt.probability(label) == 0.0);
    labels.extend(unlisted.map(|label| (label.clone(), 0.0)));
    // What one label may be kept as has a key of its own; sets are made of all.
    labels.retain(|(label, _)| many || !doubt.labels.contains(label));
    let is_suggested = |label: &String| suggested.contains(label);
    labels.sort_by(|a, b| is_suggested(&b.0).cmp(&is_suggested(&a.0)).then(b.1.total_cmp(&a.1)));
    let shown = |labels: &[String]| match labels {
        [label] if !many => Value::from(label.as_str()),
        labels => Value::from(labels),
    };
    let row = with_review(entry, shown(&doubt.labels), shown(&suggested));
    Question { text: entry.text.clone(), labels, guess: suggested, given: Some(doubt.labels.clone()), row }
}
