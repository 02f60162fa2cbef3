//! Collects what the checks find, many rows to a finding, under the severities that the Dataset sets.

use std::collections::BTreeMap;

use loquat_spec::{CheckName, Dataset, Finding, Severity};

use crate::checks::{self, CHECKS, Check};

/// Most row numbers that a finding names.
pub(crate) const ROWS: usize = 1000;

/// What a check found in one place. Reports of one check with the same `subject` become one finding.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) check: CheckName,
    /// What reports are gathered by.
    pub(crate) subject: String,
    /// Field of the resource concerned.
    pub(crate) field: Option<String>,
    pub(crate) message: String,
    pub(crate) remedy: String,
}

/// A place in the data.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) line: Option<u64>,
    pub(crate) row: Option<usize>,
}

struct Gathered {
    report: Report,
    place: Option<Place>,
    rows: Vec<usize>,
    count: usize,
}

/// The findings of one data set so far.
pub(crate) struct Findings {
    resource: String,
    severities: BTreeMap<String, Option<Severity>>,
    /// Most rows kept of a finding.
    limit: usize,
    gathered: BTreeMap<(usize, String), Gathered>,
}

impl Findings {
    /// No findings yet, but for faults of `checks` itself. Of those to come `limit` rows are kept.
    pub(crate) fn new(dataset: &Dataset, limit: usize) -> Self {
        let mut findings = Self {
            resource: dataset.name.to_string(),
            severities: dataset.checks.clone(),
            limit,
            gathered: BTreeMap::new(),
        };
        for name in dataset.checks.keys() {
            findings.review(name);
        }
        findings
    }

    fn review(&mut self, name: &str) {
        let (message, remedy) = match CHECKS.iter().find(|check| check.name == name) {
            Some(check) if check.adjustable => return,
            Some(_) => (
                format!(
                    "the severity of `{name}` can't be changed: without what it asks for, nothing can be trained"
                ),
                "remove it from `checks`".to_owned(),
            ),
            None => {
                let names = CHECKS.iter().map(|check| check.name);
                let hint = did_you_mean(name, names);
                let known: Vec<_> =
                    CHECKS.iter().filter(|check| check.adjustable).map(|check| check.name).collect();
                (format!("there is no check `{name}` yet{hint}"), format!("use one of {}", known.join(", ")))
            }
        };
        let field = Some(format!("spec.checks.{name}"));
        let check = checks::UNKNOWN_CHECK;
        self.add(Report { check, subject: name.to_owned(), field, message, remedy }, None);
    }

    /// Adds a report, and its row where it has one, to the finding of its check and subject.
    pub(crate) fn add(&mut self, report: Report, place: Option<Place>) {
        let key = (checks::position(report.check), report.subject.clone());
        let row = place.as_ref().and_then(|place| place.row);
        let gathered =
            self.gathered.entry(key).or_insert(Gathered { report, place, rows: Vec::new(), count: 0 });
        if let Some(row) = row {
            gathered.count += 1;
            if gathered.rows.len() < self.limit {
                gathered.rows.push(row);
            }
        }
    }

    /// Counts rows of a report that was added, without keeping them.
    pub(crate) fn count_more(&mut self, report: &Report, rows: usize) {
        let key = (checks::position(report.check), report.subject.clone());
        if let Some(gathered) = self.gathered.get_mut(&key) {
            gathered.count += rows;
        }
    }

    /// Adds a report about many rows at once; `rows` are in order and `place` is the first one's.
    pub(crate) fn add_rows(&mut self, report: Report, rows: Vec<usize>, place: Option<Place>) {
        let key = (checks::position(report.check), report.subject.clone());
        self.gathered.insert(key, Gathered { report, place, rows, count: 0 });
    }

    /// The rows of every finding, whatever the severity of its check.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (CheckName, &[usize])> {
        self.gathered.values().map(|gathered| (gathered.report.check, gathered.rows.as_slice()))
    }

    /// Whether the check is on.
    pub(crate) fn is_on(&self, check: CheckName) -> bool {
        CHECKS.iter().any(|known| known.name == check && severity_of(known, &self.severities).is_some())
    }

    /// Whether the check found anything so far.
    pub(crate) fn contains(&self, check: CheckName) -> bool {
        self.gathered.values().any(|gathered| gathered.report.check == check)
    }

    /// The findings, most severe first, then in the order of the catalogue.
    pub(crate) fn finish(self) -> Vec<Finding> {
        let Self { resource, severities, gathered, .. } = self;
        let mut findings: Vec<Finding> = gathered
            .into_iter()
            .filter_map(|((position, _), gathered)| {
                let check = CHECKS.get(position)?;
                let severity = severity_of(check, &severities)?;
                Some(finding(gathered, severity, &resource))
            })
            .collect();
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        findings
    }
}

/// The check's severity, `None` when it is off.
pub(crate) fn severity_of(check: &Check, set: &BTreeMap<String, Option<Severity>>) -> Option<Severity> {
    match set.get(check.name) {
        Some(severity) if check.adjustable => *severity,
        _ => Some(check.severity),
    }
}

fn finding(gathered: Gathered, severity: Severity, resource: &str) -> Finding {
    let Gathered { report, place, mut rows, count } = gathered;
    rows.truncate(ROWS);
    let message = match count {
        0 | 1 => report.message,
        count => format!("{count} rows: {}", report.message),
    };
    Finding {
        severity,
        check: report.check,
        resource: Some(resource.to_owned()),
        file: place.as_ref().map(|place| place.file.clone()),
        line: place.and_then(|place| place.line).map(|line| line as usize),
        column: None,
        field: report.field,
        rows,
        message,
        remedy: report.remedy,
    }
}

/// ` (did you mean …?)` with the name nearest to `found`, or nothing when none is near.
pub(crate) fn did_you_mean<'a>(found: &str, names: impl Iterator<Item = &'a str>) -> String {
    let lower = found.to_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for name in names {
        let likeness = strsim::jaro_winkler(&lower, &name.to_lowercase());
        if likeness > best.map_or(0.75, |(likeness, _)| likeness) {
            best = Some((likeness, name));
        }
    }
    best.map(|(_, name)| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}
