//! Graphs run by `rten`, which is part of the program.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rten::{DataType, Dimension, Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value, ValueType};
use rten_tensor::{AsView, Layout, Tensor};

use super::graph::{Asked, Engine, Output, Rectangle, Role, roles};
use super::problem::OnnxProblem;

/// A graph in rten. A run takes one thread; several run at a time.
pub(super) struct OwnGraph {
    model: Model,
    inputs: Vec<NodeId>,
    roles: Vec<Role>,
    /// Whether each input is asked for in floating point.
    floats: Vec<bool>,
    /// Pools of one thread that no run uses just now.
    pools: Mutex<Vec<Arc<ThreadPool>>>,
}

impl std::fmt::Debug for OwnGraph {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("OwnGraph").field("roles", &self.roles).finish_non_exhaustive()
    }
}

impl OwnGraph {
    pub(super) fn load(path: &Path) -> Result<Self, OnnxProblem> {
        let mut options = ModelOptions::with_all_ops();
        options.prepack_weights(true);
        let model = options.load_file(path).map_err(|source| OnnxProblem::Load { source })?;
        let inputs = model.input_ids().to_vec();
        let asked: Vec<Asked> =
            inputs.iter().enumerate().map(|(at, node)| asked(&model, at, *node)).collect();
        let is_float = |node: &NodeId| {
            let dtype = model.node_info(*node).and_then(|info| info.dtype());
            dtype == Some(ValueType::Tensor(DataType::Float))
        };
        let floats = inputs.iter().map(is_float).collect();
        Ok(Self { roles: roles(&asked)?, inputs, floats, model, pools: Mutex::default() })
    }

    fn output(&self, node: NodeId, value: Value) -> Output {
        let info = self.model.node_info(node);
        let name = info.and_then(|info| info.name().map(str::to_owned)).unwrap_or_default();
        let shape = value.shape().to_vec();
        let values = value.into_tensor::<f32>().map(|tensor| tensor.to_vec()).unwrap_or_default();
        Output { name, shape, values }
    }
}

fn asked(model: &Model, place: usize, node: NodeId) -> Asked {
    let size = |dimension: &Dimension| match dimension {
        Dimension::Fixed(size) => Ok(*size),
        Dimension::Symbolic(name) => Err(name.clone()),
    };
    let info = model.node_info(node);
    let name = info.and_then(|info| info.name().map(str::to_owned)).unwrap_or_default();
    let shape = model.input_shape(place).unwrap_or_default();
    Asked { name, sizes: shape.iter().map(size).collect() }
}

impl Engine for OwnGraph {
    fn roles(&self) -> &[Role] {
        &self.roles
    }

    fn outputs(&self) -> usize {
        self.model.output_ids().len()
    }

    fn run(&self, rectangle: &Rectangle, outputs: &[usize]) -> Result<Vec<Output>, OnnxProblem> {
        let shape = [rectangle.rows, rectangle.columns];
        let value = |numbers: &[i32], float: bool| -> Value {
            if float {
                let numbers: Vec<f32> = numbers.iter().map(|number| *number as f32).collect();
                return Tensor::from_data(&shape, numbers).into();
            }
            Tensor::from_data(&shape, numbers.to_vec()).into()
        };
        let mut inputs = Vec::with_capacity(self.inputs.len());
        for ((node, role), float) in self.inputs.iter().zip(&self.roles).zip(&self.floats) {
            inputs.push((*node, value(rectangle.numbers(*role), *float).into()));
        }
        let nodes: Vec<NodeId> = outputs.iter().map(|output| self.model.output_ids()[*output]).collect();
        let idle = self.pools.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let pool = idle.unwrap_or_else(|| Arc::new(ThreadPool::with_num_threads(1)));
        let mut options = RunOptions::default();
        options.thread_pool = Some(Arc::clone(&pool));
        let values = self.model.run(inputs, &nodes, Some(options));
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).push(pool);
        let values = values.map_err(|source| OnnxProblem::Run { source })?;
        Ok(nodes.iter().zip(values).map(|(node, value)| self.output(*node, value)).collect())
    }
}
