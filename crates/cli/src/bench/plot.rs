//! Latency against rate as an SVG image: a line for each target, both axes logarithmic.

use std::fmt::Write as _;

/// One measurement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    /// Which line it belongs to.
    pub(crate) target: String,
    /// Requests a second.
    pub(crate) rate: f64,
    /// The latency shown, in milliseconds.
    pub(crate) milliseconds: f64,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 50.0;
/// Colours that people with any colour vision tell apart (Okabe and Ito 2008).
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// A logarithmic axis over whole powers of ten.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>) -> Self {
        let logs: Vec<f64> = values.filter(|value| *value > 0.0).map(f64::log10).collect();
        let low = logs.iter().copied().fold(f64::INFINITY, f64::min).floor();
        let high = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max).ceil();
        if low.is_finite() { Self { low, high: high.max(low + 1.0) } } else { Self { low: 0.0, high: 1.0 } }
    }

    /// Where a value lies, from 0 to 1.
    fn place(&self, value: f64) -> f64 {
        (value.max(f64::MIN_POSITIVE).log10() - self.low) / (self.high - self.low)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        (self.low as i32..=self.high as i32).map(|power| 10_f64.powi(power))
    }
}

/// The image; `latency` says which latency is shown.
pub(crate) fn svg(points: &[Point], latency: &str) -> String {
    let rates = Axis::over(points.iter().map(|point| point.rate));
    let times = Axis::over(points.iter().map(|point| point.milliseconds));
    let x = |rate: f64| LEFT + rates.place(rate) * (WIDTH - LEFT - RIGHT);
    let y = |time: f64| HEIGHT - BOTTOM - times.place(time) * (HEIGHT - TOP - BOTTOM);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for rate in rates.ticks() {
        let at = x(rate);
        line(&mut out, (at, TOP), (at, HEIGHT - BOTTOM), "#dddddd");
        text(&mut out, (at, HEIGHT - BOTTOM + 18.0), "middle", &rate.to_string());
    }
    for time in times.ticks() {
        let at = y(time);
        line(&mut out, (LEFT, at), (WIDTH - RIGHT, at), "#dddddd");
        text(&mut out, (LEFT - 8.0, at + 4.0), "end", &time.to_string());
    }
    text(&mut out, (WIDTH / 2.0, HEIGHT - 10.0), "middle", "requests a second");
    text(&mut out, (LEFT, TOP - 12.0), "start", &format!("{latency}, ms"));
    let mut targets: Vec<&str> = points.iter().map(|point| point.target.as_str()).collect();
    targets.dedup();
    for (number, target) in targets.into_iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let own = points.iter().filter(|point| point.target == target);
        let path: Vec<String> =
            own.map(|point| format!("{:.1},{:.1}", x(point.rate), y(point.milliseconds))).collect();
        let path = path.join(" ");
        let _ = writeln!(
            out,
            "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
        );
        let at = TOP + 16.0 * (number as f64 + 1.0);
        line(&mut out, (LEFT + 10.0, at - 4.0), (LEFT + 30.0, at - 4.0), colour);
        text(&mut out, (LEFT + 36.0, at), "start", target);
    }
    out.push_str("</svg>\n");
    out
}

fn line(out: &mut String, from: (f64, f64), to: (f64, f64), colour: &str) {
    // Writing to a string can't fail.
    let _ = writeln!(
        out,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\"/>",
        from.0, from.1, to.0, to.1
    );
}

fn text(out: &mut String, (x, y): (f64, f64), anchor: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_target_within_the_image() {
        let point =
            |target: &str, rate, milliseconds| Point { target: target.to_owned(), rate, milliseconds };
        let points = [point("a&b", 100.0, 0.2), point("a&b", 1000.0, 3.0), point("c", 100.0, 40.0)];
        let image = svg(&points, "p99");
        assert_eq!(image.matches("<polyline").count(), 2);
        assert!(image.contains("a&amp;b") && !image.contains("NaN") && !image.contains("inf"), "{image}");
    }

    #[test]
    fn nothing_measured_is_an_empty_image() {
        assert!(svg(&[], "p99").ends_with("</svg>\n"));
    }
}
