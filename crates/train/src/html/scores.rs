//! The top of the page: the score beside what it is held against, and what to know about it in a few sentences.

use super::plot::{Frame, Plot, Scale, Spacing, roomy};
use super::text::{concat, count, counted, difference, escape, percent, score};
use crate::report::Report;
use crate::summary::{bytes, seconds, weakest_classes, weakest_languages};

/// The headline: name, number, strip and findings.
pub(super) fn head(report: &Report) -> String {
    let version =
        report.version.map_or(String::new(), |version| format!("<span class=\"version\">:{version}</span>"));
    format!(
        "<header><p class=\"over\">Training report · {task}</p><h1>{name}{version}</h1>\
         <div class=\"hero\"><div class=\"number\">{number}</div><div class=\"strip\">{strip}</div></div>\
         <ul class=\"findings\">{sentences}</ul>{facts}</header>",
        task = escape(report.task.as_str()),
        name = escape(&report.name),
        number = number(report),
        strip = strip(report),
        sentences = concat(sentences(report).iter().map(|sentence| format!("<li>{sentence}</li>"))),
        facts = facts(report),
    )
}

fn number(report: &Report) -> String {
    let metric = escape(report.metric.as_str());
    let Some(test) = report.test_score() else {
        let Some(mean) = report.outer.mean else {
            return format!("<p class=\"value\">–</p><p class=\"what\">{metric} was not measured</p>");
        };
        return format!(
            "<p class=\"value\">{}</p><p class=\"what\">{metric}, out of fold: there is no test split</p>",
            score(mean)
        );
    };
    let rows = report.test.as_ref().map_or(0, |test| test.rows);
    format!(
        "<p class=\"value\">{}</p><p class=\"what\">{metric} on {}</p>\
         <p class=\"what\">95 % interval <b>{} to {}</b></p>",
        score(test.value),
        counted(rows, "unseen test row", "unseen test rows"),
        score(test.low),
        score(test.high)
    )
}

/// A line of the strip: what it is, its values, and its interval.
struct Line {
    name: String,
    class: &'static str,
    values: Vec<f64>,
    interval: Option<(f64, f64)>,
}

fn lines(report: &Report) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(test) = report.test_score() {
        let interval = Some((test.low, test.high));
        lines.push(Line { name: "test".to_owned(), class: "own", values: vec![test.value], interval });
    }
    if !report.outer.folds.is_empty() {
        let name = counted(report.outer.folds.len(), "outer fold", "outer folds, mean");
        lines.push(Line { name, class: "fold", values: report.outer.folds.clone(), interval: None });
    }
    if let Some(best) = report.best_search {
        let name = "best of the search, cross-validated".to_owned();
        lines.push(Line { name, class: "hollow", values: vec![best], interval: None });
    }
    if let Some(tuned) = report.fine_tuned {
        let name = "fine-tune, on one split".to_owned();
        lines.push(Line { name, class: "hollow", values: vec![tuned], interval: None });
    }
    for baseline in &report.baselines {
        let values = vec![baseline.value];
        lines.push(Line { name: baseline.name.clone(), class: "base", values, interval: None });
    }
    lines
}

