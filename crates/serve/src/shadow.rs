//! Shadow versions: they are asked what an endpoint has just answered, their answers are compared and counted, never returned.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use loquat_infer::batcher::{Output, PipelineJob};
use loquat_spec::{Prediction, Task};

use crate::host::Host;

/// Time after which a shadow answer is not waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// The caller that shadow work counts as, so that it takes no share of a real one.
const CALLER: &str = "shadow of the endpoint";

/// Asks the shadows of `host` what `job` was answered with `returned`. Where the queue has no room, or the task answers no
/// labels that could be compared, they are skipped.
pub(crate) fn compare(host: &Host, job: PipelineJob, returned: &[Output]) {
    let returned: Vec<Prediction> = predictions(returned).cloned().collect();
    let returned = Arc::new(returned);
    for pipeline in &host.shadows {
        let fits = job.pipeline.task() == pipeline.task() && answers_labels(pipeline.task());
        let job = PipelineJob { pipeline: Arc::clone(pipeline), ..job.clone() };
        let pending = fits.then(|| host.gate.submit(CALLER.into(), Instant::now() + PATIENCE, job)).flatten();
        let (metrics, task) = (Arc::clone(&host.metrics), pipeline.task());
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
            for (shadow, returned) in predictions(&done.outputs).zip(returned.iter()) {
                let agrees = labels(shadow, task) == labels(returned, task);
                let count = if agrees { &metrics.shadow_agreed } else { &metrics.shadow_differed };
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

fn predictions(outputs: &[Output]) -> impl Iterator<Item = &Prediction> {
    outputs.iter().filter_map(|output| match output {
        Output::Prediction(prediction) => Some(prediction),
        Output::TokenVectors(_) | Output::Unsure => None,
    })
}

/// Whether the answers of a task name labels.
fn answers_labels(task: Task) -> bool {
    !matches!(task, Task::Embedding | Task::Translation)
}

/// What two predictions have to have in common to agree: their labels in alphabetical order, of zero-shot classification,
/// which scores the same labels always, the best.
fn labels(prediction: &Prediction, task: Task) -> Vec<&str> {
    let most = if task == Task::ZeroShotClassification { 1 } else { usize::MAX };
    let mut labels: Vec<&str> = match prediction {
        Prediction::Label { label, .. } => vec![label],
        Prediction::Labels { labels } => {
            labels.iter().take(most).map(|scored| scored.label.as_str()).collect()
        }
        Prediction::Entities { entities } => entities.iter().map(|entity| entity.label.as_str()).collect(),
        Prediction::Embedding { .. } | Prediction::Similarity { .. } => Vec::new(),
    };
    labels.sort_unstable();
    labels
}
