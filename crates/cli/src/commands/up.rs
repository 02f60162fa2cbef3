//! `loquat up`: trains, then serves.

use loquat_data::{Part, Row, Table};
use loquat_spec::{Resources, Training};

use super::{serve, train};
use crate::arguments::Up;
use crate::context::Context;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::resources;

/// Lengths in characters that are easy on the eye.
const READABLE: std::ops::RangeInclusive<usize> = 12..=70;

/// Trains what changed, serves the folder and prints a call that works, until a signal.
pub(crate) fn run(context: &Context, arguments: &Up) -> Result<u8, Failure> {
    serve::refuse_unsupported(&arguments.hosting)?;
    let folder = context.folder(arguments.folder.as_deref());
    let resources = resources::load(context, folder)?;
    let interrupt = Interrupt::watch()?;
    let source = train::Source { folder, resources: &resources };
    let tables = train::train_folder(context, &interrupt, source, train::Plan::default())?;
    let calls: Vec<(String, String)> = resources
        .trainings
        .iter()
        .filter_map(|located| {
            let table = tables.get(located.value.dataset.as_str())?;
            Some((endpoint_of(&resources, &located.value), readable_text(table)?.to_owned()))
        })
        .collect();
    let endpoints = resources.endpoints.into_iter().map(|located| located.value).collect();
    serve::host(context, &interrupt, serve::Hosted { folder, endpoints, calls }, &arguments.hosting)
}

/// The endpoint that a training's model answers at: a declared one, else the implicit one of its own name.
fn endpoint_of(resources: &Resources, training: &Training) -> String {
    let declared = resources.endpoints.iter().find(|located| located.value.model.name == training.name);
    declared.map_or_else(|| training.name.to_string(), |located| located.value.name.to_string())
}

/// A short text of the data, from the test split where it has one.
fn readable_text(table: &Table) -> Option<&str> {
    let readable = |row: &&Row| {
        let text = row.text();
        READABLE.contains(&text.chars().count()) && !text.contains(['\'', '\\', '\n'])
    };
    let sealed = table.rows.iter().filter(readable).find(|row| row.part == Part::Test);
    let row = sealed.or_else(|| table.rows.iter().find(readable)).or_else(|| table.rows.first())?;
    Some(row.text()).filter(|text| !text.is_empty())
}
