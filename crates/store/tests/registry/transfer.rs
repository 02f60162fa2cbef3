//! Export and import.

use std::fs;

use loquat_spec::ErrorCode;
use loquat_store::StoreError;

use crate::fixture::{Fixture, files_below, name, reference, write_artifact};

#[test]
fn an_exported_version_comes_back_the_same_with_its_provenance() {
    let (from, to) = (Fixture::new(), Fixture::new());
    from.register("tickets", "first");
    let record = from.register("tickets", "weights");
    let dir = from.path("new/folder");
    assert_eq!(from.store.export(&reference("tickets:2"), &dir).unwrap(), record);
    to.register("copied", "something else");
    let imported = to.store.import(&name("copied"), &dir).unwrap();
    assert_eq!((imported.name.as_str(), imported.version), ("copied", 2));
    assert_eq!(imported.origin.as_deref(), Some("tickets:2"));
    assert_eq!(imported.digest, record.digest);
    assert_eq!(imported.files, record.files);
    assert_eq!(imported.metrics, record.metrics);
    assert_eq!(imported.created, record.created);
    assert_eq!(
        to.store.report(&reference("copied:2")).unwrap(),
        from.store.report(&reference("tickets:2")).unwrap()
    );
    to.store.verify(&reference("copied:2")).unwrap();
}

#[test]
fn exported_files_may_be_written() {
    let fixture = Fixture::new();
    fixture.register("tickets", "weights");
    let dir = fixture.path("out");
    fs::create_dir(&dir).unwrap();
    fixture.store.export(&reference("tickets:1"), &dir).unwrap();
    assert_eq!(files_below(&dir).len(), 3);
    assert!(files_below(&dir).iter().all(|file| !fs::metadata(file).unwrap().permissions().readonly()));
}

#[test]
fn exports_never_mix_with_other_files() {
    let fixture = Fixture::new();
    fixture.register("tickets", "weights");
    let dir = fixture.path("out");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("mine.txt"), "mine").unwrap();
    for target in [dir.clone(), dir.join("mine.txt")] {
        let error = fixture.store.export(&reference("tickets:1"), &target).unwrap_err();
        assert!(matches!(error, StoreError::NotEmpty { .. }), "{error}");
    }
    assert_eq!(files_below(&dir).len(), 1);
}

#[test]
fn a_damaged_artifact_is_not_exported() {
    let fixture = Fixture::new();
    fixture.register("tickets", "weights");
    let file = fixture.store.resolve(&reference("tickets:1")).unwrap().path.join("loquat.json");
    fs::remove_file(&file).unwrap();
    fs::write(&file, "{\"formatVersion\": \"1.1\"}").unwrap();
    let error = fixture.store.export(&reference("tickets:1"), &fixture.path("out")).unwrap_err();
    assert!(matches!(error, StoreError::DamagedArtifact { .. }), "{error}");
    assert!(!fixture.path("out").exists());
}

#[test]
fn an_export_changed_since_is_refused_unless_it_gives_up_its_provenance() {
    let fixture = Fixture::new();
    fixture.register("tickets", "weights");
    let dir = fixture.path("out");
    fixture.store.export(&reference("tickets:1"), &dir).unwrap();
    write_artifact(&dir, "other weights");
    let error = fixture.store.import(&name("tickets"), &dir).unwrap_err();
    assert!(error.to_string().contains("not those that were exported"), "{error}");
    assert_eq!(fixture.versions("tickets"), [1]);
    fs::remove_file(dir.join("loquat-version.json")).unwrap();
    let record = fixture.store.import(&name("tickets"), &dir).unwrap();
    assert_eq!((record.outcome.as_str(), record.origin, record.version), ("imported", None, 2));
    assert!(!record.created.is_empty());
}

#[test]
fn importing_what_is_not_there_says_so() {
    let fixture = Fixture::new();
    let error = fixture.store.import(&name("tickets"), &fixture.path("nowhere")).unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
    assert!(error.to_string().contains("nowhere"), "{error}");
    assert!(!fixture.path("store").exists());
}
