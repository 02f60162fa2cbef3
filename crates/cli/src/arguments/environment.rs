//! Gives every flag its environment variable, so that none can be forgotten: `--top-k` is `LOQUAT_TOP_K`.

use clap::builder::BoolishValueParser;
use clap::{Arg, ArgAction, CommandFactory};

use super::Cli;

/// The whole command line, each flag with its environment variable.
pub(crate) fn command() -> clap::Command {
    with_environment(Cli::command())
}

fn with_environment(command: clap::Command) -> clap::Command {
    command.mut_args(with_variable).mut_subcommands(with_environment)
}

fn with_variable(arg: Arg) -> Arg {
    let Some(long) = arg.get_long() else { return arg };
    let variable = format!("LOQUAT_{}", long.replace('-', "_").to_uppercase());
    let switch = matches!(arg.get_action(), ArgAction::SetTrue);
    let arg = arg.env(variable).hide_env_values(true);
    if switch { arg.value_parser(BoolishValueParser::new()) } else { arg }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags_without_variable(command: &clap::Command, found: &mut Vec<String>) {
        for arg in command.get_arguments().filter(|arg| arg.get_long().is_some()) {
            if arg.get_env().is_none() {
                found.push(format!("{} {}", command.get_name(), arg.get_id()));
            }
        }
        for sub in command.get_subcommands() {
            flags_without_variable(sub, found);
        }
    }

    #[test]
    fn every_flag_has_an_environment_variable() {
        let mut found = Vec::new();
        flags_without_variable(&command(), &mut found);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn the_parser_is_consistent() {
        command().debug_assert();
    }
}
