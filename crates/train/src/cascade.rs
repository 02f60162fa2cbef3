//! How sure a cheap version must be for its answer to stand for a dear one's, with a bound instead of an estimate.
//!
//! The cascade changes an answer where the cheap version is at least as sure as the threshold and says something else. The share
//! of *all* rows on which that happens only grows as the threshold falls, so thresholds are tested from strict to loose, each with
//! the exact binomial test at the full level, until one fails: fixed-sequence testing in the manner of Learn then Test
//! (Angelopoulos, Bates, Candès, Jordan, Lei 2021, arXiv 2110.01052). Because the share is monotone the thresholds may be the
//! confidences of the rows themselves (Bates, Angelopoulos, Lei, Malik, Jordan 2021, arXiv 2101.02703, theorem 1): with
//! probability `confidence` over the draw of the rows, the agreement of the threshold chosen is at least the one stated.

use std::time::Instant;

use loquat_infer::{CascadeError, InferError, Input, Pipeline, agree, answer_in_turn, check_cascade};
use loquat_spec::{ErrorCode, Prediction, Task};
use loquat_store::{CalibratedVersion, CascadeCalibration, Tradeoff};

/// Agreements that are shown beside the one asked for.
const SHOWN: [f64; 6] = [0.9, 0.95, 0.97, 0.98, 0.99, 0.995];
/// Halvings of an interval from 0 to 1 until it is as narrow as a number can be.
const HALVINGS: usize = 60;
/// Inputs predicted at once.
const CHUNK: usize = 256;
/// Runs that are timed, and the seconds from which one is exact enough.
const RUNS: usize = 3;
const QUICK: f64 = 2.0;

/// What a cascade is to keep.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CascadeTarget {
    /// Share of all rows on which its answer equals the dear version's, above 0 and below 1.
    pub agreement: f64,
    /// Probability with which that holds beyond the rows calibrated on, above 0 and below 1.
    pub confidence: f64,
}

/// A row as both versions answered it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CascadeRow {
    /// How sure the cheap version is.
    pub confidence: f32,
    /// Whether both give the same answer.
    pub agrees: bool,
    /// What the dear version's answer costs, in any unit.
    pub cost: f64,
}

/// Why there is no threshold.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    /// The versions make no cascade.
    #[error(transparent)]
    Cascade(#[from] CascadeError),
    /// Without a single disagreement the rows could not show it.
    #[error(
        "{rows} rows can't show an agreement of {agreement} at a confidence of {confidence}: {needed} are needed; give more rows, or \
         a lower --agreement or --confidence"
    )]
    TooFewRows {
        /// Rows given.
        rows: usize,
        /// Least rows that could.
        needed: usize,
        /// The agreement asked for.
        agreement: f64,
        /// The confidence asked for.
        confidence: f64,
    },
    /// Even where the cheap version is surest it differs too often.
    #[error(
        "{cheap} differs from {dear} too often where it is surest, an agreement of {agreement} leaves it no answer; lower the \
         agreement, or train a better cheap model"
    )]
    NeverSure {
        /// The version asked first.
        cheap: String,
        /// The version that answers the rest.
        dear: String,
        /// The agreement asked for.
        agreement: f64,
    },
    /// A share outside 0 to 1.
    #[error("{what} {found} is not above 0 and below 1")]
    Target {
        /// Which.
        what: &'static str,
        /// Its value.
        found: f64,
    },
    /// A version can't answer.
    #[error(transparent)]
    Infer(#[from] InferError),
}

impl CalibrationError {
    /// The kind of this failure.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Cascade(error) => error.code(),
            Self::Infer(error) => error.code(),
            Self::TooFewRows { .. } | Self::Target { .. } => ErrorCode::Invalid,
            Self::NeverSure { .. } => ErrorCode::Failed,
        }
    }
}

