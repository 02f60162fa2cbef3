//! Cheap versions before the one of an endpoint: they answer what they are sure of, and are watched for how often that is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use loquat_infer::batcher::{Asks, Output, PipelineJob};
use loquat_infer::{Pipeline, Relay};
use loquat_store::CascadeCalibration;
use serde_json::{Value, json};

use crate::gate::{Call, Computed, Gate};
use crate::host::Host;
use crate::problem::Problem;

/// Inputs after which one counts for a third in the live share.
const MEMORY: f64 = 1000.0;

/// The versions that are asked before the endpoint's own, in their order.
pub(crate) struct Cascade {
    /// At least one.
    pub(crate) stages: Vec<Stage>,
}

/// A version that is asked early.
pub(crate) struct Stage {
    /// The version.
    pub(crate) pipeline: Arc<Pipeline>,
    /// From which confidence it answers, and how often it did on the rows calibrated on.
    pub(crate) calibration: CascadeCalibration,
    /// Its own queue: it costs other times than the version behind it.
    pub(crate) gate: Gate,
    /// What it was asked and answered since it was lined up.
    pub(crate) live: Live,
}

/// How often a stage answers.
pub(crate) struct Live {
    asked: AtomicU64,
    early: AtomicU64,
    /// The bits of the moving share.
    share: AtomicU64,
}

impl Live {
    /// Expects the share `calibrated` until inputs say otherwise.
    pub(crate) fn new(calibrated: f64) -> Self {
        Self { asked: 0.into(), early: 0.into(), share: calibrated.to_bits().into() }
    }

    fn note(&self, asked: usize, early: usize) {
        self.asked.fetch_add(asked as u64, Ordering::Relaxed);
        self.early.fetch_add(early as u64, Ordering::Relaxed);
        let (asked, early) = (asked as f64, early as f64);
        let weight = 1.0 - (-asked / MEMORY).exp();
        let moved = |bits| {
            let share = f64::from_bits(bits);
            Some((share + weight * (early / asked - share)).to_bits())
        };
        // The closure never declines.
        let _ = self.share.fetch_update(Ordering::Relaxed, Ordering::Relaxed, moved);
    }

    /// Inputs that it was asked.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Inputs that it answered.
    pub(crate) fn early(&self) -> u64 {
        self.early.load(Ordering::Relaxed)
    }

    /// The share of what it is asked that it answers, over about the last thousand inputs.
    pub(crate) fn share(&self) -> f64 {
        f64::from_bits(self.share.load(Ordering::Relaxed))
    }
}

impl Stage {
    /// How far the live share is from the calibrated one: Cohen's h (1988), 2·asin √live − 2·asin √calibrated. From 0.2 on either
    /// side what is asked differs from what was calibrated on.
    pub(crate) fn drift(&self) -> f64 {
        effect(self.live.share(), self.calibration.chosen.early)
    }
}

/// Cohen's h of two shares.
fn effect(share: f64, reference: f64) -> f64 {
    let angle = |share: f64| 2.0 * share.clamp(0.0, 1.0).sqrt().asin();
    angle(share) - angle(reference)
}

impl Cascade {
    /// The cascade that answers `job`; none where a request asks for a certain version, or for more than whole answers.
    pub(crate) fn of<'h>(host: &'h Host, job: &PipelineJob) -> Option<&'h Self> {
        let cascade = host.cascade.as_deref()?;
        let is_main = host.pipeline.as_ref().is_some_and(|main| Arc::ptr_eq(main, &job.pipeline));
        let mut stages = cascade.stages.iter();
        let early = stages.all(|stage| stage.pipeline.may_answer_early(&job.parameters));
        (is_main && early && job.asks == Asks::Predictions).then_some(cascade)
    }

    /// Answers `job`: each stage what it is sure of, the endpoint's version the rest.
    pub(crate) async fn answer(&self, call: &Call<'_>, job: PipelineJob) -> Result<Computed, Problem> {
        let mut relay = Relay::new(job.inputs.len());
        let mut all = Computed::default();
        let ask = |pipeline: &Arc<Pipeline>, relay: &Relay<Output>, asks| PipelineJob {
            pipeline: Arc::clone(pipeline),
            inputs: relay.open(&job.inputs).into_iter().cloned().collect(),
            parameters: job.parameters.clone(),
            asks,
        };
        for stage in &self.stages {
            let asks = Asks::SurePredictions(stage.calibration.chosen.threshold);
            let open = ask(&stage.pipeline, &relay, asks);
            let asked = open.inputs.len();
            if asked == 0 {
                break;
            }
            let outputs = all.add(call.ask(&stage.gate, true, open).await?);
            let sure = outputs.into_iter().map(|output| (output != Output::Unsure).then_some(output));
            let early = relay.take(sure);
            stage.live.note(asked, early);
            call.exchange.note.answered_early(&stage.pipeline, early);
        }
        let rest = ask(&job.pipeline, &relay, job.asks);
        if !rest.inputs.is_empty() {
            let outputs = all.add(call.ask(&call.host.gate, true, rest).await?);
            relay.take(outputs.into_iter().map(Some));
        }
        all.outputs = relay.finish();
        Ok(all)
    }

    /// Its stages for those who ask how the endpoint fares. What reaches a later stage is no sample of all inputs, so that its share
    /// is not compared with the calibrated one.
    pub(crate) fn to_json(&self) -> Value {
        let stages = self.stages.iter().enumerate();
        let stages = stages.map(|(place, stage)| {
            let chosen = &stage.calibration.chosen;
            json!({
                "model": stage.pipeline.model(),
                "version": stage.pipeline.version(),
                "agreement": chosen.agreement,
                "confidence": stage.calibration.confidence,
                "threshold": chosen.threshold,
                "asked": stage.live.asked(),
                "early": stage.live.early(),
                "share": { "live": rounded(stage.live.share()), "calibrated": rounded(chosen.early) },
                "drift": (place == 0).then(|| rounded(stage.drift())),
            })
        });
        stages.collect()
    }
}

/// A share to four places.
fn rounded(share: f64) -> f64 {
    (share * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_live_share_starts_as_calibrated_and_follows_what_comes() {
        let live = Live::new(0.6);
        assert!((live.share() - 0.6).abs() < 1e-12);
        (0..10).for_each(|_| live.note(500, 100));
        assert!((live.share() - 0.2).abs() < 0.01, "{}", live.share());
        assert_eq!((live.asked(), live.early()), (5000, 1000));
        let single = Live::new(0.0);
        (0..1000).for_each(|_| single.note(1, 1));
        assert!((single.share() - (1.0 - (-1.0_f64).exp())).abs() < 1e-3, "{}", single.share());
    }

    #[test]
    fn the_effect_is_cohens() {
        // Cohen 1988, table 6.2.2: 2·asin √0.5 = 1.571, 2·asin √0.6 = 1.772, 2·asin √0.9 = 2.498.
        assert!((effect(0.6, 0.5) - 0.201).abs() < 1e-3);
        assert!((effect(0.5, 0.9) + 0.927).abs() < 1e-3);
        assert!(effect(0.3, 0.3).abs() < 1e-12);
    }
}
