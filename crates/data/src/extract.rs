//! Turns a record into a row of the task, or tells what is wrong with it.

use loquat_spec::CheckName;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::checks;
use crate::columns::{InputColumns, LabelColumn, Layout};
use crate::findings::Report;
use crate::reader::type_name;
use crate::split::{Part, normalised, normalised_key};
use crate::table::{Input, LabelledSpan};
use crate::tags;
use crate::votes::{Fault, Votes};

/// Longest value that may be a group; longer ones are texts.
const LONGEST_CANDIDATE: usize = 200;

/// A row whose labels, language and domain have no numbers yet.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) input: Input,
    pub(crate) labels: Vec<String>,
    /// The share of each label where annotators disagree, sorted; `labels` is then the one that most say.
    pub(crate) shares: Vec<(String, f32)>,
    /// Whether as many annotators say another label.
    pub(crate) tied: bool,
    pub(crate) language: Option<String>,
    pub(crate) domain: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) weight: f32,
    pub(crate) key: u64,
    pub(crate) split: Option<Part>,
    /// Hashes of the candidate columns' values, 0 for none.
    pub(crate) candidates: Vec<u64>,
}

/// What became of a record.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A usable row.
    Kept(Box<Draft>),
    /// No text.
    Empty,
    /// No label.
    Unlabelled,
    /// A value that breaks a rule.
    Faulty(Box<Report>),
    /// Its weight is 0.
    LeftOut,
    /// The split column is absent or empty here.
    NoSplit,
}

type Extracted<T> = Result<T, Outcome>;

/// Extracts rows by one layout.
pub(crate) struct Extractor<'a> {
    pub(crate) layout: &'a Layout,
    /// Columns whose values may show which rows belong together.
    pub(crate) candidates: &'a [String],
}

