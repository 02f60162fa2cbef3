//! Trainings that ask for a GPU.

use loquat_spec::{Family, Training};

use crate::encoders::{of_families, run, short};
use crate::support::Place;

fn on_gpu() -> Training {
    Training { gpu: true, ..of_families(&[Family::Encoder], 4) }
}

#[cfg(not(feature = "gpu"))]
#[test]
fn a_build_without_gpu_support_refuses_before_any_work() {
    let place = Place::new();
    let error = run(&place, &on_gpu(), &short(300)).unwrap_err();
    assert_eq!(error.code(), loquat_spec::ErrorCode::Unsupported);
    assert!(error.to_string().contains("--features gpu") && error.to_string().contains("gpu: 0"), "{error}");
    assert!(!place.run_dir().exists(), "nothing was begun");
}

#[cfg(feature = "gpu")]
#[test]
fn a_backbone_is_fine_tuned_on_a_gpu() {
    let place = Place::new();
    let trained = run(&place, &on_gpu(), &short(300)).unwrap();
    let tuned = trained.report.trials.last().unwrap();
    assert_eq!(tuned.parameters["solver"], "fine-tune");
    assert!(tuned.score.is_some_and(|score| score > 0.3), "{tuned:?}");
    let known = run(&Place::new(), &Training { gpu: false, ..on_gpu() }, &short(300)).unwrap();
    let (known, found) = (known.report.trials.last().unwrap().score.unwrap(), tuned.score.unwrap());
    assert!((known - found).abs() < 0.15, "{found} on the GPU, {known} on the processor");
}
