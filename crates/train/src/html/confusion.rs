//! The confusion matrix, ordered so that what is confused stands side by side, and the pairs confused most.

use std::fmt::Write;

use super::order;
use super::plot::svg;
use super::table::{Cell, table};
use super::text::{count, escape, percent};
use crate::report::Report;

/// More labels than this are ordered by name: clustering takes the cube of their number.
const MOST_CLUSTERED: usize = 400;
/// Width of half a page.
const BESIDE: f64 = 480.0;
/// With at most so many labels the pairs stand beside the matrix.
const FEW: usize = 12;
/// Pairs that are listed.
const PAIRS: usize = 12;
/// Characters shown of a label beside the matrix.
const LABEL: usize = 26;

/// What the label is taken for most, and in how many rows.
pub(super) fn most_taken_for(report: &Report, label: &str) -> Option<(String, u32)> {
    let place = report.per_class.iter().position(|class| class.label == label)? as u32;
    let cells = report.inspection.as_ref()?.confusion.iter();
    let (_, other, rows) = cells
        .filter(|cell| cell.0 == place && cell.1 != place)
        .max_by_key(|cell| (cell.2, std::cmp::Reverse(cell.1)))?;
    Some((name(report, *other).to_owned(), *rows))
}

fn name(report: &Report, place: u32) -> &str {
    report.per_class.get(place as usize).map_or("", |class| class.label.as_str())
}

/// The matrix and the pairs.
pub(super) fn section(report: &Report) -> Option<String> {
    let cells = &report.inspection.as_ref()?.confusion;
    let known = |place: u32| (place as usize) < report.per_class.len();
    if cells.is_empty() || !cells.iter().all(|cell| known(cell.0) && known(cell.1)) {
        return None;
    }
    let class = if report.per_class.len() <= FEW { "beside" } else { "" };
    Some(format!(
        "<div class=\"{class}\"><figure><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Confusion matrix\">{}</div>\
         <figcaption>Rows are the truth, columns the answer; shade is the logarithm of the count, <span class=\"key good\"></span> right, \
         <span class=\"key own\"></span> wrong. Labels that are confused stand side by side. <output class=\"readout\"></output></figcaption></figure>{}</div>",
        matrix(report, cells),
        pairs(report, cells)
    ))
}

/// Lengths in the picture.
struct Sizes {
    /// Of a cell.
    side: f64,
    font: f64,
    /// Room for the names.
    margin: f64,
}

impl Sizes {
    fn of(report: &Report) -> Self {
        let labels = report.per_class.len() as f64;
        let side = (860.0 / labels).clamp(10.0, 44.0);
        let font = (side * 0.72).clamp(7.5, 12.0);
        let longest = report.per_class.iter().map(|class| class.label.chars().count().min(LABEL)).max();
        let margin = longest.unwrap_or(0) as f64 * font * 0.58 + 14.0;
        // Few labels stand beside their table, and fit.
        let few = report.per_class.len() <= FEW;
        Self { side: if few { side.min((BESIDE - margin) / labels) } else { side }, font, margin }
    }
}