/// Every score on one axis: a list, so that it is read out in order and narrows with the page.
fn strip(report: &Report) -> String {
    let lines = lines(report);
    let values: Vec<f64> = lines.iter().flat_map(|line| line.values.iter().copied()).collect();
    let worst = roomy(values.iter().copied(), 0.1).1;
    let range = if report.metric.lower_is_better() { (0.0, worst) } else { (0.0, 1.0) };
    let scale = Scale::new(range, (0.0, 100.0), Spacing::Linear);
    let ticks = scale.ticks(5);
    let grid = concat(
        ticks.iter().map(|tick| format!("<i class=\"tick\" style=\"left:{:.1}%\"></i>", scale.at(*tick))),
    );
    let numbers = ticks.iter().map(|tick| {
        format!("<i class=\"at\" style=\"left:{:.1}%\">{}</i>", scale.at(*tick), axis_number(*tick))
    });
    let row = |line: &Line| {
        let interval = line.interval.map_or(String::new(), |(low, high)| {
            let (left, right) = (scale.at(low), scale.at(high));
            format!("<i class=\"range\" style=\"left:{left:.2}%;width:{:.2}%\"></i>", right - left)
        });
        let dots = line.values.iter().map(|value| {
            format!("<i class=\"dot {}\" style=\"left:{:.2}%\"></i>", line.class, scale.at(*value))
        });
        let mean = line.values.iter().sum::<f64>() / line.values.len() as f64;
        format!(
            "<li class=\"{}\"><span class=\"name\">{}</span><span class=\"lane\" aria-hidden=\"true\">{grid}{interval}{}</span><span class=\"n\">{}</span></li>",
            line.class,
            escape(&line.name),
            concat(dots),
            score(mean)
        )
    };
    format!(
        "<ol aria-label=\"{} side by side\">{}</ol><div class=\"scale\" aria-hidden=\"true\"><span class=\"lane\">{}</span></div>",
        escape(report.metric.as_str()),
        concat(lines.iter().map(row)),
        concat(numbers)
    )
}

pub(super) fn axis_number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.strip_suffix('0').map_or(text.clone(), str::to_owned)
}

