//! Puts together what was measured into the report.

use std::collections::BTreeMap;

use loquat_data::Part;
use loquat_infer::Pipeline;
use loquat_spec::{Family, Finding};

use crate::baselines;
use crate::cuts::Cuts;
use crate::encoder;
use crate::error::TrainError;
use crate::evaluate::Measured;
use crate::families;
use crate::languages::Comparison;
use crate::metrics::{Answers, row_loss, utility};
use crate::nested::Outer;
use crate::noise::{Doubt, doubts};
use crate::problem::Problem;
use crate::recipe::Recipe;
use crate::report::{
    ClassReport, DatasetReport, FindingReport, LanguageReport, LengthReport, NoiseReport, OuterReport,
    Report, TrialReport, TrialState,
};
use crate::report_details::ExampleReport;
use crate::report_origins::{DistillationReport, FromScratchReport};
use crate::request::Outcome;
use crate::run::Run;
use crate::search::{Search, Trial};
use crate::tagging::Tagging;

/// Doubtful rows that the report names.
const NAMED_DOUBTS: usize = 100;
/// Characters shown of a doubtful row.
const SHOWN: usize = 120;
/// Rows shown with a finding.
const EXAMPLES: usize = 3;
/// Checks whose rows are not to be shown again.
const NOT_SHOWN: &[&str] = &["personal-data"];
/// Shortest texts of each step of length, in characters.
const LENGTHS: [usize; 6] = [0, 20, 50, 100, 200, 500];

/// The report of a search with everything that is known before there is a model.
pub(crate) fn draft(run: &Run<'_>, search: &Search<'_>, outer: &Outer, cuts: &Cuts) -> Report {
    // A fine-tune meets one split alone, and is as complete as it gets.
    let (tuned, heads): (Vec<&Trial>, Vec<&Trial>) =
        search.trials.iter().partition(|trial| encoder::is_fine_tune(&trial.parameters));
    let complete: Vec<&Trial> = heads.into_iter().filter(|trial| trial.is_complete()).collect();
    let best = |trials: &[&Trial]| {
        let best = trials.iter().filter_map(|trial| trial.mean()).reduce(f64::max);
        best.map(|best| utility(run.problem.metric, best))
    };
    Report {
        outer: outer_report(run, outer, cuts),
        best_search: best(&complete),
        fine_tuned: best(&tuned),
        search_seconds: search.seconds,
        notes: notes(run, search, outer, cuts),
        ..bare(run, &search.trials, cuts)
    }
}

/// A report of trials, of which nothing was cross-validated.
pub(crate) fn bare(run: &Run<'_>, trials: &[Trial], cuts: &Cuts) -> Report {
    let problem = &run.problem;
    let refit_on = if problem.has_development() { "train+development" } else { "train" };
    Report {
        format_version: Report::FORMAT_VERSION.to_owned(),
        name: run.request.training.name.as_str().to_owned(),
        version: None,
        task: problem.table.task,
        metric: problem.metric,
        outcome: Outcome::Failed,
        test: None,
        outer: OuterReport::default(),
        best_search: None,
        fine_tuned: None,
        optimism_gap: None,
        baseline: None,
        baselines: Vec::new(),
        measured_on: "nothing".to_owned(),
        per_class: Vec::new(),
        per_language: Vec::new(),
        per_domain: Vec::new(),
        cross_domain: None,
        per_length: Vec::new(),
        trials: trials.iter().map(|trial| trial_report(problem, trial)).collect(),
        chosen: Vec::new(),
        calibration: Default::default(),
        annotators: None,
        quantisation: None,
        inspection: None,
        learning_curve: None,
        distillation: None,
        adaptation: None,
        from_scratch: None,
        trimming: None,
        dataset: dataset(problem),
        label_noise: Vec::new(),
        label_noise_rows: 0,
        cost: None,
        pareto: Vec::new(),
        seconds: run.elapsed(),
        search_seconds: 0.0,
        seed: run.seed(),
        refit_on: refit_on.to_owned(),
        cuts: cuts.clone(),
        promotion: None,
        notes: Vec::new(),
        provenance: None,
    }
}

/// Sets the gap between the best search score and the outer mean; positive means the search flattered itself.
pub(crate) fn set_best(report: &mut Report, best: f64) {
    report.best_search = Some(best);
    let sign = utility(report.metric, 1.0);
    report.optimism_gap = report.outer.mean.map(|mean| sign * (best - mean));
}

