//! The report as one HTML page that needs no network: style and script stand in it, plots are inline SVG. It is
//! complete without the script, which sorts, folds, filters and moves the threshold.

mod comparison;
mod confidence;
mod confusion;
mod data;
mod importance;
mod labels;
mod learning;
mod mistakes;
mod order;
mod origin;
mod plot;
mod scores;
mod search;
mod slices;
mod table;
mod text;

pub(crate) use comparison::comparison;

use crate::report::Report;
use text::{concat, escape};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// A part of the page: its anchor, its heading, and its body.
struct Section {
    anchor: &'static str,
    heading: &'static str,
    body: String,
}

/// The page.
pub(crate) fn page(report: &Report) -> String {
    let version = report.version.map_or(String::new(), |version| format!(":{version}"));
    let title = format!("{}{version}, training report", report.name);
    document(&title, &scores::head(report), &sections(report))
}

fn document(title: &str, head: &str, sections: &[Section]) -> String {
    let link =
        |section: &Section| format!("<li><a href=\"#{}\">{}</a></li>", section.anchor, section.heading);
    let body = |section: &Section| {
        format!(
            "<section id=\"{anchor}\" aria-labelledby=\"{anchor}-heading\"><h2 id=\"{anchor}-heading\">{}</h2>{}</section>",
            section.heading,
            section.body,
            anchor = section.anchor
        )
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#report\">Skip to the report</a>\n<main id=\"report\">\n{head}\n<nav aria-label=\"Parts of the report\"><ul>{}</ul></nav>\n{}\n</main>\n\
         <footer><p>Written by loquat. Everything about the model was measured on the artifact that is served.</p></footer>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        escape(title),
        concat(sections.iter().map(link)),
        concat(sections.iter().map(body))
    )
}

fn sections(report: &Report) -> Vec<Section> {
    let slices = [slices::languages(report), slices::domains(report), slices::lengths(report)];
    let data = format!("{}{}", data::findings(report), data::noise(report).unwrap_or_default());
    let origin = format!("{}{}", origin::provenance(report), origin::notes(report));
    let parts = [
        ("labels", "Labels", labels::section(report)),
        ("confusion", "Confusions", confusion::section(report)),
        (
            "confidence",
            "Confidence",
            side_by_side([
                confidence::reliability(report),
                confidence::thresholds(report),
                confidence::annotators(report),
            ]),
        ),
        ("mistakes", "Worst mistakes", mistakes::section(report)),
        ("slices", "Languages, domains and lengths", side_by_side(slices)),
        ("learning", "More data", learning::section(report)),
        ("search", "Folds and search", search_section(report)),
        ("data", "Data", Some(data)),
        ("cost", "Cost", origin::cost(report)),
        ("origin", "Provenance", Some(origin)),
    ];
    let section = |(anchor, heading, body): (&'static str, &'static str, Option<String>)| {
        Some(Section { anchor, heading, body: body? })
    };
    parts.into_iter().filter_map(section).collect()
}

fn search_section(report: &Report) -> Option<String> {
    let plots = side_by_side([scores::folds(report), search::history(report), search::parameters(report)]);
    let best = search::best(report);
    (plots.is_some() || best.is_some()).then(|| plots.unwrap_or_default() + &best.unwrap_or_default())
}

fn side_by_side<const N: usize>(parts: [Option<String>; N]) -> Option<String> {
    let found: Vec<String> = parts.into_iter().flatten().map(|part| format!("<div>{part}</div>")).collect();
    (!found.is_empty()).then(|| format!("<div class=\"beside\">{}</div>", found.concat()))
}

/// Words for the rows that labels, languages, domains and lengths were measured on.
fn measured_on(report: &Report) -> &str {
    match report.measured_on.as_str() {
        "outer" => "out-of-fold",
        other => other,
    }
}