/// What a reader should know before the plots, each with the number that says it.
fn sentences(report: &Report) -> Vec<String> {
    [
        lift(report),
        optimism(report),
        weakest(report),
        language(report),
        domain(report),
        trust(report),
        more_data(report),
        labels(report),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn lift(report: &Report) -> Option<String> {
    let own = report.test_score().map(|test| test.value).or(report.outer.mean)?;
    let sign = if report.metric.lower_is_better() { -1.0 } else { 1.0 };
    let best = report.baselines.iter().max_by(|a, b| (sign * a.value).total_cmp(&(sign * b.value)))?;
    let verb = if sign * (own - best.value) > 0.0 { "ahead of" } else { "<b>not better</b> than" };
    Some(format!(
        "{} {verb} the best baseline, <b>{}</b> ({}).",
        difference(own - best.value),
        escape(&best.name),
        score(best.value)
    ))
}

fn optimism(report: &Report) -> Option<String> {
    let (gap, mean) = (report.optimism_gap?, report.outer.mean?);
    let verdict =
        if gap > 0.02 { "the search <b>flattered itself</b>" } else { "the search did not flatter itself" };
    Some(format!(
        "Nested cross-validation gives {}, {} from the best search score: {verdict}.",
        score(mean),
        difference(gap)
    ))
}

fn weakest(report: &Report) -> Option<String> {
    let classes = weakest_classes(report);
    let class = classes.first()?;
    let taken = super::confusion::most_taken_for(report, &class.label)
        .map_or(String::new(), |(other, rows)| {
            format!(", most often taken for <b>{}</b> ({rows})", escape(&other))
        });
    Some(format!(
        "Weakest label: <b>{}</b>, F1 {} on {}{taken}.",
        escape(&class.label),
        score(class.f1),
        counted(class.support as usize, "row", "rows")
    ))
}

fn language(report: &Report) -> Option<String> {
    let languages = weakest_languages(report);
    let (worst, best) = (languages.first()?, languages.last().filter(|_| languages.len() > 1)?);
    Some(format!(
        "From {} in <b>{}</b> to {} in <b>{}</b>, over {} languages.",
        score(worst.value),
        escape(&worst.language),
        score(best.value),
        escape(&best.language),
        languages.len()
    ))
}

fn domain(report: &Report) -> Option<String> {
    let cross = report.cross_domain.as_ref()?;
    let (rows, on) = (cross.mismatched.rows, score(cross.mismatched.score.value));
    let beside = cross
        .matched
        .as_ref()
        .map_or(String::new(), |matched| format!(", and {} on those that were", score(matched.score.value)));
    Some(format!(
        "{on} on {} of domains that were <a href=\"#slices\"><b>not trained on</b></a>{beside}.",
        counted(rows, "row", "rows")
    ))
}

fn trust(report: &Report) -> Option<String> {
    let ece = report.calibration.ece?;
    let verdict = if ece < 0.05 { "can be taken at their word" } else { "should be taken with care" };
    Some(format!("Probabilities are off by {} on average and {verdict}.", percent(ece)))
}

fn more_data(report: &Report) -> Option<String> {
    let curve = report.learning_curve.as_ref()?;
    let (last, doubled) = (curve.points.last()?, curve.doubled?);
    Some(format!(
        "Twice the rows would give about <b>{}</b>, going by the learning curve.",
        difference(doubled.value - last.value)
    ))
}

fn labels(report: &Report) -> Option<String> {
    (report.label_noise_rows > 0).then(|| {
        let rows = counted(report.label_noise_rows, "label", "labels");
        format!("{rows} in the training rows <a href=\"#data\">may be wrong</a>.")
    })
}

fn facts(report: &Report) -> String {
    let mut facts: Vec<(&str, String)> = vec![("rows", count(report.dataset.rows))];
    if !report.per_class.is_empty() {
        facts.push(("labels", count(report.per_class.len())));
    }
    if let Some(cost) = &report.cost {
        facts.push(("model", bytes(cost.artifact_bytes)));
        facts.push(("a text", format!("{:.0} µs", cost.microseconds_per_text)));
    }
    facts.push(("trials", count(report.trials.len())));
    facts.push(("trained in", seconds(report.seconds)));
    let fact =
        |(name, value): &(&str, String)| format!("<div><dt>{name}</dt><dd>{}</dd></div>", escape(value));
    format!("<dl class=\"facts\">{}</dl>", concat(facts.iter().map(fact)))
}

/// Folds of the nested cross-validation, near enough to be told apart.
pub(super) fn folds(report: &Report) -> Option<String> {
    let outer = &report.outer;
    let mean = outer.mean?;
    let test = report.test_score();
    let all = outer.folds.iter().chain(&outer.best_inner).copied();
    let all = all.chain(test.iter().flat_map(|test| [test.low, test.high]));
    let all: Vec<f64> = all.collect();
    let frame = Frame::HALF;
    let x = Scale::new((0.5, outer.folds.len() as f64 + 0.5), frame.across(), Spacing::Linear);
    let y = Scale::new(roomy(all.iter().copied(), 0.12), frame.up(), Spacing::Linear);
    let mut plot = Plot::new(frame, x, y);
    plot.left_axis(5, axis_number);
    plot.bottom_axis("outer fold", outer.folds.len(), |tick| format!("{tick:.0}"));
    let (left, right) = (plot.x.low, plot.x.high);
    plot.segment("mean", (left, mean), (right, mean));
    for (place, value) in outer.folds.iter().enumerate() {
        let at = place as f64 + 1.0;
        if let Some(inner) = outer.best_inner.get(place) {
            plot.segment("link", (at, *inner), (at, *value));
            plot.dot("hollow", (at, *inner), 4.5, &format!("best inner score {}", score(*inner)));
        }
        plot.dot("own", (at, *value), 5.5, &format!("fold {at:.0}: {}", score(*value)));
    }
    let spread = outer.std.map_or(String::new(), |std| format!(" ± {}", score(std)));
    let says = format!("Scores of {} outer folds, mean {}{spread}", outer.folds.len(), score(mean));
    Some(format!(
        "<figure>{}<figcaption>Each fold repeats the whole search on its own training rows and is scored on rows that no part of it saw (<span class=\"key own\"></span>); \
         rings are what its search saw, on fewer rows. Mean {}{spread}.</figcaption></figure>",
        plot.finish(&says),
        score(mean)
    ))
}
