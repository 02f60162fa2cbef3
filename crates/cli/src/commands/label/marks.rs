//! Questions about the spans of rows.

use std::collections::BTreeSet;
use std::ops::Range;

use loquat_data::{Entry, Input};
use loquat_infer::Pipeline;
use loquat_spec::{PredictParameters, Prediction};
use serde_json::Value;

use super::review::with_review;
use super::subject::input_of;
use crate::context::Context;
use crate::failure::Failure;
use crate::labelling::{Doubt, Mark, Marking, SpanQuestion};

/// Questions about rows without spans, which begin with those that the model answers.
pub(super) fn unlabelled(
    context: &Context,
    pipeline: &Pipeline,
    entries: &[&Entry],
    of_data: &BTreeSet<String>,
) -> Result<Vec<SpanQuestion>, Failure> {
    let inputs: Vec<_> = entries.iter().map(|entry| input_of(entry)).collect();
    let found = pipeline.predict(&inputs, &PredictParameters::default(), context.threads())?;
    let kind = |label: &String| match label.split_once('-') {
        _ if label == "O" => None,
        Some(("B" | "I", kind)) => Some(kind.to_owned()),
        _ => Some(label.clone()),
    };
    let kinds: BTreeSet<String> =
        pipeline.labels().iter().filter_map(kind).chain(of_data.iter().cloned()).collect();
    let question = |(entry, prediction): (&&Entry, Prediction)| {
        let entities = match prediction {
            Prediction::Entities { entities } => entities,
            _ => Vec::new(),
        };
        let spans = entities.iter().map(|entity| (entity.label.as_str(), entity.start..entity.end));
        let units = units_of(entry);
        let guess = SpanQuestion::marks(&units, spans);
        let (text, row) = (entry.text.clone(), entry.columns.clone());
        SpanQuestion { text, units, kinds: kinds.iter().cloned().collect(), guess, given: None, row }
    };
    Ok(entries.iter().zip(found).map(question).collect())
}

/// A question about a row whose spans are in doubt, which begins with those suggested.
pub(super) fn in_doubt(
    doubt: &Doubt,
    entry: &Entry,
    marking: &Marking,
    kinds: &BTreeSet<String>,
) -> SpanQuestion {
    let units = units_of(entry);
    let spans = doubt.spans.iter().map(|span| (span.label.as_str(), span.start..span.end));
    let mut question = SpanQuestion {
        text: entry.text.clone(),
        guess: SpanQuestion::marks(&units, spans),
        given: Some(given(entry, &units)),
        units,
        kinds: kinds.iter().cloned().collect(),
        row: entry.columns.clone(),
    };
    let was = entry.columns.get(&marking.column).cloned().unwrap_or(Value::Null);
    let suggested = marking.row(&question, Some(&question.guess)).remove(&marking.column).unwrap_or_default();
    question.row = with_review(entry, was, suggested);
    question
}

/// Places of the tokens, or of the words of a text, in characters.
fn units_of(entry: &Entry) -> Vec<Range<usize>> {
    let Input::Tokens { tokens, .. } = &entry.input else { return loquat_text::words(&entry.text) };
    let mut start = 0;
    let mut unit = |token: &String| {
        let unit = start..start + token.chars().count();
        start = unit.end + 1;
        unit
    };
    tokens.iter().map(&mut unit).collect()
}

/// The spans that a row has. A span of tags begins with `B-`, and with an `I-` that has nothing of its kind before it.
fn given(entry: &Entry, units: &[Range<usize>]) -> Vec<Mark> {
    match &entry.input {
        Input::Spans { spans, .. } => {
            let spans = spans.iter().map(|span| (span.label.as_str(), span.start..span.end));
            SpanQuestion::marks(units, spans)
        }
        Input::Tokens { tags, .. } => {
            let mut marks: Vec<Mark> = Vec::new();
            for (place, tag) in tags.iter().enumerate() {
                let Some((prefix, kind)) = tag.split_once('-') else { continue };
                let goes_on =
                    |mark: &&mut Mark| prefix == "I" && mark.units.end == place && mark.kind == kind;
                match marks.last_mut().filter(goes_on) {
                    Some(mark) => mark.units.end = place + 1,
                    None => marks.push(Mark { kind: kind.to_owned(), units: place..place + 1 }),
                }
            }
            marks
        }
        Input::Text(_) | Input::Pair { .. } | Input::Alike { .. } => Vec::new(),
    }
}