/// Calibrates the cascade of two versions on `inputs`, which neither may have been trained on. Both answer every row on one thread;
/// the cascade's time for the agreement asked for is measured, for the others it follows from the times of both.
///
/// # Errors
/// When the versions don't go together, can't answer, or no threshold keeps the agreement.
pub fn calibrate_cascade(
    cheap: &Pipeline,
    dear: &Pipeline,
    inputs: &[Input],
    (target, data_hash): (CascadeTarget, &str),
) -> Result<CascadeCalibration, CalibrationError> {
    check_cascade(cheap, dear)?;
    check(target)?;
    let parameters = dear.calibration_parameters();
    let (early, cheap_seconds) = timed(inputs, |chunk| cheap.predict_sure(chunk, &parameters, 1))?;
    let (late, dear_seconds) = timed(inputs, |chunk| dear.predict(chunk, &parameters, 1))?;
    let cost = |input: &Input| dear.tokens(input, &parameters) as f64;
    let rows = compared(dear.task(), (inputs, &early, &late), cost);
    let seconds = (cheap_seconds, dear_seconds);
    let Some(mut chosen) = choose_threshold(&rows, target, seconds)? else {
        let (cheap, dear) = (shown(cheap), shown(dear));
        return Err(CalibrationError::NeverSure { cheap, dear, agreement: target.agreement });
    };
    let stages = [(cheap, chosen.threshold)];
    let (_, cascade_seconds) = timed(inputs, |chunk| answer_in_turn(&stages, dear, chunk, (&parameters, 1)))?;
    chosen.saving = 1.0 - cascade_seconds / dear_seconds.max(f64::MIN_POSITIVE);
    Ok(CascadeCalibration {
        cheap: version_of(cheap),
        dear: version_of(dear),
        confidence: target.confidence,
        chosen,
        tradeoffs: tradeoffs(&rows, chosen, target.confidence, seconds),
        rows: rows.len(),
        zero_shot: (dear.task() == Task::ZeroShotClassification).then(|| dear.declared().clone()),
        cheap_seconds,
        dear_seconds,
        data_hash: data_hash.to_owned(),
        created: String::new(),
    })
}

/// The loosest threshold that keeps the agreement; `None` where none does. `seconds` are those of the cheap and of the dear version
/// for all rows.
///
/// # Errors
/// When the rows are too few, or the target is none.
pub fn choose_threshold(
    rows: &[CascadeRow],
    target: CascadeTarget,
    seconds: (f64, f64),
) -> Result<Option<Tradeoff>, CalibrationError> {
    check(target)?;
    let (count, risk, level) = (rows.len(), 1.0 - target.agreement, 1.0 - target.confidence);
    let Some(most) = most_disagreements(count, risk, level) else {
        let needed = (level.ln() / target.agreement.ln()).ceil() as usize;
        let CascadeTarget { agreement, confidence } = target;
        return Err(CalibrationError::TooFewRows { rows: count, needed, agreement, confidence });
    };
    let mut sorted: Vec<&CascadeRow> = rows.iter().collect();
    sorted.sort_by(|left, right| right.confidence.total_cmp(&left.confidence));
    let mut early = 0;
    let mut differing = 0;
    let mut chosen = None;
    while early < count {
        // Rows as sure as each other are answered by the same version.
        let threshold = sorted[early].confidence;
        while early < count && sorted[early].confidence == threshold {
            differing += usize::from(!sorted[early].agrees);
            early += 1;
        }
        if differing > most {
            break;
        }
        chosen = Some((threshold, early, differing));
    }
    Ok(chosen.map(|(threshold, early, differing)| {
        let left: f64 = sorted[early..].iter().map(|row| row.cost).sum();
        let all: f64 = sorted.iter().map(|row| row.cost).sum();
        let (cheap, dear) = seconds;
        let spent = cheap + dear * left / all.max(f64::MIN_POSITIVE);
        Tradeoff {
            agreement: target.agreement,
            threshold,
            early: early as f64 / count as f64,
            found: 1.0 - differing as f64 / count as f64,
            least: 1.0 - upper_bound(differing, count, level),
            saving: 1.0 - spent / dear.max(f64::MIN_POSITIVE),
        }
    }))
}