fn outer_report(run: &Run<'_>, outer: &Outer, cuts: &Cuts) -> OuterReport {
    let folds: Vec<f64> = outer.folds.iter().map(|(_, answers)| answers.value).collect();
    let count = folds.len() as f64;
    let mean = (!folds.is_empty()).then(|| folds.iter().sum::<f64>() / count);
    let deviation =
        |mean: f64| libm::sqrt(folds.iter().map(|f| (f - mean) * (f - mean)).sum::<f64>() / (count - 1.0));
    OuterReport {
        std: mean.filter(|_| folds.len() > 1).map(deviation),
        mean,
        folds,
        wanted: run.request.training.folds,
        inner_trials: outer.folds.iter().map(|(_, answers)| answers.trials).collect(),
        inner_folds: cuts.plan.map_or(0, |plan| plan.inner_folds),
        best_inner: outer.folds.iter().map(|(_, answers)| answers.best_inner).collect(),
    }
}

fn trial_report(problem: &Problem<'_>, trial: &Trial) -> TrialReport {
    let state = match (&trial.failure, trial.is_complete()) {
        (Some(_), _) => TrialState::Failed,
        (None, true) => TrialState::Complete,
        (None, false) => TrialState::Pruned,
    };
    TrialReport {
        number: trial.number,
        family: families::word(families::family(&trial.parameters)).to_owned(),
        parameters: trial.parameters.clone(),
        score: trial.mean().map(|mean| utility(problem.metric, mean)),
        folds: trial.met().len(),
        seconds: trial.seconds,
        state,
        failure: trial.failure.clone(),
    }
}

fn dataset(problem: &Problem<'_>) -> DatasetReport {
    let table = problem.table;
    let parts = [(Part::Train, "train"), (Part::Development, "development"), (Part::Test, "test")];
    DatasetReport {
        name: table.name.clone(),
        rows: table.rows.len(),
        parts: parts.into_iter().map(|(part, name)| (name.to_owned(), table.indices(part).len())).collect(),
        hash: table.hash.clone(),
        findings: table.findings.iter().map(|finding| finding_report(problem, finding)).collect(),
    }
}

fn finding_report(problem: &Problem<'_>, finding: &Finding) -> FindingReport {
    let table = problem.table;
    let example = |number: &usize| {
        let place = table.rows.binary_search_by_key(number, |row| row.number).ok()?;
        let row = &table.rows[place];
        Some(ExampleReport {
            row: row.number,
            text: problem.text(place).chars().take(SHOWN).collect(),
            labels: row.labels.iter().map(|label| table.labels[*label as usize].clone()).collect(),
        })
    };
    let shown = if NOT_SHOWN.contains(&finding.check) { 0 } else { EXAMPLES };
    let examples = finding.rows.iter().filter_map(example).take(shown).collect();
    FindingReport { examples, ..FindingReport::from(finding) }
}

fn notes(run: &Run<'_>, search: &Search<'_>, outer: &Outer, cuts: &Cuts) -> Vec<String> {
    let mut notes = Vec::new();
    let wanted = run.request.training.folds;
    if search.folds().count() < wanted {
        notes.push(format!("the rows fill only {} of {wanted} folds", search.folds().count()));
    }
    if search.folds().pinned() > 0 {
        let pinned = search.folds().pinned();
        notes.push(format!(
            "{pinned} rows of classes with fewer than {wanted} rows were always trained on and never held out"
        ));
    }
    if run.problem.test.is_empty() {
        notes.push(
            "there is no test split: the outer scores are the only honest ones; add spec.split.test"
                .to_owned(),
        );
    }
    if outer.folds.len() < wanted {
        let finished = outer.folds.len();
        notes.push(format!(
            "the nested cross-validation finished {finished} of {wanted} outer folds {}",
            if run.is_stopping() { "before it was interrupted" } else { "in its time" }
        ));
    }
    if let Some(plan) = cuts.plan.filter(|_| !outer.folds.is_empty()) {
        notes.push(format!(
            "outer scores come from smaller searches: at most {} trials on {} folds each, the final search had {} on {}",
            plan.inner_trials,
            plan.inner_folds,
            search.trials.len(),
            search.folds().count()
        ));
    }
    if cuts.by_timeout && !run.is_stopping() {
        let (trials, most) = (search.trials.len(), run.request.training.search.trials);
        notes.push(format!(
            "the timeout ended the final search after {} rounds, {trials} of {most} trials",
            cuts.rounds
        ));
    }
    notes
}

