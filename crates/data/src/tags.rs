//! BIO tags and labelled spans of token classification.

use serde_json::Value;

use crate::table::LabelledSpan;

/// The entity types of a sentence of `tokens` tokens with BIO `tags`, or what is wrong with the tags.
///
/// An `I-` without its `B-` is allowed: the default mode of seqeval begins a span with it.
pub(crate) fn entity_types(tokens: usize, tags: &[String]) -> Result<Vec<String>, String> {
    if tags.len() != tokens {
        return Err(format!("{} tags for {tokens} tokens", tags.len()));
    }
    let mut types: Vec<String> = Vec::new();
    for tag in tags {
        if tag == "O" {
            continue;
        }
        match tag.strip_prefix("B-").or_else(|| tag.strip_prefix("I-")) {
            Some(kind) if !kind.is_empty() => types.push(kind.to_owned()),
            _ => return Err(format!("the tag {tag:?} is not BIO")),
        }
    }
    Ok(types)
}

/// A span of a text of `characters` characters, or what is wrong with it.
pub(crate) fn span(value: &Value, characters: usize) -> Result<LabelledSpan, String> {
    let object = value.as_object().ok_or_else(|| format!("the span {value} is not an object"))?;
    let place = |name: &str| {
        object
            .get(name)
            .and_then(Value::as_u64)
            .and_then(|place| usize::try_from(place).ok())
            .ok_or_else(|| format!("the span {value} has no `{name}` that is a whole number"))
    };
    let (start, end) = (place("start")?, place("end")?);
    let label = object.get("label").and_then(Value::as_str).map(str::trim).filter(|label| !label.is_empty());
    let label = label.ok_or_else(|| format!("the span {value} has no `label`"))?.to_owned();
    if start >= end || end > characters {
        return Err(format!("the span {start} to {end} does not lie in a text of {characters} characters"));
    }
    Ok(LabelledSpan { start, end, label })
}
