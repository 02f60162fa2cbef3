//! YAML with positions: a small tree of nodes, each with the line and column where it stands.
//!
//! Built from the parser's events rather than its own tree, so that depth and alias expansion are bounded, duplicate
//! keys are all reported with their places, and the documents before a syntax error are still checked.

use std::collections::BTreeMap;

use saphyr::Scalar;
use saphyr_parser::{Event, Marker, Parser, ScanError, Span, Tag};
use serde_json::Value;

use crate::problem::{DUPLICATE_KEY, INVALID_YAML, Problem, TOO_LARGE, shortened};

/// Deepest nesting read; resources need seven levels.
const DEEPEST: usize = 64;
/// Most nodes of a file, aliases expanded.
const MOST_NODES: usize = 20_000;
/// Largest file read.
const LARGEST: usize = 4 << 20;

/// A place in a file: line and column from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Place {
    /// The start of a file.
    pub(crate) const START: Self = Self { line: 1, column: 1 };

    fn of(marker: Marker) -> Self {
        Self { line: marker.line().max(1), column: marker.col() + 1 }
    }
}

/// A value with its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) content: Content,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// Null, a truth value, a number or text.
    Scalar(Value),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order written, without duplicates.
    Map(Vec<Entry>),
}

/// One key of a mapping.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) value: Node,
}

/// One document of a file.
#[derive(Debug)]
pub(crate) struct Document {
    /// `None` for an empty document.
    pub(crate) root: Option<Node>,
    /// Line where the document starts.
    pub(crate) line: usize,
}

impl Node {
    /// The entry of `key`, in a mapping that has it.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|entry| entry.key == key),
            Content::Scalar(_) | Content::List(_) => None,
        }
    }

    /// The text of the value of `key`, where it is text.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match &self.entry(key)?.value.content {
            Content::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Place of the value at the path `field`, else of what is nearest above it.
    pub(crate) fn value_place(&self, field: &str) -> Place {
        self.find(field).1
    }

    /// Place of the key at the path `field`, else of what is nearest above it.
    pub(crate) fn key_place(&self, field: &str) -> Place {
        self.find(field).0
    }

    fn find(&self, field: &str) -> (Place, Place) {
        let mut node = self;
        let mut places = (self.place, self.place);
        for segment in field.split(['.', '[']).filter(|segment| !segment.is_empty()) {
            let next = match &node.content {
                Content::List(items) => segment
                    .strip_suffix(']')
                    .and_then(|index| items.get(index.parse::<usize>().ok()?))
                    .map(|item| (item.place, item)),
                _ => node.entry(segment).map(|entry| (entry.place, &entry.value)),
            };
            let Some((key, value)) = next else { break };
            places = (key, value.place);
            node = value;
        }
        places
    }

    /// The value without its places.
    pub(crate) fn to_json(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => items.iter().map(Self::to_json).collect(),
            Content::Map(entries) => {
                let members = entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json()));
                Value::Object(members.collect())
            }
        }
    }

    /// What a person calls the kind of this value.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.content {
            Content::Scalar(Value::Null) => "nothing",
            Content::Scalar(Value::Bool(_)) => "a truth value",
            Content::Scalar(Value::Number(number)) if number.is_f64() => "a number",
            Content::Scalar(Value::Number(_)) => "a whole number",
            Content::Scalar(_) => "text",
            Content::List(_) => "a list",
            Content::Map(_) => "a mapping",
        }
    }

    /// The value as it is shown in a message.
    pub(crate) fn shown(&self) -> String {
        match &self.content {
            Content::Scalar(Value::Null) => "nothing".to_owned(),
            Content::Scalar(Value::String(text)) => format!("{:?}", shortened(text)),
            Content::Scalar(value) => value.to_string(),
            Content::List(_) | Content::Map(_) => self.kind().to_owned(),
        }
    }

    fn height(&self) -> usize {
        1 + match &self.content {
            Content::Scalar(_) => 0,
            Content::List(items) => items.iter().map(Self::height).max().unwrap_or(0),
            Content::Map(entries) => entries.iter().map(|entry| entry.value.height()).max().unwrap_or(0),
        }
    }

    fn size(&self) -> usize {
        1 + match &self.content {
            Content::Scalar(_) => 0,
            Content::List(items) => items.iter().map(Self::size).sum(),
            Content::Map(entries) => entries.iter().map(|entry| entry.value.size()).sum(),
        }
    }
}

