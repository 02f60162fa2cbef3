//! `loquat up`: trains, then serves.

use loquat_data::{Part, Row, Table};
use loquat_spec::{Name, Resources, Task};
use serde_json::{Value, json};

use super::{serve, train};
use crate::arguments::Up;
use crate::context::Context;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::watching::{Watched, Work};
use crate::{call, resources};

/// Lengths in characters that are easy on the eye.
const READABLE: std::ops::RangeInclusive<usize> = 12..=70;

/// Trains what changed, serves the folder and prints a call that works, until a signal.
pub(crate) fn run(context: &Context, arguments: &Up) -> Result<u8, Failure> {
    let folder = context.folder(arguments.folder.as_deref());
    let watched = arguments.hosting.watch.then(|| Watched::new(folder, Work::Train));
    let resources = resources::load(context, folder)?;
    let interrupt = Interrupt::watch()?;
    let source = train::Source { folder, resources: &resources };
    let tables = train::train_folder(context, &interrupt, source, train::Plan::default())?;
    let trained = resources.trainings.iter().filter_map(|located| {
        let table = tables.get(located.value.dataset.as_str())?;
        let body = json!({ "inputs": readable_text(table)? });
        Some((endpoint_of(&resources, &located.value.name), body))
    });
    let imported = resources.models.iter().map(|located| {
        let name = endpoint_of(&resources, &located.value.name);
        let declared = resources.endpoints.iter().find(|endpoint| endpoint.value.name.as_str() == name);
        let zero_shot = declared.is_some_and(|endpoint| endpoint.value.zero_shot.is_some());
        let task = if zero_shot { Task::ZeroShotClassification } else { located.value.task };
        (name, call::example(task))
    });
    let calls: Vec<(String, Value)> = trained.chain(imported).collect();
    let hosted = serve::Hosted { folder, resources, calls, watched };
    serve::host(context, &interrupt, hosted, &arguments.hosting)
}

/// The endpoint that a model answers at: a declared one, else the implicit one of its own name.
fn endpoint_of(resources: &Resources, model: &Name) -> String {
    let declared = resources.endpoints.iter().find(|located| located.value.model.name == *model);
    declared.map_or_else(|| model.to_string(), |located| located.value.name.to_string())
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
