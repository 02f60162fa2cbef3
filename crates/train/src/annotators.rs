//! How near probabilities are to what annotators say of rows that they disagree about: cross entropy, and the Jensen-Shannon
//! distance by which Nie, Zhou and Bansal (2020) compare models with people.

use libm::{log, sqrt};

use crate::assemble::held_out_measured;
use crate::bootstrap::{Interval, mean_interval};
use crate::evaluate::{Measured, clusters};
use crate::metrics::row_loss;
use crate::problem::Problem;
use crate::recipe::Recipe;
use crate::report::{Report, Score};
use crate::report_details::AnnotatorsReport;
use crate::run::Run;

/// Adds the distances on the test rows, else on the rows that were held out from the search.
pub(crate) fn set(run: &Run<'_>, report: &mut Report, (recipe, test): (&Recipe, Option<&Measured>)) {
    report.annotators = match test {
        Some(test) => distances(run, test, "test"),
        None => distances(run, &held_out_measured(&run.problem, recipe), "out-of-fold"),
    };
}

/// The distances on the rows of `measured`; `None` where annotators agree on all of them.
fn distances(run: &Run<'_>, measured: &Measured, on: &str) -> Option<AnnotatorsReport> {
    let problem = &run.problem;
    let rows = &measured.rows;
    let divided = rows.iter().filter(|row| !problem.table.rows[**row].shares.is_empty()).count();
    if divided == 0 || measured.probabilities.is_empty() {
        return None;
    }
    let wanted: Vec<Vec<f32>> = rows.iter().map(|row| shares(problem, *row)).collect();
    let prior = prior(problem);
    let clusters = clusters(problem, rows);
    let score = |values: Vec<f64>| {
        let Interval { value, low, high } =
            run.pool.install(|| mean_interval(&values, &clusters, run.seed()));
        Score { value, low, high }
    };
    let found = || measured.probabilities.chunks_exact(problem.classes);
    let pairs = || wanted.iter().zip(found());
    let mean = |values: f64| values / rows.len() as f64;
    Some(AnnotatorsReport {
        on: on.to_owned(),
        rows: rows.len(),
        divided,
        cross_entropy: score(pairs().map(|(wanted, found)| cross_entropy(wanted, found)).collect()),
        entropy: mean(wanted.iter().map(|wanted| cross_entropy(wanted, wanted)).sum()),
        baseline: mean(wanted.iter().map(|wanted| cross_entropy(wanted, &prior)).sum()),
        jensen_shannon: score(pairs().map(|(wanted, found)| jensen_shannon(wanted, found)).collect()),
    })
}

/// The share of each label of a row, `[labels]`.
fn shares(problem: &Problem<'_>, row: usize) -> Vec<f32> {
    let row = &problem.table.rows[row];
    let mut shares = vec![0.0; problem.classes];
    row.labels.iter().take(1).for_each(|label| shares[*label as usize] = 1.0);
    for (label, share) in &row.shares {
        shares[*label as usize] = *share;
    }
    shares
}

/// The mean of the training rows' shares.
fn prior(problem: &Problem<'_>) -> Vec<f32> {
    let mut sums = vec![0.0; problem.classes];
    for row in &problem.pool {
        sums.iter_mut().zip(shares(problem, *row)).for_each(|(sum, share)| *sum += f64::from(share));
    }
    sums.iter().map(|sum| (sum / problem.pool.len().max(1) as f64) as f32).collect()
}

fn cross_entropy(wanted: &[f32], found: &[f32]) -> f64 {
    wanted
        .iter()
        .zip(found)
        .filter(|(wanted, _)| **wanted > 0.0)
        .map(|(w, f)| f64::from(*w) * row_loss(*f))
        .sum()
}

/// The root of the mean divergence of both from the middle between them.
fn jensen_shannon(one: &[f32], other: &[f32]) -> f64 {
    let part = |share: f64, middle: f64| if share > 0.0 { share * log(share / middle) } else { 0.0 };
    let of = |(one, other): (&f32, &f32)| {
        let (one, other) = (f64::from(*one), f64::from(*other));
        let middle = f64::midpoint(one, other);
        f64::midpoint(part(one, middle), part(other, middle))
    };
    sqrt(one.iter().zip(other).map(of).sum::<f64>().max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_as_defined() {
        // Computed in Python from the definitions.
        let (p, q) = ([0.7, 0.2, 0.1], [0.2, 0.5, 0.3]);
        assert!((jensen_shannon(&p, &q) - 0.364_579).abs() < 1e-5, "{}", jensen_shannon(&p, &q));
        assert!((cross_entropy(&p, &q) - 1.385_633).abs() < 1e-5, "{}", cross_entropy(&p, &q));
        assert!(jensen_shannon(&p, &p).abs() < 1e-6);
        let apart = jensen_shannon(&[1.0, 0.0], &[0.0, 1.0]);
        assert!((apart - sqrt(log(2.0))).abs() < 1e-12, "{apart}");
    }
}
