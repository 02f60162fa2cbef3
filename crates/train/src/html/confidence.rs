//! How far probabilities can be trusted, and what a threshold on them buys.

use super::plot::{Frame, Plot, Scale, Spacing};
use super::table::{Cell, table};
use super::text::{count, escape, percent, score};
use crate::report::Report;
use crate::report_details::ThresholdCurve;
use crate::summary::annotators_rows;
use loquat_spec::Task;

/// Thresholds of the table.
const LISTED: [f32; 8] = [0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95];

/// Answers below which a share says little.
const FEW: usize = 8;

/// Confidence against the share that was right.
pub(super) fn reliability(report: &Report) -> Option<String> {
    let ece = report.calibration.ece?;
    let bins: Vec<_> = report.calibration.bins.iter().filter(|bin| bin.count > 0).collect();
    let most = bins.iter().map(|bin| bin.count).max()? as f64;
    let frame = Frame::HALF;
    let share = |pixels| Scale::new((0.0, 1.0), pixels, Spacing::Linear);
    let mut plot = Plot::new(frame, share(frame.across()), share(frame.up()));
    plot.left_axis(5, percent);
    plot.bottom_axis("confidence", 5, percent);
    for bin in &bins {
        let says = format!("{} answers", count(bin.count));
        plot.bar("count", (bin.low, bin.high), 0.3 * bin.count as f64 / most, &says);
    }
    plot.segment("ideal", (0.0, 0.0), (1.0, 1.0));
    let told = bins.iter().filter(|bin| bin.count >= FEW);
    plot.line("curve", told.map(|bin| (bin.confidence, bin.accuracy)));
    for bin in &bins {
        let class = if bin.count < FEW { "faint" } else { "own" };
        let says = format!(
            "said {}, right {} of {} answers",
            percent(bin.confidence),
            percent(bin.accuracy),
            bin.count
        );
        plot.dot(class, (bin.confidence, bin.accuracy), 3.0 + 4.0 * (bin.count as f64 / most).sqrt(), &says);
    }
    let says: Vec<String> = bins
        .iter()
        .map(|bin| format!("said {} right {}", percent(bin.confidence), percent(bin.accuracy)))
        .collect();
    Some(format!(
        "<figure>{}<figcaption>Share of answers that is right, by how sure the model was. On the dashed line it is as often right as it says; below, it is too sure. \
         Bars count the answers; rings stand for fewer than {FEW}. Expected calibration error {}.</figcaption></figure>",
        plot.finish(&format!("Reliability diagram: {}", says.join("; "))),
        score(ece)
    ))
}

/// How near probabilities are to what annotators say who disagree.
pub(super) fn annotators(report: &Report) -> Option<String> {
    let annotators = report.annotators.as_ref()?;
    let rows = annotators_rows(annotators).into_iter().map(|(name, value, interval)| {
        let interval =
            interval.map_or(String::new(), |of| format!("{} to {}", score(of.low), score(of.high)));
        vec![Cell::text(name), Cell::number(value, score(value)), Cell::text(&interval)]
    });
    let (divided, all) = (count(annotators.divided), count(annotators.rows));
    let caption =
        format!("Annotators, who disagree about {divided} of {all} {} rows, in nats", annotators.on);
    Some(table(&caption, &[("measure", false), ("value", true), ("95 % interval", true)], rows.collect(), 8))
}

/// What is answered, and how well, at each threshold.
pub(super) fn thresholds(report: &Report) -> Option<String> {
    let inspection = report.inspection.as_ref()?;
    let curve = &inspection.thresholds;
    if curve.points.is_empty() || curve.wanted == 0 {
        return None;
    }
    let sets = report.task == Task::MultiLabelClassification;
    let (kept, kept_name) = if sets { (2, "labels found") } else { (1, "rows answered") };
    Some(format!(
        "<figure class=\"explorer\" data-sets=\"{sets}\">{}<div class=\"controls\" hidden></div><figcaption>When only answers of at least some probability are given: \
         <span class=\"key own\"></span> share of them that is right, <span class=\"key good\"></span> {kept_name}.</figcaption>{}{}</figure>",
        plot(curve, kept, kept_name),
        listed(curve, kept, kept_name),
        data(report)
    ))
}

/// Share right, and share of rows answered (`kept` 1) or of labels found (2).
fn shares(curve: &ThresholdCurve, point: &(f32, u32, u32), kept: usize) -> (f64, f64) {
    let (answers, right) = (f64::from(point.1), f64::from(point.2));
    let wanted = curve.wanted as f64;
    (if answers > 0.0 { right / answers } else { f64::NAN }, if kept == 1 { answers } else { right } / wanted)
}

fn plot(curve: &ThresholdCurve, kept: usize, kept_name: &str) -> String {
    let frame = Frame::HALF;
    let scale = |pixels| Scale::new((0.0, 1.0), pixels, Spacing::Linear);
    let mut plot = Plot::new(frame, scale(frame.across()), scale(frame.up()));
    plot.left_axis(5, percent);
    plot.bottom_axis("least probability of an answer", 5, super::scores::axis_number);
    let points: Vec<(f64, f64, f64)> = curve
        .points
        .iter()
        .map(|point| {
            let (right, kept) = shares(curve, point, kept);
            (f64::from(point.0), right, kept)
        })
        .collect();
    plot.line("curve good", points.iter().map(|point| (point.0, point.2)));
    plot.line("curve", points.iter().filter(|point| point.1.is_finite()).map(|point| (point.0, point.1)));
    plot.finish(&format!("Share right and {kept_name} by threshold; the table below has the numbers"))
}

fn listed(curve: &ThresholdCurve, kept: usize, kept_name: &str) -> String {
    let nearest = |threshold: &f32| {
        let distance = |point: &&(f32, u32, u32)| (point.0 - threshold).abs();
        curve.points.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))
    };
    let rows = LISTED.iter().filter_map(nearest).map(|point| {
        let (right, kept) = shares(curve, point, kept);
        let shown = if right.is_finite() { percent(right) } else { "–".to_owned() };
        vec![
            Cell::text(&format!("{:.2}", point.0)),
            Cell::number(kept, percent(kept)),
            Cell::number(right, shown),
        ]
    });
    table(
        "Answers by threshold",
        &[("threshold", false), (kept_name, true), ("right", true)],
        rows.collect(),
        99,
    )
}

/// The curves for the script, label by label.
fn data(report: &Report) -> String {
    let Some(inspection) = &report.inspection else { return String::new() };
    let curves: Vec<&ThresholdCurve> =
        std::iter::once(&inspection.thresholds).chain(&inspection.label_thresholds).collect();
    let json = serde_json::to_string(&curves).unwrap_or_else(|_| "[]".to_owned());
    // Nothing in it may end the element.
    format!("<script type=\"application/json\" class=\"curves\">{}</script>", json.replace('<', "\\u003c"))
}

/// The note on how texts are told apart when the model says why.
pub(super) fn measured_note(report: &Report) -> String {
    let on = report.inspection.as_ref().map_or("", |inspection| inspection.on.as_str());
    escape(match on {
        "test" => "on test rows",
        "out-of-fold" => "on training rows that were held out, since there is no test split",
        _ => "",
    })
}
