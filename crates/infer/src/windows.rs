//! A text longer than its model reads, in windows that overlap: which window speaks for a token.

/// What is known of each token of a text, `[tokens][width]`, from that of the tokens of each window. Where two windows
/// overlap, the first half is taken from the earlier, the rest from the later: each token is read with as much around it
/// as there is.
pub(crate) fn merged(windows: &[Vec<f32>], width: usize, tokens: usize) -> Vec<f32> {
    let [first, rest @ ..] = windows else { return Vec::new() };
    let mut merged = first.clone();
    let all: usize = windows.iter().map(|window| window.len() / width).sum();
    let overlap = if rest.is_empty() { 0 } else { all.saturating_sub(tokens) / rest.len() };
    for window in rest {
        let kept = overlap.div_ceil(2);
        merged.truncate(merged.len() - (overlap - kept) * width);
        merged.extend_from_slice(&window[kept * width..]);
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_comes_once_from_the_window_that_sees_most_around_it() {
        // Eleven tokens in windows of five with an overlap of three.
        let window = |number: f32, range: std::ops::Range<i16>| -> Vec<f32> {
            range.flat_map(|token| [f32::from(token), number]).collect()
        };
        let windows = [window(0.0, 0..5), window(1.0, 2..7), window(2.0, 4..9), window(3.0, 6..11)];
        let merged = merged(&windows, 2, 11);
        let tokens: Vec<f32> = merged.iter().copied().step_by(2).collect();
        let from: Vec<f32> = merged.iter().copied().skip(1).step_by(2).collect();
        assert_eq!(tokens, (0..11_i16).map(f32::from).collect::<Vec<_>>());
        assert_eq!(from, [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 3.0]);
    }

    #[test]
    fn a_text_that_fits_is_taken_as_it_is() {
        assert_eq!(merged(&[vec![1.0, 2.0]], 1, 2), [1.0, 2.0]);
        assert_eq!(merged(&[Vec::new()], 3, 0), Vec::<f32>::new());
    }
}
