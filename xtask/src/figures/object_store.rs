//! The same training from a disk and from object stores: the hash of the version is the same.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::figures::record::{Bench, Record, Target};
use crate::figures::training::Folder;
use crate::process;
use crate::services::ObjectStores;

/// What the figure's resources and its model are called.
const NAME: &str = "object-store";
const MODEL: &str = "tickets";
/// File of the example's data.
const FILE: &str = "tickets.jsonl";
/// The stores of `services/clients/stores.py`, and the address of the bucket of each.
const STORES: &[(&str, &str)] = &[("s3", "s3://loquat"), ("azure", "az://loquat"), ("google", "gs://loquat")];

/// How many of the stores gave another version than the disk.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Record>> {
    let objects = ObjectStores::install(&bench.workspace)?;
    let disk = folder(bench, "disk")?;
    disk.train()?;
    let expected = version(&disk)?;
    let mut stores = Vec::new();
    for (store, bucket) in STORES {
        let folder = folder(bench, store)?;
        let place = folder.path().join("resources.yaml");
        let data = data(bench);
        let text = std::fs::read_to_string(&place)?;
        let there = text.replace(&*data.to_string_lossy(), &format!("{bucket}/{FILE}"));
        std::fs::write(&place, there)?;
        let mut within = Command::new(&objects.python);
        within.arg(bench.workspace.path("services/clients/stores.py")).arg(store).arg(&objects.folder);
        within.arg(&data).arg(folder.binary()).arg("train").arg(folder.path());
        process::run_aside(&mut within)?;
        stores.push((store, version(&folder)?));
    }
    let different = stores.iter().filter(|(_, found)| *found != expected).count();
    let detail = json!({
        "disk": expected,
        "stores": stores.iter().map(|(store, found)| json!({ "store": store, "version": found })).collect::<Vec<_>>(),
    });
    let record = bench.record(
        &format!("{NAME}/other-versions"),
        "stores",
        Some(Target::AtMost(0.0)),
        vec![different as f64],
    );
    Ok(vec![record.with_detail(detail)])
}

fn folder(bench: &Bench, place: &str) -> Result<Folder> {
    Folder::at(bench, NAME, bench.scratch().join(place))
}

fn data(bench: &Bench) -> PathBuf {
    bench.workspace.path("examples/tickets/data").join(FILE)
}

/// The hashes of the trained version: artifact, weights and data.
fn version(folder: &Folder) -> Result<Value> {
    let text = process::output(folder.loquat().args(["models", "list", "--format", "json"]))?;
    let models: Value = serde_json::from_str(&text).context("`loquat models list` prints JSON")?;
    let found = models.as_array().into_iter().flatten().find(|model| model["name"] == MODEL);
    let version = found.and_then(|model| model["versions"].get(0)).context("a version was registered")?;
    Ok(json!({
        "digest": version["digest"], "weights": version["weightsDigest"], "data": version["dataHash"],
    }))
}
