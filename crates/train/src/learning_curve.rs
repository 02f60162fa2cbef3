//! What the chosen configuration reaches with fewer rows, and what more would give.
//!
//! On a few folds of the final search, the recipe is fitted on growing shares of the training side and scored on the
//! whole held-out side. Shares are of groups, each within the next. A power law `limit + amplitude * rows^-exponent`
//! (Hestness et al. 2017) through the means gives the forecast for twice the rows; the same through each fold alone
//! gives its range.

use crate::random::mix;
use crate::recipe::Recipe;
use crate::report_details::{LearningCurve, LearningFit, LearningPoint};
use crate::run::Run;
use crate::search::Search;

/// Index that names the order in which groups are left out.
const ORDER: u64 = 0x1EA4;
/// Shares of the training side that are fitted; the whole of it is known from the search.
const SHARES: [f64; 5] = [0.06, 0.12, 0.25, 0.5, 0.75];
const FOLDS: usize = 3;
/// Fewest rows worth fitting.
const LEAST_ROWS: usize = 20;
/// Exponents tried.
const EXPONENTS: std::ops::RangeInclusive<u32> = 2..=40;
const EXPONENT_STEP: f64 = 0.05;

/// How many fits on a whole training side measuring costs.
pub(crate) fn fits(search: &Search<'_>) -> f64 {
    FOLDS.min(search.folds().count()) as f64 * SHARES.iter().sum::<f64>()
}

/// Scores of one fold by rows trained on.
type FoldCurve = Vec<(usize, f64)>;

/// Measures and fits the curve; `None` when the user asked to stop meanwhile.
pub(crate) fn measure(run: &Run<'_>, search: &Search<'_>, recipe: &Recipe) -> Option<LearningCurve> {
    let mut curves: Vec<FoldCurve> = Vec::new();
    let mut start = 0;
    for fold in 0..search.folds().count().min(FOLDS) {
        let eval = search.folds().eval(fold);
        let mut curve = shares(run, search, recipe, fold)?;
        let known = &recipe.probabilities[start..][..run.problem.values(eval)];
        curve.push((search.folds().train(fold).len(), value(run, recipe, eval, known)));
        start += known.len();
        curves.push(curve);
    }
    Some(summarise(&curves, run.problem.pool.len()))
}

/// Scores of the fold with less than all of its rows; stops at the first share that can't be fitted, from above.
fn shares(run: &Run<'_>, search: &Search<'_>, recipe: &Recipe, fold: usize) -> Option<FoldCurve> {
    let (train, eval) = (search.folds().train(fold), search.folds().eval(fold));
    let mut curve = Vec::new();
    for share in SHARES.iter().rev() {
        if run.is_stopping() {
            return None;
        }
        let limit = (share * u64::MAX as f64) as u64;
        let is_kept = |row: &usize| {
            mix(run.seed(), &[ORDER, fold as u64, u64::from(run.problem.groups[*row])]) <= limit
        };
        let rows: Vec<usize> = train.iter().copied().filter(is_kept).collect();
        if rows.len() < LEAST_ROWS {
            break;
        }
        let fitted = recipe.predict(run, &rows, eval);
        run.problem.workspace.release(&rows);
        let Ok(probabilities) = fitted else { break };
        curve.push((rows.len(), value(run, recipe, eval, &probabilities)));
    }
    curve.reverse();
    Some(curve)
}

fn value(run: &Run<'_>, recipe: &Recipe, eval: &[usize], probabilities: &[f32]) -> f64 {
    run.problem.answers(eval, probabilities, recipe.thresholds.as_deref()).value(run.problem.metric)
}

/// Means over folds, from the largest share down as far as every fold has been, and the forecast for twice `rows`.
fn summarise(curves: &[FoldCurve], rows: usize) -> LearningCurve {
    let steps = curves.iter().map(Vec::len).min().unwrap_or(0);
    let tails: Vec<&[(usize, f64)]> = curves.iter().map(|curve| &curve[curve.len() - steps..]).collect();
    let point = |step: usize| {
        let values: Vec<f64> = tails.iter().map(|tail| tail[step].1).collect();
        let total: usize = tails.iter().map(|tail| tail[step].0).sum();
        spread(total / tails.len(), &values)
    };
    let points: Vec<LearningPoint> = (0..steps).map(point).collect();
    let means: FoldCurve = points.iter().map(|point| (point.rows, point.value)).collect();
    let Some(fit) = power_law(&means) else { return LearningCurve { points, fit: None, doubled: None } };
    let doubled = 2 * rows;
    // The law tells how much is added, the last point to what.
    let gain = |curve: &[(usize, f64)]| {
        let fit = power_law(curve)?;
        Some(fit.at(doubled as f64) - fit.at(curve.last()?.0 as f64))
    };
    let last = points.last().map_or(0.0, |point| point.value);
    let gains: Vec<f64> = tails.iter().filter_map(|tail| gain(tail)).map(|gain| last + gain).collect();
    let mut forecast = spread(doubled, &gains);
    forecast.value = last + gain(&means).unwrap_or(0.0);
    forecast.low = forecast.low.min(forecast.value);
    forecast.high = forecast.high.max(forecast.value);
    LearningCurve { points, fit: Some(fit), doubled: Some(forecast) }
}

