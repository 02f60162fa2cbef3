//! Scripts: which letters a language is written with, and which the letters of texts belong to.
//!
//! The script of a character is that of the Unicode Character Database (UAX 24).

use std::collections::BTreeMap;

use unicode_script::{Script, UnicodeScript};

use crate::canonical_language;

/// Of the letters in texts, the share from which on a script is one of theirs and not a stray.
const OWN: f64 = 0.001;

/// Languages by the scripts they are written with; all others are written with Latin letters.
const WRITTEN: &[(&[Script], &[&str])] = &[
    (
        &[Script::Cyrillic],
        &["be", "bg", "ky", "mk", "mn", "ru", "tg", "tt", "uk", "ba", "ce", "cv", "os", "sah", "rue"],
    ),
    (&[Script::Cyrillic, Script::Latin], &["kk", "sr", "tk", "uz", "az", "sh", "bs"]),
    (&[Script::Greek], &["el", "grc"]),
    (&[Script::Arabic], &["ar", "ckb", "fa", "ps", "sd", "ug", "ur", "arz", "azb", "pnb"]),
    (&[Script::Hebrew], &["he", "yi"]),
    (&[Script::Devanagari], &["hi", "mr", "ne", "sa", "bho", "mai", "new"]),
    (&[Script::Bengali], &["as", "bn"]),
    (&[Script::Gurmukhi, Script::Arabic], &["pa"]),
    (&[Script::Gujarati], &["gu"]),
    (&[Script::Oriya], &["or"]),
    (&[Script::Tamil], &["ta"]),
    (&[Script::Telugu], &["te"]),
    (&[Script::Kannada], &["kn"]),
    (&[Script::Malayalam], &["ml"]),
    (&[Script::Sinhala], &["si"]),
    (&[Script::Thai], &["th"]),
    (&[Script::Lao], &["lo"]),
    (&[Script::Khmer], &["km"]),
    (&[Script::Myanmar], &["my"]),
    (&[Script::Tibetan], &["bo", "dz"]),
    (&[Script::Georgian], &["ka", "xmf"]),
    (&[Script::Armenian], &["hy", "hyw"]),
    (&[Script::Ethiopic], &["am", "ti"]),
    (&[Script::Thaana], &["dv"]),
    (&[Script::Han, Script::Hiragana, Script::Katakana], &["ja"]),
    (&[Script::Han, Script::Bopomofo], &["zh", "yue", "wuu", "lzh", "gan"]),
    (&[Script::Hangul, Script::Han], &["ko"]),
];

/// A set of scripts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scripts(BTreeMap<&'static str, Script>);

impl Scripts {
    /// Those that `languages`, as BCP 47 tags, are written with.
    pub fn of_languages<'l>(languages: impl IntoIterator<Item = &'l str>) -> Self {
        let mut scripts = Self::default();
        for language in languages {
            let language = canonical_language(language);
            let primary = language.split('-').next().unwrap_or_default();
            let written = WRITTEN.iter().find(|(_, all)| all.contains(&primary));
            let own = written.map_or(&[Script::Latin][..], |(own, _)| own);
            own.iter().for_each(|script| scripts.add(*script));
        }
        scripts
    }

    /// Those that `texts` are written with; a script of which they have a stray letter is none of them.
    pub fn of_texts<'t>(texts: impl IntoIterator<Item = &'t str>) -> Self {
        let mut counts: BTreeMap<&'static str, (Script, usize)> = BTreeMap::new();
        let letters = texts.into_iter().flat_map(str::chars).filter(|character| !is_shared(*character));
        for script in letters.map(|character| character.script()) {
            counts.entry(script.full_name()).or_insert((script, 0)).1 += 1;
        }
        let all: usize = counts.values().map(|(_, count)| count).sum();
        let own = counts.into_values().filter(|(_, count)| *count as f64 >= OWN * all as f64);
        let mut scripts = Self::default();
        own.for_each(|(script, _)| scripts.add(script));
        scripts
    }

    /// Adds those of `other`.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether a character belongs to one of them, or to all, as digits and punctuation do.
    pub fn holds(&self, character: char) -> bool {
        is_shared(character) || self.0.contains_key(character.script().full_name())
    }

    /// Their names in the Unicode Character Database.
    pub fn names(&self) -> Vec<&'static str> {
        self.0.keys().copied().collect()
    }

    fn add(&mut self, script: Script) {
        self.0.insert(script.full_name(), script);
    }
}

/// Whether a character belongs to no script of its own.
fn is_shared(character: char) -> bool {
    matches!(character.script(), Script::Common | Script::Inherited | Script::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_and_texts_name_their_scripts() {
        assert_eq!(Scripts::of_languages(["de", "en-GB"]).names(), ["Latin"]);
        assert_eq!(Scripts::of_languages(["ja", "ru"]).names(), ["Cyrillic", "Han", "Hiragana", "Katakana"]);
        let russian = "привет мир ".repeat(200);
        assert_eq!(Scripts::of_texts([russian.as_str(), "ok"]).names(), ["Cyrillic", "Latin"]);
        assert_eq!(Scripts::of_texts([russian.as_str(), "α"]).names(), ["Cyrillic"], "a stray letter");
        assert_eq!(Scripts::of_texts(["12 !"]).names(), [""; 0]);
    }

    #[test]
    fn digits_marks_and_signs_belong_to_all() {
        let latin = Scripts::of_languages(["en"]);
        assert!(['a', 'é', '5', '!', '\u{301}', '😀', '▁'].into_iter().all(|one| latin.holds(one)));
        assert!(!['д', '字', 'ع'].into_iter().any(|one| latin.holds(one)));
    }
}
