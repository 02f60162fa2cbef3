//! `cargo xtask sanitize`: the tests of the one crate that indexes without checks, under AddressSanitizer.
//!
//! Every path of the kernels that the machine can run is run, on buffers of odd sizes that end where the data ends.

use anyhow::{Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// The sanitizer, and overflow as in a debug build, which release turns off.
const FLAGS: &str = "-Zsanitizer=address -Coverflow-checks=on";

/// Cases of each property: the sanitizer makes them slow, and sizes are drawn small.
const CASES: &str = "64";

/// Builds the tests of `loquat-kernels` with the sanitizer, beside the other builds, and runs them.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let host = workspace.host()?;
    if !cfg!(target_os = "linux") {
        bail!("the sanitizer is used on Linux; this is {host}");
    }
    let mut command = workspace.cargo(&["test", "--package", "loquat-kernels", "--locked", "--tests"]);
    // A named target spares build scripts and macros; the variable lets the stable compiler take the flag.
    command.args(["--target", &host]).env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", FLAGS);
    command.env("PROPTEST_CASES", CASES).env("CARGO_TARGET_DIR", workspace.target().join("sanitize"));
    process::run(&mut command)
}
