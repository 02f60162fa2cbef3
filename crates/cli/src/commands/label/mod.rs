//! `loquat label`: rows worth labelling, and labels worth a second look.

mod apply;
mod marks;
mod next;
mod review;
mod subject;

use crate::arguments::LabelCommand;
use crate::context::Context;
use crate::failure::Failure;

/// Runs a command that helps to label.
pub(crate) fn run(context: &Context, command: &LabelCommand) -> Result<u8, Failure> {
    match command {
        LabelCommand::Next(arguments) => next::run(context, arguments),
        LabelCommand::Review(arguments) => review::run(context, arguments),
        LabelCommand::Apply(arguments) => apply::run(context, arguments),
    }
}