impl Extractor<'_> {
    /// What becomes of a record with these columns.
    pub(crate) fn extract(&self, columns: Map<String, Value>) -> Outcome {
        match self.draft(columns) {
            Ok(draft) => Outcome::Kept(Box::new(draft)),
            Err(outcome) => outcome,
        }
    }

    fn draft(&self, mut object: Map<String, Value>) -> Extracted<Draft> {
        let layout = self.layout;
        let candidates = self.candidates.iter().map(|column| candidate(object.get(column))).collect();
        let votes = self.votes(&object)?;
        let labels = match &votes {
            Some(votes) => Some(vec![votes.label.clone()]),
            None => self.labels(&object)?,
        };
        let (input, labels) = self.input(&mut object, labels)?;
        let key = match key(&input) {
            Some(key) => key,
            None => return Err(Outcome::Empty),
        };
        let Some(mut labels) = labels else { return Err(Outcome::Unlabelled) };
        labels.sort();
        labels.dedup();
        let weight = self.weight(&object)?;
        if weight == 0.0 {
            return Err(Outcome::LeftOut);
        }
        let (shares, tied) = votes.map_or_else(Default::default, |votes| (votes.shares, votes.tied));
        Ok(Draft {
            input,
            labels,
            shares,
            tied,
            language: self.word(layout.language, &object)?,
            domain: self.word(layout.domain, &object)?,
            group: self.word(layout.group, &object)?,
            id: self.word(layout.id, &object)?,
            weight,
            key,
            split: self.split(&object)?,
            candidates,
        })
    }

    fn input(
        &self,
        object: &mut Map<String, Value>,
        labels: Option<Vec<String>>,
    ) -> Extracted<(Input, Option<Vec<String>>)> {
        Ok(match self.layout.input {
            InputColumns::Text(text) => (Input::Text(self.text(text, object)?), labels),
            InputColumns::Pair { premise, hypothesis } => {
                let (premise, hypothesis) = (self.text(premise, object)?, self.text(hypothesis, object)?);
                (Input::Pair { premise, hypothesis }, labels)
            }
            InputColumns::Alike { first, second, negative, score } => {
                let score = score.map(|role| self.score(role, object)).transpose()?;
                let negative = negative.and_then(|role| self.negative(role, object)).transpose()?;
                let (first, second) = (self.text(first, object)?, self.text(second, object)?);
                (Input::Alike { first, second, negative, score }, labels)
            }
            InputColumns::Tokens { tokens, tags } => self.tokens(tokens, tags, object)?,
            InputColumns::Spans { text, spans } => self.spans(text, spans, object)?,
        })
    }

    /// The text of a role, taken out of the object.
    fn text(&self, role: usize, object: &mut Map<String, Value>) -> Extracted<String> {
        match object.get_mut(self.layout.column(role)) {
            None | Some(Value::Null) => Err(Outcome::Empty),
            Some(Value::String(text)) => {
                let text = std::mem::take(text);
                self.no_nul(role, &text)?;
                Ok(text)
            }
            Some(other) => Err(self.wrong_type(role, type_name(other), "text")),
        }
    }

    /// How alike two texts are; a row without it is one without a label.
    fn score(&self, role: usize, object: &Map<String, Value>) -> Extracted<f32> {
        let Some(value) = self.layout.value(role, object) else { return Err(Outcome::Unlabelled) };
        let score = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) if text.trim().is_empty() => return Err(Outcome::Unlabelled),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let score = score.map(|score| score as f32).filter(|score| score.is_finite());
        score.ok_or_else(|| self.wrong_type(role, type_name(value), "a number"))
    }

    /// The text of a role that a row may lack.
    fn negative(&self, role: usize, object: &mut Map<String, Value>) -> Option<Extracted<String>> {
        match self.text(role, object) {
            Err(Outcome::Empty) => None,
            Ok(text) if text.trim().is_empty() => None,
            text => Some(text),
        }
    }

    fn no_nul(&self, role: usize, text: &str) -> Extracted<()> {
        if !text.contains('\0') {
            return Ok(());
        }
        let column = self.layout.column(role);
        let message = format!(
            "column `{column}` holds a NUL character, which tokenizers and other tools drop or choke on"
        );
        Err(self.fault(checks::NUL, role, message, "remove it, or mend what wrote the file"))
    }

    /// The labels of the label column; `None` where there are none to read.
    fn labels(&self, object: &Map<String, Value>) -> Extracted<Option<Vec<String>>> {
        match &self.layout.label {
            LabelColumn::InInput => Ok(None),
            LabelColumn::Unlabelled => Ok(Some(Vec::new())),
            LabelColumn::One(role) => Ok(self.word(Some(*role), object)?.map(|label| vec![label])),
            LabelColumn::Many { column: role, delimiter } => {
                let Some(value) = self.layout.value(*role, object) else { return Ok(None) };
                let parts: Vec<String> = match (value, delimiter) {
                    (Value::Array(items), _) => self.words(*role, items)?,
                    (Value::String(text), Some(delimiter)) => {
                        text.split(delimiter.as_str()).map(str::to_owned).collect()
                    }
                    (Value::String(text), None) => vec![text.clone()],
                    (other, _) => return Err(self.wrong_type(*role, type_name(other), "a list or text")),
                };
                let parts = parts.iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty());
                Ok(Some(parts.collect()))
            }
        }
    }

    /// What annotators said, where the column of the one label holds a mapping or a list that is not empty.
    fn votes(&self, object: &Map<String, Value>) -> Extracted<Option<Votes>> {
        let LabelColumn::One(role) = self.layout.label else { return Ok(None) };
        let value = self.layout.value(role, object);
        let Some(value @ (Value::Object(_) | Value::Array(_))) = value else { return Ok(None) };
        let votes = Votes::read(value).map_err(|fault| self.faulty_votes(role, fault))?;
        // A row of which nobody says anything has no label.
        let votes = votes.ok_or(Outcome::Unlabelled)?;
        let labels = votes.shares.iter().map(|(label, _)| label).chain([&votes.label]);
        labels.into_iter().try_for_each(|label| self.no_nul(role, label))?;
        Ok(Some(votes))
    }

    fn faulty_votes(&self, role: usize, fault: Fault) -> Outcome {
        let column = self.layout.column(role);
        if let Fault::Type(found) = &fault {
            let wanted = "a label, a mapping of labels to numbers, or a list of labels";
            return self.wrong_type(role, found, wanted);
        }
        let remedy =
            "write the share of each label, or how many annotators gave it; leave out labels that none gave";
        self.fault(checks::INVALID_SHARES, role, fault.message(column), remedy)
    }

    fn words(&self, role: usize, items: &[Value]) -> Extracted<Vec<String>> {
        let mut words = Vec::with_capacity(items.len());
        for item in items {
            match scalar(item) {
                Some(word) => {
                    self.no_nul(role, &word)?;
                    words.push(word);
                }
                None => {
                    let found = format!("a list with {}", type_name(item));
                    return Err(self.wrong_type(role, &found, "a list of text"));
                }
            }
        }
        Ok(words)
    }

    /// A short value of an optional role: text, a whole number, or true and false. Blank text is no value.
    fn word(&self, role: Option<usize>, object: &Map<String, Value>) -> Extracted<Option<String>> {
        let Some((role, value)) = role.and_then(|role| Some((role, self.layout.value(role, object)?))) else {
            return Ok(None);
        };
        let word =
            scalar(value).ok_or_else(|| self.wrong_type(role, type_name(value), "text or a whole number"))?;
        self.no_nul(role, &word)?;
        Ok(Some(word.trim().to_owned()).filter(|word| !word.is_empty()))
    }

    fn weight(&self, object: &Map<String, Value>) -> Extracted<f32> {
        let Some((role, value)) =
            self.layout.weight.and_then(|role| Some((role, self.layout.value(role, object)?)))
        else {
            return Ok(1.0);
        };
        let weight = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) if text.trim().is_empty() => return Ok(1.0),
            Value::String(text) => match text.trim().parse() {
                Ok(weight) => Some(weight),
                Err(_) => return Err(self.wrong_type(role, "text", "a number")),
            },
            other => return Err(self.wrong_type(role, type_name(other), "a number")),
        };
        match weight.map(|weight| weight as f32) {
            Some(weight) if weight.is_finite() && weight >= 0.0 => Ok(weight),
            _ => {
                let message = format!(
                    "column `{}` holds {value}, and a weight is a number from 0 to 3e38",
                    self.layout.column(role)
                );
                Err(self.fault(
                    checks::INVALID_WEIGHT,
                    role,
                    message,
                    "correct the weight; 1 is the usual one, 0 leaves the row out",
                ))
            }
        }
    }

    fn split(&self, object: &Map<String, Value>) -> Extracted<Option<Part>> {
        let Some(role) = self.layout.split else { return Ok(None) };
        let Some(name) = self.word(Some(role), object)? else { return Err(Outcome::NoSplit) };
        match Part::from_name(&name) {
            Some(part) => Ok(Some(part)),
            None => {
                let message =
                    format!("column `{}` says {name:?}, which names no part", self.layout.column(role));
                Err(self.fault(checks::UNKNOWN_SPLIT, role, message, "write train, development or test"))
            }
        }
    }

    fn tokens(
        &self,
        tokens: usize,
        tags: usize,
        object: &Map<String, Value>,
    ) -> Extracted<(Input, Option<Vec<String>>)> {
        let Some(value) = self.layout.value(tokens, object) else { return Err(Outcome::Empty) };
        let Value::Array(items) = value else {
            return Err(self.wrong_type(tokens, type_name(value), "a list of text"));
        };
        let words = self.words(tokens, items)?;
        if words.iter().all(|word| word.trim().is_empty()) {
            return Err(Outcome::Empty);
        }
        let Some(value) = self.layout.value(tags, object) else { return Err(Outcome::Unlabelled) };
        let Value::Array(items) = value else {
            return Err(self.wrong_type(tags, type_name(value), "a list of text"));
        };
        let marks = self.words(tags, items)?;
        let types = tags::entity_types(words.len(), &marks).map_err(|message| {
            self.fault(
                checks::INVALID_TAGS,
                tags,
                message,
                "write one BIO tag for each token: O, B-TYPE or I-TYPE",
            )
        })?;
        Ok((Input::Tokens { tokens: words, tags: marks }, Some(types)))
    }

    fn spans(
        &self,
        text: usize,
        spans: usize,
        object: &mut Map<String, Value>,
    ) -> Extracted<(Input, Option<Vec<String>>)> {
        let text = self.text(text, object)?;
        let Some(value) = self.layout.value(spans, object) else { return Err(Outcome::Unlabelled) };
        let Value::Array(items) = value else {
            return Err(self.wrong_type(spans, type_name(value), "a list of spans"));
        };
        let characters = text.chars().count();
        let mut read = Vec::with_capacity(items.len());
        for item in items {
            let span = tags::span(item, characters).map_err(|message| {
                self.fault(
                    checks::INVALID_SPANS,
                    spans,
                    message,
                    "write {\"start\", \"end\", \"label\"}, counted in characters, end exclusive",
                )
            })?;
            read.push(span);
        }
        read.sort();
        let types = read.iter().map(|span: &LabelledSpan| span.label.clone()).collect();
        Ok((Input::Spans { text, spans: read }, Some(types)))
    }

    fn wrong_type(&self, role: usize, found: &str, wanted: &str) -> Outcome {
        let column = self.layout.column(role);
        let message = format!("column `{column}` holds {found} where {wanted} is needed");
        let remedy =
            format!("write {wanted} in `{column}`, or name another column in `{}`", self.layout.field(role));
        self.fault(checks::WRONG_TYPE, role, message, &remedy)
    }

    fn fault(&self, check: CheckName, role: usize, message: String, remedy: &str) -> Outcome {
        // Messages that quote a value are gathered by column, those about types by type.
        let subject = match check {
            checks::WRONG_TYPE => message.clone(),
            _ => self.layout.column(role).to_owned(),
        };
        let field = Some(self.layout.field(role));
        Outcome::Faulty(Box::new(Report { check, subject, field, message, remedy: remedy.to_owned() }))
    }
}

/// Text of a scalar that can be a label, group, language, domain or id.
pub(crate) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

fn candidate(value: Option<&Value>) -> u64 {
    let Some(text) = value.and_then(scalar) else { return 0 };
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST_CANDIDATE {
        return 0;
    }
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte)).max(1)
}

/// The stable key of the input, `None` when a text of it is blank.
fn key(input: &Input) -> Option<u64> {
    let text = match input {
        Input::Text(text) | Input::Spans { text, .. } => normalised(text),
        Input::Tokens { tokens, .. } => normalised(&tokens.join(" ")),
        Input::Pair { premise, hypothesis } | Input::Alike { first: premise, second: hypothesis, .. } => {
            let (premise, hypothesis) = (normalised(premise), normalised(hypothesis));
            if premise.is_empty() || hypothesis.is_empty() {
                return None;
            }
            // A line feed can't stand in normalised text, so pairs can't run into each other.
            format!("{premise}\n{hypothesis}")
        }
    };
    (!text.is_empty()).then(|| normalised_key(&text))
}
