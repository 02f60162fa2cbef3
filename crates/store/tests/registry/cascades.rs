//! Calibrations of cascades beside the versions that they end in.

use loquat_store::{CalibratedVersion, CascadeCalibration, StoreError, Tradeoff, VersionRecord};

use crate::fixture::{Fixture, files_below, name};

fn version(record: &VersionRecord) -> CalibratedVersion {
    CalibratedVersion { name: record.name.clone(), version: record.version, digest: record.digest.clone() }
}

pub(crate) fn calibration(cheap: &VersionRecord, dear: &VersionRecord, agreement: f64) -> CascadeCalibration {
    let chosen = Tradeoff { agreement, threshold: 0.7, early: 0.6, found: 0.99, least: 0.981, saving: 0.5 };
    CascadeCalibration {
        cheap: version(cheap),
        dear: version(dear),
        confidence: 0.99,
        chosen,
        tradeoffs: vec![chosen],
        rows: 1000,
        cheap_seconds: 0.1,
        dear_seconds: 2.0,
        zero_shot: None,
        data_hash: "d".repeat(64),
        created: String::new(),
    }
}

#[test]
fn a_calibration_is_found_by_its_two_artifacts_and_its_agreement() {
    let fixture = Fixture::new();
    let (cheap, dear) = (fixture.register("small", "a"), fixture.register("large", "b"));
    fixture.store.record_cascade(&calibration(&cheap, &dear, 0.98)).unwrap();
    fixture.store.record_cascade(&calibration(&cheap, &dear, 0.95)).unwrap();
    let again = CascadeCalibration { rows: 2000, ..calibration(&cheap, &dear, 0.98) };
    fixture.store.record_cascade(&again).unwrap();
    let found = fixture.store.cascades(&name("large"), 1).unwrap();
    let agreements: Vec<(f64, usize)> = found.iter().map(|one| (one.chosen.agreement, one.rows)).collect();
    assert_eq!(agreements, [(0.95, 1000), (0.98, 2000)], "a later one replaces its equal");
    assert!(!found[0].created.is_empty());
    assert!(found[1].fits((&cheap.digest, &dear.digest), None, 0.98));
    assert!(!found[1].fits((&dear.digest, &cheap.digest), None, 0.98));
    assert!(fixture.store.cascades(&name("large"), 2).unwrap().is_empty());
    assert!(fixture.store.cascades(&name("small"), 1).unwrap().is_empty());
}

#[test]
fn a_calibration_of_another_artifact_is_refused() {
    let fixture = Fixture::new();
    let (cheap, dear) = (fixture.register("small", "a"), fixture.register("large", "b"));
    let mut foreign = calibration(&cheap, &dear, 0.98);
    foreign.dear.digest = cheap.digest.clone();
    assert!(matches!(fixture.store.record_cascade(&foreign), Err(StoreError::Damaged { .. })));
    foreign.dear.version = 7;
    assert!(matches!(fixture.store.record_cascade(&foreign), Err(StoreError::UnknownVersion { .. })));
}

#[test]
fn calibrations_leave_with_their_version() {
    let fixture = Fixture::new();
    let (cheap, dear) = (fixture.register("small", "a"), fixture.register("large", "b"));
    fixture.store.record_cascade(&calibration(&cheap, &dear, 0.98)).unwrap();
    assert_eq!(fixture.versions("large"), [1], "its file is no version");
    fixture.store.gc().unwrap();
    assert_eq!(fixture.store.cascades(&name("large"), 1).unwrap().len(), 1, "a collection leaves it");
    fixture.store.remove(&name("large"), 1).unwrap();
    let left = files_below(&fixture.path("store/models/large"));
    assert!(left.iter().all(|path| !path.to_string_lossy().contains("cascades")), "{left:?}");
}
