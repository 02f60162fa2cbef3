//! Texts that occur more than once: duplicates, leakage between parts, conflicting labels; groups across parts.

use loquat_spec::Task;

use crate::content::{add, count};
use crate::findings::{Findings, Report};
use crate::hits::Hits;
use crate::log::for_each_run;
use crate::split::Part;
use crate::survey::Survey;
use crate::{DataError, checks};

/// What was found.
pub(super) struct Repeats {
    /// Rows of a part whose text stands in an earlier part.
    pub(super) leaked: [Hits; 3],
    /// Whether the text of each row stands in an earlier row.
    pub(super) repeated: Vec<bool>,
    duplicates: Hits,
    conflicts: Hits,
    conflicting_texts: usize,
}

/// A row of a text that occurs more than once: its index, its part, its labels and what it says beyond them.
type Occurrence = (u32, Part, u32, u64);

/// Most earlier rows of the same text that a row is compared with, so that a text repeated a million times stays cheap.
const LOOK_BACK: usize = 64;

/// Finds repeated texts and groups.
pub(super) fn check(survey: &Survey, findings: &mut Findings) -> Result<Repeats, DataError> {
    let repeats = find(survey)?;
    for (part, known) in [(Part::Development, "training"), (Part::Test, "training or development")] {
        report_leakage(survey, part, (known, &repeats.leaked[part as usize]), findings)?;
    }
    report_conflicts(survey, &repeats, findings)?;
    report_duplicates(survey, &repeats.duplicates, findings)?;
    report_groups(survey, findings)?;
    Ok(repeats)
}

fn find(survey: &Survey) -> Result<Repeats, DataError> {
    let none = || Hits::new(survey.limit);
    let mut repeats = Repeats {
        leaked: [none(), none(), none()],
        repeated: vec![false; survey.len()],
        duplicates: none(),
        conflicts: none(),
        conflicting_texts: 0,
    };
    for_each_run(
        survey.len(),
        |take| {
            survey.briefs.for_each(|index, brief| {
                take(brief.key, (index as u32, brief.part, brief.labels, brief.says));
            })
        },
        |runs| {
            for run in runs.iter() {
                inspect(run, &mut repeats);
            }
            Ok(())
        },
    )?;
    Ok(repeats)
}

/// Looks at the rows of one text, which are in order.
fn inspect(rows: &[(u64, Occurrence)], repeats: &mut Repeats) {
    let says = |(_, (_, _, labels, says)): &(u64, Occurrence)| (*labels, *says);
    if rows.iter().any(|row| says(row) != says(&rows[0])) {
        repeats.conflicting_texts += 1;
        rows.iter().for_each(|(_, row)| repeats.conflicts.add(row.0));
    }
    let earliest = rows.iter().map(|(_, row)| row.1).min().unwrap_or(Part::Test);
    for (position, row) in rows.iter().enumerate() {
        let (index, part, ..) = row.1;
        repeats.repeated[index as usize] = position > 0;
        if part > earliest {
            repeats.leaked[part as usize].add(index);
        }
        // One glance back suffices to tell a repetition from the first of its kind.
        let mut before = rows[..position].iter().rev().take(LOOK_BACK);
        if before.any(|earlier| earlier.1.1 == part && says(earlier) == says(row)) {
            repeats.duplicates.add(index);
        }
    }
}

fn report_leakage(
    survey: &Survey,
    part: Part,
    (known, rows): (&str, &Hits),
    findings: &mut Findings,
) -> Result<(), DataError> {
    let report = Report {
        check: checks::LEAKAGE,
        subject: part.as_str().to_owned(),
        field: Some("spec.split".to_owned()),
        message: format!(
            "{} of {} {} rows have a text that stands in {known} too; a model may have seen it, so the score of the part comes out too good",
            rows.count(),
            survey.part_len(part),
            part.as_str()
        ),
        remedy: "remove them from one side; scores are shown with and without them until then".to_owned(),
    };
    add(findings, survey, report, rows)
}

fn report_conflicts(survey: &Survey, repeats: &Repeats, findings: &mut Findings) -> Result<(), DataError> {
    let what = match survey.task {
        Task::TokenClassification => "tags",
        _ => "labels",
    };
    let report = Report {
        check: checks::LABEL_CONFLICT,
        subject: String::new(),
        field: None,
        message: format!(
            "{} under different {what}; no model can get all of them right",
            format_args!(
                "{} in {} rows",
                count(repeats.conflicting_texts, "text"),
                repeats.conflicts.count()
            )
        ),
        remedy: format!("decide on the right {what} of each text, or use a multi-label task"),
    };
    add(findings, survey, report, &repeats.conflicts)
}

fn report_duplicates(survey: &Survey, duplicates: &Hits, findings: &mut Findings) -> Result<(), DataError> {
    let report = Report {
        check: checks::DUPLICATE,
        subject: String::new(),
        field: None,
        message: format!(
            "{} with the text and label of an earlier row of the same part (case, width and spaces aside); they count double in training, and folds may show a model its own test rows",
            count(duplicates.count(), "row")
        ),
        remedy: "remove the repetitions, or give equal texts one `group`".to_owned(),
    };
    add(findings, survey, report, duplicates)
}

/// Groups that stand in more than one part, which only given splits can have.
fn report_groups(survey: &Survey, findings: &mut Findings) -> Result<(), DataError> {
    let (mut groups, mut across) = (0, Hits::new(survey.limit));
    let scan = |take: crate::log::Take<'_, (u32, Part)>| {
        survey.briefs.for_each(|index, brief| {
            if brief.group != 0 {
                take(brief.group, (index as u32, brief.part));
            }
        })
    };
    for_each_run(survey.len(), scan, |runs| {
        for run in runs.iter() {
            let earliest = run.iter().map(|(_, (_, part))| *part).min();
            let later = run.iter().filter(|(_, (_, part))| Some(*part) > earliest);
            let before = across.count();
            later.for_each(|(_, (index, _))| across.add(*index));
            groups += usize::from(across.count() > before);
        }
        Ok(())
    })?;
    let report = Report {
        check: checks::GROUP_LEAKAGE,
        subject: String::new(),
        field: Some("spec.split".to_owned()),
        message: format!(
            "{} in more than one part ({}); rows of a group resemble each other, so scores come out too good",
            count(groups, "group"),
            count(across.count(), "row")
        ),
        remedy: "keep each group in one part, or split by hash, which does".to_owned(),
    };
    add(findings, survey, report, &across)
}
