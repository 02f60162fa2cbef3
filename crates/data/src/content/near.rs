//! Texts that resemble each other: one looks like the other with a few words changed.

use rayon::prelude::*;

use crate::content::{add, count};
use crate::findings::{Findings, Report};
use crate::hits::Hits;
use crate::log::for_each_run;
use crate::sketch::{may_resemble, resemble};
use crate::split::Part;
use crate::survey::{Sketches, Survey};
use crate::{DataError, checks};

/// Rows that agree in a band up to which each is compared with several before it; in larger crowds, which share a
/// template, with the first and the one before.
const CROWD: usize = 64;
const COMPARED: usize = 8;

/// Comparisons in vain, over all bands, after which a row is taken to resemble none: rows made from templates agree with
/// very many in a band or two.
const PATIENCE: u8 = 12;

/// Finds rows that resemble an earlier one, passing over those whose text is `repeated`.
pub(super) fn check(survey: &Survey, repeated: &[bool], findings: &mut Findings) -> Result<(), DataError> {
    let sketches = &survey.sketches;
    let mut skipped = Vec::with_capacity(sketches.rows.len());
    sketches.rows.for_each(|_, row| skipped.push(repeated[row as usize]))?;
    let mut families = Families::new(sketches.rows.len());
    let mut failed = vec![0; sketches.rows.len()];
    for band in &sketches.bands {
        let scan = |take: crate::log::Take<'_, u32>| {
            band.for_each(|number, hash| {
                if !skipped[number] {
                    take(u64::from(hash), number as u32);
                }
            })
        };
        for_each_run(sketches.rows.len(), scan, |runs| {
            let known = Known { sketches, families: &families, failed: &failed };
            let found: Result<Vec<Vec<Comparison>>, DataError> =
                runs.par_iter().map(|run| known.compare(run)).collect();
            for comparison in found?.into_iter().flatten() {
                if let Some(earlier) = comparison.resembles {
                    families.join(earlier, comparison.number);
                }
                let failed = &mut failed[comparison.number as usize];
                *failed = failed.saturating_add(comparison.failed);
            }
            Ok(())
        })?;
    }
    report(survey, &families, findings)
}

/// What the bands before showed.
struct Known<'a> {
    sketches: &'a Sketches,
    families: &'a Families,
    /// How often each row was compared in vain.
    failed: &'a [u8],
}

/// What became of a row in one band.
struct Comparison {
    number: u32,
    resembles: Option<u32>,
    failed: u8,
}

impl Known<'_> {
    /// Compares the rows that agree in a band.
    fn compare(&self, run: &[(u64, u32)]) -> Result<Vec<Comparison>, DataError> {
        let mut found = Vec::new();
        let (mut own, mut other) = (Vec::new(), Vec::new());
        for (position, (_, number)) in run.iter().enumerate().skip(1) {
            let mut comparison = Comparison { number: *number, resembles: None, failed: 0 };
            own.clear();
            for earlier in candidates(run.len(), position) {
                let earlier = run[earlier].1;
                if self.families.root(earlier) == self.families.root(*number) {
                    break;
                }
                if self.failed[*number as usize] + comparison.failed >= PATIENCE {
                    break;
                }
                if !may_resemble(self.sketches.length(*number), self.sketches.length(earlier)) {
                    continue;
                }
                if own.is_empty() {
                    self.sketches.read(*number, &mut own)?;
                }
                self.sketches.read(earlier, &mut other)?;
                if resemble(&own, &other) {
                    comparison.resembles = Some(earlier);
                    break;
                }
                comparison.failed += 1;
            }
            if comparison.resembles.is_some() || comparison.failed > 0 {
                found.push(comparison);
            }
        }
        Ok(found)
    }
}

/// The places before `position`, in a run of `length`, with which it is compared.
fn candidates(length: usize, position: usize) -> impl Iterator<Item = usize> {
    let is_crowd = length > CROWD;
    let from = position.saturating_sub(if is_crowd { 1 } else { COMPARED });
    (from..position).rev().chain((is_crowd && from > 0).then_some(0))
}

/// Rows joined by likeness: a forest whose roots are the first row of each tree (union-find).
struct Families {
    parents: Vec<u32>,
}

impl Families {
    fn new(count: usize) -> Self {
        Self { parents: (0..count as u32).collect() }
    }

    fn root(&self, mut number: u32) -> u32 {
        while self.parents[number as usize] != number {
            number = self.parents[number as usize];
        }
        number
    }

    fn join(&mut self, one: u32, other: u32) {
        let (one, other) = (self.root(one), self.root(other));
        let (first, second) = (one.min(other), one.max(other));
        self.parents[second as usize] = first;
        // Roots come before their children, so that halving the way on each visit keeps trees flat.
        let mut number = second;
        while self.parents[number as usize] != number {
            let grandparent = self.parents[self.parents[number as usize] as usize];
            self.parents[number as usize] = grandparent;
            number = grandparent;
        }
    }
}

/// What is known of the family with a root.
#[derive(Clone, Copy)]
struct Family {
    earliest: Part,
    /// One bit for each part that already had a row.
    seen: u8,
}

fn report(survey: &Survey, families: &Families, findings: &mut Findings) -> Result<(), DataError> {
    let mut parts = Vec::with_capacity(survey.len());
    survey.briefs.for_each(|_, brief| parts.push(brief.part))?;
    let mut known = vec![Family { earliest: Part::Test, seen: 0 }; survey.sketches.rows.len()];
    survey.sketches.rows.for_each(|number, row| {
        let family = &mut known[families.root(number as u32) as usize];
        family.earliest = family.earliest.min(parts[row as usize]);
    })?;
    let none = || Hits::new(survey.limit);
    let (mut leaked, mut doubled) = ([none(), none(), none()], none());
    survey.sketches.rows.for_each(|number, row| {
        let part = parts[row as usize];
        let family = &mut known[families.root(number as u32) as usize];
        if part > family.earliest {
            leaked[part as usize].add(row);
        } else if family.seen & 1 << part as u8 != 0 {
            doubled.add(row);
        }
        family.seen |= 1 << part as u8;
    })?;
    for (part, known) in [(Part::Development, "training"), (Part::Test, "training or development")] {
        add(
            findings,
            survey,
            leakage(survey, part, (known, &leaked[part as usize])),
            &leaked[part as usize],
        )?;
    }
    let report = Report {
        check: checks::NEAR_DUPLICATE,
        subject: String::new(),
        field: None,
        message: format!(
            "{} with the text of an earlier row of the same part but for a few words; they teach little that is new, and folds may show a model what it is tested on",
            count(doubled.count(), "row")
        ),
        remedy: "remove them, or give rows made from one text or template one `group`".to_owned(),
    };
    add(findings, survey, report, &doubled)
}

fn leakage(survey: &Survey, part: Part, (known, rows): (&str, &Hits)) -> Report {
    Report {
        check: checks::NEAR_LEAKAGE,
        subject: part.as_str().to_owned(),
        field: Some("spec.split".to_owned()),
        message: format!(
            "{} of {} {} rows have a text that stands in {known} but for a few words; a model has as good as seen it, so the score of the part comes out too good",
            rows.count(),
            survey.part_len(part),
            part.as_str()
        ),
        remedy: "remove them from one side, or give rows made from one text or template one `group`"
            .to_owned(),
    }
}
