//! What is mended in a record by itself, whatever the other rows say.

use std::collections::BTreeMap;

use loquat_spec::CheckName;
use loquat_text::is_unspaced;
use serde_json::{Map, Value};

use crate::columns::{InputColumns, LabelColumn, Layout};
use crate::reader::{Raw, Record};
use crate::scan::{masked, mended};
use crate::{DataError, checks};

/// Which faults are mended, and how labels are written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mending {
    /// Spellings of labels that are replaced, and by which.
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) mojibake: bool,
    pub(crate) personal: bool,
    pub(crate) tags: bool,
    pub(crate) spans: bool,
}

/// One change of one value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    pub(crate) check: CheckName,
    /// The column, or none where bytes of the whole record changed.
    pub(crate) column: Option<String>,
    /// The values, which are left out where they are personal data.
    pub(crate) values: Option<(Value, Value)>,
}

impl Mending {
    /// Decodes a record with its faults mended, and adds to `changes` what was mended.
    pub(crate) fn decode(
        &self,
        mut raw: Raw,
        file: &str,
        layout: &Layout,
        changes: &mut Vec<Change>,
    ) -> Result<Option<Record>, DataError> {
        let bytes = raw.mend().into_iter().map(|check| Change { check, column: None, values: None });
        changes.extend(bytes);
        let Some(mut record) = raw.decode(file)? else { return Ok(None) };
        self.mend(&mut record.value, layout, changes);
        Ok(Some(record))
    }

    fn mend(&self, object: &mut Map<String, Value>, layout: &Layout, changes: &mut Vec<Change>) {
        match layout.input {
            InputColumns::Text(text) => self.text(layout.column(text), object, changes),
            InputColumns::Pair { premise, hypothesis } => {
                self.text(layout.column(premise), object, changes);
                self.text(layout.column(hypothesis), object, changes);
            }
            InputColumns::Alike { first, second, negative, .. } => {
                for role in [Some(first), Some(second), negative].into_iter().flatten() {
                    self.text(layout.column(role), object, changes);
                }
            }
            InputColumns::Tokens { tags, .. } => self.tags(layout.column(tags), object, changes),
            InputColumns::Spans { text, spans } => {
                self.spans((layout.column(text), layout.column(spans)), object, changes);
            }
        }
        match &layout.label {
            LabelColumn::InInput | LabelColumn::Unlabelled => {}
            LabelColumn::One(role) => self.labels((layout.column(*role), None), object, changes),
            LabelColumn::Many { column, delimiter } => {
                self.labels((layout.column(*column), delimiter.as_deref()), object, changes);
            }
        }
    }

    /// Mends a text; spans count its characters, so theirs stay as they are.
    fn text(&self, column: &str, object: &mut Map<String, Value>, changes: &mut Vec<Change>) {
        let Some(Value::String(text)) = object.get_mut(column) else { return };
        // A text with personal data is shown nowhere, whatever else is mended in it.
        let shown = !self.personal
            || masked(text).is_none() && mended(text).is_none_or(|text| masked(&text).is_none());
        let mut change = |check, text: &mut String, new: Option<String>| {
            let Some(new) = new else { return };
            let values = (shown && check != checks::PERSONAL_DATA)
                .then(|| (Value::from(text.as_str()), Value::from(new.as_str())));
            changes.push(Change { check, column: Some(column.to_owned()), values });
            *text = new;
        };
        let without_nul = text.contains('\0').then(|| text.replace('\0', ""));
        change(checks::NUL, text, without_nul);
        let decoded = if self.mojibake { mended(text) } else { None };
        change(checks::MOJIBAKE, text, decoded);
        let safe = if self.personal { masked(text) } else { None };
        change(checks::PERSONAL_DATA, text, safe);
    }

    /// Writes `B-` where an entity begins, and types as they are meant.
    fn tags(&self, column: &str, object: &mut Map<String, Value>, changes: &mut Vec<Change>) {
        let Some(Value::Array(tags)) = object.get_mut(column) else { return };
        let old = tags.clone();
        let mut check = checks::LOOSE_TAG;
        let mut before = None;
        for tag in tags.iter_mut() {
            let Some((mark, kind)) = tag.as_str().and_then(|tag| tag.split_once('-')) else {
                before = None;
                continue;
            };
            let meant = self.labels.get(kind.trim()).cloned().unwrap_or_else(|| kind.to_owned());
            if meant != kind {
                check = checks::LABEL_SPELLING;
            }
            let begins = self.tags && mark == "I" && before.as_ref() != Some(&meant);
            let new = format!("{}-{meant}", if begins { "B" } else { mark });
            before = Some(meant);
            *tag = Value::from(new);
        }
        if *tags != old {
            let values = Some((Value::Array(old), Value::Array(tags.clone())));
            changes.push(Change { check, column: Some(column.to_owned()), values });
        }
    }

