//! The graph of an ONNX file: its inputs by name, its outputs by shape.

use std::path::Path;
use std::sync::Arc;

use rten::{DataType, Dimension, Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value, ValueType};
use rten_tensor::{AsView, Layout, Tensor};

use super::problem::OnnxProblem;

const IDS: &str = "input_ids";
const MASK: &str = "attention_mask";
const TYPES: &str = "token_type_ids";
/// What the names of all operators hold that quantise values as they come.
const QUANTISES: &[u8] = b"QuantizeLinear";

/// Several sequences of tokens as a rectangle, padded at their ends.
#[derive(Debug, Clone, Default)]
pub(super) struct Rectangle {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) ids: Vec<i32>,
    /// 1 where there is a token, 0 where there is padding.
    pub(super) mask: Vec<i32>,
    pub(super) types: Vec<i32>,
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

    fn value(&self, numbers: &[i32]) -> Value {
        Tensor::from_data(&[self.rows, self.columns], numbers.to_vec()).into()
    }
}

/// What a graph gives for a rectangle.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

/// A loaded graph.
pub(super) struct Graph {
    model: Model,
    ids: NodeId,
    /// The mask, and whether it is asked for in floating point.
    mask: Option<(NodeId, bool)>,
    types: Option<NodeId>,
    /// Whether its answer for a sequence may depend on the others of a run.
    quantises: bool,
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Graph").field("model", &self.model).finish_non_exhaustive()
    }
}

impl Graph {
    /// Reads a graph and the weights that lie beside it.
    pub(super) fn load(path: &Path) -> Result<Self, OnnxProblem> {
        let mut options = ModelOptions::with_all_ops();
        options.prepack_weights(true);
        let model = options.load_file(path).map_err(|source| OnnxProblem::Load { source })?;
        let quantises = std::fs::read(path)
            .is_ok_and(|bytes| bytes.windows(QUANTISES.len()).any(|window| window == QUANTISES));
        let (mut ids, mut mask, mut types) = (None, None, None);
        let mut others = Vec::new();
        for (place, node) in model.input_ids().iter().copied().enumerate() {
            let info = model.node_info(node);
            let name = info.as_ref().and_then(|info| info.name()).unwrap_or_default().to_owned();
            refuse_fixed(&name, model.input_shape(place))?;
            match name.as_str() {
                IDS => ids = Some(node),
                MASK => {
                    let dtype = info.and_then(|info| info.dtype());
                    mask = Some((node, dtype == Some(ValueType::Tensor(DataType::Float))));
                }
                TYPES => types = Some(node),
                _ => others.push(name),
            }
        }
        let ids = ids.ok_or_else(|| OnnxProblem::NoIds { found: others.join(", ") })?;
        match others.into_iter().next() {
            Some(input) => Err(OnnxProblem::Input { input }),
            None => Ok(Self { model, ids, mask, types, quantises }),
        }
    }

    /// Whether padding can be told from text.
    pub(super) fn has_mask(&self) -> bool {
        self.mask.is_some()
    }

    /// Whether it quantises values as they come.
    pub(super) fn quantises(&self) -> bool {
        self.quantises
    }

    /// All outputs, in order.
    pub(super) fn outputs(&self) -> &[NodeId] {
        self.model.output_ids()
    }

    /// Computes the given outputs; those that are not in floating point come without values.
    pub(super) fn run(
        &self,
        rectangle: &Rectangle,
        outputs: &[NodeId],
        pool: &Arc<ThreadPool>,
    ) -> Result<Vec<Output>, OnnxProblem> {
        let mut inputs = vec![(self.ids, rectangle.value(&rectangle.ids).into())];
        match self.mask {
            Some((node, true)) => {
                let mask: Vec<f32> = rectangle.mask.iter().map(|value| *value as f32).collect();
                let value: Value = Tensor::from_data(&[rectangle.rows, rectangle.columns], mask).into();
                inputs.push((node, value.into()));
            }
            Some((node, false)) => inputs.push((node, rectangle.value(&rectangle.mask).into())),
            None => {}
        }
        if let Some(node) = self.types {
            inputs.push((node, rectangle.value(&rectangle.types).into()));
        }
        let mut options = RunOptions::default();
        options.thread_pool = Some(Arc::clone(pool));
        let values =
            self.model.run(inputs, outputs, Some(options)).map_err(|source| OnnxProblem::Run { source })?;
        Ok(outputs.iter().zip(values).map(|(node, value)| self.output(*node, value)).collect())
    }

    fn output(&self, node: NodeId, value: Value) -> Output {
        let info = self.model.node_info(node);
        let name = info.and_then(|info| info.name().map(str::to_owned)).unwrap_or_default();
        let shape = value.shape().to_vec();
        let values = value.into_tensor::<f32>().map(|tensor| tensor.to_vec()).unwrap_or_default();
        Output { name, shape, values }
    }
}

/// Refuses an input that takes one batch size or one length only.
fn refuse_fixed(name: &str, shape: Option<Vec<Dimension>>) -> Result<(), OnnxProblem> {
    let Some(shape) = shape else { return Ok(()) };
    if !shape.iter().any(|dimension| matches!(dimension, Dimension::Fixed(_))) {
        return Ok(());
    }
    let shown: Vec<String> = shape
        .iter()
        .map(|dimension| match dimension {
            Dimension::Fixed(size) => size.to_string(),
            Dimension::Symbolic(name) => name.clone(),
        })
        .collect();
    Err(OnnxProblem::FixedShape { input: name.to_owned(), shape: format!("[{}]", shown.join(", ")) })
}