fn spread(rows: usize, values: &[f64]) -> LearningPoint {
    LearningPoint {
        rows,
        value: values.iter().sum::<f64>() / values.len().max(1) as f64,
        low: values.iter().copied().fold(f64::INFINITY, f64::min),
        high: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    }
}

impl LearningFit {
    /// The metric with `rows` rows.
    pub fn at(&self, rows: f64) -> f64 {
        self.limit + self.amplitude * libm::pow(rows, -self.exponent)
    }
}

/// The least-squares power law, over a grid of exponents; for each, limit and amplitude are a straight line's. Points
/// weigh as their rows: the law holds for many, and the few say least about them. `None` with fewer than three points,
/// or when more rows would make it worse.
fn power_law(points: &[(usize, f64)]) -> Option<LearningFit> {
    if points.len() < 3 {
        return None;
    }
    let candidate = |step: u32| {
        let exponent = f64::from(step) * EXPONENT_STEP;
        let line: Vec<(f64, f64, f64)> = points
            .iter()
            .map(|(rows, value)| (libm::pow(*rows as f64, -exponent), *value, *rows as f64))
            .collect();
        let (limit, amplitude) = straight(&line)?;
        // A score is a share of one, or a loss that cannot be negative.
        let fit = LearningFit { limit: limit.clamp(0.0, 1.0_f64.max(points[0].1)), amplitude, exponent };
        let square =
            |(rows, value): &(usize, f64)| *rows as f64 * libm::pow(fit.at(*rows as f64) - value, 2.0);
        let error: f64 = points.iter().map(square).sum();
        Some((error, fit))
    };
    let best = EXPONENTS.filter_map(candidate).min_by(|a, b| a.0.total_cmp(&b.0))?.1;
    goes_on(points, best.amplitude).then_some(best)
}

/// Whether the curve goes the way in which its points went.
fn goes_on(points: &[(usize, f64)], amplitude: f64) -> bool {
    let change = points[points.len() - 1].1 - points[0].1;
    change * amplitude < 0.0
}

/// Intercept and slope of the least-squares line through points `(x, y, weight)`.
fn straight(points: &[(f64, f64, f64)]) -> Option<(f64, f64)> {
    let total: f64 = points.iter().map(|point| point.2).sum();
    let mean = |pick: fn(&(f64, f64, f64)) -> f64| points.iter().map(|p| pick(p) * p.2).sum::<f64>() / total;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let above: f64 = points.iter().map(|point| point.2 * (point.0 - x) * (point.1 - y)).sum();
    let below: f64 = points.iter().map(|point| point.2 * (point.0 - x) * (point.0 - x)).sum();
    (below > 0.0).then(|| (y - above / below * x, above / below))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(rows: usize) -> f64 {
        0.9 - 2.0 * libm::pow(rows as f64, -0.5)
    }

    #[test]
    fn finds_the_law_that_made_the_points() {
        let points: FoldCurve = [100, 200, 400, 800].map(|rows| (rows, exact(rows))).into();
        let fit = power_law(&points).unwrap();
        assert!((fit.limit - 0.9).abs() < 1e-9 && (fit.exponent - 0.5).abs() < 1e-9, "{fit:?}");
        let curve = summarise(&[points.clone(), points], 1000);
        let doubled = curve.doubled.unwrap();
        assert!((doubled.value - exact(2000)).abs() < 1e-9, "{doubled:?}");
        assert_eq!(doubled.rows, 2000);
    }

    #[test]
    fn a_flat_or_short_curve_promises_nothing() {
        assert_eq!(power_law(&[(100, 0.5), (200, 0.6)]), None);
        assert_eq!(power_law(&[(100, 0.6), (200, 0.6), (400, 0.6)]), None);
    }

    #[test]
    fn folds_that_lack_a_small_share_are_compared_on_the_others() {
        let long = vec![(50, 0.5), (100, 0.6), (200, 0.7)];
        let short = vec![(110, 0.62), (210, 0.72)];
        let curve = summarise(&[long, short], 250);
        let rows: Vec<usize> = curve.points.iter().map(|point| point.rows).collect();
        assert_eq!(rows, [105, 205]);
    }
}