/// The rows on which the report measures classes, languages and lengths, where there is no test split.
pub(crate) fn outer_measured(problem: &Problem<'_>, search: &Search<'_>, outer: &Outer) -> Measured {
    let mut rows = Vec::new();
    let (multi_label, entities) = (problem.multi_label, problem.tagging.is_some());
    let mut answers = Answers { classes: problem.classes, multi_label, entities, ..Answers::default() };
    for (fold, part) in &outer.folds {
        rows.extend(search.folds().eval(*fold));
        answers.predicted.extend(part.predicted.iter().cloned());
        answers.losses.extend(&part.losses);
    }
    answers.truth = match &problem.tagging {
        Some(tagging) => tagging.true_spans(&rows),
        None => problem.truth(&rows).into_iter().map(<[u32]>::to_vec).collect(),
    };
    if let Some(tagging) = &problem.tagging {
        answers.tokens = tagging.right_tokens(&rows, &answers.predicted);
    }
    Measured { rows, answers, probabilities: Vec::new() }
}

/// The held-out rows of the final search, answered by the recipe.
pub(crate) fn held_out_measured(problem: &Problem<'_>, recipe: &Recipe) -> Measured {
    let answers = problem.answers(&recipe.rows, &recipe.probabilities, recipe.thresholds.as_deref());
    Measured { rows: recipe.rows.clone(), answers, probabilities: recipe.probabilities.clone() }
}

/// Adds the scores by class, language and length, and what the majority class would reach.
pub(crate) fn set_measured(report: &mut Report, problem: &Problem<'_>, measured: &Measured, on: &str) {
    if measured.rows.is_empty() {
        return;
    }
    report.measured_on = on.to_owned();
    let labels = &problem.table.labels;
    let mut training_rows = vec![0; problem.classes];
    let of_row = |row: &usize| &problem.labels()[*row];
    problem.pool.iter().flat_map(of_row).for_each(|label| training_rows[*label as usize] += 1);
    report.per_class = labels
        .iter()
        .zip(measured.answers.per_class())
        .zip(training_rows)
        .map(|((label, scores), training_rows)| ClassReport {
            label: label.clone(),
            precision: scores.precision,
            recall: scores.recall,
            f1: scores.f1,
            support: scores.support,
            training_rows,
        })
        .collect();
    report.per_length = per_length(problem, measured);
    report.baseline = baseline(problem, measured);
    report.baselines =
        report.baseline.map(|value| baselines::most_frequent(problem, value)).into_iter().collect();
}

fn per_length(problem: &Problem<'_>, measured: &Measured) -> Vec<LengthReport> {
    let step = |place: usize| {
        let characters = problem.text(measured.rows[place]).chars().count();
        LENGTHS.partition_point(|least| *least <= characters) - 1
    };
    let steps: Vec<usize> = (0..measured.rows.len()).map(step).collect();
    let report = |(index, least): (usize, &usize)| {
        let answers = measured.answers.subset(|place| steps[place] == index);
        let characters = match LENGTHS.get(index + 1) {
            Some(next) => format!("{least}-{}", next - 1),
            None => format!("{least}+"),
        };
        let value = answers.value(problem.metric);
        (answers.len() > 0).then_some(LengthReport { characters, rows: answers.len(), value })
    };
    LENGTHS.iter().enumerate().filter_map(report).collect()
}

/// Adds the scores by language.
pub(crate) fn set_languages(
    report: &mut Report,
    problem: &Problem<'_>,
    measured: &Measured,
    comparisons: &BTreeMap<u32, Comparison>,
) {
    for (name, index) in problem.table.languages.iter().zip(0u32..) {
        let is_own = |place: usize| problem.table.rows[measured.rows[place]].language == Some(index);
        let answers = measured.answers.subset(is_own);
        if answers.len() == 0 {
            continue;
        }
        let comparison = comparisons.get(&index);
        report.per_language.push(LanguageReport {
            language: name.clone(),
            rows: answers.len(),
            value: answers.value(problem.metric),
            joint: comparison.map(|both| both.joint),
            separate: comparison.map(|both| both.separate),
        });
    }
}

