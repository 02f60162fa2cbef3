//! Sends each command to its file.

use clap::{ArgMatches, FromArgMatches};
use loquat_spec::ErrorCode;

use super::{
    apply, bench, check, completions, config, diff, get, help_markdown, init, label, launch, man, models,
    predict, report, schema, why,
};
use crate::arguments::{Cli, Command};
use crate::context::Context;
use crate::failure::Failure;

/// Runs the command and gives the exit status of one that did its work.
pub(crate) fn run(context: &Context, matches: &ArgMatches) -> Result<u8, Failure> {
    let cli = Cli::from_arg_matches(matches)
        .map_err(|error| Failure::new(ErrorCode::Invalid, error.to_string().trim_start_matches("error: ")))?;
    match cli.command {
        Command::Init(arguments) => init::run(context, &arguments),
        Command::Check(arguments) => check::run(context, &arguments),
        Command::Label(command) => label::run(context, &command),
        Command::Train(arguments) => with_train::train(context, &arguments),
        Command::Up(arguments) => with_both::up(context, &arguments),
        Command::Serve(arguments) => with_serve::serve(context, &arguments),
        Command::Predict(arguments) => predict::run(context, &arguments),
        Command::Report(arguments) => report::run(context, &arguments),
        Command::Models(command) => models::run(context, &command),
        Command::Apply(arguments) => apply::run(context, &arguments),
        Command::Diff(arguments) => diff::run(context, &arguments),
        Command::Get(arguments) => get::run(&arguments),
        Command::Delete(arguments) => get::delete(&arguments),
        Command::Why(arguments) => why::run(&arguments),
        Command::Keys(command) => with_serve::keys(&command),
        Command::Bench(command) => bench::run(&command),
        Command::Schema { kind } => schema::run(kind.as_deref()),
        Command::Config(command) => config::run(context, matches, &command),
        Command::Completions { shell } => completions::run(shell),
        Command::Man { command } => man::run(&command),
        Command::HelpMarkdown => help_markdown::run(),
        Command::Launch(arguments) => Err(launch::run(&arguments)),
        Command::Later(later) => Err(Failure::not_yet_supported(
            &format!("loquat {}", later.name()),
            "`loquat --help` lists what is",
        )),
    }
}

#[cfg(feature = "train")]
mod with_train {
    pub(super) use crate::commands::train::run as train;
}

#[cfg(not(feature = "train"))]
mod with_train {
    use super::{Context, Failure};
    use crate::arguments::Train;

    pub(super) fn train(_: &Context, _: &Train) -> Result<u8, Failure> {
        Err(Failure::built_without("train"))
    }
}

#[cfg(feature = "serve")]
mod with_serve {
    pub(super) use crate::commands::keys::run as keys;
    pub(super) use crate::commands::serve::run as serve;
}

#[cfg(not(feature = "serve"))]
mod with_serve {
    use super::{Context, Failure};
    use crate::arguments::{KeysCommand, Serve};

    pub(super) fn keys(_: &KeysCommand) -> Result<u8, Failure> {
        Err(Failure::built_without("serve"))
    }

    pub(super) fn serve(_: &Context, _: &Serve) -> Result<u8, Failure> {
        Err(Failure::built_without("serve"))
    }
}

#[cfg(all(feature = "serve", feature = "train"))]
mod with_both {
    pub(super) use crate::commands::up::run as up;
}

#[cfg(not(all(feature = "serve", feature = "train")))]
mod with_both {
    use super::{Context, Failure};
    use crate::arguments::Up;

    pub(super) fn up(_: &Context, _: &Up) -> Result<u8, Failure> {
        Err(Failure::built_without(if cfg!(feature = "train") { "serve" } else { "train" }))
    }
}
