//! From margins to probabilities, fitted on out-of-fold margins and never on test rows.
//!
//! Single-label: one temperature (Guo et al. 2017). Multi-label: a slope and an intercept per label (Platt
//! 1999, with the targets and the Newton steps of Lin, Lin and Weng 2007). All arithmetic is libm's, in row
//! order.

use libm::{exp, log};
use loquat_models::Calibration;

use crate::metrics::row_loss;

/// Rows looked at; more would not change the second digit of one or two numbers.
const MOST_ROWS: usize = 50_000;
/// Inverse temperatures searched between.
const INVERSE_RANGE: (f64, f64) = (1e-4, 1e4);

/// Logarithms of the factors by which an average may be sharpened.
const SHARPENING: (f64, f64) = (-0.3, 1.2);

/// Margins `[rows, classes]` with their true labels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Margins<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) truth: &'a [&'a [u32]],
    /// The share of each label of each row, where annotators disagree; empty where they do of no row.
    pub(crate) shares: &'a [&'a [(u32, f32)]],
    pub(crate) classes: usize,
}

impl<'a> Margins<'a> {
    fn row(&self, row: usize) -> &'a [f32] {
        &self.values[row * self.classes..][..self.classes]
    }

    /// What `of` gives for the true label of a row, or on average over what annotators say.
    fn wanted(&self, row: usize, of: impl Fn(u32) -> f64) -> f64 {
        match (self.shares.get(row), self.truth[row].first()) {
            (Some(shares), _) if !shares.is_empty() => {
                shares.iter().map(|(label, share)| f64::from(*share) * of(*label)).sum()
            }
            (_, Some(label)) => of(*label),
            (_, None) => 0.0,
        }
    }

    fn sample(&self) -> impl Iterator<Item = usize> + use<> {
        (0..self.truth.len()).step_by(self.truth.len().div_ceil(MOST_ROWS).max(1))
    }
}

/// A calibration that changes nothing but the scale on which probabilities are defined.
pub(crate) fn identity(classes: usize, multi_label: bool) -> Calibration {
    if multi_label {
        Calibration::Platt { slope: vec![1.0; classes], intercept: vec![0.0; classes] }
    } else {
        Calibration::Temperature(1.0)
    }
}

/// Fits the calibration that the kind of task asks for.
pub(crate) fn fit(margins: Margins<'_>, multi_label: bool) -> Calibration {
    if !multi_label {
        return Calibration::Temperature(temperature(margins));
    }
    let rows: Vec<usize> = margins.sample().collect();
    let fit = |label: usize| {
        let points: Vec<(f64, bool)> = rows
            .iter()
            .map(|row| (f64::from(margins.row(*row)[label]), margins.truth[*row].contains(&(label as u32))))
            .collect();
        platt(&points)
    };
    let (slope, intercept) = (0..margins.classes).map(fit).unzip();
    Calibration::Platt { slope, intercept }
}

