//! The language of a text by its letters, and tags of languages (BCP 47) compared as people mean them.

use whatlang::Lang;

/// What the detector says of a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetectedLanguage {
    /// Primary subtag of the language (`en`), of two letters where there is such a code.
    pub language: &'static str,
    /// The detector's confidence, 0 to 1; short texts seldom reach much.
    pub confidence: f64,
    /// Whether the detector takes its own answer as reliable.
    pub reliable: bool,
}

/// Codes of three letters (ISO 639-3) and of two (ISO 639-1) of the languages that the detector tells apart.
const CODES: &[(&str, &str)] = &[
    ("afr", "af"),
    ("aka", "ak"),
    ("amh", "am"),
    ("ara", "ar"),
    ("arb", "ar"),
    ("aze", "az"),
    ("azj", "az"),
    ("bel", "be"),
    ("ben", "bn"),
    ("bul", "bg"),
    ("cat", "ca"),
    ("ces", "cs"),
    ("cmn", "zh"),
    ("cym", "cy"),
    ("dan", "da"),
    ("deu", "de"),
    ("ell", "el"),
    ("eng", "en"),
    ("epo", "eo"),
    ("est", "et"),
    ("fin", "fi"),
    ("fra", "fr"),
    ("guj", "gu"),
    ("heb", "he"),
    ("hin", "hi"),
    ("hrv", "hr"),
    ("hun", "hu"),
    ("hye", "hy"),
    ("ind", "id"),
    ("ita", "it"),
    ("jav", "jv"),
    ("jpn", "ja"),
    ("kan", "kn"),
    ("kat", "ka"),
    ("khm", "km"),
    ("kor", "ko"),
    ("lat", "la"),
    ("lav", "lv"),
    ("lvs", "lv"),
    ("lit", "lt"),
    ("mal", "ml"),
    ("mar", "mr"),
    ("mkd", "mk"),
    ("mya", "my"),
    ("nep", "ne"),
    ("nld", "nl"),
    ("nob", "no"),
    ("nor", "no"),
    ("nb", "no"),
    ("ori", "or"),
    ("pan", "pa"),
    ("pes", "fa"),
    ("fas", "fa"),
    ("pol", "pl"),
    ("por", "pt"),
    ("ron", "ro"),
    ("rus", "ru"),
    ("sin", "si"),
    ("slk", "sk"),
    ("slv", "sl"),
    ("sna", "sn"),
    ("spa", "es"),
    ("srp", "sr"),
    ("swe", "sv"),
    ("tam", "ta"),
    ("tel", "te"),
    ("tgl", "tl"),
    ("tha", "th"),
    ("tuk", "tk"),
    ("tur", "tr"),
    ("ukr", "uk"),
    ("urd", "ur"),
    ("uzb", "uz"),
    ("vie", "vi"),
    ("yid", "yi"),
    ("zho", "zh"),
    ("zul", "zu"),
];

/// The language of `text`, `None` where no letter tells.
pub fn detect_language(text: &str) -> Option<DetectedLanguage> {
    let found = whatlang::detect(text)?;
    let code = found.lang().code();
    let language = CODES.iter().find(|(long, _)| *long == code).map_or(code, |(_, short)| *short);
    Some(DetectedLanguage { language, confidence: found.confidence(), reliable: found.is_reliable() })
}

/// The languages that [`detect_language`] tells apart, as codes in alphabetic order.
pub fn detectable_languages() -> Vec<String> {
    let mut codes: Vec<String> = Lang::all().iter().map(|lang| canonical_language(lang.code())).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// Whether the detector knows the language of `tag`, so that its silence about it means something.
pub fn is_detectable(tag: &str) -> bool {
    let tag = canonical_language(tag);
    let primary = tag.split('-').next().unwrap_or_default();
    let code = CODES.iter().find(|(_, short)| *short == primary).map_or(primary, |(long, _)| *long);
    let alternatives = CODES.iter().filter(|(_, short)| *short == primary).map(|(long, _)| *long);
    alternatives.chain([code]).any(|code| Lang::from_code(code).is_some())
}

/// The tag in one spelling: lower case, `-` between subtags, a primary subtag of two letters where there is one
/// (`pt_BR` and `por-br` are `pt-br`).
pub fn canonical_language(tag: &str) -> String {
    let tag = tag.trim().to_lowercase().replace('_', "-");
    let (primary, rest) = tag.split_at(tag.find('-').unwrap_or(tag.len()));
    match CODES.iter().find(|(long, _)| *long == primary) {
        Some((_, short)) => format!("{short}{rest}"),
        None => tag,
    }
}

/// Whether two tags mean one language: the same subtags, or one tag being the other made more precise (`pt` and
/// `pt-BR`, but not `pt-PT` and `pt-BR`).
pub fn same_language(one: &str, other: &str) -> bool {
    let (one, other) = (canonical_language(one), canonical_language(other));
    one.split('-').zip(other.split('-')).all(|(a, b)| a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_as_people_mean_them() {
        let same = [("pt", "pt-BR"), ("PT_br", "pt-BR"), ("eng_Latn", "en"), ("de", "de"), ("nb", "no")];
        let different = [("pt-PT", "pt-BR"), ("zh-Hans", "zh-Hant"), ("en", "de"), ("e", "en")];
        assert!(same.iter().all(|(one, other)| same_language(one, other) && same_language(other, one)));
        assert!(!different.iter().any(|(one, other)| same_language(one, other)));
    }

    #[test]
    fn every_language_of_the_detector_has_a_code_that_leads_back() {
        for language in Lang::all() {
            assert!(is_detectable(language.code()), "{language}");
            assert!(is_detectable(&canonical_language(language.code())), "{language}");
        }
        assert_eq!(detectable_languages().len(), Lang::all().len());
        assert!(!is_detectable("gl") && !is_detectable(""));
    }

    #[test]
    fn long_texts_are_told_apart() {
        let german = "Die Lieferung ist gestern nicht angekommen, obwohl sie zugesagt war.";
        let found = detect_language(german).unwrap();
        assert!(found.reliable && found.language == "de", "{found:?}");
        assert_eq!(detect_language("12 ?!"), None);
    }
}