/// What the most frequent label alone reaches; none where words are labelled.
pub(crate) fn baseline(problem: &Problem<'_>, measured: &Measured) -> Option<f64> {
    if problem.tagging.is_some() {
        return None;
    }
    let mut counts = vec![0usize; problem.classes];
    problem.truth(&problem.pool).into_iter().flatten().for_each(|label| counts[*label as usize] += 1);
    let most = (0..problem.classes).max_by_key(|label| (counts[*label], std::cmp::Reverse(*label)))?;
    let total: usize = counts.iter().sum();
    let share = |label: &u32| counts[*label as usize] as f32 / total.max(1) as f32;
    let truth = &measured.answers.truth;
    let losses =
        truth.iter().map(|labels| labels.first().map_or(0.0, |label| row_loss(share(label)))).collect();
    let predicted = vec![vec![most as u32]; truth.len()];
    let answers = Answers { predicted, losses, ..measured.answers.clone() };
    Some(answers.value(problem.metric))
}

/// Adds the rows whose labels are doubtful, by the recipe's held-out probabilities, and gives all of them.
pub(crate) fn set_noise(report: &mut Report, problem: &Problem<'_>, recipe: &Recipe) -> Vec<Doubt> {
    if let Some(tagging) = &problem.tagging {
        return set_noise_of_words(report, (problem, tagging), recipe);
    }
    let truth = problem.truth(&recipe.rows);
    let mut found = doubts(&recipe.probabilities, &truth, problem.classes, problem.multi_label);
    // What an annotator says is no slip.
    found.retain(|doubt| {
        let shares = &problem.table.rows[recipe.rows[doubt.position]].shares;
        !shares.iter().any(|(label, _)| Some(*label) == doubt.suggested)
    });
    report.label_noise_rows = found.len();
    let name = |label: u32| problem.table.labels[label as usize].clone();
    report.label_noise = found
        .iter()
        .take(NAMED_DOUBTS)
        .map(|doubt| {
            let row = &problem.table.rows[recipe.rows[doubt.position]];
            NoiseReport {
                row: row.number,
                id: row.id.clone(),
                text: row.text().chars().take(SHOWN).collect(),
                label: doubt.given.map(name),
                suggested: doubt.suggested.map(name),
                probability: doubt.given_probability,
                suggested_probability: doubt.suggested_probability,
            }
        })
        .collect();
    found
}

/// What encoders were made of, and what a teacher and unlabelled texts gave.
pub(crate) fn set_origins(
    run: &Run<'_>,
    (search, recipe): (&Search<'_>, &Recipe),
    pipeline: &Pipeline,
    report: &mut Report,
) -> Result<(), TrainError> {
    if let Some(teacher) = &run.request.origins.teacher {
        if recipe.is_fine_tune() {
            report.distillation = encoder::agreement(run, pipeline)?;
            report.notes.extend(report.distillation.as_ref().map(DistillationReport::note));
        } else {
            report.notes.push(format!("the model is no student of {}: it is no fine-tune", teacher.name));
        }
    }
    if encoder::adapts(run.request.training) && run.problem.families.contains(&Family::Encoder) {
        let adaptation = encoder::adaptation_report(run, search, recipe);
        report.notes.push(adaptation.note(report.metric.as_str()));
        report.adaptation = Some(adaptation);
    }
    report.from_scratch = encoder::from_scratch_report(run)?;
    report.notes.extend(report.from_scratch.as_ref().map(FromScratchReport::note));
    Ok(())
}

/// The same for the labels of words; positions count the words of the recipe's rows.
fn set_noise_of_words(
    report: &mut Report,
    (problem, tagging): (&Problem<'_>, &Tagging),
    recipe: &Recipe,
) -> Vec<Doubt> {
    let truth = tagging.truth(&recipe.rows);
    let found = doubts(&recipe.probabilities, &truth, tagging.tags.len(), false);
    let owners = tagging.owners(&recipe.rows);
    report.label_noise_rows = found.len();
    let name = |tag: u32| tagging.tags[tag as usize].clone();
    let named = |doubt: &Doubt| {
        let (place, word) = owners[doubt.position];
        let number = recipe.rows[place];
        let (row, words) = (&problem.table.rows[number], &tagging.rows[number]);
        let range = &words.words[word];
        // The word itself, with what stands before and after it.
        let start = range.start.saturating_sub(SHOWN / 2);
        NoiseReport {
            row: row.number,
            id: row.id.clone(),
            text: words.text.chars().skip(start).take(SHOWN).collect(),
            label: doubt.given.map(name),
            suggested: doubt.suggested.map(name),
            probability: doubt.given_probability,
            suggested_probability: doubt.suggested_probability,
        }
    };
    report.label_noise = found.iter().take(NAMED_DOUBTS).map(named).collect();
    found
}