/// Answers in chunks, and the seconds that they took: of a quick model the least of three runs, since other work on the machine
/// can only add to them.
fn timed<T>(
    inputs: &[Input],
    mut answer: impl FnMut(&[Input]) -> Result<Vec<T>, InferError>,
) -> Result<(Vec<T>, f64), InferError> {
    let (mut answers, mut least) = (Vec::with_capacity(inputs.len()), f64::INFINITY);
    for _ in 0..RUNS {
        answers.clear();
        let start = Instant::now();
        for chunk in inputs.chunks(CHUNK) {
            answers.extend(answer(chunk)?);
        }
        least = least.min(start.elapsed().as_secs_f64());
        if least > QUICK {
            break;
        }
    }
    Ok((answers, least))
}

fn compared(
    task: Task,
    (inputs, early, late): (&[Input], &[(Prediction, f32)], &[Prediction]),
    cost: impl Fn(&Input) -> f64,
) -> Vec<CascadeRow> {
    let rows = inputs.iter().zip(early).zip(late);
    rows.map(|((input, (cheap, confidence)), dear)| CascadeRow {
        confidence: *confidence,
        agrees: agree(task, cheap, dear),
        cost: cost(input),
    })
    .collect()
}

fn tradeoffs(rows: &[CascadeRow], chosen: Tradeoff, confidence: f64, seconds: (f64, f64)) -> Vec<Tradeoff> {
    let other = SHOWN.into_iter().filter(|agreement| (agreement - chosen.agreement).abs() > 1e-9);
    let mut all: Vec<Tradeoff> = other
        .filter_map(|agreement| {
            choose_threshold(rows, CascadeTarget { agreement, confidence }, seconds).ok()?
        })
        .chain([chosen])
        .collect();
    all.sort_by(|left, right| left.agreement.total_cmp(&right.agreement));
    all
}

fn check(target: CascadeTarget) -> Result<(), CalibrationError> {
    for (what, found) in [("agreement", target.agreement), ("confidence", target.confidence)] {
        if !(found > 0.0 && found < 1.0) {
            return Err(CalibrationError::Target { what, found });
        }
    }
    Ok(())
}

fn version_of(pipeline: &Pipeline) -> CalibratedVersion {
    CalibratedVersion {
        name: pipeline.model().to_owned(),
        version: pipeline.version(),
        digest: pipeline.digest().to_owned(),
    }
}

fn shown(pipeline: &Pipeline) -> String {
    format!("{}:{}", pipeline.model(), pipeline.version())
}

/// The largest k for which k or fewer of `count` rows would differ with at most the probability `level`, were the share of differing
/// rows `risk`: seeing k rejects that share. `None` where not even k = 0 does.
fn most_disagreements(count: usize, risk: f64, level: f64) -> Option<usize> {
    let mut most = None;
    for (k, below) in Binomial::new(count, risk).enumerate() {
        if below > level {
            break;
        }
        most = Some(k);
    }
    most
}

/// The exact upper bound (Clopper, Pearson 1934) of a share that was seen `k` times in `count`: the share at which `k` or fewer have
/// the probability `level`.
fn upper_bound(k: usize, count: usize, level: f64) -> f64 {
    if k >= count {
        return 1.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = (low + high) / 2.0;
        let below = Binomial::new(count, middle).nth(k).unwrap_or(1.0);
        if below > level { low = middle } else { high = middle }
    }
    high
}

/// The probabilities of at most 0, 1, 2, … of `count`. Terms are summed from their logarithms, so that a first one too small
/// for a number does not spoil the rest.
struct Binomial {
    count: usize,
    odds: f64,
    term: f64,
    sum: f64,
    k: usize,
}

impl Binomial {
    fn new(count: usize, share: f64) -> Self {
        let term = count as f64 * (-share).ln_1p();
        Self { count, odds: share.ln() - (-share).ln_1p(), term, sum: 0.0, k: 0 }
    }
}

