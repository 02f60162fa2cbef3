//! The graph of an ONNX file: its inputs by name, its outputs by shape, whatever runs it.

use std::fmt::Debug;
use std::path::Path;

use super::library::LibraryGraph;
use super::own::OwnGraph;
use super::problem::OnnxProblem;
use crate::compute::{Compute, Device};

/// What the names of all operators hold that quantise values as they come.
const QUANTISES: &[u8] = b"QuantizeLinear";

/// Several sequences of tokens as a rectangle, padded at their ends.
#[derive(Debug, Clone, Default)]
pub(super) struct Rectangle {
    pub(super) rows: usize,
    pub(super) columns: usize,
    ids: Vec<i32>,
    /// 1 where there is a token, 0 where there is padding.
    mask: Vec<i32>,
    types: Vec<i32>,
}

/// What an input of a graph is filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Ids,
    Mask,
    Types,
}

/// An input that a graph asks for: its name, and its sizes, those that are not fixed in words.
pub(super) struct Asked {
    pub(super) name: String,
    pub(super) sizes: Vec<Result<usize, String>>,
}

impl Rectangle {
    /// Empty, for rows of so many tokens.
    pub(super) fn new(columns: usize) -> Self {
        Self { columns, ..Self::default() }
    }

    /// Adds a sequence, filled up with `padding`.
    pub(super) fn push(&mut self, ids: &[u32], types: &[u32], padding: u32) {
        self.rows += 1;
        let end = self.rows * self.columns;
        let number = |id: &u32| i32::try_from(*id).unwrap_or(i32::MAX);
        self.ids.extend(ids.iter().map(number));
        self.mask.resize(self.ids.len(), 1);
        self.types.extend(types.iter().map(number));
        self.ids.resize(end, number(&padding));
        self.mask.resize(end, 0);
        self.types.resize(end, 0);
    }

    /// What an input is filled with, `[rows, columns]`.
    pub(super) fn numbers(&self, role: Role) -> &[i32] {
        match role {
            Role::Ids => &self.ids,
            Role::Mask => &self.mask,
            Role::Types => &self.types,
        }
    }
}

/// What a graph gives for a rectangle.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    /// Empty where they are not in floating point.
    pub(super) values: Vec<f32>,
}

/// What runs a graph.
pub(super) trait Engine: Debug + Send + Sync {
    /// What each input is filled with, in order.
    fn roles(&self) -> &[Role];
    /// Number of outputs.
    fn outputs(&self) -> usize;
    /// Computes the outputs of these numbers, in that order.
    fn run(&self, rectangle: &Rectangle, outputs: &[usize]) -> Result<Vec<Output>, OnnxProblem>;
}

/// A loaded graph.
#[derive(Debug)]
pub(super) struct Graph {
    engine: Box<dyn Engine>,
    /// Whether its answer for a sequence may depend on the others of a run.
    quantises: bool,
}

impl Graph {
    /// Reads a graph and the weights that lie beside it, for the library where one is named, else for the own engine.
    pub(super) fn load(path: &Path, compute: Compute) -> Result<Self, OnnxProblem> {
        let engine: Box<dyn Engine> = match (compute.runtime, compute.device) {
            (Some(runtime), device) => Box::new(LibraryGraph::load(path, runtime, device)?),
            (None, Device::Processor) => Box::new(OwnGraph::load(path)?),
            (None, Device::Gpu) => return Err(OnnxProblem::GpuNeedsLibrary),
        };
        let quantises = std::fs::read(path)
            .is_ok_and(|bytes| bytes.windows(QUANTISES.len()).any(|window| window == QUANTISES));
        Ok(Self { engine, quantises })
    }

    /// Whether padding can be told from text.
    pub(super) fn has_mask(&self) -> bool {
        self.engine.roles().contains(&Role::Mask)
    }

    /// Whether it quantises values as they come.
    pub(super) fn quantises(&self) -> bool {
        self.quantises
    }

    /// Computes one output.
    pub(super) fn run(&self, rectangle: &Rectangle, output: usize) -> Result<Option<Output>, OnnxProblem> {
        Ok(self.engine.run(rectangle, &[output])?.pop())
    }

    /// Computes all outputs, in order.
    pub(super) fn run_all(&self, rectangle: &Rectangle) -> Result<Vec<Output>, OnnxProblem> {
        let all: Vec<usize> = (0..self.engine.outputs()).collect();
        self.engine.run(rectangle, &all)
    }
}

/// What each input is filled with. Refused are inputs that take one batch size or one length only, or ask for what a
/// tokenizer does not give.
pub(super) fn roles(inputs: &[Asked]) -> Result<Vec<Role>, OnnxProblem> {
    inputs.iter().try_for_each(refuse_fixed)?;
    let role = |input: &Asked| match input.name.as_str() {
        "input_ids" => Some(Role::Ids),
        "attention_mask" => Some(Role::Mask),
        "token_type_ids" => Some(Role::Types),
        _ => None,
    };
    let others = || inputs.iter().filter(|input| role(input).is_none()).map(|input| input.name.clone());
    if !inputs.iter().any(|input| role(input) == Some(Role::Ids)) {
        return Err(OnnxProblem::NoIds { found: others().collect::<Vec<_>>().join(", ") });
    }
    match others().next() {
        Some(input) => Err(OnnxProblem::Input { input }),
        None => Ok(inputs.iter().filter_map(role).collect()),
    }
}

fn refuse_fixed(input: &Asked) -> Result<(), OnnxProblem> {
    if !input.sizes.iter().any(Result::is_ok) {
        return Ok(());
    }
    let shown = |size: &Result<usize, String>| match size {
        Ok(size) => size.to_string(),
        Err(name) => name.clone(),
    };
    let shape: Vec<String> = input.sizes.iter().map(shown).collect();
    Err(OnnxProblem::FixedShape { input: input.name.clone(), shape: format!("[{}]", shape.join(", ")) })
}
