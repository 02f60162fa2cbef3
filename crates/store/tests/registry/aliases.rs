//! Aliases move, remember and go back.

use loquat_spec::ErrorCode;
use loquat_store::{AliasAction, Store, StoreError};

use crate::fixture::{Fixture, name, reference};

fn with_versions(count: usize) -> Fixture {
    let fixture = Fixture::new();
    for number in 0..count {
        fixture.register("tickets", &number.to_string());
    }
    fixture
}

fn set(fixture: &Fixture, alias: &str, version: u32) -> Option<u32> {
    fixture.store.set_alias(&name("tickets"), &name(alias), version).unwrap()
}

fn rollback(fixture: &Fixture, alias: &str) -> Result<u32, StoreError> {
    fixture.store.rollback(&name("tickets"), &name(alias))
}

#[test]
fn moving_an_alias_returns_where_it_pointed() {
    let fixture = with_versions(2);
    assert_eq!(set(&fixture, "champion", 1), None);
    assert_eq!(set(&fixture, "champion", 2), Some(1));
    assert_eq!(set(&fixture, "champion", 2), Some(2));
    assert_eq!(set(&fixture, "challenger", 1), None);
    assert_eq!(fixture.store.resolve(&reference("tickets")).unwrap().record.version, 2);
    assert_eq!(fixture.store.resolve(&reference("tickets@challenger")).unwrap().record.version, 1);
    let aliases = fixture.store.aliases(&name("tickets")).unwrap();
    assert_eq!(
        aliases.into_iter().collect::<Vec<_>>(),
        [("challenger".to_owned(), 1), ("champion".to_owned(), 2)]
    );
}

#[test]
fn going_back_twice_goes_back_two_versions_and_then_says_so() {
    let fixture = with_versions(3);
    for version in [1, 2, 3] {
        set(&fixture, "champion", version);
    }
    assert_eq!(rollback(&fixture, "champion").unwrap(), 2);
    assert_eq!(rollback(&fixture, "champion").unwrap(), 1);
    let error = rollback(&fixture, "champion").unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict);
    assert!(error.to_string().contains("points at version 1"), "{error}");
    set(&fixture, "champion", 3);
    assert_eq!(rollback(&fixture, "champion").unwrap(), 1);
}

#[test]
fn going_back_skips_versions_removed_since() {
    let fixture = with_versions(3);
    for version in [1, 2, 3] {
        set(&fixture, "champion", version);
    }
    fixture.store.remove(&name("tickets"), 2).unwrap();
    assert_eq!(rollback(&fixture, "champion").unwrap(), 1);
}

#[test]
fn going_back_and_forth_between_two_versions_returns_to_each() {
    let fixture = with_versions(2);
    for version in [1, 2, 1, 2] {
        set(&fixture, "champion", version);
    }
    let back: Vec<u32> = (0..3).map(|_| rollback(&fixture, "champion").unwrap()).collect();
    assert_eq!(back, [1, 2, 1]);
    assert!(rollback(&fixture, "champion").is_err());
}

#[test]
fn every_change_is_remembered_with_its_time() {
    let fixture = with_versions(2);
    let store = Store::open(fixture.store.root()).unwrap().with_clock(|| jiff::Timestamp::UNIX_EPOCH);
    let (model, alias) = (name("tickets"), name("champion"));
    store.set_alias(&model, &alias, 1).unwrap();
    store.set_alias(&model, &alias, 2).unwrap();
    store.set_alias(&model, &alias, 2).unwrap();
    store.rollback(&model, &alias).unwrap();
    assert_eq!(store.remove_alias(&model, &alias).unwrap(), 1);
    let history = store.alias_history(&model, &alias).unwrap();
    let changes: Vec<(AliasAction, u32)> =
        history.iter().map(|change| (change.action, change.version)).collect();
    let expected =
        [(AliasAction::Set, 1), (AliasAction::Set, 2), (AliasAction::Rollback, 1), (AliasAction::Removed, 1)];
    assert_eq!(changes, expected);
    assert!(history.iter().all(|change| change.at == "1970-01-01T00:00:00Z"));
    assert!(store.aliases(&model).unwrap().is_empty());
    assert!(matches!(store.rollback(&model, &alias), Err(StoreError::UnknownAlias { .. })));
}

#[test]
fn an_alias_never_points_at_what_does_not_exist() {
    let fixture = with_versions(2);
    fixture.store.remove(&name("tickets"), 2).unwrap();
    for (model, version) in [("tickets", 2), ("tickets", 3), ("ticket", 1)] {
        let error = fixture.store.set_alias(&name(model), &name("champion"), version).unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotFound, "{error}");
    }
    assert!(fixture.store.aliases(&name("tickets")).unwrap().is_empty());
}

#[test]
fn a_version_in_use_is_not_removed_and_the_error_names_the_aliases() {
    let fixture = with_versions(2);
    set(&fixture, "champion", 1);
    set(&fixture, "stable", 1);
    let error = fixture.store.remove(&name("tickets"), 1).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict);
    assert!(error.to_string().contains("@champion, @stable"), "{error}");
    fixture.store.resolve(&reference("tickets:1")).unwrap();
}