/// Reads every document of `text`, up to the first syntax error.
pub(crate) fn load(text: &str) -> (Vec<Document>, Vec<Problem>) {
    let mut builder = Builder::default();
    if text.len() > LARGEST {
        let message = format!("the file holds {} bytes; at most {LARGEST} are read", text.len());
        builder.problem(Place::START, TOO_LARGE, message, "keep data in data files and name them by path");
        return (builder.documents, builder.problems);
    }
    let mut parser = Parser::new_from_str(text);
    while let Some(next) = parser.next_event() {
        match next {
            Ok((Event::StreamEnd, _)) => break,
            Ok((event, span)) => {
                if builder.event(event, span).is_err() {
                    break;
                }
            }
            Err(error) => {
                builder.problems.push(syntax_problem(&error, text));
                break;
            }
        }
    }
    (builder.documents, builder.problems)
}

/// The file can't be read on; the reason is among the problems.
struct Stop;

#[derive(Debug)]
struct Frame {
    node: Node,
    anchor: usize,
    /// In a mapping: the key whose value comes next; its name is `None` when it can't be one.
    key: Option<(Option<String>, Place)>,
}

#[derive(Debug, Default)]
struct Builder {
    documents: Vec<Document>,
    problems: Vec<Problem>,
    frames: Vec<Frame>,
    anchors: BTreeMap<usize, Node>,
    root: Option<Node>,
    line: usize,
    nodes: usize,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        let place = Place::of(span.start);
        match event {
            Event::DocumentStart(_) => self.line = place.line,
            Event::DocumentEnd => {
                let root = self.root.take();
                self.documents.push(Document { root, line: self.line });
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.as_deref(), tag.as_ref().is_some_and(|tag| tag.suffix == "seq"), place);
                self.open(Content::List(Vec::new()), anchor, place)?;
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.as_deref(), tag.as_ref().is_some_and(|tag| tag.suffix == "map"), place);
                self.open(Content::Map(Vec::new()), anchor, place)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(frame) = self.frames.pop() {
                    self.complete(frame.node, frame.anchor)?;
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = Scalar::parse_from_cow_and_metadata(text.clone(), style, tag.as_ref());
                self.refuse_tag(tag.as_deref(), scalar.is_some(), place);
                let value = scalar.map_or_else(|| Value::String(text.into_owned()), json);
                self.complete(Node { place, content: Content::Scalar(value) }, anchor)?;
            }
            Event::Alias(id) => self.alias(id, place)?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd => {}
        }
        Ok(())
    }

    fn open(&mut self, content: Content, anchor: usize, place: Place) -> Result<(), Stop> {
        if self.frames.len() >= DEEPEST {
            let message = format!("nested deeper than {DEEPEST} levels");
            return Err(self.stop(place, message, "flatten it: no resource nests this deep"));
        }
        self.frames.push(Frame { node: Node { place, content }, anchor, key: None });
        Ok(())
    }

    fn alias(&mut self, id: usize, place: Place) -> Result<(), Stop> {
        let Some(target) = self.anchors.get(&id) else {
            let message = "an alias inside of the value that it names".to_owned();
            self.problem(place, INVALID_YAML, message, "write the value out");
            return Err(Stop);
        };
        let (height, size) = (target.height(), target.size());
        if self.frames.len() + height > DEEPEST || self.nodes + size > MOST_NODES {
            let message = "aliases expand to more than a file may hold".to_owned();
            return Err(self.stop(place, message, "write the values out instead of nesting aliases"));
        }
        let node = Node { place, content: target.content.clone() };
        self.nodes += size - 1;
        self.complete(node, 0)
    }

    fn complete(&mut self, node: Node, anchor: usize) -> Result<(), Stop> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            let message = format!("more than {MOST_NODES} values in one file");
            return Err(self.stop(node.place, message, "keep data in data files and name them by path"));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let path = self.path();
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        let problem = match &mut frame.node.content {
            Content::List(items) => {
                items.push(node);
                None
            }
            Content::Map(entries) => match frame.key.take() {
                None => {
                    let name = key_name(&node);
                    frame.key = Some((name.clone(), node.place));
                    name.is_none().then(|| key_problem(&node))
                }
                Some((None, _)) => None,
                Some((Some(key), place)) => match entries.iter().find(|entry| entry.key == key) {
                    Some(first) => Some(duplicate_problem(path, &key, place, first.place.line)),
                    None => {
                        entries.push(Entry { key, place, value: node });
                        None
                    }
                },
            },
            Content::Scalar(_) => None,
        };
        self.problems.extend(problem);
        Ok(())
    }

    /// Path of the value that is being read.
    fn path(&self) -> String {
        let mut path = String::new();
        for frame in &self.frames {
            match (&frame.node.content, &frame.key) {
                (Content::List(items), _) => path.push_str(&format!("[{}]", items.len())),
                (_, Some((Some(key), _))) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(key);
                }
                _ => {}
            }
        }
        path
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, fits: bool, place: Place) {
        if let Some(tag) = tag
            && !(fits && tag.is_yaml_core_schema())
        {
            let message = format!("tag {:?} does not fit here", tag.suffix);
            self.problem(place, INVALID_YAML, message, "remove the tag");
        }
    }

    fn stop(&mut self, place: Place, message: String, remedy: &str) -> Stop {
        self.problem(place, TOO_LARGE, message, remedy);
        Stop
    }

    fn problem(&mut self, place: Place, check: &'static str, message: String, remedy: &str) {
        self.problems.push(Problem { place, field: None, check, message, remedy: remedy.to_owned() });
    }
}

