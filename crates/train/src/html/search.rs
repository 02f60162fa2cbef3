//! The search: what it tried, in order, and what mattered.

use super::importance::importance;
use super::plot::{Frame, Plot, Scale, Spacing};
use super::scores::axis_number;
use super::table::{Cell, table};
use super::text::{concat, count, escape, percent, score};
use crate::markdown::plain;
use crate::report::{Report, TrialReport, TrialState};

const LISTED: usize = 10;
/// Parameters that need no name.
const LEADING: [&str; 2] = ["solver", "ngrams"];

/// Score of every trial in the order tried, and the best so far.
pub(super) fn history(report: &Report) -> Option<String> {
    let scored: Vec<(&TrialReport, f64)> =
        report.trials.iter().filter_map(|trial| Some((trial, trial.score?))).collect();
    if scored.len() < 2 {
        return None;
    }
    let frame = Frame::HALF;
    let last = report.trials.len() as f64;
    let x = Scale::new((-0.5, last - 0.5), frame.across(), Spacing::Linear);
    let y = Scale::new(shown_range(report, &scored), frame.up(), Spacing::Linear);
    let mut plot = Plot::new(frame, x, y);
    plot.left_axis(5, axis_number);
    plot.bottom_axis("trial", 6, |tick| format!("{tick:.0}"));
    plot.line("curve", best_so_far(report, &scored));
    for (trial, value) in &scored {
        let class = match trial.state {
            _ if report.chosen.contains(&trial.number) => "own",
            TrialState::Complete => "good",
            _ => "faint",
        };
        let solver = trial.parameters.get("solver").map_or(String::new(), plain);
        let says = format!("trial {}: {} after {} folds, {solver}", trial.number, score(*value), trial.folds);
        plot.dot(class, (trial.number as f64, *value), if class == "own" { 5.5 } else { 3.8 }, &says);
    }
    let says = format!("Scores of {} trials in order, and the best so far", scored.len());
    Some(format!(
        "<figure>{}<figcaption>Every trial in order: <span class=\"key own\"></span> in the model, <span class=\"key green\"></span> met every fold, \
         <span class=\"key faint\"></span> given up early. The line is the best so far; scores far below it lie at the edge.</figcaption></figure>",
        plot.finish(&says)
    ))
}

/// The best four fifths; a few failures must not press the rest together.
fn shown_range(report: &Report, scored: &[(&TrialReport, f64)]) -> (f64, f64) {
    let mut values: Vec<f64> = scored.iter().map(|(_, value)| *value).collect();
    values.sort_by(f64::total_cmp);
    let fifth = values.len() / 5;
    let kept =
        if report.metric.lower_is_better() { &values[..values.len() - fifth] } else { &values[fifth..] };
    super::plot::roomy(kept.iter().copied(), 0.12)
}

fn best_so_far(report: &Report, scored: &[(&TrialReport, f64)]) -> Vec<(f64, f64)> {
    let better = |a: f64, b: f64| if report.metric.lower_is_better() { a < b } else { a > b };
    let mut best: Option<f64> = None;
    let mut line = Vec::new();
    for (trial, value) in scored.iter().filter(|(trial, _)| trial.state == TrialState::Complete) {
        if best.is_none_or(|best| better(*value, best)) {
            line.extend(best.map(|best| (trial.number as f64, best)));
            best = Some(*value);
            line.push((trial.number as f64, *value));
        }
    }
    line.extend(best.map(|best| (report.trials.len() as f64 - 0.5, best)));
    line
}

/// What the score depended on.
pub(super) fn parameters(report: &Report) -> Option<String> {
    let found = importance(&report.trials);
    if found.is_empty() {
        return None;
    }
    let row = |(name, share): &(String, f64)| {
        format!(
            "<li><span>{}</span><span class=\"track\" aria-hidden=\"true\"><span style=\"width:{:.1}%\"></span></span><span class=\"n\">{}</span></li>",
            escape(name),
            share * 100.0,
            percent(*share)
        )
    };
    Some(format!(
        "<figure><ol class=\"bars\">{}</ol><figcaption>Share of the differences between trials that each parameter explains alone, corrected for chance. \
         Shares need not sum to 100 %.</figcaption></figure>",
        concat(found.iter().map(row))
    ))
}

/// The best trials with their parameters.
pub(super) fn best(report: &Report) -> Option<String> {
    let mut sorted: Vec<&TrialReport> = report.trials.iter().filter(|trial| trial.score.is_some()).collect();
    let sign = if report.metric.lower_is_better() { 1.0 } else { -1.0 };
    let badness = |trial: &TrialReport| trial.score.map_or(f64::INFINITY, |value| sign * value);
    sorted.sort_by(|a, b| b.folds.cmp(&a.folds).then(badness(a).total_cmp(&badness(b))));
    if sorted.is_empty() {
        return None;
    }
    let rows = sorted.iter().take(LISTED).map(|trial| {
        let name = if report.chosen.contains(&trial.number) {
            format!("<b>{}</b> in the model", trial.number)
        } else {
            trial.number.to_string()
        };
        let value = trial.score.unwrap_or(f64::NAN);
        vec![
            Cell::markup(name),
            Cell::number(value, score(value)),
            Cell::number(trial.folds as f64, count(trial.folds)),
            Cell::number(trial.seconds, format!("{:.2}", trial.seconds)),
            Cell::markup(format!("<span class=\"long\">{}</span>", escape(&described(trial)))),
        ]
    });
    let columns = [
        ("trial", false),
        (report.metric.as_str(), true),
        ("folds", true),
        ("seconds", true),
        ("parameters", false),
    ];
    let caption = format!("The best of {} trials", count(report.trials.len()));
    Some(table(&caption, &columns, rows.collect(), LISTED))
}

/// The parameters in a line, what they are first of all before the rest by name.
fn described(trial: &TrialReport) -> String {
    let leading = LEADING.iter().filter_map(|name| trial.parameters.get(*name)).map(plain);
    let rest = trial.parameters.iter().filter(|(name, _)| !LEADING.contains(&name.as_str()));
    let rest = rest.map(|(name, value)| format!("{name} {}", short(value)));
    leading.chain(rest).collect::<Vec<_>>().join(" · ")
}

fn short(value: &serde_json::Value) -> String {
    match value.as_f64() {
        Some(number) if number.fract() != 0.0 => format!("{number:.3}"),
        _ => plain(value),
    }
}
