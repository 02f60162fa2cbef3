//! Patterns, folders, and writes under conditions.

use loquat_connect::objects::{Bucket, Condition, ObjectError};

use crate::setup::Setup;

fn bucket(setup: &Setup, address: &str) -> Bucket {
    Bucket::open(&address.parse().unwrap(), &setup.settings()).unwrap()
}

#[test]
fn a_pattern_names_its_objects_in_order_of_their_keys() {
    let setup = Setup::new();
    for key in ["data/b.jsonl", "data/a.jsonl", "data/a.csv", "data/deep/c.jsonl", "other/d.jsonl"] {
        setup.server.put(&format!("bucket/{key}"), key);
    }
    let files = setup.files("s3://bucket/data/*.jsonl");
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["s3://bucket/data/a.jsonl", "s3://bucket/data/b.jsonl"]);
    assert_eq!(files[0].1, b"data/a.jsonl");
    let error = setup.try_files("s3://bucket/data/*.tsv").unwrap_err();
    assert!(error.to_string().contains("s3://bucket/data/*.tsv: matches no object"), "{error}");
    setup.server.state().unable = usize::MAX;
    assert_eq!(setup.files("s3://bucket/data/*.jsonl"), files);
}

#[test]
fn a_folder_is_what_the_store_has_and_no_more() {
    let setup = Setup::new();
    for key in ["config.json", "1_Pooling/config.json", "vocab.txt"] {
        setup.server.put(&format!("bucket/model/{key}"), key);
    }
    setup.server.put("bucket/model/.hidden.json", "x");
    let address = "s3://bucket/model".parse().unwrap();
    let folder = setup.sources(0).folder(&address).unwrap();
    assert_eq!(std::fs::read(folder.join("1_Pooling/config.json")).unwrap(), b"1_Pooling/config.json");
    setup.server.state().objects.remove("bucket/model/vocab.txt");
    setup.sources(0).folder(&address).unwrap();
    assert!(!folder.join("vocab.txt").exists() && folder.join("config.json").exists());
    assert!(!folder.join(".hidden.json").exists());
}

#[test]
fn conditions_of_writes_hold() {
    let setup = Setup::new();
    let bucket = bucket(&setup, "s3://bucket/registry");
    assert_eq!(bucket.read("a/b.json").unwrap(), None);
    assert!(bucket.write("a/b.json", b"1".to_vec(), Condition::Absent).unwrap());
    assert!(!bucket.write("a/b.json", b"2".to_vec(), Condition::Absent).unwrap());
    let first = bucket.read("a/b.json").unwrap().unwrap();
    assert_eq!(first.bytes, b"1");
    assert!(bucket.write("a/b.json", b"2".to_vec(), Condition::Unchanged(first.tag.clone())).unwrap());
    assert!(!bucket.write("a/b.json", b"3".to_vec(), Condition::Unchanged(first.tag)).unwrap());
    assert_eq!(setup.server.state().objects["bucket/registry/a/b.json"], b"2");
    let keys: Vec<String> = bucket.list("a").unwrap().into_iter().map(|object| object.key).collect();
    assert_eq!(keys, ["a/b.json"]);
    bucket.remove("a/b.json").unwrap();
    bucket.remove("a/b.json").unwrap();
    assert_eq!(bucket.read("a/b.json").unwrap(), None);
}

#[test]
fn of_many_writers_at_once_each_keeps_what_it_wrote() {
    let setup = Setup::new();
    let add = |writer: usize| {
        let bucket = bucket(&setup, "s3://bucket/registry");
        loop {
            let (text, condition) = match bucket.read("log").unwrap() {
                None => (String::new(), Condition::Absent),
                Some(found) => (String::from_utf8(found.bytes).unwrap(), Condition::Unchanged(found.tag)),
            };
            if bucket.write("log", format!("{text}{writer}\n").into_bytes(), condition).unwrap() {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        for writer in 0..8 {
            scope.spawn(move || add(writer));
        }
    });
    let text = String::from_utf8(setup.server.state().objects["bucket/registry/log"].clone()).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["0", "1", "2", "3", "4", "5", "6", "7"]);
}

#[test]
fn a_store_without_its_settings_says_which_variables_hold_them() {
    let setup = Setup::new();
    setup.server.state().private = true;
    let variables = setup.server.variables().into_iter().filter(|(name, _)| !name.contains("KEY"));
    let variables = variables.chain([("AWS_SKIP_SIGNATURE".to_owned(), "true".to_owned())]);
    let settings = loquat_connect::objects::ObjectSettings::new(variables);
    let bucket = Bucket::open(&"s3://bucket/registry".parse().unwrap(), &settings).unwrap();
    let error = bucket.read("a").unwrap_err();
    assert!(matches!(error, ObjectError::Forbidden { .. }), "{error:?}");
    assert!(error.to_string().contains("set AWS_ACCESS_KEY_ID"), "{error}");
}
