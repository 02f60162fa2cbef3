//! Reading predictions back from the wire: the members tell which task answered.

use serde::de::{Deserialize, Deserializer, Error};

use crate::wire::{Explanation, LabelScore, Prediction};

/// Every member that some form has.
#[derive(serde::Deserialize)]
struct Members {
    label: Option<String>,
    score: Option<f32>,
    scores: Option<Vec<LabelScore>>,
    explanation: Option<Vec<Explanation>>,
    labels: Option<Vec<LabelScore>>,
}

impl<'de> Deserialize<'de> for Prediction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Members { label, score, scores, explanation, labels } = Members::deserialize(deserializer)?;
        match (label, score, labels) {
            (Some(label), Some(score), None) => Ok(Self::Label { label, score, scores, explanation }),
            (None, None, Some(labels)) => Ok(Self::Labels { labels }),
            _ => Err(D::Error::custom("a prediction has label and score, or labels")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let scored = |label: &str, score| LabelScore { label: label.to_owned(), score };
        for prediction in [
            Prediction::Label { label: "a".to_owned(), score: 0.5, scores: None, explanation: None },
            Prediction::Label {
                label: "a".to_owned(),
                score: 0.5,
                scores: Some(vec![scored("a", 0.5), scored("b", 0.25)]),
                explanation: Some(vec![Explanation {
                    start: 0, end: 1, text: "é".to_owned(), weight: -1.5
                }]),
            },
            Prediction::Labels { labels: vec![] },
            Prediction::Labels { labels: vec![scored("a", 0.75)] },
        ] {
            let text = serde_json::to_string(&prediction).expect("JSON");
            let read: Prediction = serde_json::from_str(&text).expect(&text);
            assert_eq!(read, prediction, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["{}", r#"{"label": "a"}"#, r#"{"label": "a", "score": 1, "labels": []}"#, "[]", "3"] {
            assert!(serde_json::from_str::<Prediction>(text).is_err(), "{text}");
        }
    }
}
