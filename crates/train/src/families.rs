//! What a search searches over: the families' spaces, joined by the name of the solver.

use loquat_spec::Family;

use crate::encoder;
use crate::linear::{self, Dimension, Domain, Parameters};
use crate::problem::Problem;

const LINEAR: &[&str] = &[
    "svm",
    "softmax",
    "complement-bayes",
    "bayes-svm",
    "logistic",
    "multinomial-bayes",
    "embedding",
    "bayes-logistic",
];
const SINGLE: &[&str] = &[
    "svm",
    "softmax",
    "complement-bayes",
    "bayes-svm",
    "logistic",
    "multinomial-bayes",
    "embedding",
    "head-softmax",
    "head-svm",
    "head-logistic",
];
const MULTI: &[&str] =
    &["logistic", "svm", "bayes-logistic", "bayes-svm", "multinomial-bayes", "head-logistic", "head-svm"];

/// The family that a trial's parameters belong to.
pub(crate) fn family(parameters: &Parameters) -> Family {
    if encoder::is_head(parameters) || encoder::is_fine_tune(parameters) {
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
    if !has(Family::Encoder) {
        return linear::space(problem.table.task, problem.multi_label);
    }
    if !has(Family::Linear) {
        return heads;
    }
    let solvers = if problem.multi_label { MULTI } else { SINGLE };
    let mut joined = vec![Dimension { name: "solver", domain: Domain::Choice(solvers), active_when: None }];
    let of_linear = linear::space(problem.table.task, problem.multi_label);
    joined.extend(of_linear.into_iter().filter(|dimension| dimension.name != "solver").map(|dimension| {
        Dimension { active_when: dimension.active_when.or(Some(("solver", LINEAR))), ..dimension }
    }));
    joined.extend(heads.into_iter().filter(|dimension| dimension.name != "solver"));
    joined
}

/// The first round: one sound configuration for each solver of each family.
pub(crate) fn first_guesses(problem: &Problem<'_>) -> Vec<Parameters> {
    let mut guesses = Vec::new();
    for family in &problem.families {
        guesses.extend(match family {
            Family::Linear => linear::first_guesses(problem.table.task, problem.classes, problem.pool.len()),
            Family::Encoder => encoder::first_guesses(problem.multi_label, problem.backbones),
        });
    }
    guesses
}