fn matrix(report: &Report, cells: &[(u32, u32, u32)]) -> String {
    let order = ordered(report.per_class.len(), cells);
    let mut place = vec![0usize; order.len()];
    order.iter().enumerate().for_each(|(at, label)| place[*label] = at);
    let Sizes { side, font, margin } = Sizes::of(report);
    let most = cells.iter().map(|cell| cell.2).max().unwrap_or(1);
    let shade = |rows: u32| 0.14 + 0.86 * libm::log1p(f64::from(rows)) / libm::log1p(f64::from(most));
    let across = side * order.len() as f64;
    let mut body = format!(
        "<rect class=\"field\" x=\"{margin:.1}\" y=\"{margin:.1}\" width=\"{across:.1}\" height=\"{across:.1}\"/>"
    );
    for (at, label) in order.iter().enumerate() {
        let middle = margin + side * (at as f64 + 0.5);
        let label = escape(&cut(name(report, *label as u32)));
        let _infallible = write!(
            body,
            "<text class=\"tick\" style=\"font-size:{font:.1}px\" text-anchor=\"end\" x=\"{:.1}\" y=\"{:.1}\">{label}</text>\
             <text class=\"tick\" style=\"font-size:{font:.1}px\" transform=\"translate({:.1} {:.1}) rotate(-90)\">{label}</text>",
            margin - 6.0,
            middle + font * 0.36,
            middle + font * 0.36,
            margin - 6.0
        );
    }
    for (truth, answer, rows) in cells {
        let (x, y) =
            (margin + side * place[*answer as usize] as f64, margin + side * place[*truth as usize] as f64);
        let class = if truth == answer { "hit" } else { "miss" };
        let says = escape(&said(report, (*truth, *answer, *rows)));
        let _infallible = write!(
            body,
            "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill-opacity=\"{:.2}\"><title>{says}</title></rect>",
            x + 0.5,
            y + 0.5,
            side - 1.0,
            side - 1.0,
            shade(*rows)
        );
        if side >= 24.0 {
            let inverse = if shade(*rows) > 0.6 { " on" } else { "" };
            let _infallible = write!(
                body,
                "<text class=\"cell{inverse}\" text-anchor=\"middle\" x=\"{:.1}\" y=\"{:.1}\">{rows}</text>",
                x + side / 2.0,
                y + side / 2.0 + 4.0
            );
        }
    }
    let size = margin + across + 8.0;
    svg(
        (size, size),
        &format!(
            "Confusion matrix of {} labels; the pairs confused most are in the table below",
            order.len()
        ),
        &body,
    )
}

fn cut(label: &str) -> String {
    if label.chars().count() <= LABEL {
        return label.to_owned();
    }
    label.chars().take(LABEL - 1).chain(['…']).collect()
}

fn said(report: &Report, (truth, answer, rows): (u32, u32, u32)) -> String {
    let (truth_name, answer_name) = (name(report, truth), name(report, answer));
    match truth == answer {
        true => format!("{truth_name}: {rows} right"),
        false => format!("{truth_name} taken for {answer_name}: {rows}"),
    }
}

fn ordered(labels: usize, cells: &[(u32, u32, u32)]) -> Vec<usize> {
    if labels > MOST_CLUSTERED {
        return (0..labels).collect();
    }
    let mut totals = vec![0u32; labels];
    cells.iter().for_each(|cell| totals[cell.0 as usize] += cell.2);
    let mut likeness = vec![vec![0.0; labels]; labels];
    for (truth, answer, rows) in cells.iter().filter(|cell| cell.0 != cell.1) {
        let (truth, answer) = (*truth as usize, *answer as usize);
        let share = f64::from(*rows) / f64::from(totals[truth].max(1));
        likeness[truth][answer] += share;
        likeness[answer][truth] += share;
    }
    order::by_likeness(&likeness)
}

fn pairs(report: &Report, cells: &[(u32, u32, u32)]) -> String {
    let mut wrong: Vec<_> = cells.iter().filter(|cell| cell.0 != cell.1).collect();
    wrong.sort_by_key(|cell| (std::cmp::Reverse(cell.2), cell.0, cell.1));
    let errors: u32 = wrong.iter().map(|cell| cell.2).sum();
    let rows = wrong.iter().take(PAIRS).map(|(truth, answer, rows)| {
        let support = report.per_class[*truth as usize].support.max(1);
        vec![
            Cell::text(name(report, *truth)),
            Cell::text(name(report, *answer)),
            Cell::number(f64::from(*rows), count(*rows as usize)),
            Cell::number(f64::from(*rows), percent(f64::from(*rows) / support as f64)),
            Cell::number(f64::from(*rows), percent(f64::from(*rows) / f64::from(errors.max(1)))),
        ]
    });
    let columns = [
        ("truth", false),
        ("taken for", false),
        ("rows", true),
        ("of the label", true),
        ("of all errors", true),
    ];
    table("Pairs confused most", &columns, rows.collect(), PAIRS)
}