    /// Moves the edges of spans to where words begin and end, and writes types as they are meant.
    fn spans(
        &self,
        (text, column): (&str, &str),
        object: &mut Map<String, Value>,
        changes: &mut Vec<Change>,
    ) {
        let Some(text) = object.get(text).and_then(Value::as_str) else { return };
        let characters: Vec<char> = text.chars().collect();
        let Some(Value::Array(spans)) = object.get_mut(column) else { return };
        let old = spans.clone();
        let mut check = checks::CUT_SPAN;
        for span in spans.iter_mut().filter_map(Value::as_object_mut) {
            if self.spans
                && let (Some(start), Some(end)) = (place(span, "start"), place(span, "end"))
                && start < end
                && end <= characters.len()
            {
                let (start, end) = edges(&characters, start, end);
                span.insert("start".to_owned(), Value::from(start));
                span.insert("end".to_owned(), Value::from(end));
            }
            let label = span.get("label").and_then(Value::as_str).map(str::trim);
            if let Some(meant) = label.and_then(|label| self.labels.get(label)) {
                check = checks::LABEL_SPELLING;
                span.insert("label".to_owned(), Value::from(meant.as_str()));
            }
        }
        if *spans != old {
            let values = Some((Value::Array(old), Value::Array(spans.clone())));
            changes.push(Change { check, column: Some(column.to_owned()), values });
        }
    }

    fn labels(
        &self,
        (column, delimiter): (&str, Option<&str>),
        object: &mut Map<String, Value>,
        changes: &mut Vec<Change>,
    ) {
        let meant = |label: &str| self.labels.get(label.trim()).cloned();
        let Some(value) = object.get_mut(column) else { return };
        let new = match (&*value, delimiter) {
            (Value::String(text), Some(delimiter)) => {
                let labels = text.split(delimiter);
                let labels: Vec<String> =
                    labels.map(|label| meant(label).unwrap_or_else(|| label.to_owned())).collect();
                Value::from(labels.join(delimiter))
            }
            (Value::String(text), None) => meant(text).map_or_else(|| value.clone(), Value::from),
            (Value::Array(labels), _) => {
                let meant = |label: &Value| label.as_str().and_then(meant).map(Value::from);
                labels.iter().map(|label| meant(label).unwrap_or_else(|| label.clone())).collect()
            }
            (Value::Object(shares), _) if shares.keys().any(|label| meant(label).is_some()) => {
                let mut new = Map::new();
                for (label, share) in shares {
                    let label = meant(label).unwrap_or_else(|| label.clone());
                    // Two spellings of one label share what both have.
                    let sum = new.get(&label).and_then(Value::as_f64).zip(share.as_f64());
                    new.insert(
                        label,
                        sum.map_or_else(|| share.clone(), |(one, other)| Value::from(one + other)),
                    );
                }
                Value::Object(new)
            }
            _ => return,
        };
        if new != *value {
            let values = Some((value.clone(), new.clone()));
            changes.push(Change { check: checks::LABEL_SPELLING, column: Some(column.to_owned()), values });
            *value = new;
        }
    }
}

fn place(span: &Map<String, Value>, name: &str) -> Option<usize> {
    span.get(name).and_then(Value::as_u64).and_then(|place| usize::try_from(place).ok())
}

/// The span without white space at its ends, widened to whole words.
fn edges(characters: &[char], mut start: usize, mut end: usize) -> (usize, usize) {
    let is_space = |at: usize| characters[at].is_whitespace();
    while end > start + 1 && is_space(end - 1) {
        end -= 1;
    }
    while start + 1 < end && is_space(start) {
        start += 1;
    }
    let joins = |at: usize| {
        let letter = |c: char| c.is_alphanumeric() && !is_unspaced(c);
        at > 0 && at < characters.len() && letter(characters[at - 1]) && letter(characters[at])
    };
    while joins(start) {
        start -= 1;
    }
    while joins(end) {
        end += 1;
    }
    (start, end)
}
