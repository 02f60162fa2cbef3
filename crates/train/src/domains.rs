//! Scores by domain, and on domains that were not trained on: matched and mismatched rows, as MultiNLI calls them (Williams,
//! Nangia and Bowman 2018).

use crate::bootstrap::interval;
use crate::evaluate::{Measured, clusters};
use crate::report::{Report, Score};
use crate::report_details::{CrossDomainReport, DomainReport, SliceReport};
use crate::run::Run;

/// Adds the scores by domain.
pub(crate) fn set(run: &Run<'_>, report: &mut Report, measured: &Measured) {
    let table = run.problem.table;
    let domain = |row: usize| table.rows[row].domain;
    let mut training_rows = vec![0; table.domains.len()];
    for place in run.problem.pool.iter().filter_map(|row| domain(*row)) {
        training_rows[place as usize] += 1;
    }
    for (place, name) in table.domains.iter().enumerate() {
        let own = slice(run, measured, |row| domain(row) == Some(place as u32));
        report.per_domain.extend(own.map(|SliceReport { rows, score }| DomainReport {
            domain: name.clone(),
            rows,
            score,
            training_rows: training_rows[place],
        }));
    }
    let trained = |row: usize| domain(row).map(|place| training_rows[place as usize] > 0);
    let mismatched = slice(run, measured, |row| trained(row) == Some(false));
    report.cross_domain = mismatched.map(|mismatched| CrossDomainReport {
        matched: slice(run, measured, |row| trained(row) == Some(true)),
        mismatched,
    });
}

/// The score of the rows that `keep` accepts; `None` where there are none.
fn slice(run: &Run<'_>, measured: &Measured, keep: impl Fn(usize) -> bool) -> Option<SliceReport> {
    let rows: Vec<usize> = measured.rows.iter().copied().filter(|row| keep(*row)).collect();
    let answers = measured.answers.subset(|place| keep(measured.rows[place]));
    let clusters = clusters(&run.problem, &rows);
    let found = || run.pool.install(|| interval(&answers, run.problem.metric, &clusters, run.seed()));
    (!rows.is_empty()).then(|| {
        let found = found();
        SliceReport {
            rows: rows.len(),
            score: Score { value: found.value, low: found.low, high: found.high },
        }
    })
}
