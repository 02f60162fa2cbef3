//! What models compute with: kernels, a library that the user named, a processor or a GPU.

use loquat_kernels::Kernels;

use crate::onnx::OnnxRuntime;

/// Where the products of a model are computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Device {
    /// On the processor.
    #[default]
    Processor,
    /// On a GPU: ONNX files by an ONNX Runtime that was built with CUDA, encoders of the family of BERT by `loquat-gpu`.
    Gpu,
}

/// What models compute with. Copy it down to whoever loads one.
#[derive(Debug, Clone, Copy)]
pub struct Compute {
    /// CPU kernels of the own engine.
    pub kernels: Kernels,
    /// The library that runs ONNX files; the engine of this build where there is none.
    pub runtime: Option<OnnxRuntime>,
    /// Where products are computed.
    pub device: Device,
}

impl Compute {
    /// The same on another device.
    pub fn on(self, device: Device) -> Self {
        Self { device, ..self }
    }
}

impl From<Kernels> for Compute {
    fn from(kernels: Kernels) -> Self {
        Self { kernels, runtime: None, device: Device::Processor }
    }
}
