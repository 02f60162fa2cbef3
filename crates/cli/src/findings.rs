//! Renders findings: for people, as JSON, as SARIF 2.1.0.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use loquat_spec::{Finding, Severity};
use serde_json::{Value, json};

use crate::output::{self, Colour, paint};

/// Most rows named in the text form; the JSON form names all.
const ROWS_SHOWN: usize = 8;

/// Findings with what was looked at.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Checked {
    /// Number of resources read.
    pub(crate) resources: usize,
    /// Number of rows read.
    pub(crate) rows: usize,
    /// What was found, in the order of the check.
    pub(crate) findings: Vec<Finding>,
}

impl Checked {
    /// Whether anything found stops a run.
    pub(crate) fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// For people: one block a finding, and a line of totals.
    pub(crate) fn text(&self, colour: bool) -> String {
        let mut text: String = self.findings.iter().map(|finding| block(finding, colour)).collect();
        let total =
            totals(self.count(Severity::Error), self.count(Severity::Warning), self.count(Severity::Info));
        let mark = match (self.has_errors(), self.count(Severity::Warning)) {
            (true, _) => Colour::Red,
            (false, 0) => Colour::Green,
            (false, _) => Colour::Yellow,
        };
        let looked_at =
            format!("{}, {}", output::count(self.resources, "resource"), output::count(self.rows, "row"));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{looked_at}: {}", paint(&total, mark, colour));
        text
    }

    /// SARIF 2.1.0 with one run.
    pub(crate) fn sarif(&self) -> Value {
        let rules: BTreeSet<&str> = self.findings.iter().map(|finding| finding.check).collect();
        let rules: Vec<Value> = rules.into_iter().map(|check| json!({ "id": check })).collect();
        let results: Vec<Value> = self.findings.iter().map(sarif_result).collect();
        json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": { "name": "loquat", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
                "columnKind": "unicodeCodePoints",
                "results": results,
            }],
        })
    }
}

/// Writes findings for people to standard error.
pub(crate) fn say(findings: &[Finding], colour: bool) {
    for finding in findings {
        output::say(block(finding, colour).trim_end());
    }
}

/// A table and what its checks found, for a run that goes on.
#[cfg(feature = "train")]
pub(crate) fn in_one_line(table: &loquat_data::Table, folder: &std::path::Path) -> String {
    let mut line = format!("data {}: {}", table.name, output::count(table.rows.len(), "row"));
    line.push_str(&format!(", {}", output::count(table.labels.len(), "label")));
    if !table.languages.is_empty() {
        line.push_str(&format!(", {}", output::count(table.languages.len(), "language")));
    }
    let warned = table.findings.iter().filter(|finding| finding.severity == Severity::Warning);
    let checks: BTreeSet<&str> = warned.map(|finding| finding.check).collect();
    if !checks.is_empty() {
        let checks: Vec<&str> = checks.into_iter().collect();
        line.push_str(&format!(
            "; warnings: {} (`loquat check {}` shows them)",
            checks.join(", "),
            folder.display()
        ));
    }
    line
}

fn totals(errors: usize, warnings: usize, notes: usize) -> String {
    if errors + warnings + notes == 0 {
        return "nothing found".to_owned();
    }
    let mut parts = vec![output::count(errors, "error"), output::count(warnings, "warning")];
    if notes > 0 {
        parts.push(output::count(notes, "note"));
    }
    parts.join(", ")
}

/// `file:line:column: severity[check] field: message`, then rows and remedy indented.
fn block(finding: &Finding, colour: bool) -> String {
    let (word, hue) = match finding.severity {
        Severity::Error => ("error", Colour::Red),
        Severity::Warning => ("warning", Colour::Yellow),
        Severity::Info => ("info", Colour::Dim),
    };
    let mut text = String::new();
    if let Some(place) = place(finding) {
        text.push_str(&place);
        text.push_str(": ");
    }
    text.push_str(&paint(&format!("{word}[{}]", finding.check), hue, colour));
    text.push_str(": ");
    if let Some(field) = &finding.field {
        text.push_str(&paint(field, Colour::Bold, colour));
        text.push_str(": ");
    }
    text.push_str(&finding.message);
    text.push('\n');
    if !finding.rows.is_empty() {
        text.push_str(&format!("    {}\n", rows(&finding.rows)));
    }
    if !finding.remedy.is_empty() {
        text.push_str(&format!("    remedy: {}\n", finding.remedy));
    }
    text
}

fn place(finding: &Finding) -> Option<String> {
    let mut place = finding.file.clone().or_else(|| finding.resource.clone())?;
    if finding.file.is_some()
        && let Some(line) = finding.line
    {
        place.push_str(&format!(":{line}"));
        if let Some(column) = finding.column {
            place.push_str(&format!(":{column}"));
        }
    }
    Some(place)
}

fn rows(rows: &[usize]) -> String {
    let shown: Vec<String> = rows.iter().take(ROWS_SHOWN).map(usize::to_string).collect();
    let noun = if rows.len() == 1 { "row" } else { "rows" };
    match rows.len().saturating_sub(ROWS_SHOWN) {
        0 => format!("{noun} {}", shown.join(", ")),
        more => format!("{noun} {} and {} more", shown.join(", "), output::thousands(more)),
    }
}

fn sarif_result(finding: &Finding) -> Value {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    };
    let mut message = finding.message.clone();
    if !finding.remedy.is_empty() {
        message.push_str(&format!(" (remedy: {})", finding.remedy));
    }
    let mut result = json!({ "ruleId": finding.check, "level": level, "message": { "text": message } });
    if let Some(file) = &finding.file {
        let mut physical = json!({ "artifactLocation": { "uri": uri(file) } });
        if let Some(line) = finding.line {
            physical["region"] = match finding.column {
                Some(column) => json!({ "startLine": line, "startColumn": column }),
                None => json!({ "startLine": line }),
            };
        }
        result["locations"] = json!([{ "physicalLocation": physical }]);
    }
    result
}

/// A path as a URI reference: what is not unreserved or a slash is percent-encoded.
fn uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding() -> Finding {
        Finding {
            severity: Severity::Error,
            check: "unknown-field",
            resource: Some("tickets".to_owned()),
            file: Some("./a b.yaml".to_owned()),
            line: Some(3),
            column: Some(5),
            field: Some("spec.metrik".to_owned()),
            rows: (0..10).collect(),
            message: "unknown field".to_owned(),
            remedy: "did you mean metric?".to_owned(),
        }
    }

    #[test]
    fn names_place_check_field_rows_and_remedy() {
        let checked = Checked { resources: 2, rows: 1200, findings: vec![finding()] };
        let expected = "./a b.yaml:3:5: error[unknown-field]: spec.metrik: unknown field\n    \
            rows 0, 1, 2, 3, 4, 5, 6, 7 and 2 more\n    remedy: did you mean metric?\n\
            2 resources, 1,200 rows: 1 error, 0 warnings\n";
        assert_eq!(checked.text(false), expected);
    }

    #[test]
    fn sarif_locations_are_uri_references_with_regions() {
        let checked = Checked { resources: 1, rows: 0, findings: vec![finding()] };
        let result = &checked.sarif()["runs"][0]["results"][0];
        assert_eq!(result["ruleId"], "unknown-field");
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a%20b.yaml");
        assert_eq!(place["region"]["startColumn"], 5);
    }
}