/// The calibrations of an average's parts, all sharpened by the factor of least loss: the average of
/// calibrated probabilities is less sure than it could be (Wu and Gales 2021, Should Ensemble Members Be
/// Calibrated?).
pub(crate) fn sharpen(parts: &[(&Calibration, Margins<'_>)], multi_label: bool) -> Vec<Calibration> {
    let scaled = |factor: f32| {
        parts.iter().map(move |(calibration, _)| scale(calibration, factor)).collect::<Vec<_>>()
    };
    let loss = |exponent: f64| blend_loss(&scaled(exp(exponent) as f32), parts, multi_label);
    let golden = 0.5 * (libm::sqrt(5.0) - 1.0);
    let (mut low, mut high) = SHARPENING;
    let (mut left, mut right) = (high - golden * (high - low), low + golden * (high - low));
    let (mut at_left, mut at_right) = (loss(left), loss(right));
    for _ in 0..12 {
        if at_left < at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - golden * (high - low);
            at_left = loss(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + golden * (high - low);
            at_right = loss(right);
        }
    }
    scaled(exp(0.5 * (low + high)) as f32)
}

fn scale(calibration: &Calibration, factor: f32) -> Calibration {
    let all = |values: &[f32]| values.iter().map(|value| value * factor).collect();
    match calibration {
        Calibration::Temperature(temperature) => Calibration::Temperature(temperature / factor),
        Calibration::Platt { slope, intercept } => {
            Calibration::Platt { slope: all(slope), intercept: all(intercept) }
        }
    }
}

fn blend_loss(calibrations: &[Calibration], parts: &[(&Calibration, Margins<'_>)], multi_label: bool) -> f64 {
    let Some((_, margins)) = parts.first() else { return 0.0 };
    let share = 1.0 / parts.len() as f32;
    let mut sum = 0.0;
    for row in margins.sample() {
        let mut blended = vec![0.0_f32; margins.classes];
        for (calibration, (_, margins)) in calibrations.iter().zip(parts) {
            let mut values = margins.row(row).to_vec();
            calibration.apply(&mut values);
            blended.iter_mut().zip(values).for_each(|(total, value)| *total += share * value);
        }
        let truth = margins.truth[row];
        if multi_label {
            let of_label = |(p, label): (&f32, u32)| {
                if truth.contains(&label) { row_loss(*p) } else { row_loss(1.0 - p) }
            };
            sum += blended.iter().zip(0..).map(of_label).sum::<f64>();
        } else {
            sum += margins.wanted(row, |label| row_loss(blended[label as usize]));
        }
    }
    sum
}

/// Probabilities `[rows, classes]` of margins.
pub(crate) fn apply(calibration: &Calibration, margins: &[f32], classes: usize) -> Vec<f32> {
    let mut values = margins.to_vec();
    values.chunks_exact_mut(classes.max(1)).for_each(|row| calibration.apply(row));
    values
}

/// The temperature of least loss. The loss is convex in the inverse temperature, so the sign of its slope
/// says where to go; the search bisects the logarithm of the inverse.
fn temperature(margins: Margins<'_>) -> f32 {
    let rows: Vec<usize> = margins.sample().filter(|row| !margins.truth[*row].is_empty()).collect();
    if rows.is_empty() {
        return 1.0;
    }
    let slope = |inverse: f64| rows.iter().map(|row| row_slope(margins, *row, inverse)).sum::<f64>();
    let (mut low, mut high) = (log(INVERSE_RANGE.0), log(INVERSE_RANGE.1));
    for _ in 0..28 {
        let middle = 0.5 * (low + high);
        if slope(exp(middle)) > 0.0 {
            high = middle;
        } else {
            low = middle;
        }
    }
    exp(-0.5 * (low + high)) as f32
}

/// Slope of one row's loss in the inverse temperature: the expected margin less the true label's.
fn row_slope(margins: Margins<'_>, row: usize, inverse: f64) -> f64 {
    let values = margins.row(row);
    let truth = margins.wanted(row, |label| f64::from(values[label as usize]));
    let largest = f64::from(values.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let (mut sum, mut expected) = (0.0, 0.0);
    for value in values {
        let value = f64::from(*value);
        let weight = exp((value - largest) * inverse);
        sum += weight;
        expected += weight * value;
    }
    expected / sum - truth
}

/// Slope and intercept of the logistic curve through `points`, by Newton's method with halved steps.
fn platt(points: &[(f64, bool)]) -> (f32, f32) {
    let positive = points.iter().filter(|point| point.1).count() as f64;
    let negative = points.len() as f64 - positive;
    // Targets pulled off 0 and 1, so that a label with few rows keeps a finite slope.
    let high = (positive + 1.0) / (positive + 2.0);
    let low = 1.0 / (negative + 2.0);
    let target = |is_positive: bool| if is_positive { high } else { low };
    let loss = |a: f64, b: f64| {
        let point_loss = |(margin, is_positive): &(f64, bool)| {
            let z = a * margin + b;
            let softplus = if z > 0.0 { z + log(1.0 + exp(-z)) } else { log(1.0 + exp(z)) };
            softplus - target(*is_positive) * z
        };
        points.iter().map(point_loss).sum::<f64>()
    };
    let (mut a, mut b) = (0.0, log((positive + 1.0) / (negative + 1.0)));
    let mut current = loss(a, b);
    for _ in 0..50 {
        let Some((da, db)) = newton_step(points, (a, b), target) else { break };
        let mut step = 1.0;
        while step > 1e-6 && loss(a + step * da, b + step * db) > current {
            step *= 0.5;
        }
        let next = loss(a + step * da, b + step * db);
        if next > current || current - next < 1e-9 * (1.0 + current) {
            break;
        }
        (a, b, current) = (a + step * da, b + step * db, next);
    }
    // A label whose margins speak against it gets its frequency: a falling curve would turn the ranking
    // around.
    if a > 0.0 { (a as f32, b as f32) } else { (0.0, log((positive + 1.0) / (negative + 1.0)) as f32) }
}

fn newton_step(points: &[(f64, bool)], at: (f64, f64), target: impl Fn(bool) -> f64) -> Option<(f64, f64)> {
    let (mut haa, mut hbb, mut hab, mut ga, mut gb) = (1e-9, 1e-9, 0.0, 0.0, 0.0);
    for (margin, is_positive) in points {
        let p = 1.0 / (1.0 + exp(-(at.0 * margin + at.1)));
        let (error, curvature) = (p - target(*is_positive), p * (1.0 - p));
        ga += error * margin;
        gb += error;
        haa += curvature * margin * margin;
        hab += curvature * margin;
        hbb += curvature;
    }
    let determinant = haa * hbb - hab * hab;
    let step = (-(hbb * ga - hab * gb) / determinant, -(haa * gb - hab * ga) / determinant);
    (step.0.is_finite() && step.1.is_finite()).then_some(step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::Random;
    use crate::random::normal;

    #[test]
    fn finds_the_temperature_that_made_the_labels() {
        let mut random = Random::new(4);
        let (classes, rows, true_temperature) = (4, 6000, 2.5_f32);
        let values: Vec<f32> = (0..rows * classes).map(|_| 4.0 * normal(&mut random) as f32).collect();
        let labels: Vec<[u32; 1]> = values
            .chunks_exact(classes)
            .map(|row| {
                let probabilities = apply(&Calibration::Temperature(true_temperature), row, classes);
                let mut left = random.unit() as f32;
                let drawn = probabilities.iter().position(|p| {
                    left -= p;
                    left < 0.0
                });
                [drawn.unwrap_or(classes - 1) as u32]
            })
            .collect();
        let truth: Vec<&[u32]> = labels.iter().map(|label| label.as_slice()).collect();
        let Calibration::Temperature(found) =
            fit(Margins { values: &values, truth: &truth, shares: &[], classes }, false)
        else {
            panic!("a single-label task has a temperature");
        };
        assert!((found - true_temperature).abs() < 0.15, "{found}");
    }

    #[test]
    fn annotators_who_disagree_ask_for_less_certainty() {
        let (values, labels) = ([2.0, 0.0], [0_u32]);
        let fitted = |shares: &[(u32, f32)]| {
            let margins = Margins { values: &values, truth: &[&labels], shares: &[shares], classes: 2 };
            let calibration = fit(margins, false);
            apply(&calibration, &values, 2)
        };
        let found = fitted(&[(0, 0.7), (1, 0.3)]);
        assert!((found[0] - 0.7).abs() < 1e-3, "{found:?}");
        assert!(fitted(&[])[0] > 0.99);
    }

    #[test]
    fn finds_the_logistic_curve_that_made_the_labels() {
        let mut random = Random::new(5);
        let points: Vec<(f64, bool)> = (0..20_000)
            .map(|_| {
                let margin = 2.0 * normal(&mut random);
                (margin, random.unit() < 1.0 / (1.0 + exp(-(1.7 * margin - 0.8))))
            })
            .collect();
        let (slope, intercept) = platt(&points);
        assert!((slope - 1.7).abs() < 0.1 && (intercept + 0.8).abs() < 0.1, "{slope} {intercept}");
    }

    #[test]
    fn an_average_of_two_views_is_sharpened() {
        // Two noisy views of the same evidence, each calibrated by itself: together they know more than
        // either.
        let mut random = Random::new(6);
        let (mut first, mut second, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..4000 {
            let label = random.below(2);
            for (view, margins) in [(0, &mut first), (1, &mut second)] {
                let evidence =
                    if label == 1 { 1.0 } else { -1.0 } + normal(&mut random) + f64::from(view) * 1e-9;
                margins.extend([0.0, 2.0 * evidence as f32]);
            }
            labels.push([label as u32]);
        }
        let truth: Vec<&[u32]> = labels.iter().map(|label| label.as_slice()).collect();
        let margins = |values| Margins { values, truth: &truth, shares: &[], classes: 2 };
        let calibrations = [fit(margins(&first), false), fit(margins(&second), false)];
        let parts = [(&calibrations[0], margins(&first)), (&calibrations[1], margins(&second))];
        let sharpened = sharpen(&parts, false);
        assert!(blend_loss(&sharpened, &parts, false) < 0.99 * blend_loss(&calibrations, &parts, false));
    }

    #[test]
    fn gives_a_label_without_positives_a_small_probability() {
        let points: Vec<(f64, bool)> = (0..100).map(|i| (f64::from(i) / 50.0 - 1.0, false)).collect();
        let (slope, intercept) = platt(&points);
        assert!(slope.is_finite() && intercept < -2.0, "{slope} {intercept}");
    }

    #[test]
    fn stays_finite_when_classes_part_cleanly() {
        let points: Vec<(f64, bool)> = (0..40).map(|i| (f64::from(i) - 19.5, i >= 20)).collect();
        let (slope, intercept) = platt(&points);
        assert!(slope.is_finite() && slope > 0.0 && intercept.is_finite(), "{slope} {intercept}");
    }
}