impl Iterator for Binomial {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        if self.k > self.count {
            return None;
        }
        self.sum += self.term.exp();
        self.term += ((self.count - self.k) as f64 / (self.k + 1) as f64).ln() + self.odds;
        self.k += 1;
        Some(self.sum.min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::Random;

    const TARGET: CascadeTarget = CascadeTarget { agreement: 0.98, confidence: 0.95 };

    fn row(confidence: f32, agrees: bool) -> CascadeRow {
        CascadeRow { confidence, agrees, cost: 1.0 }
    }

    #[test]
    fn bounds_are_those_of_clopper_and_pearson() {
        // scipy 1.17: scipy.stats.beta.ppf(1 - level, k + 1, n - k).
        for (k, count, level, expected) in [
            (0, 149, 0.05, 0.019_904_816),
            (3, 500, 0.05, 0.015_433_735),
            (20, 2974, 0.01, 0.011_106_316),
            (1, 10, 0.5, 0.162_262_728),
        ] {
            let found = upper_bound(k, count, level);
            assert!((found - expected).abs() < 1e-6, "{k} of {count} at {level}: {found}");
        }
        assert_eq!(upper_bound(5, 5, 0.05), 1.0);
    }

    #[test]
    fn the_most_disagreements_are_those_whose_bound_keeps_the_risk() {
        for (count, level) in [(149, 0.05), (500, 0.05), (2974, 0.01), (100_000, 0.01)] {
            let most = most_disagreements(count, 0.02, level).unwrap();
            assert!(upper_bound(most, count, level) <= 0.02, "{count}");
            assert!(upper_bound(most + 1, count, level) > 0.02, "{count}");
        }
        assert_eq!(most_disagreements(148, 0.02, 0.05), None);
    }

    #[test]
    fn the_threshold_stops_before_the_disagreement_too_many_and_keeps_ties_together() {
        // 500 rows bear 4 disagreements: the bound of 4 is 0.0182, of 5 0.0209.
        let mut rows: Vec<CascadeRow> =
            (0..500).map(|number| row(0.9 - number as f32 * 1e-3, true)).collect();
        for place in [10, 20, 30, 40, 200, 201] {
            rows[place].agrees = false;
        }
        let chosen = choose_threshold(&rows, TARGET, (1.0, 10.0)).unwrap().unwrap();
        assert_eq!(chosen.threshold, rows[199].confidence);
        assert!((chosen.early - 0.4).abs() < 1e-12, "{chosen:?}");
        assert!((chosen.found - 0.992).abs() < 1e-12, "{chosen:?}");
        assert!((chosen.saving - (1.0 - (1.0 + 6.0) / 10.0)).abs() < 1e-12, "{chosen:?}");
        rows[199].confidence = rows[200].confidence;
        let tied = choose_threshold(&rows, TARGET, (1.0, 10.0)).unwrap().unwrap();
        assert_eq!(tied.threshold, rows[198].confidence);
    }

    #[test]
    fn too_few_rows_and_versions_that_never_agree_are_told_apart() {
        let rows = vec![row(0.5, true); 148];
        let error = choose_threshold(&rows, TARGET, (0.0, 1.0)).unwrap_err();
        assert!(matches!(error, CalibrationError::TooFewRows { rows: 148, needed: 149, .. }), "{error}");
        let rows = vec![row(0.5, false); 500];
        assert_eq!(choose_threshold(&rows, TARGET, (0.0, 1.0)).unwrap(), None);
        let rows = vec![row(0.5, true); 149];
        assert_eq!(choose_threshold(&rows, TARGET, (0.0, 1.0)).unwrap().unwrap().early, 1.0);
    }

    /// Of 400 draws the agreement is missed about as often as the level says, not more.
    #[test]
    fn the_stated_agreement_is_missed_as_rarely_as_stated() {
        let mut random = Random::new(7);
        let mut missed = 0;
        for _ in 0..400 {
            // A row differs with the probability (1 - confidence) / 5, so that the true disagreement at the threshold t is
            // (1 - t)² / 10, and 0.02 is reached at t = 1 - √0.2.
            let rows: Vec<CascadeRow> = (0..1500)
                .map(|_| {
                    let confidence = random.unit() as f32;
                    row(confidence, random.unit() >= (1.0 - f64::from(confidence)) / 5.0)
                })
                .collect();
            let chosen = choose_threshold(&rows, TARGET, (0.0, 1.0)).unwrap().unwrap();
            missed += usize::from((1.0 - f64::from(chosen.threshold)).powi(2) / 10.0 > 0.02);
        }
        assert!((4..=32).contains(&missed), "missed {missed} of 400");
    }
}
