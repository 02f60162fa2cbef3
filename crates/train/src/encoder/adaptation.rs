//! A backbone adapted to unlabelled texts by filling gaps in them, which the search holds against the backbone as it is
//! (Gururangan et al. 2020).

use super::backbone::Backbone;
use super::gap_filling::GapFilling;
use super::head::is_head;
use super::student::inputs;
use crate::error::{Halt, TrainError};
use crate::metrics::utility;
use crate::recipe::{Ingredient, Recipe};
use crate::report_origins::AdaptationReport;
use crate::run::Run;
use crate::search::{Search, Trial};

/// Three passes at most, or a fifth of the time allowed.
const FILLING: GapFilling =
    GapFilling { stage: "adapting to the unlabelled texts", most_epochs: 3, share: 0.2, rate: 1e-4 };
/// The parameter that names a backbone.
const BACKBONE: &str = "backbone";

/// `backbone` adapted to the unlabelled texts.
pub(super) fn adapted(run: &Run<'_>, backbone: &Backbone) -> Result<Backbone, Halt> {
    let table = run.request.origins.unlabelled.as_ref();
    let table = table.ok_or(TrainError::Unlabelled { problem: "is named but not given" })?;
    FILLING.filled(run, backbone, (&inputs(run), &table.hash), "adapted to the unlabelled texts")
}

/// What the search says of the adapted backbone, which is the last: the best head on it that was tried on the first one too.
pub(crate) fn adaptation_report(run: &Run<'_>, search: &Search<'_>, recipe: &Recipe) -> AdaptationReport {
    let adapted = run.problem.backbones - 1;
    let heads = |place: usize| {
        let place = (place + 1).to_string();
        let complete = search.trials.iter().filter(|trial| trial.is_complete() && is_head(&trial.parameters));
        complete.filter(move |trial| trial.parameters.get(BACKBONE).is_some_and(|own| *own == place))
    };
    let same = |one: &Trial, other: &Trial| {
        let without = |trial: &Trial| {
            let mut parameters = trial.parameters.clone();
            parameters.remove(BACKBONE);
            parameters
        };
        without(one) == without(other)
    };
    let pairs = heads(adapted).filter_map(|with| {
        let without = heads(0).find(|without| same(with, without))?;
        Some((with.mean()?, without.mean()?))
    });
    let best = pairs.max_by(|one, other| one.0.total_cmp(&other.0));
    let value = |mean: f64| utility(run.problem.metric, mean);
    let of_adapted = (adapted + 1).to_string();
    let starts = |part: &Ingredient| part.parameters.get(BACKBONE).is_some_and(|one| *one == of_adapted);
    AdaptationReport {
        examples: run.adapted.get().copied().unwrap_or(0),
        without: best.map(|(_, without)| value(without)),
        with: best.map(|(with, _)| value(with)),
        kept: recipe.ingredients.iter().any(starts),
    }
}
