//! Evaluates a grid on the data of a resource file: Loquat's side of the figure `sklearn-search`.
//!
//! Usage: `grid RESOURCES.yaml GRID.json THREADS`, where the grid is a list of parameter objects. Prints one JSON object
//! on one line, for another tool to do the same with:
//!
//! ```text
//! {"seconds": S, "scores": [..], "rows": [{"text": TEXT, "label": LABEL, "fold": FOLD or null}, ..]}
//! ```
//!
//! Seconds start when the rows are in memory and hold everything after. A row without a fold is trained on in all.

use std::path::PathBuf;
use std::time::Instant;

use loquat_data::{LoadOptions, Part, Row};
use loquat_spec::SourceText;
use serde_json::{Value, json};

type Problem = Box<dyn std::error::Error>;

fn main() -> Result<(), Problem> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [resources, grid, threads] = arguments.as_slice() else {
        return Err("usage: grid RESOURCES.yaml GRID.json THREADS".into());
    };
    let threads = threads.parse()?;
    let path = PathBuf::from(resources);
    let base = path.parent().map(PathBuf::from).unwrap_or_default();
    let text = SourceText { path, text: std::fs::read_to_string(resources)? };
    let known = loquat_spec::parse(&[text]).map_err(|findings| format!("{findings:#?}"))?;
    let dataset = &known.datasets.first().ok_or("the file has no Dataset")?.value;
    let training = &known.trainings.first().ok_or("the file has no Training")?.value;
    let table = loquat_data::load(dataset, &LoadOptions { base, threads, ..LoadOptions::default() })?;
    let configurations: Vec<_> = serde_json::from_slice(&std::fs::read(grid)?)?;
    let start = Instant::now();
    let grid = loquat_train::evaluate_grid(training, &table, &configurations, threads)?;
    let seconds = start.elapsed().as_secs_f64();
    let shared = table.rows.iter().zip(&grid.folds).filter(|(row, _)| row.part != Part::Test);
    let row = |(row, fold): (&Row, &Option<usize>)| json!({ "text": row.text(), "label": row.labels.first().map(|label| &table.labels[*label as usize]), "fold": fold });
    let rows: Vec<Value> = shared.map(row).collect();
    println!("{}", json!({ "seconds": seconds, "scores": grid.values, "rows": rows }));
    Ok(())
}
