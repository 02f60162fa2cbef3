//! Graphs run by an ONNX Runtime of the user's own, on the processor or on a GPU.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ort::ep::{CUDA, ExecutionProvider};
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, Outlet, Tensor, TensorElementType, ValueType};

use super::graph::{Asked, Engine, Output, Rectangle, Role, roles};
use super::problem::OnnxProblem;
use super::runtime::OnnxRuntime;
use crate::compute::Device;

/// A graph in ONNX Runtime. One run at a time, on as many threads as the runtime was given.
#[derive(Debug)]
pub(super) struct LibraryGraph {
    session: Mutex<Session>,
    roles: Vec<Role>,
    inputs: Vec<(String, TensorElementType)>,
    outputs: Vec<String>,
}

impl LibraryGraph {
    pub(super) fn load(path: &Path, runtime: OnnxRuntime, device: Device) -> Result<Self, OnnxProblem> {
        let session = session(path, runtime, device)?;
        let asked: Vec<Asked> = session.inputs().iter().map(asked).collect();
        let roles = roles(&asked)?;
        let inputs = session.inputs().iter().map(|input| (input.name().to_owned(), element(input))).collect();
        let outputs = session.outputs().iter().map(|output| output.name().to_owned()).collect();
        Ok(Self { session: Mutex::new(session), roles, inputs, outputs })
    }
}

fn session(path: &Path, runtime: OnnxRuntime, device: Device) -> Result<Session, OnnxProblem> {
    let failed = |source| OnnxProblem::Library { reason: source };
    let builder = Session::builder().map_err(|error| failed(error.to_string()))?;
    let mut builder =
        builder.with_intra_threads(runtime.threads()).map_err(|error| failed(error.to_string()))?;
    if device == Device::Gpu {
        let unusable = |cause: String| OnnxProblem::Gpu { cause };
        if !CUDA::default().is_available().unwrap_or(false) {
            return Err(unusable("it was built without CUDA".to_owned()));
        }
        // An error where there is no device, or CUDA's own libraries are missing; the default is to go on without.
        let cuda = CUDA::default().build().error_on_failure();
        builder = builder.with_execution_providers([cuda]).map_err(|error| unusable(error.to_string()))?;
    }
    builder.commit_from_file(path).map_err(|error| OnnxProblem::LibraryRun { source: error })
}

fn asked(input: &Outlet) -> Asked {
    let sizes = match input.dtype() {
        ValueType::Tensor { shape, dimension_symbols, .. } => {
            let size = |(size, name): (&i64, &String)| usize::try_from(*size).map_err(|_| name.clone());
            shape.iter().zip(dimension_symbols.iter()).map(size).collect()
        }
        _ => Vec::new(),
    };
    Asked { name: input.name().to_owned(), sizes }
}

/// The numbers that an input is asked for in.
fn element(input: &Outlet) -> TensorElementType {
    match input.dtype() {
        ValueType::Tensor { ty, .. } => *ty,
        _ => TensorElementType::Int64,
    }
}

impl Engine for LibraryGraph {
    fn roles(&self) -> &[Role] {
        &self.roles
    }

    fn outputs(&self) -> usize {
        self.outputs.len()
    }

    fn run(&self, rectangle: &Rectangle, outputs: &[usize]) -> Result<Vec<Output>, OnnxProblem> {
        let failed = |source| OnnxProblem::LibraryRun { source };
        let mut inputs: Vec<(&str, SessionInputValue<'static>)> = Vec::with_capacity(self.inputs.len());
        for ((name, element), role) in self.inputs.iter().zip(&self.roles) {
            let value = value(rectangle, *role, *element).map_err(failed)?;
            inputs.push((name, value.into()));
        }
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let found = session.run(inputs).map_err(failed)?;
        let output = |place: &usize| {
            let name = self.outputs[*place].clone();
            // Values that are not in floating point are none that a head is read from.
            let values = found.get(&name).and_then(|value| value.try_extract_tensor::<f32>().ok());
            let (shape, values) = values.map_or_else(Default::default, |(shape, values)| {
                (shape.iter().map(|size| *size as usize).collect(), values.to_vec())
            });
            Output { name, shape, values }
        };
        Ok(outputs.iter().map(output).collect())
    }
}

fn value(rectangle: &Rectangle, role: Role, element: TensorElementType) -> ort::Result<DynValue> {
    let shape = [rectangle.rows, rectangle.columns];
    let numbers = rectangle.numbers(role);
    Ok(match element {
        TensorElementType::Float32 => {
            let numbers: Vec<f32> = numbers.iter().map(|number| *number as f32).collect();
            Tensor::from_array((shape, numbers))?.into_dyn()
        }
        TensorElementType::Int32 => Tensor::from_array((shape, numbers.to_vec()))?.into_dyn(),
        // Anything else is named by the library, which is asked with the usual numbers.
        _ => {
            let numbers: Vec<i64> = numbers.iter().map(|number| i64::from(*number)).collect();
            Tensor::from_array((shape, numbers))?.into_dyn()
        }
    })
}
