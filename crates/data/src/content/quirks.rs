//! What single rows show: text decoded wrongly, personal data, lengths out of the way, pairs and entities that can't be
//! right.

use std::collections::BTreeSet;

use loquat_spec::CheckName;

use crate::content::{add, count};
use crate::findings::{Findings, Report};
use crate::hits::Hits;
use crate::log::{Take, for_each_run};
use crate::split::Part;
use crate::survey::Survey;
use crate::{DataError, checks};

/// A text is out of the way when it is longer than this many median ones, than this many of the length that 95 of 100
/// stay under, and than this many characters.
const MEDIANS: f64 = 20.0;
const LONG_ONES: f64 = 5.0;
const LEAST: u32 = 500;

/// Fewest rows among which one can be out of the way.
const FEWEST: usize = 20;

/// How often an entity must have its usual type, and how many times the others, to be taken as one of that type.
const USUAL: u32 = 5;
const UNUSUAL: u32 = 5;

/// Most entities named in a message.
const NAMED: usize = 5;

/// Reports rows that show something by themselves.
pub(super) fn check(survey: &Survey, findings: &mut Findings) -> Result<(), DataError> {
    encodings(survey, findings)?;
    personal(survey, findings)?;
    lengths(survey, findings)?;
    entities(survey, findings)?;
    ties(survey, findings)?;
    pairs(survey, findings)
}

/// A report about `rows` without a field.
fn report(check: CheckName, subject: &str, message: String, remedy: &str) -> Report {
    Report { check, subject: subject.to_owned(), field: None, message, remedy: remedy.to_owned() }
}

fn encodings(survey: &Survey, findings: &mut Findings) -> Result<(), DataError> {
    let rows = &survey.quirks.mojibake;
    let message = format!(
        "{} with text in UTF-8 that was read as Windows-1252 on its way (`Ã¼` for `ü`); a model learns letters that no user types",
        count(rows.count(), "row")
    );
    let remedy = "read the source as UTF-8, or let `loquat check --fix FILE` restore the letters";
    add(findings, survey, report(checks::MOJIBAKE, "twice", message, remedy), rows)?;
    let rows = &survey.quirks.lost;
    let message = format!(
        "{} with characters that stand for what could not be decoded (`\u{fffd}` or control characters); the text is lost there",
        count(rows.count(), "row")
    );
    let remedy = "read the source again in its own encoding";
    add(findings, survey, report(checks::MOJIBAKE, "lost", message, remedy), rows)
}

fn personal(survey: &Survey, findings: &mut Findings) -> Result<(), DataError> {
    for (what, rows) in [
        ("mail addresses", &survey.quirks.mail),
        ("telephone numbers", &survey.quirks.phone),
        ("numbers of payment cards", &survey.quirks.card),
    ] {
        let message = format!(
            "{} with what looks like {what}; a model, its report and its examples may give them away",
            count(rows.count(), "row")
        );
        let remedy = "mask them; `loquat check --fix FILE` does";
        add(findings, survey, report(checks::PERSONAL_DATA, what, message, remedy), rows)?;
    }
    Ok(())
}

fn lengths(survey: &Survey, findings: &mut Findings) -> Result<(), DataError> {
    if survey.len() < FEWEST {
        return Ok(());
    }
    // Eight steps to an octave are exact enough for limits this wide.
    let step = |length: u32| (f64::from(length.max(1)).log2() * 8.0) as usize;
    let mut steps = vec![0_usize; step(u32::MAX) + 1];
    survey.briefs.for_each(|_, brief| steps[step(brief.length)] += 1)?;
    let quantile = |share: f64| {
        let mut left = (share * survey.len() as f64) as usize;
        let place = steps.iter().position(|rows| {
            let found = *rows > left;
            left = left.saturating_sub(*rows);
            found
        });
        (place.unwrap_or_default() as f64 / 8.0).exp2()
    };
    let median = quantile(0.5);
    let most = (MEDIANS * median).max(LONG_ONES * quantile(0.95)).max(f64::from(LEAST));
    let rows = survey.rows_where(|brief| f64::from(brief.length) > most)?;
    let message = format!(
        "{} longer than {most:.0} characters where half of all have {median:.0} or fewer; such texts are often whole files or rows run together, and serving may cut them",
        count(rows.count(), "row")
    );
    let remedy = "look at them; cut them, or remove them when they are no examples";
    add(findings, survey, report(checks::LENGTH_OUTLIER, "", message, remedy), &rows)
}

