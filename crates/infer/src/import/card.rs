//! The card of an imported model: what it is, where it comes from, what was measured.

use loquat_models::Manifest;
use loquat_spec::Precision;

use crate::encoder::EncoderEngine;
use crate::import::agreement::Agreement;

pub(super) fn card(
    (name, source): (&str, &str),
    engine: &EncoderEngine,
    agreement: Option<(Agreement, bool)>,
) -> String {
    let manifest = engine.manifest();
    format!("{}\n{}\n{}", head(name, source, engine), precision(manifest, agreement), limits())
}

fn head(name: &str, source: &str, engine: &EncoderEngine) -> String {
    let manifest = engine.manifest();
    let labels = match manifest.labels.as_slice() {
        [] => String::new(),
        labels => format!(" Labels: {}.", labels.join(", ")),
    };
    format!(
        "# Model card: {name}\n\nA {} encoder for {}, imported from `{source}`. It reads at most {} tokens.{labels}\n",
        engine.architecture(),
        manifest.task.as_str(),
        engine.max_tokens(),
    )
}

fn precision(manifest: &Manifest, agreement: Option<(Agreement, bool)>) -> String {
    let precision = manifest.precision.unwrap_or_default();
    let Some((agreement, own)) = agreement else {
        return format!(
            "## Precision\n\nMatrix products are computed in {}, as in the original.\n",
            precision.as_str()
        );
    };
    debug_assert_eq!(precision, Precision::Int8);
    let on = if own { "texts of the data set that the resource names" } else { "sample texts of Loquat" };
    format!(
        "## Precision\n\nMatrix products are computed in int8: weights with one scale a row, activations quantised as they \
         come. Agreement with full precision: {:.4}, the {} ({} compared, {on}).\n",
        agreement.value, agreement.measure, agreement.compared
    )
}

fn limits() -> String {
    "## Limits\n\n- How good it is was not measured here: `loquat check` and a data set of your own tell.\n- What it was \
     trained on, and its licence, stand with its source.\n"
        .to_owned()
}
