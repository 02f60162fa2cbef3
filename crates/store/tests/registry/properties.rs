//! Properties: no content of the store's files makes it panic, and no order of steps loses a version.

use std::collections::BTreeMap;
use std::fs;

use loquat_store::Store;
use proptest::prelude::*;

use crate::fixture::{Fixture, name, reference, write_artifact};

#[derive(Debug, Clone)]
enum Step {
    Register(u8),
    SetAlias(u32),
    Rollback,
    Remove(u32),
    Collect,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_u8).prop_map(Step::Register),
        3 => (1..6_u32).prop_map(Step::SetAlias),
        2 => Just(Step::Rollback),
        2 => (1..6_u32).prop_map(Step::Remove),
        1 => Just(Step::Collect),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_steps_loses_a_version(steps in prop::collection::vec(step(), 1..16)) {
        let fixture = Fixture::new();
        let (model, alias) = (name("tickets"), name("champion"));
        let mut expected: BTreeMap<u32, u8> = BTreeMap::new();
        let mut highest = 0;
        let mut current = None;
        for step in steps {
            match step {
                Step::Register(content) => {
                    highest += 1;
                    let record = fixture.register("tickets", &content.to_string());
                    prop_assert_eq!(record.version, highest);
                    expected.insert(highest, content);
                }
                Step::SetAlias(version) => {
                    let outcome = fixture.store.set_alias(&model, &alias, version);
                    prop_assert_eq!(outcome.is_ok(), expected.contains_key(&version));
                    if let Ok(previous) = outcome {
                        prop_assert_eq!(previous, current);
                        current = Some(version);
                    }
                }
                Step::Rollback => {
                    if let Ok(version) = fixture.store.rollback(&model, &alias) {
                        prop_assert!(expected.contains_key(&version));
                        prop_assert_ne!(Some(version), current);
                        current = Some(version);
                    }
                }
                Step::Remove(version) => {
                    let allowed = expected.contains_key(&version) && current != Some(version);
                    prop_assert_eq!(fixture.store.remove(&model, version).is_ok(), allowed);
                    if allowed {
                        expected.remove(&version);
                    }
                }
                Step::Collect => {
                    fixture.store.gc().unwrap();
                }
            }
            prop_assert_eq!(fixture.store.aliases(&model).unwrap().get("champion").copied(), current);
        }
        for (version, content) in &expected {
            let resolved = fixture.store.verify(&reference(&format!("tickets:{version}"))).unwrap();
            let weights = fs::read(resolved.path.join("model.safetensors")).unwrap();
            prop_assert!(weights.ends_with(content.to_string().as_bytes()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_in_a_stored_file_make_it_panic(
        content in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..64),
            "\\{\"formatVersion\":\"[0-9.]{0,6}\",\"body\":.{0,30}\\}".prop_map(String::into_bytes),
        ],
        file in prop::sample::select(vec![
            "format.json",
            "models/tickets/aliases.json",
            "models/tickets/versions/1.json",
            "models/tickets/versions/1.report.json",
            "models/tickets/versions/2.removed.json",
        ]),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &content).unwrap();
        let Ok(store) = Store::open(folder.path()) else { return Ok(()) };
        drop(store.models());
        drop(store.resolve(&reference("tickets")));
        drop(store.verify(&reference("tickets:1")));
        drop(store.report(&reference("tickets:2")));
        drop(store.rollback(&name("tickets"), &name("champion")));
        drop(store.gc());
    }

    #[test]
    fn no_bytes_in_an_artifact_make_import_panic(
        content in prop::collection::vec(any::<u8>(), 0..64),
        file in prop::sample::select(vec![
            "loquat.json", "model.safetensors", "model.safetensors.index.json", "loquat-version.json", "a.txt", "b",
        ]),
    ) {
        let fixture = Fixture::new();
        let dir = fixture.path("made-elsewhere");
        write_artifact(&dir, "a");
        fs::write(dir.join(file), &content).unwrap();
        if let Ok(record) = fixture.store.import(&name("tickets"), &dir) {
            fixture.store.verify(&reference(&format!("tickets:{}", record.version))).unwrap();
        }
    }
}
