//! What a search searches over: the families' spaces, joined by the name of the solver.

use std::sync::LazyLock;

use loquat_spec::{Family, Metric};

use crate::embedding;
use crate::encoder;
use crate::linear::{self, Dimension, Domain, Parameters};
use crate::problem::Problem;
use crate::report::ParetoRow;
use crate::tagging;

/// All solvers of the linear family.
static LINEAR: Solvers = LazyLock::new(|| [linear::SINGLE, linear::MULTI].concat());
/// The solvers of both families, for one label a text, for labels of words and for sets of labels.
static SINGLE: Solvers = LazyLock::new(|| [linear::SINGLE, encoder::SINGLE].concat());
static WORDS: Solvers = LazyLock::new(|| [tagging::SOLVERS, encoder::SINGLE].concat());
static MULTI: Solvers = LazyLock::new(|| [linear::MULTI, encoder::MULTI].concat());

type Solvers = LazyLock<Vec<&'static str>>;

/// The family that a trial's parameters belong to.
pub(crate) fn family(parameters: &Parameters) -> Family {
    if encoder::is_head(parameters) || encoder::is_fine_tune(parameters) || embedding::is_untuned(parameters)
    {
        Family::Encoder
    } else {
        Family::Linear
    }
}

/// The family's word in reports.
pub(crate) fn word(family: Family) -> &'static str {
    match family {
        Family::Linear => "linear",
        Family::Encoder => "encoder",
    }
}

/// The parameters of the search.
pub(crate) fn space(problem: &Problem<'_>) -> Vec<Dimension> {
    let has = |family| problem.families.contains(&family);
    let heads = encoder::space(problem.multi_label, problem.backbones);
    let of_words = problem.tagging.is_some();
    let own =
        if of_words { tagging::space() } else { linear::space(problem.table.task, problem.multi_label) };
    if !has(Family::Encoder) {
        return own;
    }
    if !has(Family::Linear) {
        return heads;
    }
    let (solvers, of_linear): (&'static [&'static str], &'static [&'static str]) = match problem.multi_label {
        _ if of_words => (&WORDS, tagging::SOLVERS),
        true => (&MULTI, &LINEAR),
        false => (&SINGLE, &LINEAR),
    };
    let mut joined = vec![Dimension { name: "solver", domain: Domain::Choice(solvers), active_when: None }];
    joined.extend(own.into_iter().filter(|dimension| dimension.name != "solver").map(|dimension| {
        Dimension { active_when: dimension.active_when.or(Some(("solver", of_linear))), ..dimension }
    }));
    joined.extend(heads.into_iter().filter(|dimension| dimension.name != "solver"));
    joined
}

/// The first round: one sound configuration for each solver of each family, the families in turn, so that few trials have
/// seen them all.
pub(crate) fn first_guesses(problem: &Problem<'_>) -> Vec<Parameters> {
    let of = |family: &Family| match family {
        Family::Linear if problem.tagging.is_some() => tagging::first_guesses(),
        Family::Linear => linear::first_guesses(problem.table.task, problem.classes, problem.pool.len()),
        Family::Encoder => encoder::first_guesses(problem.multi_label, problem.backbones),
    };
    let mut families: Vec<_> = problem.families.iter().map(|family| of(family).into_iter()).collect();
    let longest = families.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
    (0..longest).flat_map(|_| families.iter_mut().filter_map(Iterator::next).collect::<Vec<_>>()).collect()
}

/// With several families: the best of the others, what it reached and what it costs.
pub(crate) fn runner_up(pareto: &[ParetoRow], metric: Metric) -> Option<String> {
    let chosen = pareto.iter().find(|row| row.chosen)?;
    let other = pareto.iter().find(|row| row.family != chosen.family)?;
    let told = |row: &ParetoRow| {
        let megabytes = row.cost.artifact_bytes as f64 / 1e6;
        let (score, each) = (row.score, row.cost.single_microseconds);
        format!("{}: {} {score:.4}, {megabytes:.1} MB, {each:.0} µs a text", row.family, metric.as_str())
    };
    let refused = if other.exceeds.is_empty() {
        String::new()
    } else {
        format!("; exceeds {}", other.exceeds.join(" and "))
    };
    Some(format!(
        "the best of each family, on held-out rows of the search: {}; runner-up {}{refused}",
        told(chosen),
        told(other)
    ))
}
