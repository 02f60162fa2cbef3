//! The worst mistakes, with the pieces of text that caused them marked in it.

use super::text::{concat, escape, percent};
use crate::report::Report;
use crate::report_details::Mistake;
use loquat_spec::Explanation;

/// Mistakes shown before the script folds the rest.
const SHORT: usize = 8;
/// Steps of the marker.
const STEPS: f32 = 4.0;

/// The list.
pub(super) fn section(report: &Report) -> Option<String> {
    let mistakes = &report.inspection.as_ref()?.mistakes;
    if mistakes.is_empty() {
        return None;
    }
    Some(format!(
        "<p>The most confident wrong answers {}, at most three of a kind. What is marked spoke for the wrong answer, the darker the more.</p>\
         <ol class=\"mistakes\" data-short=\"{SHORT}\">{}</ol>",
        super::confidence::measured_note(report),
        concat(mistakes.iter().map(mistake))
    ))
}

fn mistake(mistake: &Mistake) -> String {
    let labels = |labels: &[String]| match labels.is_empty() {
        true => "<i>none</i>".to_owned(),
        false => escape(&labels.join(", ")),
    };
    let id = mistake
        .id
        .as_ref()
        .map_or(format!("row {}", mistake.row), |id| format!("{} · row {}", escape(id), mistake.row));
    let pieces = mistake
        .pieces
        .iter()
        .take(5)
        .map(|piece| format!("<li><span>{}</span> +{:.2}</li>", escape(&piece.text), piece.weight));
    let pieces = match mistake.pieces.is_empty() {
        true => String::new(),
        false => format!("<ul class=\"pieces\" aria-label=\"What spoke for it\">{}</ul>", concat(pieces)),
    };
    format!(
        "<li><p class=\"said\"><span class=\"tag bad\">{}</span> {} <span class=\"rather\">should be</span> <span class=\"tag right\">{}</span> {} <span class=\"row\">{id}</span></p>\
         <blockquote dir=\"auto\">{}</blockquote>{pieces}</li>",
        labels(&mistake.predicted),
        percent(f64::from(mistake.predicted_probability)),
        labels(&mistake.labels),
        percent(f64::from(mistake.probability)),
        marked(&mistake.text, &mistake.pieces)
    )
}

/// The text with each character shaded by the pieces that cover it.
fn marked(text: &str, pieces: &[Explanation]) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut weight = vec![0.0_f32; characters.len()];
    for piece in pieces {
        let end = piece.end.min(characters.len());
        weight[piece.start.min(end)..end].iter_mut().for_each(|w| *w += piece.weight);
    }
    let most = weight.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let step = |place: usize| (weight[place] / most * STEPS).ceil() as u32;
    let mut html = String::new();
    let mut start = 0;
    while start < characters.len() {
        let own = step(start);
        let end = (start..characters.len()).find(|place| step(*place) != own).unwrap_or(characters.len());
        let part = escape(&characters[start..end].iter().collect::<String>());
        match own {
            0 => html.push_str(&part),
            own => html.push_str(&format!("<mark class=\"m{own}\">{part}</mark>")),
        }
        start = end;
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(start: usize, end: usize, weight: f32) -> Explanation {
        Explanation { start, end, text: String::new(), weight }
    }

    #[test]
    fn pieces_that_overlap_are_darker_and_offsets_count_characters() {
        let html = marked("größe <b>", &[piece(0, 5, 1.0), piece(2, 3, 3.0)]);
        assert_eq!(
            html,
            "<mark class=\"m1\">gr</mark><mark class=\"m4\">ö</mark><mark class=\"m1\">ße</mark> &lt;b&gt;"
        );
    }

    #[test]
    fn a_text_without_pieces_is_plain() {
        assert_eq!(marked("plain", &[piece(9, 12, 1.0)]), "plain");
    }
}
