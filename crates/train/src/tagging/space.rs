//! The search space of the linear family on words.

use serde_json::json;

use crate::linear::{Dimension, Domain, Parameters};

/// The solvers.
pub(crate) const SOLVERS: &[&str] = &[CRF];
const CRF: &str = "crf";
const FEATURES: &[&str] =
    &["window2+affixes4", "window1+affixes3", "window2+affixes5", "window1+affixes5", "window3+affixes4"];

/// Whether parameters are those of a conditional random field.
pub(crate) fn is_crf(parameters: &Parameters) -> bool {
    parameters.get("solver").and_then(|solver| solver.as_str()) == Some(CRF)
}

/// The parameters of a search.
pub(crate) fn space() -> Vec<Dimension> {
    let choice = |name, values| Dimension { name, domain: Domain::Choice(values), active_when: None };
    let real =
        |name, low, high, log| Dimension { name, domain: Domain::Real { low, high, log }, active_when: None };
    vec![
        choice("solver", SOLVERS),
        choice("features", FEATURES),
        choice("min-words", &["1", "2", "3"]),
        choice("epochs", &["10", "20"]),
        real("rate", 0.05, 1.0, true),
        real("penalty", 1e-4, 0.1, true),
        real("hidden-words", 0.0, 0.5, false),
    ]
}

/// The first round: sound configurations that see words differently.
pub(crate) fn first_guesses() -> Vec<Parameters> {
    let guess = |(features, penalty, hidden): (&str, f64, f64)| -> Parameters {
        [
            ("solver", json!(CRF)),
            ("features", json!(features)),
            ("min-words", json!("1")),
            ("epochs", json!("10")),
            ("rate", json!(0.3)),
            ("penalty", json!(penalty)),
            ("hidden-words", json!(hidden)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    };
    [("window2+affixes4", 0.005, 0.0), ("window1+affixes3", 0.005, 0.2), ("window2+affixes5", 0.02, 0.2)]
        .map(guess)
        .to_vec()
}
