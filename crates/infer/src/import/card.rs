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
    let precision = if engine.network().is_onnx() { of_onnx() } else { precision(manifest, agreement) };
    format!("{}\n{}\n{}", head(name, source, engine), precision, limits())
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
    let on = if own { "texts of the data set that the resource names" } else { "sample texts of Loquat" };
    let products = match precision {
        Precision::Int8 => {
            "Matrix products are computed in int8: weights with one scale a row, activations quantised as they come."
        }
        Precision::F32 => {
            "Weights are in int8 with one scale a row, and matrix products are computed in f32: with quantised activations \
             the answers agreed less than the resource asks for."
        }
    };
    format!(
        "## Precision\n\n{products} Agreement with full precision: {:.4}, the {} ({} compared, {on}).\n\nThe weights are stored \
         in `model.int8.safetensors`, a form of Loquat's own; transformers opens the source, or an import in f32.\n",
        agreement.value, agreement.measure, agreement.compared
    )
}

fn of_onnx() -> String {
    "## Precision\n\nThe graph of `model.onnx` is computed as it is, in the numbers that it holds.\n"
        .to_owned()
}

fn limits() -> String {
    "## Limits\n\n- How good it is was not measured here: `loquat check` and a data set of your own tell.\n- What it was \
     trained on, and its licence, stand with its source.\n"
        .to_owned()
}
