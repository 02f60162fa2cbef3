//! What xtask reads from the environment; the only place that does.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// The value of an environment variable, when it is set and not empty.
#[expect(
    clippy::disallowed_methods,
    reason = "xtask is a tool run by hand or CI, and this is its one reader"
)]
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Folder for what may be deleted at any time, outside every checkout.
pub(crate) fn cache_folder() -> Result<PathBuf> {
    let base = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
    Ok(base.context("neither XDG_CACHE_HOME nor HOME is set; set one of them")?.join("loquat"))
}

/// Where cargo builds: `CARGO_TARGET_DIR`, else a folder of the cache.
pub(crate) fn target_folder() -> Result<PathBuf> {
    match variable("CARGO_TARGET_DIR") {
        Some(folder) => Ok(std::path::absolute(folder)?),
        None => Ok(cache_folder()?.join("target")),
    }
}

/// The folder of the evaluation sets: `LOQUAT_DATA`, which only the figures read.
pub(crate) fn data_folder() -> Result<PathBuf> {
    variable("LOQUAT_DATA")
        .context("LOQUAT_DATA is not set; set it to the folder that holds the evaluation sets")
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> PathBuf {
    variable("CARGO").unwrap_or_else(|| PathBuf::from("cargo"))
}

/// Names of the variables by which cargo tells this program about its own package.
pub(crate) fn of_own_package() -> impl Iterator<Item = String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.starts_with(prefix)))
}
