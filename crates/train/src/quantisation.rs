//! What an encoder loses in eight bits, measured by the pipeline that serves.

use std::path::Path;

use loquat_infer::Pipeline;
use loquat_models::{Checkpoint, Manifest};
use loquat_spec::{Family, Precision};

use crate::artifact::folder_bytes;
use crate::error::Halt;
use crate::evaluate::{self, Measured};
use crate::metrics::utility;
use crate::recipe::Recipe;
use crate::report::Report;
use crate::report_details::QuantisationReport;
use crate::run::Run;

/// Adds what the artifact of an encoder in `folder` loses, with a note.
pub(crate) fn set(
    run: &Run<'_>,
    report: &mut Report,
    (recipe, folder): (&Recipe, &Path),
    test: Option<&Measured>,
) -> Result<(), Halt> {
    let Some(test) = test.filter(|_| recipe.family() == Family::Encoder && !run.is_stopping()) else {
        return Ok(());
    };
    let loss = measure(run, folder, test)?;
    report.notes.push(loss.note(report.metric.as_str()));
    report.quantisation = Some(loss);
    Ok(())
}

/// The artifact in `folder` in eight bits on the test rows, which the model `measured` answered in full precision.
pub(crate) fn measure(run: &Run<'_>, folder: &Path, measured: &Measured) -> Result<QuantisationReport, Halt> {
    let staging = run.request.store.stage()?;
    quantised(folder, staging.path())?;
    let smaller = evaluate::measure(run, &Pipeline::load(staging.path())?)?;
    let metric = run.problem.metric;
    let (full, int8) = (measured.answers.value(metric), smaller.answers.value(metric));
    let answers = measured.answers.predicted.iter().zip(&smaller.answers.predicted);
    let same = answers.filter(|(full, int8)| full == int8).count();
    let rows = measured.rows.len();
    Ok(QuantisationReport {
        rows,
        full,
        int8,
        lost: utility(metric, full) - utility(metric, int8),
        unchanged: run.problem.pairs.is_none().then(|| same as f64 / rows.max(1) as f64),
        bytes_before: folder_bytes(folder)?,
        bytes: folder_bytes(staging.path())?,
    })
}

/// The artifact in `folder` with eight-bit weights, which answers about as its golden examples say.
fn quantised(folder: &Path, to: &Path) -> Result<(), Halt> {
    Checkpoint::open(folder)?.quantised()?.save(to)?;
    let manifest = Manifest::load(folder)?;
    Ok(Manifest { golden: Vec::new(), precision: Some(Precision::Int8), ..manifest }.save(to)?)
}
