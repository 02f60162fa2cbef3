//! Shadow versions: they are asked what an endpoint has just answered, their answers are compared and counted, never returned.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use loquat_infer::batcher::PipelineJob;
use loquat_spec::Prediction;

use crate::host::Host;

/// Time after which a shadow answer is not waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// The caller that shadow work counts as, so that it takes no share of a real one.
const CALLER: &str = "shadow of the endpoint";

/// Asks the shadows of `host` what `job` was answered with `returned`. Where the queue has no room they are skipped.
pub(crate) fn compare(host: &Host, job: PipelineJob, returned: Vec<Prediction>) {
    let returned = Arc::new(returned);
    for pipeline in &host.shadows {
        let fits = job.pipeline.task() == pipeline.task();
        let job = PipelineJob { pipeline: Arc::clone(pipeline), ..job.clone() };
        let pending = fits.then(|| host.gate.submit(CALLER.into(), Instant::now() + PATIENCE, job)).flatten();
        let metrics = Arc::clone(&host.metrics);
        let Some(pending) = pending else {
            metrics.shadow_skipped.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let returned = Arc::clone(&returned);
        tokio::spawn(async move {
            let Ok(Ok(done)) = tokio::time::timeout(PATIENCE, pending.answer()).await else {
                metrics.shadow_skipped.fetch_add(1, Ordering::Relaxed);
                return;
            };
            for (shadow, returned) in done.outputs.iter().zip(returned.iter()) {
                let agrees = labels(shadow) == labels(returned);
                let count = if agrees { &metrics.shadow_agreed } else { &metrics.shadow_differed };
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

/// The labels that a prediction names, in alphabetical order.
fn labels(prediction: &Prediction) -> Vec<&str> {
    let mut labels: Vec<&str> = match prediction {
        Prediction::Label { label, .. } => vec![label],
        Prediction::Labels { labels } => labels.iter().map(|scored| scored.label.as_str()).collect(),
    };
    labels.sort_unstable();
    labels
}