fn ties(survey: &Survey, findings: &mut Findings) -> Result<(), DataError> {
    let rows = &survey.quirks.label_ties;
    let message = format!(
        "{} of which as many annotators say one label as another; scores that know one label a row take the first by name",
        count(rows.count(), "row")
    );
    let remedy = "ask another annotator; if a row can have several labels at once, the task is multi-label-classification";
    add(findings, survey, report(checks::LABEL_TIE, "", message, remedy), rows)
}

fn entities(survey: &Survey, findings: &mut Findings) -> Result<(), DataError> {
    let rows = &survey.quirks.loose_tags;
    let message = format!(
        "{} with an `I-` tag that continues no entity of its type; readers disagree on what it means, so scores do too",
        count(rows.count(), "row")
    );
    let remedy = "write `B-` where an entity begins";
    add(findings, survey, report(checks::LOOSE_TAG, "", message, remedy), rows)?;
    let rows = &survey.quirks.cut_spans;
    let message = format!(
        "{} with a span that begins or ends inside a word or with white space; a model that reads words can't learn its edges",
        count(rows.count(), "row")
    );
    let remedy = "move the edges to where words begin and end; offsets count characters, not bytes";
    add(findings, survey, report(checks::CUT_SPAN, "", message, remedy), rows)?;
    unusual_types(survey, findings)
}

/// Entities that mostly have one type and now and then another.
fn unusual_types(survey: &Survey, findings: &mut Findings) -> Result<(), DataError> {
    let mut found: Vec<(u32, String)> = Vec::new();
    let mut rows: BTreeSet<u32> = BTreeSet::new();
    let mut surfaces: Vec<_> = survey.entities.iter().filter(|(_, kinds)| kinds.len() > 1).collect();
    surfaces.sort_by_key(|(surface, _)| *surface);
    for (surface, kinds) in surfaces {
        let Some((usual, (most, _))) = kinds.iter().max_by_key(|(_, (count, _))| *count) else { continue };
        let others = kinds.iter().filter(|(kind, _)| *kind != usual);
        let rest: u32 = others.clone().map(|(_, (count, _))| count).sum();
        if *most < USUAL || *most < UNUSUAL * rest {
            continue;
        }
        let labels = others.clone().map(|(kind, _)| survey.labels[*kind as usize].as_str());
        let labels: Vec<&str> = labels.collect();
        let usual = &survey.labels[*usual as usize];
        found
            .push((*most, format!("{surface:?} is {usual} {most} times and {} {rest}", labels.join(" or "))));
        rows.extend(others.flat_map(|(_, (_, hits))| hits.sorted()));
    }
    found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let mut hits = Hits::new(survey.limit);
    rows.iter().for_each(|row| hits.add(*row));
    let examples: Vec<&str> = found.iter().take(NAMED).map(|(_, text)| text.as_str()).collect();
    let message = format!(
        "{} that mostly have one type have another one elsewhere: {}; where it is no other meaning, it is a slip",
        count(found.len(), "entity"),
        examples.join("; ")
    );
    let remedy = "look at the rows, and label alike what means the same";
    add(findings, survey, report(checks::ENTITY_CONFLICT, "", message, remedy), &hits)
}

fn pairs(survey: &Survey, findings: &mut Findings) -> Result<(), DataError> {
    let rows = &survey.quirks.same_pair;
    let message = format!(
        "{} whose two texts are the same (case, width and spaces aside); they teach that equal means equal",
        count(rows.count(), "row")
    );
    let remedy = "remove them unless they are meant";
    add(findings, survey, report(checks::SAME_PAIR, "", message, remedy), rows)?;
    if survey.premises.len() == 0 {
        return Ok(());
    }
    let mut parts = Vec::with_capacity(survey.len());
    survey.briefs.for_each(|_, brief| parts.push(brief.part))?;
    let mut shared = Hits::new(survey.limit);
    let scan = |take: Take<'_, u32>| survey.premises.for_each(|index, premise| take(premise, index as u32));
    for_each_run(survey.premises.len(), scan, |runs| {
        for run in runs.iter() {
            let earliest = run.iter().map(|(_, index)| parts[*index as usize]).min().unwrap_or(Part::Test);
            let later = run.iter().filter(|(_, index)| parts[*index as usize] > earliest);
            later.for_each(|(_, index)| shared.add(*index));
        }
        Ok(())
    })?;
    let message = format!(
        "{} of development or test with a premise that stands in an earlier part; a model may know the premise, so the score comes out too good",
        count(shared.count(), "row")
    );
    let remedy = "give the rows of one premise one `group`";
    add(findings, survey, report(checks::PREMISE_LEAKAGE, "", message, remedy), &shared)
}
