//! The built-in language detector: trigrams and scripts, by the crate `whatlang`, for where no model of one's own does it.

use whatlang::Lang;

/// A language found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetectedLanguage {
    /// Its ISO 639-1 code.
    pub code: &'static str,
    /// From 0 to 1; not calibrated.
    pub confidence: f32,
}

/// The language of `text`; `None` where nothing in it is written in a known script.
pub fn detect_language(text: &str) -> Option<DetectedLanguage> {
    let found = whatlang::detect(text)?;
    Some(DetectedLanguage { code: code(found.lang()), confidence: found.confidence() as f32 })
}

/// The languages that [`detect_language`] tells apart, as codes in alphabetic order.
pub fn detectable_languages() -> Vec<&'static str> {
    let mut codes: Vec<&'static str> = Lang::all().iter().map(|lang| code(*lang)).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// ISO 639-1, as the registration authority's table has it.
fn code(lang: Lang) -> &'static str {
    match lang {
        Lang::Afr => "af",
        Lang::Aka => "ak",
        Lang::Amh => "am",
        Lang::Ara => "ar",
        Lang::Aze => "az",
        Lang::Bel => "be",
        Lang::Ben => "bn",
        Lang::Bul => "bg",
        Lang::Cat => "ca",
        Lang::Ces => "cs",
        Lang::Cmn => "zh",
        Lang::Cym => "cy",
        Lang::Dan => "da",
        Lang::Deu => "de",
        Lang::Ell => "el",
        Lang::Eng => "en",
        Lang::Epo => "eo",
        Lang::Est => "et",
        Lang::Fin => "fi",
        Lang::Fra => "fr",
        Lang::Guj => "gu",
        Lang::Heb => "he",
        Lang::Hin => "hi",
        Lang::Hrv => "hr",
        Lang::Hun => "hu",
        Lang::Hye => "hy",
        Lang::Ind => "id",
        Lang::Ita => "it",
        Lang::Jav => "jv",
        Lang::Jpn => "ja",
        Lang::Kan => "kn",
        Lang::Kat => "ka",
        Lang::Khm => "km",
        Lang::Kor => "ko",
        Lang::Lat => "la",
        Lang::Lav => "lv",
        Lang::Lit => "lt",
        Lang::Mal => "ml",
        Lang::Mar => "mr",
        Lang::Mkd => "mk",
        Lang::Mya => "my",
        Lang::Nep => "ne",
        Lang::Nld => "nl",
        Lang::Nob => "nb",
        Lang::Ori => "or",
        Lang::Pan => "pa",
        Lang::Pes => "fa",
        Lang::Pol => "pl",
        Lang::Por => "pt",
        Lang::Ron => "ro",
        Lang::Rus => "ru",
        Lang::Sin => "si",
        Lang::Slk => "sk",
        Lang::Slv => "sl",
        Lang::Sna => "sn",
        Lang::Spa => "es",
        Lang::Srp => "sr",
        Lang::Swe => "sv",
        Lang::Tam => "ta",
        Lang::Tel => "te",
        Lang::Tgl => "tl",
        Lang::Tha => "th",
        Lang::Tuk => "tk",
        Lang::Tur => "tr",
        Lang::Ukr => "uk",
        Lang::Urd => "ur",
        Lang::Uzb => "uz",
        Lang::Vie => "vi",
        Lang::Yid => "yi",
        Lang::Zul => "zu",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_sentences_are_told_apart() {
        for (text, language) in [
            ("The parcel that I ordered last week has still not arrived at my house.", "en"),
            ("Das Paket, das ich letzte Woche bestellt habe, ist noch immer nicht angekommen.", "de"),
            ("Le colis que j'ai commandé la semaine dernière n'est toujours pas arrivé.", "fr"),
            ("注文した荷物がまだ届いていません。", "ja"),
            ("Посылка, которую я заказал на прошлой неделе, всё ещё не пришла.", "ru"),
        ] {
            let found = detect_language(text).expect("a language");
            assert_eq!(found.code, language, "{text}");
            assert!((0.0..=1.0).contains(&found.confidence), "{found:?}");
        }
    }

    #[test]
    fn digits_and_signs_have_no_language() {
        for text in ["", "  ", "12345 67", "!?… 🎉"] {
            assert_eq!(detect_language(text), None, "{text:?}");
        }
    }

    #[test]
    fn codes_are_short_and_differ() {
        let codes = detectable_languages();
        assert_eq!(codes.len(), Lang::all().len());
        assert!(codes.iter().all(|code| code.len() == 2), "{codes:?}");
    }
}
