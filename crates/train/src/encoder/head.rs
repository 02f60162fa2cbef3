//! A trial of the encoder family: a linear classifier on the features of a frozen backbone.
//!
//! The solvers are those of the linear family. Features are brought to mean zero and equal spread for them; the classifier
//! that is kept undoes that in its weights, so that serving multiplies the features as they are.

use serde_json::{Value, json};

use crate::linear::{ClassWeight, Dense, DenseFit, Dimension, Domain, LinearError, Parameters, Solver};
use crate::problem::Problem;

/// Solvers where a text has one label.
pub(crate) const SINGLE: &[&str] = &["head-softmax", "head-svm", "head-logistic"];
/// Solvers where a text has a set of labels.
pub(crate) const MULTI: &[&str] = &["head-logistic", "head-svm"];
const HEADS: &[&str] = &["head-softmax", "head-svm", "head-logistic"];
const BACKBONES: [&[&str]; 9] = [
    &[],
    &["1"],
    &["1", "2"],
    &["1", "2", "3"],
    &["1", "2", "3", "4"],
    &["1", "2", "3", "4", "5"],
    &["1", "2", "3", "4", "5", "6"],
    &["1", "2", "3", "4", "5", "6", "7"],
    &["1", "2", "3", "4", "5", "6", "7", "8"],
];

/// A classifier to be fitted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HeadConfig {
    /// Place of the backbone in the resource's list.
    pub(crate) backbone: usize,
    solver: Solver,
    class_weight: ClassWeight,
}

/// Whether parameters are those of a head.
pub(crate) fn is_head(parameters: &Parameters) -> bool {
    text(parameters, "solver").is_some_and(|solver| HEADS.contains(&solver))
}

fn text<'p>(parameters: &'p Parameters, name: &str) -> Option<&'p str> {
    parameters.get(name).and_then(Value::as_str)
}

/// The parameters of a search over heads.
pub(crate) fn space(multi_label: bool, backbones: usize) -> Vec<Dimension> {
    let active_when = Some(("solver", HEADS));
    let choice = |name, values| Dimension { name, domain: Domain::Choice(values), active_when };
    let mut space = vec![
        Dimension { active_when: None, ..choice("solver", if multi_label { MULTI } else { SINGLE }) },
        Dimension {
            name: "head-cost",
            domain: Domain::Real { low: 0.003, high: 30.0, log: true },
            active_when,
        },
        choice("class-weight", &["none", "root", "balanced"]),
    ];
    if backbones > 1 {
        space.push(choice("backbone", BACKBONES[backbones.min(BACKBONES.len() - 1)]));
    }
    space
}

/// The first round: each solver on the first backbone, and the first solver on each other.
pub(crate) fn first_guesses(multi_label: bool, backbones: usize) -> Vec<Parameters> {
    let solvers = if multi_label { MULTI } else { SINGLE };
    let guess = |(solver, backbone): (&str, usize)| -> Parameters {
        let cost = if solver == "head-svm" { 0.05 } else { 1.0 };
        let mut parameters = Parameters::from([
            ("solver".to_owned(), json!(solver)),
            ("head-cost".to_owned(), json!(cost)),
            ("class-weight".to_owned(), json!("none")),
        ]);
        if backbones > 1 {
            parameters.insert("backbone".to_owned(), json!(backbone.to_string()));
        }
        parameters
    };
    let on_first = solvers.iter().map(|solver| (*solver, 1));
    let on_others = (2..=backbones).map(|backbone| (solvers[0], backbone));
    on_first.chain(on_others).map(guess).collect()
}

impl HeadConfig {
    /// Reads the parameters that [`space`] describes.
    pub(crate) fn from_parameters(parameters: &Parameters) -> Result<Self, LinearError> {
        let cost = parameters.get("head-cost").and_then(Value::as_f64);
        let cost = cost.ok_or(LinearError::Parameter { name: "head-cost" })? as f32;
        let solver = match text(parameters, "solver") {
            Some("head-softmax") => Solver::Softmax { cost },
            Some("head-svm") => Solver::Svm { cost, bayes_ratio: false },
            Some("head-logistic") => Solver::Logistic { cost, bayes_ratio: false },
            _ => return Err(LinearError::Parameter { name: "solver" }),
        };
        let backbone: Option<usize> = text(parameters, "backbone").unwrap_or("1").parse().ok();
        let backbone = backbone.and_then(|place| place.checked_sub(1));
        Ok(Self {
            backbone: backbone.ok_or(LinearError::Parameter { name: "backbone" })?,
            solver,
            class_weight: ClassWeight::of(text(parameters, "class-weight")),
        })
    }

    /// Fits the classifier on the rows `train`. The result depends on the arguments alone.
    pub(crate) fn fit(
        &self,
        problem: &Problem<'_>,
        train: &[usize],
        seed: u64,
    ) -> Result<DenseFit, LinearError> {
        let features = problem.features(self.backbone)?;
        self.fit_on(problem, |unit| features.row(unit), (&problem.units(train), seed))
    }

    /// The same on other features, those that `row` gives for each of the `units`.
    pub(super) fn fit_on<'f>(
        &self,
        problem: &Problem<'_>,
        row: impl Fn(usize) -> &'f [f32],
        (units, seed): (&[usize], u64),
    ) -> Result<DenseFit, LinearError> {
        let dense = Dense { solver: self.solver, class_weight: self.class_weight };
        problem.workspace.fit_dense(dense, row, units, seed)
    }

    /// Fits on `train` and gives the margins of `eval`, `[eval, classes]`.
    pub(crate) fn margins(
        &self,
        problem: &Problem<'_>,
        (train, eval): (&[usize], &[usize]),
        seed: u64,
    ) -> Result<Vec<f32>, LinearError> {
        let features = problem.features(self.backbone)?;
        self.fit(problem, train, seed)?.margins(problem.units(eval).iter().map(|unit| features.row(*unit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_first_guess_lies_in_the_space_and_is_read() {
        for (multi_label, backbones) in [(false, 1), (true, 1), (false, 3)] {
            let space = space(multi_label, backbones);
            let guesses = first_guesses(multi_label, backbones);
            assert!(guesses.iter().all(is_head));
            let seen: std::collections::BTreeSet<usize> =
                guesses.iter().map(|guess| HeadConfig::from_parameters(guess).unwrap().backbone).collect();
            assert_eq!(seen, (0..backbones).collect());
            for guess in guesses {
                let known: Vec<&str> = space.iter().map(|dimension| dimension.name).collect();
                assert!(guess.keys().all(|name| known.contains(&name.as_str())), "{guess:?}");
                assert_eq!(guess.len(), known.len());
            }
        }
    }
}
