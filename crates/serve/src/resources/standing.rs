//! How resources that answer nothing themselves fare: what the registry holds of them, and what a server does not do.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use loquat_spec::Name;
use loquat_store::VersionRecord;
use serde_json::{Value, json};

use super::condition::{Condition, Standing};
use super::declaration::{Declaration, Manager};
use super::item::{Item, Key, Kind, spec_of};
use crate::host::App;

/// The conditions last given, so that one says since when it holds.
#[derive(Debug, Default)]
pub(crate) struct Standings(Mutex<BTreeMap<Key, Condition>>);

impl Standings {
    /// `status` of a resource other than an Endpoint. Reads the registry.
    pub(super) fn status(&self, app: &App, declaration: &Declaration) -> Value {
        let key = declaration.item.key();
        let newest = newest(app, declaration);
        let (standing, reason, message) = match (&declaration.item, &newest) {
            (Item::Dataset(_), _) => (
                Standing::Unknown,
                "NotRead",
                "kept and valid; a server does not read data: loquat check DIR does".to_owned(),
            ),
            (Item::Model(_), _) => model(app, declaration, newest.as_ref()),
            (_, Some(version)) => {
                (Standing::True, "Trained", format!("version {} was trained from it", version.version))
            }
            (_, None) => (
                Standing::False,
                "NotTrained",
                "no version was trained from it, and a server does not train: loquat train DIR does, with this \
                 resource in DIR; the server follows its registry"
                    .to_owned(),
            ),
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Condition::ready(known.get(&key), standing, reason, message);
        let mut status = json!({
            "observedGeneration": declaration.generation,
            "conditions": [now.to_json(declaration.generation)],
        });
        known.insert(key.clone(), now);
        if let Some(version) = newest {
            status["model"] = key.name.into();
            status["version"] = version.version.into();
        }
        status
    }
}

fn model(
    app: &App,
    declaration: &Declaration,
    newest: Option<&VersionRecord>,
) -> (Standing, &'static str, String) {
    let key = declaration.item.key();
    let applied = declaration.manager == Manager::Apply;
    let result = app.imports.result(&key.name, &declaration.spec).filter(|_| applied);
    match (newest, result) {
        (Some(version), _) => {
            (Standing::True, "Imported", format!("version {} was imported from it", version.version))
        }
        (None, Some(Err(reason))) => {
            (Standing::False, "ImportFailed", format!("{reason}; it is tried again every minute"))
        }
        (None, None) if applied && app.may_import => {
            (Standing::False, "Importing", "it is being imported".to_owned())
        }
        (None, _) => (
            Standing::False,
            "NotImported",
            "no version was imported from it: loquat train DIR imports the models of DIR".to_owned(),
        ),
    }
}

/// The newest version, where it came from what is declared now.
fn newest(app: &App, declaration: &Declaration) -> Option<VersionRecord> {
    let Key { kind, name } = declaration.item.key();
    if kind == Kind::Dataset {
        return None;
    }
    // A registry that can't be read shows in the readiness of the server; nothing is claimed from it here.
    let newest = app.store().model(&Name::new(&name).ok()?).ok()?.versions.pop()?;
    (spec_of(&newest.resource, kind) == declaration.spec).then_some(newest)
}
