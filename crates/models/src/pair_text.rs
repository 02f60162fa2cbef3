//! Two texts as one, for models of single texts: which words of the second stand in the first too, which do not, and which of
//! the first are missing there.

use std::collections::BTreeSet;
use std::fmt::Write;

use loquat_text::words;

/// Steps of the share of the second text's words that stand in the first.
const STEPS: usize = 5;

/// One text that stands for the pair: `=word` for a word of both, `+word` for one of `second` alone, `-word` for one of `first`
/// alone, and how much of `second` stands in `first`. Training and serving of linear models read pairs through this alone.
pub fn pair_text(first: &str, second: &str) -> String {
    let (first, second) = (cut(first), cut(second));
    let (in_first, in_second): (BTreeSet<&str>, BTreeSet<&str>) =
        (first.iter().map(String::as_str).collect(), second.iter().map(String::as_str).collect());
    let mut text = String::new();
    for word in &second {
        let sign = if in_first.contains(word.as_str()) { '=' } else { '+' };
        let _infallible = write!(text, "{sign}{word} ");
    }
    for word in first.iter().filter(|word| !in_second.contains(word.as_str())) {
        let _infallible = write!(text, "-{word} ");
    }
    let shared = second.iter().filter(|word| in_first.contains(word.as_str())).count();
    let _infallible = write!(text, "shared{}", shared * STEPS / second.len().max(1));
    text
}

fn cut(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let word = |place: std::ops::Range<usize>| characters[place].iter().collect::<String>().to_lowercase();
    words(text).into_iter().map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_on_which_side_they_stand() {
        let text = pair_text("A man sleeps.", "The man is awake.");
        assert_eq!(text, "+the =man +is +awake =. -a -sleeps shared2");
        assert_eq!(pair_text("", ""), "shared0");
        assert_ne!(pair_text("a b", "c"), pair_text("c", "a b"));
    }
}
