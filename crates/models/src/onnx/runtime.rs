//! An ONNX Runtime library that the user names, loaded while the process runs.

use std::path::Path;

use super::problem::OnnxProblem;
use crate::error::ModelError;

/// A loaded libonnxruntime. There is one in a process, as the library has one environment; a value of this type exists only
/// where it is loaded. Copy it down to whoever loads models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnnxRuntime {
    /// Threads of a run.
    threads: usize,
}

impl OnnxRuntime {
    /// Loads the library at `path`, whose runs take `threads` threads. Loading is running code of the library: name one that
    /// is trusted.
    ///
    /// # Errors
    /// When there is none, it is no ONNX Runtime or too old a one, or this build has no engine for ONNX files.
    #[cfg(feature = "onnx")]
    pub fn open(path: &Path, threads: usize) -> Result<Self, ModelError> {
        let failed = |reason: String| ModelError::Onnx {
            path: path.to_owned(),
            problem: OnnxProblem::Library { reason },
        };
        if !path.is_file() {
            return Err(failed("there is no such file".to_owned()));
        }
        // Relative paths are read from where the user is, not from where this program lies.
        let place = path.canonicalize().map_err(|error| failed(error.to_string()))?;
        let environment = ort::init_from(&place).map_err(|error| failed(error.to_string()))?;
        // Where one is there already, it stays: the library was loaded before.
        environment.with_name("loquat").with_telemetry(false).commit();
        Ok(Self { threads: threads.max(1) })
    }

    /// Refuses the library at `path`.
    ///
    /// # Errors
    /// Always: this build has no engine for ONNX files.
    #[cfg(not(feature = "onnx"))]
    pub fn open(path: &Path, _: usize) -> Result<Self, ModelError> {
        Err(ModelError::Onnx { path: path.to_owned(), problem: OnnxProblem::NotBuilt })
    }

    /// Threads of a run.
    pub fn threads(self) -> usize {
        self.threads
    }
}
