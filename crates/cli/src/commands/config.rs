//! `loquat config show`: each value in force and where it comes from.

use clap::ArgMatches;
use clap::parser::ValueSource;

use crate::arguments::{self, ConfigCommand};
use crate::context::{self, Context, word};
use crate::failure::Failure;
use crate::output;

/// Prints the configuration.
pub(crate) fn run(context: &Context, matches: &ArgMatches, command: &ConfigCommand) -> Result<u8, Failure> {
    match command {
        ConfigCommand::Show => show(context, matches),
    }
}

fn show(context: &Context, matches: &ArgMatches) -> Result<u8, Failure> {
    let innermost = context::innermost(matches);
    let mut rows = vec![["FLAG".to_owned(), "VALUE".to_owned(), "SOURCE".to_owned()]];
    for argument in arguments::command().get_arguments() {
        let Some(long) = argument.get_long() else { continue };
        let source = match innermost.value_source(argument.get_id().as_str()) {
            Some(ValueSource::CommandLine) => "flag".to_owned(),
            Some(ValueSource::EnvVariable) => {
                let variable = argument.get_env().map(|name| name.to_string_lossy().into_owned());
                format!("environment ({})", variable.unwrap_or_default())
            }
            _ => "default".to_owned(),
        };
        rows.push([format!("--{long}"), value(context, long), source]);
    }
    output::answer(&output::columns(&rows))?;
    Ok(0)
}

fn value(context: &Context, long: &str) -> String {
    let global = &context.global;
    match long {
        "store" => context.store_place(&global.dir).to_string(),
        "dir" => global.dir.display().to_string(),
        "threads" => context.threads().to_string(),
        "kernels" => word(&global.kernels),
        "onnxruntime" => {
            global.onnxruntime.as_deref().map_or("none".to_owned(), |path| path.display().to_string())
        }
        "log" => word(&global.log),
        "color" => word(&global.color),
        _ => String::new(),
    }
}
