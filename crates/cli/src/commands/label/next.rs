//! `loquat label next`: the rows without a label that are worth one.

use std::collections::{BTreeSet, HashSet};

use loquat_data::{Entry, Part, text_key};
use loquat_infer::{Input, Pipeline};
use loquat_spec::{Dataset, ErrorCode, ModelReference, Task};
use serde_json::{Map, Value};

use super::marks;
use super::subject::{self, Asks, Subject};
use crate::arguments::LabelNext;
use crate::context::Context;
use crate::failure::Failure;
use crate::labelling::{self, Answers, Question, Selection, Session, SpanSession};
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
    let before: Vec<String> = answers.before().iter().filter_map(|row| shown(subject.dataset, row)).collect();
    let rows = pool.unasked(&before);
    let wanted = arguments.number.get().saturating_sub(answers.before().len());
    let chosen = choose(context, &pipeline, (&rows, &before), wanted)?;
    let file = arguments.output.display();
    if chosen.is_empty() {
        let reason = match wanted {
            0 => "ask for more with -n",
            _ => "no row of the training part is left without a label (absent, null or empty)",
        };
        let held = output::count(answers.before().len(), "row");
        output::answer(&format!("{file} holds {held} already: {reason}"))?;
        return Ok(0);
    }
    let ended = match &subject.asks {
        Asks::Labels(form) => {
            let question =
                |(row, scores): &(usize, Vec<f32>)| question(&pipeline, &pool.labels, &rows[*row], scores);
            let questions: Vec<Question> = chosen.iter().map(question).collect();
            if !labelling::is_attended() {
                let rows = questions.iter().map(|question| form.row(&question.row, None));
                return list(&mut answers, rows, (arguments, &subject));
            }
            labelling::ask_all(Session::new(form.clone(), &questions, &mut answers))
        }
        Asks::Spans(marking) => {
            let entries: Vec<&Entry> = chosen.iter().map(|(row, _)| &rows[*row]).collect();
            let questions = marks::unlabelled(context, &pipeline, &entries, &pool.labels)?;
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
        "{file}: {} labelled, {} skipped; the same command goes on\nto use it: add {file} to the source of Dataset {}",
        output::count(tally.labelled, "row"),
        tally.skipped,
        subject.dataset.name
    ))?;
    asked.map(|()| 0)
}

/// Writes rows for another tool to label.
fn list(
    answers: &mut Answers,
    rows: impl Iterator<Item = Map<String, Value>>,
    (arguments, subject): (&LabelNext, &Subject<'_>),
) -> Result<u8, Failure> {
    let written = answers.append_all(rows)?;
    let (file, column) = (arguments.output.display(), subject.asks.column());
    output::answer(&format!("{file}: {} to label in column {column:?}", output::count(written, "row")))?;
    Ok(0)
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

/// The text of a row that was written, as entries have theirs.
fn shown(dataset: &Dataset, row: &Map<String, Value>) -> Option<String> {
    let text = |role: &str| row.get(dataset.columns.get(role)?)?.as_str();
    if let (Some(premise), Some(hypothesis)) = (text("premise"), text("hypothesis")) {
        return Some(loquat_data::pair_text(premise, hypothesis));
    }
    if let Some(tokens) = dataset.columns.get("tokens").and_then(|column| row.get(column)?.as_array()) {
        let words: Vec<&str> = tokens.iter().filter_map(Value::as_str).collect();
        return Some(words.join(" "));
    }
    let column = dataset.columns.get("text").unwrap_or("text");
    row.get(column)?.as_str().map(str::to_owned)
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
        // Rows that were written are known by their texts alone.
        let written: HashSet<u64> = before.iter().map(|text| text_key(text)).collect();
        let mut is_new = |entry: &Entry| !written.contains(&text_key(&entry.text)) && known.insert(entry.key);
        std::mem::take(&mut self.rows).into_iter().filter(|entry| is_new(entry)).collect()
    }
}

/// The rows worth labelling, by their places, each with what the model says of it.
fn choose(
    context: &Context,
    pipeline: &Pipeline,
    (rows, before): (&[Entry], &[String]),
    wanted: usize,
) -> Result<Vec<(usize, Vec<f32>)>, Failure> {
    let inputs: Vec<Input> = rows.iter().map(subject::input_of).collect();
    let mut outputs = pipeline.outputs(&inputs, context.threads())?;
    let unsure: Vec<(&str, f32)> = rows
        .iter()
        .zip(&outputs)
        .map(|(entry, output)| (entry.text.as_str(), uncertainty(pipeline, output)))
        .collect();
    let mut selection = Selection::new(&unsure, (SHORTLIST * wanted).max(LEAST_SHORTLIST));
    before.iter().for_each(|text| selection.took(text));
    let taken = std::iter::from_fn(|| selection.take()).take(wanted);
    Ok(taken.map(|row| (row, std::mem::take(&mut outputs[row]))).collect())
}

/// How unsure the model is of a text; where it labels words, of the word that it is least sure of.
fn uncertainty(pipeline: &Pipeline, output: &[f32]) -> f32 {
    if pipeline.task() == Task::TokenClassification {
        let words = output.chunks_exact(pipeline.labels().len().max(1));
        return words.map(labelling::margin).fold(0.0, f32::max);
    }
    match pipeline.manifest().thresholds.as_deref() {
        Some(thresholds) => labelling::nearness(output, thresholds),
        None => labelling::margin(output),
    }
}

/// A question with the labels of the model and those of the data, of which the model may not know all.
fn question(
    pipeline: &Pipeline,
    of_data: &BTreeSet<String>,
    entry: &Entry,
    probabilities: &[f32],
) -> Question {
    let known = pipeline.labels();
    let mut labels: Vec<(String, f32)> = known.iter().cloned().zip(probabilities.iter().copied()).collect();
    labels.extend(of_data.iter().filter(|label| !known.contains(label)).map(|label| (label.clone(), 0.0)));
    labels.sort_by(|a, b| b.1.total_cmp(&a.1));
    let guess = match &pipeline.manifest().thresholds {
        None => labels.iter().take(1).map(|(label, _)| label.clone()).collect(),
        Some(thresholds) => {
            let scores = known.iter().zip(probabilities.iter().zip(thresholds));
            let reached = scores.filter(|(_, (probability, threshold))| probability >= threshold);
            reached.map(|(label, _)| label.clone()).collect()
        }
    };
    Question { text: entry.text.clone(), labels, guess, given: None, row: entry.columns.clone() }
}
