//! Whether the alias `champion` moves to the new version.

use loquat_infer::Pipeline;
use loquat_spec::{ErrorCode, ModelReference, Name, Promote, Selector};
use loquat_store::VersionRecord;

use crate::bootstrap::paired;
use crate::error::TrainError;
use crate::evaluate::{Measured, clusters, foreign_answers};
use crate::report_details::BaselineReport;
use crate::request::Outcome;
use crate::run::Run;

/// The alias that `name` alone means.
const CHAMPION: &str = "champion";

/// The decision and its reason.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) moves: bool,
    pub(crate) reason: String,
    /// The champion on the same test rows, where the two were compared.
    pub(crate) champion: Option<BaselineReport>,
}

impl Verdict {
    fn new(moves: bool, reason: impl Into<String>) -> Self {
        Self { moves, reason: reason.into(), champion: None }
    }
}

pub(crate) fn champion_alias() -> Name {
    Name::new(CHAMPION).expect("the word is lower-case letters only")
}

/// The version that the alias points at now.
pub(crate) fn champion(run: &Run<'_>) -> Result<Option<VersionRecord>, TrainError> {
    let reference = reference(run);
    match run.request.store.resolve(&reference) {
        Ok(resolved) => Ok(Some(resolved.record)),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn reference(run: &Run<'_>) -> ModelReference {
    ModelReference { name: run.request.training.name.clone(), selector: Selector::Alias(champion_alias()) }
}

/// Decides by the resource's rule; `test` are the new model's answers to the test rows.
pub(crate) fn decide(
    run: &Run<'_>,
    outcome: Outcome,
    champion: Option<&VersionRecord>,
    test: Option<&Measured>,
) -> Verdict {
    if outcome != Outcome::Completed {
        return Verdict::new(
            false,
            "the training was stopped early; promote the version by hand if it is good enough",
        );
    }
    let rule = run.request.training.promote;
    if rule == Promote::Never {
        return Verdict::new(false, "spec.promote is never");
    }
    let Some(champion) = champion else { return Verdict::new(true, "there was no champion before") };
    if rule == Promote::Always {
        return Verdict::new(true, "spec.promote is always");
    }
    let Some(test) = test else {
        let reason = format!(
            "without a test split there is nothing to compare it with version {} on; add spec.split.test or promote it by hand",
            champion.version
        );
        return Verdict::new(false, reason);
    };
    // A champion that no longer loads serves nobody, so anything is better; the reason says so.
    let pipeline = match Pipeline::from_store(run.request.store, &reference(run)) {
        Ok(pipeline) => pipeline,
        Err(error) => {
            return Verdict::new(
                true,
                format!("version {} can't be loaded any more: {error}", champion.version),
            );
        }
    };
    compare(run, champion, &pipeline, test)
}

fn compare(run: &Run<'_>, champion: &VersionRecord, pipeline: &Pipeline, test: &Measured) -> Verdict {
    let metric = run.problem.metric;
    if pipeline.task() != run.problem.table.task {
        let reason = format!("version {} is a model for {}", champion.version, pipeline.task().as_str());
        return Verdict::new(true, reason);
    }
    let theirs = match foreign_answers(run, pipeline) {
        Ok(theirs) => theirs,
        Err(error) => {
            let reason = format!("version {} can't answer the test rows any more: {error}", champion.version);
            return Verdict::new(true, reason);
        }
    };
    let clusters = clusters(&run.problem, &test.rows);
    let difference = run.pool.install(|| paired(&test.answers, &theirs, metric, &clusters, run.seed()));
    let mut reason = format!(
        "paired bootstrap against version {} on {} test rows: {} better by {:+.4} (95 %: {:+.4} to {:+.4})",
        champion.version,
        test.rows.len(),
        metric.as_str(),
        difference.value,
        difference.low,
        difference.high
    );
    if champion.data_hash != run.problem.table.hash {
        reason.push_str("; the champion was trained on other data, which may hold some of these rows");
    }
    let is_worse = difference.high < 0.0;
    reason.push_str(if is_worse { ", so it is worse and the alias stays" } else { ", so it is not worse" });
    let name = format!("version {}, champion before", champion.version);
    let champion = Some(BaselineReport { name, value: theirs.value(metric) });
    Verdict { champion, ..Verdict::new(!is_worse, reason) }
}
