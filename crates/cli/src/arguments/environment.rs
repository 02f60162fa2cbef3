//! Gives every flag its environment variable, so that none can be forgotten: `--top-k` is `LOQUAT_TOP_K`. Flags of one name
//! that take different values in different commands have the command in it: `check --format` is `LOQUAT_CHECK_FORMAT`.

use clap::builder::BoolishValueParser;
use clap::{Arg, ArgAction, CommandFactory};

use super::Cli;

/// Flags that do not mean the same in every command.
const AMBIGUOUS: [&str; 2] = ["format", "rate"];

/// The whole command line, each flag with its environment variable.
pub(crate) fn command() -> clap::Command {
    with_environment(Cli::command(), "LOQUAT")
}

/// `path` is that of the commands above and the command itself, in the words of variables.
fn with_environment(command: clap::Command, path: &str) -> clap::Command {
    command.mut_args(|arg| with_variable(arg, path)).mut_subcommands(|sub| {
        let path = format!("{path}_{}", word(sub.get_name()));
        with_environment(sub, &path)
    })
}

fn with_variable(arg: Arg, path: &str) -> Arg {
    let Some(long) = arg.get_long() else { return arg };
    let path = if AMBIGUOUS.contains(&long) { path } else { "LOQUAT" };
    let variable = format!("{path}_{}", word(long));
    let switch = matches!(arg.get_action(), ArgAction::SetTrue);
    let arg = arg.env(variable).hide_env_values(true);
    if switch { arg.value_parser(BoolishValueParser::new()) } else { arg }
}

fn word(name: &str) -> String {
    name.replace('-', "_").to_uppercase()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// What each variable may hold: placeholder and possible values of every flag that it belongs to.
    fn values(command: &clap::Command, found: &mut BTreeMap<String, Vec<String>>) {
        for arg in command.get_arguments().filter(|arg| arg.get_long().is_some()) {
            let possible: Vec<String> =
                arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
            let variable = arg.get_env().unwrap_or_default().to_string_lossy().into_owned();
            found.entry(variable).or_default().push(format!("{:?} {possible:?}", arg.get_value_names()));
        }
        command.get_subcommands().for_each(|sub| values(sub, found));
    }

    #[test]
    fn flags_that_share_a_variable_take_the_same_values() {
        let mut found = BTreeMap::new();
        values(&command(), &mut found);
        for (variable, mut forms) in found {
            forms.dedup();
            assert_eq!(forms.len(), 1, "{variable}: {forms:?}");
        }
    }

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
