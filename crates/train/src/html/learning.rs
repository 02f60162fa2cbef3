//! The learning curve and what more data would give.

use super::plot::{Frame, Plot, Scale, Spacing, roomy};
use super::scores::axis_number;
use super::text::{count, difference, score};
use crate::report::Report;
use crate::report_details::LearningPoint;

/// Points of the drawn curve.
const STEPS: usize = 60;

/// The plot, when a curve was measured.
pub(super) fn section(report: &Report) -> Option<String> {
    let curve = report.learning_curve.as_ref()?;
    let (first, last) = (curve.points.first()?, curve.points.last()?);
    let everything: Vec<&LearningPoint> = curve.points.iter().chain(&curve.doubled).collect();
    let frame = Frame { width: 560.0, ..Frame::HALF };
    let most = everything.iter().map(|point| point.rows).max()? as f64;
    let x = Scale::new((first.rows as f64 * 0.85, most * 1.12), frame.across(), Spacing::Logarithmic);
    let heights = everything.iter().flat_map(|point| [point.low, point.high]);
    let y = Scale::new(roomy(heights, 0.1), frame.up(), Spacing::Linear);
    let mut plot = Plot::new(frame, x, y);
    plot.left_axis(5, axis_number);
    plot.bottom_axis("rows trained on (logarithmic)", 6, |tick| count(tick as usize));
    if let (Some(fit), Some(doubled)) = (curve.fit, curve.doubled) {
        let between = |from: f64, to: f64| {
            (0..=STEPS).map(move |step| {
                let rows = from * libm::pow(to / from, step as f64 / STEPS as f64);
                (rows, fit.at(rows))
            })
        };
        plot.line("curve", between(first.rows as f64, last.rows as f64));
        plot.line("curve forecast", between(last.rows as f64, doubled.rows as f64));
        let at = doubled.rows as f64;
        plot.segment("whisker", (at, doubled.low), (at, doubled.high));
        plot.dot("hollow", (at, doubled.value), 5.5, &format!("forecast {}", score(doubled.value)));
        plot.words(
            "figure",
            (at, doubled.value),
            (-2.0, -12.0),
            "end",
            &format!("forecast {}", score(doubled.value)),
        );
    }
    for point in &curve.points {
        let at = point.rows as f64;
        plot.segment("whisker", (at, point.low), (at, point.high));
        plot.dot(
            "own",
            (at, point.value),
            5.0,
            &format!("{} rows: {}", count(point.rows), score(point.value)),
        );
    }
    let points: Vec<String> = curve
        .points
        .iter()
        .map(|point| format!("{} rows {}", count(point.rows), score(point.value)))
        .collect();
    let says = format!("Learning curve: {}", points.join("; "));
    Some(format!(
        "<figure class=\"wide\">{}<figcaption>{} Dots are means over held-out folds, whiskers the worst and best fold.</figcaption></figure>",
        plot.finish(&says),
        forecast(report)
    ))
}

fn forecast(report: &Report) -> String {
    let found = report.learning_curve.as_ref().and_then(|curve| Some((curve.points.last()?, curve.doubled?)));
    let Some((last, doubled)) = found else {
        return "The scores do not follow a curve that could be extended: more data promises nothing that can be put into a number.".to_owned();
    };
    let gain = doubled.value - last.value;
    let advice = match gain.abs() {
        gain if gain < 0.005 => "other means will help more",
        gain if gain < 0.02 => "worth it where labelling is cheap",
        _ => "labelling is the surest way to a better model",
    };
    format!(
        "Twice the rows ({}) would give about <b>{}</b>, {} more than {} rows did; going by single folds, {} to {}. {advice}.",
        count(doubled.rows),
        score(doubled.value),
        difference(gain),
        count(last.rows),
        score(doubled.low),
        score(doubled.high),
        advice = capitalised(advice)
    )
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or(String::new(), |first| first.to_uppercase().chain(characters).collect())
}
