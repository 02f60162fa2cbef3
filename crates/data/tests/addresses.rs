//! Data sets whose files lie behind addresses.

#[cfg(test)]
mod support;

use std::sync::Arc;
use std::time::Duration;

use loquat_connect::hub::HubConfig;
use loquat_connect::objects::ObjectSettings;
use loquat_connect::sources::{SourceConfig, Sources};
use loquat_data::{LoadOptions, Table, load};
use loquat_spec::{Severity, Split, SplitPart, Task};
use loquat_testkit::ObjectServer;
use support::{Folder, dataset, gzip, jsonl, source};

const TASK: Task = Task::TextClassification;

fn sources(server: &ObjectServer, cache: &Folder) -> Arc<Sources> {
    let objects = ObjectSettings::new(server.variables()).with_retries(0, Duration::from_millis(1));
    let hub = HubConfig { offline: true, ..HubConfig::new(cache.path().join("hub")) };
    let config = SourceConfig::new(hub, objects, cache.path().join("sources"));
    let config = SourceConfig { retries: 0, pause: Duration::ZERO, ..config };
    Arc::new(Sources::new(config, Box::new(|_| ()), Box::new(|_| ())))
}

#[expect(clippy::unwrap_used, reason = "a helper of tests")]
fn read(server: &ObjectServer, cache: &Folder, data: &loquat_spec::Dataset) -> Table {
    let sources = Some(sources(server, cache));
    load(data, &LoadOptions { base: cache.path().to_owned(), threads: 2, sources, ..LoadOptions::default() })
        .unwrap()
}

fn rows(count: usize) -> String {
    let row = |number| serde_json::json!({"text": format!("row number {number}"), "label": number % 3});
    jsonl(&(0..count).map(row).collect::<Vec<_>>())
}

#[test]
fn rows_of_an_object_store_and_of_a_web_server_are_those_of_the_disk() {
    let (server, folder) = (ObjectServer::start().unwrap(), Folder::new());
    folder.write("rows.jsonl.gz", gzip(rows(60).as_bytes()));
    let local = folder.load(&dataset(TASK, "rows.jsonl.gz"));
    server.put("bucket/data/rows.jsonl.gz", gzip(rows(60).as_bytes()));
    let web = format!("{}/bucket/data/rows.jsonl.gz", server.endpoint());
    for address in ["s3://bucket/data/rows.jsonl.gz", "s3://bucket/data/*.gz", &web] {
        let table = read(&server, &folder, &dataset(TASK, address));
        assert_eq!((table.rows.len(), &table.hash), (60, &local.hash), "{address}");
    }
    let table = read(&server, &folder, &dataset(TASK, "s3://bucket/data/*.gz"));
    assert_eq!(table.files, ["s3://bucket/data/rows.jsonl.gz"]);
}

#[test]
fn a_part_of_the_split_may_lie_elsewhere() {
    let (server, folder) = (ObjectServer::start().unwrap(), Folder::new());
    folder.write("train.jsonl", rows(30));
    server.put("bucket/test.jsonl", jsonl(&[serde_json::json!({"text": "quite another", "label": 1})]));
    let mut data = dataset(TASK, "train.jsonl");
    let test = Some(SplitPart::Files(vec![source("s3://bucket/test.jsonl")]));
    data.split = Split::Files { development: None, test };
    let table = read(&server, &folder, &data);
    assert_eq!((table.rows.len(), table.indices(loquat_data::Part::Test).len()), (31, 1));
}

#[test]
fn what_cannot_be_fetched_is_a_finding_at_its_field() {
    let (server, folder) = (ObjectServer::start().unwrap(), Folder::new());
    let table = read(&server, &folder, &dataset(TASK, "s3://bucket/none.jsonl"));
    let finding = &table.findings[0];
    assert_eq!((finding.check, finding.severity), ("unreadable", Severity::Error));
    assert_eq!(finding.field.as_deref(), Some("spec.source"));
    assert!(finding.message.contains("s3://bucket/none.jsonl: no such object"), "{}", finding.message);
    let alone = folder.load(&dataset(TASK, "s3://bucket/none.jsonl"));
    assert!(alone.findings[0].message.contains("nothing fetches addresses here"), "{:?}", alone.findings);
}
