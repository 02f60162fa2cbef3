//! The table of crates as data: which own crate may depend on which, and where heavy dependencies may appear.
//!
//! ARCHITECTURE.md explains the table; `crate_edges` enforces it. What an allowed dependency may itself use is allowed
//! too. Dev-dependencies are exempt.

/// Every own crate, planned ones included.
pub(crate) const CRATES: &[Crate] = &[
    Crate { name: "spec", may_use: &[] },
    Crate { name: "text", may_use: &["spec"] },
    Crate { name: "connect", may_use: &["spec"] },
    Crate { name: "data", may_use: &["spec", "text", "connect"] },
    Crate { name: "kernels", may_use: &[] },
    Crate { name: "gpu", may_use: &["kernels"] },
    Crate { name: "models", may_use: &["spec", "text", "kernels"] },
    Crate { name: "nn", may_use: &["models", "kernels"] },
    Crate { name: "store", may_use: &["spec", "connect"] },
    Crate { name: "infer", may_use: &["spec", "models", "store", "connect"] },
    Crate { name: "train", may_use: &["data", "nn", "infer", "store"] },
    Crate { name: "monitor", may_use: &["spec"] },
    Crate { name: "stream", may_use: &["connect", "infer", "monitor"] },
    Crate { name: "serve", may_use: &["infer", "stream", "monitor", "store", "connect"] },
    Crate { name: "operator", may_use: &["spec"] },
    Crate { name: "client", may_use: &["spec"] },
    Crate { name: "cli", may_use: &[ANY] },
    Crate { name: "testkit", may_use: &[ANY] },
    Crate { name: "xtask", may_use: &[ANY] },
];

/// Edges that are allowed only as an optional dependency behind a feature.
pub(crate) const OPTIONAL_EDGES: &[(&str, &str)] = &[("infer", "nn"), ("models", "gpu"), ("nn", "gpu")];

/// Stands for every own crate.
pub(crate) const ANY: &str = "*";

/// Most own crates in a chain of dependencies.
pub(crate) const LONGEST_CHAIN: usize = 8;

/// Dependencies that are heavy enough to have a fixed home.
pub(crate) const HOMES: &[Home] = &[
    Home { dependency: "axum", crates: &["serve"], optional_in: &[] },
    Home { dependency: "hyper", crates: &["serve"], optional_in: &[] },
    Home { dependency: "tonic", crates: &["serve"], optional_in: &[] },
    Home { dependency: "clap", crates: &["cli", "xtask"], optional_in: &[] },
    Home { dependency: "kube", crates: &["operator"], optional_in: &["spec"] },
    Home { dependency: "burn-tensor", crates: &[], optional_in: &["gpu"] },
    Home {
        dependency: "tokio",
        crates: &["serve", "stream", "operator", "connect", "cli", "infer"],
        optional_in: &[],
    },
    Home { dependency: "anyhow", crates: &["cli", "xtask"], optional_in: &[] },
];

/// Where unsafe code may be: the CPU kernels, and the mapped files that they read.
pub(crate) const UNSAFE_HOMES: &[&str] = &["crates/kernels/"];

/// An own crate and the own crates that it may name in its manifest.
#[derive(Debug)]
pub(crate) struct Crate {
    /// Short name (`data` for `loquat-data`).
    pub(crate) name: &'static str,
    /// Own crates that it may depend on.
    pub(crate) may_use: &'static [&'static str],
}

/// A dependency and the own crates that may use it.
#[derive(Debug)]
pub(crate) struct Home {
    /// The foreign crate.
    pub(crate) dependency: &'static str,
    /// Own crates that may depend on it.
    pub(crate) crates: &'static [&'static str],
    /// Own crates that may depend on it behind a feature only.
    pub(crate) optional_in: &'static [&'static str],
}
