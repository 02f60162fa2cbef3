//! Whole numbers of a JSON object that 64 bits don't hold, as they are written: an identifier must come back as it came.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The members of `object`, which `text` was read as, whose value is a whole number beyond 64 bits, with its digits.
pub(crate) fn long_integers(object: &Map<String, Value>, text: &str) -> BTreeMap<String, String> {
    // Such a number was read as a floating point one; few rows have any.
    if !object.values().any(Value::is_f64) {
        return BTreeMap::new();
    }
    let is_whole = |value: &str| value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let long = members(text).into_iter().filter(|(_, value)| !value.is_empty() && is_whole(value));
    let named = long.filter_map(|(name, value)| Some((serde_json::from_str::<String>(name).ok()?, value)));
    named
        .filter(|(name, _)| object.get(name).is_some_and(Value::is_f64))
        .map(|(name, value)| (name, value.to_owned()))
        .collect()
}

/// Name and value of each member of an object, as they are written; the text is known to hold one.
fn members(text: &str) -> Vec<(&str, &str)> {
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    let (mut name, mut start, mut found) = ("", 0, Vec::new());
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => {
                depth += 1;
                start = if depth == 1 { place + 1 } else { start };
            }
            b':' if depth == 1 => (name, start) = (text[start..place].trim(), place + 1),
            b',' | b'}' if depth == 1 => {
                found.push((name, text[start..place].trim()));
                (start, depth) = (place + 1, depth - i32::from(byte == b'}'));
            }
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, String)> {
        long_integers(&serde_json::from_str(text).expect("an object"), text).into_iter().collect()
    }

    #[test]
    fn whole_numbers_beyond_64_bits_are_kept_as_written() {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let long = "123456789012345678901234567890";
        for (text, expected) in [
            (format!("{{\"id\": {long}, \"text\": \"a\"}}"), vec![("id", long)]),
            (
                format!(" {{ \"a\\\"}},: {{\" : [1.5, {{\"id\": {long}}}] , \"i\\u0064\" :-{long} }} "),
                vec![("id", "-123456789012345678901234567890")],
            ),
            ("{\"id\": 1.5, \"n\": 1e300, \"max\": 18446744073709551615}".to_owned(), vec![]),
            (
                "{\"over\": 18446744073709551616, \"text\": \"{\\\"over\\\": 1}\"}".to_owned(),
                vec![("over", "18446744073709551616")],
            ),
            ("{}".to_owned(), vec![]),
        ] {
            assert_eq!(found(&text), expected.into_iter().map(owned).collect::<Vec<_>>(), "{text}");
        }
    }
}
