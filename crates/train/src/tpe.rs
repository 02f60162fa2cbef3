//! A tree-structured Parzen estimator (Bergstra et al. 2011, Algorithms for Hyper-Parameter Optimization).
//!
//! The trials so far are parted into the better quarter and the rest; each dimension has a Parzen density of
//! either part, mixed with a flat prior; of some candidates drawn from the better density the one with the
//! largest ratio of the two is proposed. The module is our own because the crates at hand neither know
//! conditional dimensions nor promise the same bits on every machine. A dimension that is active only under
//! some value of another is drawn after it. All arithmetic is libm's.

use libm::{erf, exp, log};
use serde_json::Value;

use crate::linear::{Dimension, Domain, Parameters, Random};
use crate::random::normal;

const CANDIDATES: usize = 24;
/// Share of the trials that counts as good.
const GOOD_SHARE: f64 = 0.25;
const MOST_GOOD: usize = 25;
/// Narrowest kernel, as a share of the dimension's range.
const NARROWEST: f64 = 0.05;

/// A finished trial; failed ones have the utility minus infinity.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observation<'a> {
    pub(crate) parameters: &'a Parameters,
    pub(crate) utility: f64,
}

/// Proposes a configuration. Without observations it is drawn from the prior.
pub(crate) fn propose(
    space: &[Dimension],
    observations: &[Observation<'_>],
    random: &mut Random,
) -> Parameters {
    let mut sorted: Vec<&Observation<'_>> = observations.iter().collect();
    sorted.sort_by(|a, b| b.utility.total_cmp(&a.utility));
    let wanted = (GOOD_SHARE * sorted.len() as f64).ceil() as usize;
    let (good, bad) = sorted.split_at(wanted.min(MOST_GOOD).min(sorted.len()));
    let mut best: Option<(f64, Parameters)> = None;
    for _ in 0..CANDIDATES {
        let (ratio, parameters) = candidate(space, good, bad, random);
        if best.as_ref().is_none_or(|(largest, _)| ratio > *largest) {
            best = Some((ratio, parameters));
        }
    }
    best.map(|(_, parameters)| parameters).unwrap_or_default()
}

/// A configuration that differs from `base` in one dimension, and in what that dimension makes active.
///
/// The densities above know each dimension on its own; a step from a good configuration keeps what goes together.
pub(crate) fn neighbour(space: &[Dimension], base: &Parameters, random: &mut Random) -> Parameters {
    let own: Vec<&str> = space.iter().map(|d| d.name).filter(|name| base.contains_key(*name)).collect();
    let changed = own.get(random.below(own.len().max(1))).copied();
    let mut chosen = Parameters::new();
    for dimension in space.iter() {
        if !is_active(dimension, &chosen) {
            continue;
        }
        let kept = base.get(dimension.name).filter(|_| changed != Some(dimension.name));
        let value = kept.cloned().unwrap_or_else(|| propose_one(dimension, (&[], &[]), random).0);
        chosen.insert(dimension.name.to_owned(), value);
    }
    chosen
}

/// Whether `dimension` plays a part under the values chosen so far.
fn is_active(dimension: &Dimension, chosen: &Parameters) -> bool {
    let Some((parent, values)) = dimension.active_when else { return true };
    chosen.get(parent).and_then(Value::as_str).is_some_and(|value| values.contains(&value))
}

fn candidate(
    space: &[Dimension],
    good: &[&Observation<'_>],
    bad: &[&Observation<'_>],
    random: &mut Random,
) -> (f64, Parameters) {
    let mut chosen = Parameters::new();
    let mut ratio = 0.0;
    for dimension in space {
        if !is_active(dimension, &chosen) {
            continue;
        }
        let (value, gain) = propose_one(dimension, (good, bad), random);
        ratio += gain;
        chosen.insert(dimension.name.to_owned(), value);
    }
    (ratio, chosen)
}

/// A value of one dimension, and the logarithm of the ratio of its densities.
fn propose_one(dimension: &Dimension, parts: Parts<'_, '_>, random: &mut Random) -> (Value, f64) {
    match &dimension.domain {
        Domain::Choice(choices) => choose(dimension.name, choices, parts, random),
        Domain::Real { low, high, log } => {
            draw(dimension.name, Scale { low: *low, high: *high, log: *log }, parts, random)
        }
    }
}

type Parts<'p, 'a> = (&'p [&'p Observation<'a>], &'p [&'p Observation<'a>]);

fn choose(name: &str, choices: &[&'static str], parts: Parts<'_, '_>, random: &mut Random) -> (Value, f64) {
    let weights = |part: &[&Observation<'_>]| {
        let mut counts = vec![1.0; choices.len()];
        for observation in part {
            let value = observation.parameters.get(name).and_then(Value::as_str);
            if let Some(index) = choices.iter().position(|choice| Some(*choice) == value) {
                counts[index] += 1.0;
            }
        }
        let sum: f64 = counts.iter().sum();
        counts.into_iter().map(|count| count / sum).collect::<Vec<f64>>()
    };
    let (good, bad) = (weights(parts.0), weights(parts.1));
    let mut left = random.unit();
    let mut index = 0;
    while index + 1 < choices.len() && left >= good[index] {
        left -= good[index];
        index += 1;
    }
    (Value::from(choices[index]), log(good[index]) - log(bad[index]))
}

#[derive(Debug, Clone, Copy)]
struct Scale {
    low: f64,
    high: f64,
    log: bool,
}

impl Scale {
    fn to_unit(self, value: f64) -> f64 {
        let unit = if self.log {
            (log(value) - log(self.low)) / (log(self.high) - log(self.low))
        } else {
            (value - self.low) / (self.high - self.low)
        };
        unit.clamp(0.0, 1.0)
    }

    /// Back from `[0, 1]`, rounded to four digits so that the value reads the same in every file.
    fn value(self, unit: f64) -> f64 {
        let exact = if self.log {
            exp(log(self.low) + unit * (log(self.high) - log(self.low)))
        } else {
            self.low + unit * (self.high - self.low)
        };
        let rounded: f64 = format!("{exact:.3e}").parse().unwrap_or(exact);
        rounded.clamp(self.low, self.high)
    }
}

fn draw(name: &str, scale: Scale, parts: Parts<'_, '_>, random: &mut Random) -> (Value, f64) {
    let (good, bad) = (Parzen::new(name, scale, parts.0), Parzen::new(name, scale, parts.1));
    let unit = good.sample(random);
    (Value::from(scale.value(unit)), log(good.density(unit)) - log(bad.density(unit)))
}

/// A mixture of Gaussians cut to `[0, 1]`, one at each observation, and a flat part with the weight of one
/// observation.
struct Parzen {
    kernels: Vec<(f64, f64)>,
}

impl Parzen {
    fn new(name: &str, scale: Scale, part: &[&Observation<'_>]) -> Self {
        let mut centres: Vec<f64> = part
            .iter()
            .filter_map(|observation| observation.parameters.get(name).and_then(Value::as_f64))
            .map(|value| scale.to_unit(value))
            .collect();
        centres.sort_unstable_by(f64::total_cmp);
        let count = centres.len();
        // Each kernel reaches to its farther neighbour, the ends of the range counting as neighbours.
        let width = |index: usize| {
            let before = if index == 0 { centres[0] } else { centres[index] - centres[index - 1] };
            let after =
                if index + 1 == count { 1.0 - centres[index] } else { centres[index + 1] - centres[index] };
            let narrowest = NARROWEST.max(1.0 / (1.0 + 10.0 * count as f64));
            before.max(after).clamp(narrowest, 0.5)
        };
        Self { kernels: (0..count).map(|index| (centres[index], width(index))).collect() }
    }

    fn sample(&self, random: &mut Random) -> f64 {
        let Some((centre, width)) = self.kernels.get(random.below(self.kernels.len() + 1)) else {
            return random.unit();
        };
        // Every centre lies in the range, so at least a third of the draws do too.
        for _ in 0..64 {
            let value = centre + width * normal(random);
            if (0.0..=1.0).contains(&value) {
                return value;
            }
        }
        *centre
    }

    fn density(&self, unit: f64) -> f64 {
        let kernel = |(centre, width): &(f64, f64)| {
            let z = (unit - centre) / width;
            let inside = |edge: f64| 0.5 * (1.0 + erf((edge - centre) / (width * std::f64::consts::SQRT_2)));
            let mass = inside(1.0) - inside(0.0);
            exp(-0.5 * z * z) / (width * libm::sqrt(std::f64::consts::TAU) * mass)
        };
        (1.0 + self.kernels.iter().map(kernel).sum::<f64>()) / (self.kernels.len() + 1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> Vec<Dimension> {
        vec![
            Dimension { name: "solver", domain: Domain::Choice(&["a", "b", "c"]), active_when: None },
            Dimension {
                name: "c",
                domain: Domain::Real { low: 1e-3, high: 1e3, log: true },
                active_when: Some(("solver", &["a", "b"])),
            },
            Dimension {
                name: "mix",
                domain: Domain::Real { low: 0.0, high: 1.0, log: false },
                active_when: Some(("solver", &["c"])),
            },
        ]
    }

    /// Trials before the estimator guides, as the first round of a search.
    const STARTS: usize = 8;

    /// Best is solver b with c = 10.
    fn utility(parameters: &Parameters) -> f64 {
        let number = |name: &str| parameters.get(name).and_then(Value::as_f64);
        match parameters["solver"].as_str() {
            Some("b") => -(log(number("c").unwrap()) - log(10.0)).abs() / 7.0,
            Some("a") => -0.5 - (log(number("c").unwrap())).abs() / 7.0,
            _ => -0.8 + 0.1 * number("mix").unwrap(),
        }
    }

    fn search(trials: usize, seed: u64, guided: bool) -> (f64, Vec<Parameters>) {
        let mut done: Vec<(Parameters, f64)> = Vec::new();
        for trial in 0..trials {
            let observations: Vec<Observation<'_>> = done
                .iter()
                .filter(|_| guided && trial >= STARTS && trial % 8 != 0)
                .map(|(parameters, utility)| Observation { parameters, utility: *utility })
                .collect();
            let mut random = Random::new(crate::random::mix(seed, &[trial as u64]));
            let parameters = propose(&space(), &observations, &mut random);
            let value = utility(&parameters);
            done.push((parameters, value));
        }
        let best = done.iter().map(|(_, value)| *value).fold(f64::NEG_INFINITY, f64::max);
        (best, done.into_iter().map(|(parameters, _)| parameters).collect())
    }

    #[test]
    fn finds_better_configurations_than_chance() {
        let mean = |guided| (0..20).map(|seed| search(40, seed, guided).0).sum::<f64>() / 20.0;
        let (guided, chance) = (mean(true), mean(false));
        assert!(guided > 0.5 * chance && guided > -0.02, "guided {guided}, chance {chance}");
    }

    #[test]
    fn proposes_only_active_dimensions_inside_their_ranges() {
        for parameters in search(60, 7, true).1 {
            let solver = parameters["solver"].as_str().unwrap();
            assert_eq!(parameters.contains_key("c"), solver != "c");
            assert_eq!(parameters.contains_key("mix"), solver == "c");
            if let Some(c) = parameters.get("c").and_then(Value::as_f64) {
                assert!((1e-3..=1e3).contains(&c));
            }
        }
    }

    #[test]
    fn a_neighbour_differs_in_one_dimension_and_what_it_makes_active() {
        let base: Parameters =
            [("solver".to_owned(), Value::from("b")), ("c".to_owned(), Value::from(10.0))].into();
        let mut random = Random::new(3);
        let mut seen = [false; 2];
        for _ in 0..100 {
            let step = neighbour(&space(), &base, &mut random);
            assert_eq!(step.contains_key("c"), step["solver"] != "c");
            assert_eq!(step.contains_key("mix"), step["solver"] == "c");
            let same_solver = step["solver"] == base["solver"];
            assert!(same_solver || step.get("c").is_none_or(|c| *c == base["c"]));
            seen[usize::from(same_solver)] = true;
        }
        assert_eq!(seen, [true; 2]);
    }

    #[test]
    fn repeats_itself_bit_for_bit() {
        assert_eq!(search(30, 5, true).1, search(30, 5, true).1);
    }

    #[test]
    fn survives_trials_that_all_failed() {
        let failed = propose(&space(), &[], &mut Random::new(1));
        let observations = [Observation { parameters: &failed, utility: f64::NEG_INFINITY }; 3];
        assert!(propose(&space(), &observations, &mut Random::new(2)).contains_key("solver"));
    }
}
