//! Which files of a model are fetched.

use crate::hub::error::HubError;

/// Endings of files that are pickles or may hold them.
const PICKLES: [&str; 6] = ["bin", "pt", "pth", "pkl", "ckpt", "joblib"];

/// Graphs that are fetched where there are no safetensors, the first found.
pub(crate) const ONNX: [&str; 2] = ["model.onnx", "onnx/model.onnx"];

/// The files to fetch among those that the hub lists, weights last: a snapshot that has its weights has everything.
pub(crate) fn select(model: &str, listed: &[String]) -> Result<Vec<String>, HubError> {
    let mut wanted: Vec<String> = listed.iter().filter(|path| is_wanted(path)).cloned().collect();
    wanted.sort_by_key(|path| (is_weights(path), path.clone()));
    if wanted.iter().any(|path| !path.contains('/') && is_weights(path)) {
        return Ok(wanted);
    }
    if let Some(graph) = ONNX.into_iter().find(|graph| listed.iter().any(|path| path == graph)) {
        // Its own weights, where they lie beside it.
        wanted.extend(listed.iter().filter(|path| path.starts_with(&format!("{graph}_data"))).cloned());
        wanted.push(graph.to_owned());
        return Ok(wanted);
    }
    let pickle = listed.iter().find(|path| !path.contains('/') && PICKLES.contains(&ending(path)));
    Err(match pickle {
        Some(file) => HubError::Pickle { model: model.to_owned(), file: file.clone() },
        None => HubError::NoWeights { model: model.to_owned() },
    })
}

/// Configuration, tokenizer and weights at the top, and the module folders of sentence-transformers (`1_Pooling/…`).
fn is_wanted(path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let place = folder.is_empty() || is_module(folder);
    let kind = match ending(name) {
        "json" | "txt" => true,
        "safetensors" => is_weights(path),
        _ => false,
    };
    place && kind && is_portable(path)
}

/// `model.safetensors`, or one part of several: `model-00001-of-00002.safetensors`. Other precisions of the same weights
/// have other names.
fn is_weights(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let Some(stem) = name.strip_suffix(".safetensors") else { return false };
    stem == "model" || stem.strip_prefix("model-").is_some_and(|part| part.contains("-of-"))
}

fn is_module(folder: &str) -> bool {
    folder.split_once('_').is_some_and(|(number, name)| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) && !name.contains('/')
    })
}

/// Whether a path that a stranger chose stays inside of the folder that it is put into, on every system.
pub(crate) fn is_portable(path: &str) -> bool {
    path.split('/').all(|part| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.chars().any(|c| c.is_control() || matches!(c, '\\' | ':'))
    })
}

fn ending(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(_, ending)| ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(listed: &[&str]) -> Result<Vec<String>, HubError> {
        select("hf://a/b", &listed.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn weights_come_last_and_other_formats_are_left_out() {
        let files = selected(&[
            "model.safetensors",
            ".gitattributes",
            "README.md",
            "config.json",
            "1_Pooling/config.json",
            "onnx/model.onnx",
            "onnx/config.json",
            "openvino/openvino_model.bin",
            "pytorch_model.bin",
            "model.fp16.safetensors",
            "vocab.txt",
            "../escape.json",
            "a\\b.json",
        ]);
        assert_eq!(
            files.unwrap(),
            ["1_Pooling/config.json", "config.json", "vocab.txt", "model.safetensors"]
        );
    }

    #[test]
    fn a_graph_comes_where_there_are_no_safetensors_and_after_its_weights() {
        let listed = [
            "onnx/model.onnx",
            "onnx/model.onnx_data",
            "onnx/model_int8.onnx",
            "pytorch_model.bin",
            "config.json",
            "tokenizer.json",
        ];
        let wanted = ["config.json", "tokenizer.json", "onnx/model.onnx_data", "onnx/model.onnx"];
        assert_eq!(selected(&listed).unwrap(), wanted);
    }

    #[test]
    fn pickles_alone_are_refused_and_so_is_nothing_at_all() {
        let pickle = selected(&["config.json", "pytorch_model.bin"]);
        assert!(matches!(pickle, Err(HubError::Pickle { file, .. }) if file == "pytorch_model.bin"));
        assert!(matches!(selected(&["config.json"]), Err(HubError::NoWeights { .. })));
        assert!(matches!(selected(&["2_Dense/model.safetensors"]), Err(HubError::NoWeights { .. })));
    }
}
