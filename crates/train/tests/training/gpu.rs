//! Trainings that ask for a GPU.
#![cfg(not(feature = "gpu"))]

use loquat_spec::{Family, Training};

use crate::encoders::{of_families, run, short};
use crate::support::Place;

fn on_gpu() -> Training {
    Training { gpu: true, ..of_families(&[Family::Encoder], 4) }
}

#[test]
fn a_build_without_gpu_support_refuses_before_any_work() {
    let place = Place::new();
    let error = run(&place, &on_gpu(), &short(160)).unwrap_err();
    assert_eq!(error.code(), loquat_spec::ErrorCode::Unsupported);
    assert!(error.to_string().contains("--features gpu") && error.to_string().contains("gpu: 0"), "{error}");
    assert!(!place.run_dir().exists(), "nothing was begun");
}