fn key_problem(node: &Node) -> Problem {
    Problem {
        place: node.place,
        field: None,
        check: INVALID_YAML,
        message: format!("{} can't be a key", node.kind()),
        remedy: "write a field name before the colon".to_owned(),
    }
}

fn duplicate_problem(path: String, key: &str, place: Place, first: usize) -> Problem {
    Problem {
        place,
        field: Some(path),
        check: DUPLICATE_KEY,
        message: format!("{:?} is written twice; first on line {first}", shortened(key)),
        remedy: "keep one of the two".to_owned(),
    }
}

fn key_name(node: &Node) -> Option<String> {
    match &node.content {
        Content::Scalar(Value::Null) | Content::List(_) | Content::Map(_) => None,
        Content::Scalar(Value::String(text)) => Some(text.clone()),
        Content::Scalar(value) => Some(value.to_string()),
    }
}

fn json(scalar: Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => Value::Bool(value),
        Scalar::Integer(value) => Value::from(value),
        // JSON has no infinities; no field takes one, and as text it is refused as such.
        Scalar::FloatingPoint(value) => serde_json::Number::from_f64(value.into_inner())
            .map_or_else(|| Value::String(value.to_string()), Value::Number),
        Scalar::String(text) => Value::String(text.into_owned()),
    }
}

fn syntax_problem(error: &ScanError, text: &str) -> Problem {
    let marker = *error.marker();
    let place = Place::of(marker);
    let line = text.lines().nth(place.line - 1).unwrap_or("");
    let rest: String = line.chars().skip(marker.col()).collect();
    Problem {
        place,
        field: None,
        check: INVALID_YAML,
        message: format!("not valid YAML: {}", error.info()),
        remedy: syntax_remedy(error.info(), line, rest.trim_start()).to_owned(),
    }
}

fn syntax_remedy(info: &str, line: &str, rest: &str) -> &'static str {
    let indent = &line[..line.len() - line.trim_start().len()];
    if indent.contains('\t') || info.contains("tab") {
        "indent with spaces; YAML allows no tabs there"
    } else if info.contains("anchor") || info.contains("alias") || rest.starts_with('*') {
        "put a value that starts with * or & in quotes, or define the anchor first"
    } else if rest.starts_with(['@', '`', '%', '{', '[', '!', '|', '>']) {
        "put a value that starts with such a sign in quotes"
    } else if info.contains("mapping values") {
        "put a value that holds a colon and a space in quotes, or mend the indentation"
    } else if info.contains("flow") || info.contains("',' or") {
        "close the bracket, and put commas between its values"
    } else if info.contains("quoted") || info.contains("end of stream") {
        "close the quotes or brackets opened before this place"
    } else {
        "mend the indentation, brackets or quotes at this place"
    }
}
