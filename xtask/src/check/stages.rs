//! The stages of the check and their order.

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::check::{crate_edges, generated, licences, unsafe_code};
use crate::process;
use crate::stopwatch::Stopwatch;
use crate::workspace::Workspace;

/// A stage of the check, cheapest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Stage {
    /// Formatting of all sources.
    Format,
    /// Edges between crates, heavy dependencies and unsafe code.
    Edges,
    /// Licences of every dependency.
    Licences,
    /// Lints, warnings denied.
    Clippy,
    /// The build that the later stages share.
    Build,
    /// Generated files are as the binary writes them.
    Generated,
    /// Every test of the workspace.
    Test,
    /// The documentation, warnings denied.
    Docs,
}

impl Stage {
    /// The stages that `from` and `only` leave, in order.
    fn selected(from: Option<Self>, only: Option<Self>) -> Vec<Self> {
        let stages = Self::value_variants().iter().copied();
        stages
            .filter(|stage| only.is_none_or(|only| only == *stage) && from.is_none_or(|from| from <= *stage))
            .collect()
    }

    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Every cargo stage selects the whole workspace in the one profile, so that features are the same and nothing
    /// is compiled twice.
    fn perform(self, workspace: &Workspace) -> Result<()> {
        match self {
            Self::Format => process::run(&mut workspace.cargo(&["fmt", "--all", "--check"])),
            Self::Edges => {
                let metadata = workspace.metadata()?;
                crate_edges::check(&metadata)?;
                unsafe_code::check(workspace, &metadata)
            }
            Self::Licences => licences::check(&workspace.metadata()?),
            Self::Clippy => {
                let arguments =
                    ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
                process::run(&mut workspace.cargo(&arguments))
            }
            Self::Build => {
                process::run(&mut workspace.cargo(&["build", "--workspace", "--all-targets", "--locked"]))
            }
            Self::Generated => generated::check(workspace),
            Self::Test => process::run(&mut workspace.cargo(&["test", "--workspace", "--locked"])),
            Self::Docs => {
                let mut command = workspace.cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
                process::run(command.env("RUSTDOCFLAGS", "-D warnings"))
            }
        }
    }
}

/// Runs the selected stages in order, stops at the first failure and prints the minutes of each.
pub(crate) fn run(workspace: &Workspace, from: Option<Stage>, only: Option<Stage>) -> Result<()> {
    let mut stopwatch = Stopwatch::default();
    let result = Stage::selected(from, only).into_iter().try_for_each(|stage| {
        let work = || stage.perform(workspace);
        stopwatch.time(&stage.name(), work).with_context(|| format!("stage {} failed", stage.name()))
    });
    println!("{}", stopwatch.table());
    result
}

/// Builds and tests the binary with the feature `serve` alone, which the check's whole-workspace build never does.
pub(crate) fn serve_only(workspace: &Workspace) -> Result<()> {
    let features = ["--locked", "--package", "loquat-cli", "--no-default-features", "--features", "serve"];
    process::run(
        workspace.cargo(&["clippy", "--all-targets"]).args(features).args(["--", "-D", "warnings"]),
    )?;
    process::run(workspace.cargo(&["test"]).args(features))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_skips_the_earlier_stages() {
        assert_eq!(Stage::selected(Some(Stage::Test), None), [Stage::Test, Stage::Docs]);
    }

    #[test]
    fn only_leaves_one_stage() {
        assert_eq!(Stage::selected(None, Some(Stage::Licences)), [Stage::Licences]);
    }

    #[test]
    fn without_options_every_stage_runs_in_order() {
        assert_eq!(Stage::selected(None, None), Stage::value_variants());
    }
}
