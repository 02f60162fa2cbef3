//! `cargo xtask gpu-test`: what computes on a GPU, on a driver for Vulkan that computes on the processor.

use std::path::Path;

use anyhow::{Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// Where drivers for Vulkan are declared.
const DRIVERS: [&str; 3] = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"];
/// How the declaration of Mesa's software driver begins.
const SOFTWARE: &str = "lvp_icd";

/// Packages of the GPU's library that are built without optimisation, which halves their time: they start work elsewhere.
const PLAIN: &str = "cubecl cubecl-core cubecl-opt cubecl-std cubecl-wgpu cubecl-server cubecl-runtime cubek cubek-attention \
                     cubek-convolution cubek-interpolate cubek-matmul cubek-pool cubek-quant cubek-random cubek-reduce cubek-std \
                     cubek-tile burn-autodiff burn-backend burn-cubecl burn-dispatch burn-einsum burn-ir burn-std burn-tensor wgpu \
                     wgpu-core wgpu-hal";

/// What is tested: a package, and its features and tests.
const TESTS: [(&str, &[&str]); 5] = [
    ("loquat-gpu", &["--features", "wgpu"]),
    ("loquat-nn", &["--features", "gpu", "--lib", "gpu"]),
    ("loquat-models", &["--features", "gpu", "--test", "gpu"]),
    ("loquat-train", &["--features", "gpu", "--test", "training", "gpu"]),
    ("loquat-serve", &["--features", "gpu", "--test", "server", "gpu"]),
];

/// Runs the tests that need a GPU on a software driver; the first build takes many minutes.
pub(crate) fn test(workspace: &Workspace) -> Result<()> {
    if !DRIVERS.iter().any(|folder| has_software(Path::new(folder))) {
        bail!(
            "there is no software driver for Vulkan; install it with `apt-get install mesa-vulkan-drivers`"
        );
    }
    for (package, arguments) in TESTS {
        let mut command = workspace.cargo(&["test", "--locked", "--package", package]);
        for plain in PLAIN.split_whitespace() {
            command.args(["--config", &format!("profile.dev.package.{plain}.opt-level=0")]);
        }
        command.args(arguments).env("LOQUAT_GPU_SOFTWARE", "1");
        process::run(&mut command)?;
    }
    Ok(())
}

fn has_software(folder: &Path) -> bool {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.into_iter().any(|file| file.file_name().to_string_lossy().starts_with(SOFTWARE))
}
