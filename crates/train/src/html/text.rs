//! Text and numbers as the page writes them.

use std::fmt::Write;

/// `text` with what HTML would read as markup written out.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Controls that HTML forbids would make the page invalid, and nobody sees them.
            control if control.is_control() && !matches!(control, '\n' | '\t') => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A score with three decimals.
pub(super) fn score(value: f64) -> String {
    if value.is_finite() { format!("{value:.3}") } else { "–".to_owned() }
}

/// A difference of scores with its sign.
pub(super) fn difference(value: f64) -> String {
    format!("{value:+.3}").replace('-', "−")
}

/// A share as whole percent, or with a decimal where whole ones would hide it.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 1.0 || percent > 99.0 && percent < 100.0 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

/// A count with its thousands set apart.
pub(super) fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 row`, `2 rows`.
pub(super) fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Elements joined; `write!` into a `String` cannot fail.
pub(super) fn concat(parts: impl IntoIterator<Item = String>) -> String {
    parts.into_iter().fold(String::new(), |mut whole, part| {
        let _infallible = write!(whole, "{part}");
        whole
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_data_is_written_out() {
        assert_eq!(escape("<b a=\"1\">&'\u{0}"), "&lt;b a=&quot;1&quot;&gt;&amp;&#39;\u{fffd}");
    }

    #[test]
    fn numbers_are_set_for_reading() {
        assert_eq!([count(0), count(999), count(1000), count(1234567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [percent(0.0), percent(0.004), percent(0.5), percent(0.996)],
            ["0 %", "0.4 %", "50 %", "99.6 %"]
        );
        assert_eq!(difference(-0.01), "−0.010");
    }
}
