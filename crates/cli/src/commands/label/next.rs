//! `loquat label next`: the rows without a label that are worth one.

use std::collections::{BTreeSet, HashSet};

use loquat_data::{Entry, Part, text_key};
use loquat_infer::Pipeline;
use loquat_spec::{ErrorCode, ModelReference};
use serde_json::{Map, Value};

use super::subject::{self, Subject};
use crate::arguments::LabelNext;
use crate::context::Context;
use crate::failure::Failure;
use crate::labelling::{self, Answers, Question, Selection, Session};
use crate::{output, stores};

/// The alias that a bare name means.
const CHAMPION: &str = "champion";
/// So many of the rows that the model is least sure of are looked at for each row wanted.
const SHORTLIST: usize = 20;
/// At least so many are looked at.
const LEAST_SHORTLIST: usize = 1000;

/// Asks for labels; without a terminal, writes the rows that it would ask about.
pub(crate) fn run(context: &Context, arguments: &LabelNext) -> Result<u8, Failure> {
    let folder = context.folder(arguments.folder.as_deref());
    let resources = subject::load(context, folder)?;
    let subject = Subject::new(folder, &resources, arguments.training.as_deref())?;
    let pipeline = champion(context, &subject)?;
    let mut pool = Pool::default();
    subject.entries(context, &arguments.output, &mut |entry| pool.add(entry))?;
    let mut answers = Answers::open(&arguments.output)?;
    let column = subject.dataset.columns.get("text").unwrap_or("text");
    let before: Vec<String> = answers.before().iter().filter_map(|row| text(row, column)).collect();
    let rows = pool.unasked(&before);
    let wanted = arguments.number.get().saturating_sub(answers.before().len());
    let questions =
        Chooser { context, pipeline: &pipeline, labels: pool.labels }.choose(rows, &before, wanted)?;

    let file = arguments.output.display();
    if questions.is_empty() {
        let reason = match wanted {
            0 => "ask for more with -n",
            _ => "no row of the training part is left without a label (absent, null or empty)",
        };
        let held = output::count(answers.before().len(), "row");
        output::answer(&format!("{file} holds {held} already: {reason}"))?;
        return Ok(0);
    }
    if !labelling::is_attended() {
        for question in &questions {
            answers.append(&subject.form.row(&question.row, None))?;
        }
        let written = output::count(questions.len(), "row");
        output::answer(&format!("{file}: {written} to label in column {:?}", subject.form.column))?;
        return Ok(0);
    }
    let mut session = Session::new(subject.form.clone(), &questions, &mut answers);
    let asked = labelling::ask(&mut session);
    let tally = session.tally();
    output::answer(&format!(
        "{file}: {} labelled, {} skipped; the same command goes on\nto use it: add {file} to the source of Dataset {}",
        output::count(tally.labelled, "row"),
        tally.skipped,
        subject.dataset.name
    ))?;
    asked.map(|()| 0)
}

fn champion(context: &Context, subject: &Subject<'_>) -> Result<Pipeline, Failure> {
    let store = stores::of_folder(context, subject.folder)?;
    let name = &subject.training.name;
    let reference: ModelReference = name.as_str().parse()?;
    if !store.names()?.contains(name) || !store.aliases(name)?.contains_key(CHAMPION) {
        let remedy = format!("label some rows and train it with `loquat train {}`", subject.folder.display());
        let message = format!("{name} has no champion that could say what it is unsure of: {remedy}");
        return Err(Failure::new(ErrorCode::NotFound, message));
    }
    Ok(Pipeline::from_store_on(&store, &reference, context.compute()?)?)
}

fn text(row: &Map<String, Value>, column: &str) -> Option<String> {
    row.get(column).and_then(Value::as_str).map(str::to_owned)
}

/// The rows without a label, and what the others tell.
#[derive(Debug, Default)]
struct Pool {
    rows: Vec<Entry>,
    labels: BTreeSet<String>,
    labelled: HashSet<u64>,
}

impl Pool {
    /// Only the training part is chosen from: rows chosen for being hard would make a test an unfair one.
    fn add(&mut self, entry: Entry) {
        match entry.labels {
            Some(labels) => {
                self.labels.extend(labels);
                self.labelled.insert(entry.key);
            }
            None if entry.part == Part::Train => self.rows.push(entry),
            None => {}
        }
    }

    /// Rows whose text is neither labelled nor among those before, each text once.
    fn unasked(&mut self, before: &[String]) -> Vec<Entry> {
        let mut known = std::mem::take(&mut self.labelled);
        known.extend(before.iter().map(|text| text_key(text)));
        std::mem::take(&mut self.rows).into_iter().filter(|entry| known.insert(entry.key)).collect()
    }
}

/// Makes questions of rows.
struct Chooser<'a> {
    context: &'a Context,
    pipeline: &'a Pipeline,
    /// Labels of the data, of which the model may not know all.
    labels: BTreeSet<String>,
}

impl Chooser<'_> {
    fn choose(&self, rows: Vec<Entry>, before: &[String], wanted: usize) -> Result<Vec<Question>, Failure> {
        let texts: Vec<&str> = rows.iter().map(|entry| entry.text.as_str()).collect();
        let probabilities = self.pipeline.probabilities(&texts, self.context.threads())?;
        let thresholds = self.pipeline.manifest().thresholds.as_deref();
        let unsure = |row: &Vec<f32>| match thresholds {
            Some(thresholds) => labelling::nearness(row, thresholds),
            None => labelling::margin(row),
        };
        let unsure: Vec<(&str, f32)> = texts.iter().copied().zip(probabilities.iter().map(unsure)).collect();
        let mut selection = Selection::new(&unsure, (SHORTLIST * wanted).max(LEAST_SHORTLIST));
        before.iter().for_each(|text| selection.took(text));
        let taken = std::iter::from_fn(|| selection.take()).take(wanted);
        Ok(taken.map(|row| self.question(&rows[row], &probabilities[row])).collect())
    }

    fn question(&self, entry: &Entry, probabilities: &[f32]) -> Question {
        let known = self.pipeline.labels();
        let mut labels: Vec<(String, f32)> =
            known.iter().cloned().zip(probabilities.iter().copied()).collect();
        labels.extend(
            self.labels.iter().filter(|label| !known.contains(label)).map(|label| (label.clone(), 0.0)),
        );
        labels.sort_by(|a, b| b.1.total_cmp(&a.1));
        let guess = match &self.pipeline.manifest().thresholds {
            None => labels.iter().take(1).map(|(label, _)| label.clone()).collect(),
            Some(thresholds) => {
                let scores = known.iter().zip(probabilities.iter().zip(thresholds));
                let reached = scores.filter(|(_, (probability, threshold))| probability >= threshold);
                reached.map(|(label, _)| label.clone()).collect()
            }
        };
        Question { text: entry.text.clone(), labels, guess, given: None, row: entry.columns.clone() }
    }
}
