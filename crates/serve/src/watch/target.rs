//! Which version a reference names now.

use loquat_spec::{ModelReference, Selector};
use loquat_store::ModelSummary;

use crate::host::Failure;

/// The reason of an endpoint whose model, alias or version the store does not hold.
const MISSING: &str = "VersionMissing";

/// Number and digest of the version that `reference` names now, or why it names none.
pub(super) fn target<'a>(
    reference: &ModelReference,
    models: &'a [ModelSummary],
) -> Result<(u32, &'a str), Failure> {
    let missing = |message: String| Failure { reason: MISSING, message };
    let name = &reference.name;
    let Some(model) = models.iter().find(|model| model.name == name.as_str()) else {
        return Err(missing(format!("no model {name} is registered; train it with loquat train")));
    };
    let version = match &reference.selector {
        Selector::Version(version) => *version,
        Selector::Alias(alias) => *model.aliases.get(alias.as_str()).ok_or_else(|| {
            missing(format!("model {name} has no alias {alias}; set it with loquat models promote"))
        })?,
    };
    let record = model.versions.iter().find(|record| record.version == version);
    record
        .map(|record| (version, record.digest.as_str()))
        .ok_or_else(|| missing(format!("model {name} has no version {version}")))
}

/// Registered versions of a model, ascending.
pub(super) fn versions_of(models: &[ModelSummary], name: &str) -> Vec<u32> {
    let model = models.iter().find(|model| model.name == name);
    model.map(|model| model.versions.iter().map(|record| record.version).collect()).unwrap_or_default()
}
