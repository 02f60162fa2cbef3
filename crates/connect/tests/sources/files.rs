//! What comes into the cache, and how; the same for web servers and object stores.

use loquat_spec::ErrorCode;

use crate::setup::{Setup, long};

/// The same object by both protocols.
fn both(setup: &Setup) -> [String; 2] {
    [setup.web("data/rows.jsonl"), "s3://data/rows.jsonl".to_owned()]
}

#[test]
fn a_file_comes_whole_and_is_not_fetched_again_until_it_changes() {
    let setup = Setup::new();
    for address in both(&setup) {
        setup.server.put("data/rows.jsonl", "one\n");
        assert_eq!(setup.files(&address), [(address.clone(), b"one\n".to_vec())]);
        assert!(setup.try_files(&address).unwrap()[0].path.ends_with("rows.jsonl"));
        setup.server.put("data/rows.jsonl", "two\n");
        assert_eq!(setup.files(&address)[0].1, b"two\n");
    }
    assert!(setup.warnings.lock().unwrap().is_empty());
}

#[test]
fn a_transfer_that_breaks_off_is_resumed_where_it_ended() {
    let setup = Setup::new();
    setup.server.put("data/rows.jsonl", long());
    for address in both(&setup) {
        setup.server.state().breaks = vec![700_000, 250_000];
        setup.server.asked();
        assert!(setup.files(&address)[0].1 == long(), "{address}");
        let starts: Vec<_> = setup.server.asked().into_iter().filter_map(|asked| asked.from).collect();
        assert_eq!(starts, [700_000, 950_000], "{address}");
    }
}

#[test]
fn a_file_that_changed_while_it_came_is_fetched_from_its_start() {
    let setup = Setup::new();
    for address in both(&setup) {
        setup.server.put("data/rows.jsonl", long());
        setup.server.state().breaks = vec![700_000, 10, 10, 10];
        setup.sources(0).files(&address.parse().unwrap()).unwrap_err();
        setup.server.state().breaks.clear();
        setup.server.put("data/rows.jsonl", "short\n");
        assert_eq!(setup.files(&address)[0].1, b"short\n", "{address}");
    }
}

#[test]
fn without_any_tag_everything_comes_again_and_stays_right() {
    let setup = Setup::new();
    setup.server.put("data/rows.jsonl", long());
    setup.server.state().untagged = true;
    let address = setup.web("data/rows.jsonl");
    setup.server.state().breaks = vec![5_000];
    assert!(setup.files(&address)[0].1 == long());
}

#[test]
fn out_of_reach_the_cache_answers_with_a_warning_and_without_a_copy_it_fails() {
    let setup = Setup::new();
    setup.server.put("data/rows.jsonl", "one\n");
    for address in both(&setup) {
        setup.files(&address);
        setup.server.state().unable = usize::MAX;
        assert_eq!(setup.files(&address)[0].1, b"one\n");
        let warning = setup.warnings.lock().unwrap().pop().unwrap();
        assert!(warning.contains(&address) && warning.ends_with("the cache's copy is used"), "{warning}");
        let missing = setup.try_files(&address.replace("rows", "other")).unwrap_err();
        assert_eq!(missing.code(), ErrorCode::Unavailable, "{missing}");
        setup.server.state().unable = 0;
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    let setup = Setup::new();
    for address in both(&setup) {
        assert_eq!(setup.try_files(&address).unwrap_err().code(), ErrorCode::NotFound);
    }
}

#[test]
fn what_lets_its_bearer_in_is_in_no_name_and_no_message() {
    let setup = Setup::new();
    setup.server.put("data/rows.jsonl", "one\n");
    let signed = format!("{}?signature=hush-hush", setup.web("data/rows.jsonl"));
    assert_eq!(setup.files(&signed)[0].0, setup.web("data/rows.jsonl"));
    let missing = format!("{}?signature=hush-hush", setup.web("data/other.jsonl"));
    let error = setup.try_files(&missing).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
    assert!(!format!("{:?}", setup.sources(0)).contains("hush"));
    setup.server.state().private = true;
    let error = setup.try_files(&setup.web("data/rows.jsonl")).unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
    assert_eq!(setup.files("s3://data/rows.jsonl")[0].1, b"one\n");
}
