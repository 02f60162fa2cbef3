//! Finding the GPU.

use std::sync::OnceLock;

use burn_tensor::DeviceKind;
use burn_tensor::wgpu::WgpuInitError;

use crate::error::GpuError;

/// Environment variable that, set to 1, accepts a driver which computes on the processor. Tests need it; nobody else gains.
pub const SOFTWARE: &str = "LOQUAT_GPU_SOFTWARE";

/// The GPU of this machine: the first discrete one, else an integrated or virtual one.
#[derive(Debug, Clone)]
pub struct Device {
    pub(crate) burn: burn_tensor::Device,
}

impl Device {
    /// Finds it; the same at every call.
    ///
    /// # Errors
    /// When no driver offers a GPU. One that computes on the processor is none, unless [`SOFTWARE`] accepts it.
    pub fn find() -> Result<Self, GpuError> {
        static FOUND: OnceLock<Result<Device, GpuError>> = OnceLock::new();
        FOUND.get_or_init(search).clone()
    }
}

fn search() -> Result<Device, GpuError> {
    let mut kinds = vec![DeviceKind::DiscreteGpu(0), DeviceKind::IntegratedGpu(0), DeviceKind::VirtualGpu(0)];
    if accepts_software() {
        kinds.push(DeviceKind::Cpu);
    }
    let mut cause = "no driver offers one".to_owned();
    for kind in kinds {
        match burn_tensor::Device::wgpu_options().device_kind(kind).init() {
            Ok(burn) => return Ok(Device { burn }),
            // Another kind may be there; the message lists what is.
            Err(WgpuInitError::AdapterUnavailable { message, .. }) => {
                if message.contains("device_type: Cpu") {
                    "the only driver computes on the processor".clone_into(&mut cause);
                }
            }
            Err(error) => return Err(GpuError::None { cause: error.to_string() }),
        }
    }
    Err(GpuError::None { cause })
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test's switch for its whole process, which nothing hands down"
)]
fn accepts_software() -> bool {
    std::env::var_os(SOFTWARE).is_some_and(|value| value == "1")
}
