//! Plots as inline SVG: scales, axes, lines, dots and bars. Colours are classes of the page's style sheet, so that a
//! plot follows light, dark and paper.

use std::fmt::Write;

use super::text::escape;

/// How values are spread over an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spacing {
    /// Equal differences are equally far apart.
    Linear,
    /// Equal ratios are.
    Logarithmic,
}

/// Values and where they lie, in pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
    spacing: Spacing,
    from: f64,
    to: f64,
}

impl Scale {
    /// `low` to `high` over the pixels `from` to `to`.
    pub(super) fn new((low, high): (f64, f64), (from, to): (f64, f64), spacing: Spacing) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Self { low, high, spacing, from, to }
    }

    /// Where `value` lies; values outside lie at the edge.
    pub(super) fn at(&self, value: f64) -> f64 {
        let value = value.clamp(self.low, self.high);
        let share = match self.spacing {
            Spacing::Linear => (value - self.low) / (self.high - self.low),
            Spacing::Logarithmic => libm::log(value / self.low) / libm::log(self.high / self.low),
        };
        self.from + share * (self.to - self.from)
    }

    /// About `wanted` round values.
    pub(super) fn ticks(&self, wanted: usize) -> Vec<f64> {
        match self.spacing {
            Spacing::Linear => linear_ticks(self.low, self.high, wanted),
            Spacing::Logarithmic => logarithmic_ticks(self.low, self.high),
        }
    }
}

fn linear_ticks(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let rough = (high - low) / wanted.max(1) as f64;
    let power = libm::pow(10.0, libm::floor(libm::log10(rough)));
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(10.0 * power);
    let first = libm::ceil(low / step - 1e-9) as i64;
    let last = libm::floor(high / step + 1e-9) as i64;
    (first..=last).map(|index| index as f64 * step).collect()
}

fn logarithmic_ticks(low: f64, high: f64) -> Vec<f64> {
    let powers = libm::floor(libm::log10(low)) as i32..=libm::ceil(libm::log10(high)) as i32;
    let steps = powers.flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * libm::pow(10.0, f64::from(power))));
    steps.filter(|tick| (low..=high).contains(tick)).collect()
}

/// Sizes of a plot, in pixels of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

impl Frame {
    /// Beside another on a wide page, alone on a narrow one.
    pub(super) const HALF: Self =
        Self { width: 460.0, height: 270.0, left: 46.0, right: 14.0, top: 14.0, bottom: 40.0 };

    /// Pixels of the horizontal axis.
    pub(super) fn across(&self) -> (f64, f64) {
        (self.left, self.width - self.right)
    }

    /// Pixels of the vertical axis, from low values to high.
    pub(super) fn up(&self) -> (f64, f64) {
        (self.height - self.bottom, self.top)
    }
}

/// A plot being drawn.
#[derive(Debug)]
pub(super) struct Plot {
    frame: Frame,
    pub(super) x: Scale,
    pub(super) y: Scale,
    body: String,
}

impl Plot {
    /// An empty plot.
    pub(super) fn new(frame: Frame, x: Scale, y: Scale) -> Self {
        Self { frame, x, y, body: String::new() }
    }

    fn put(&mut self, markup: std::fmt::Arguments<'_>) {
        // Writing into a string cannot fail.
        let _infallible = self.body.write_fmt(markup);
    }

    /// Values along the bottom, and what they are.
    pub(super) fn bottom_axis(&mut self, name: &str, wanted: usize, shown: impl Fn(f64) -> String) {
        let (bottom, top) = self.frame.up();
        for tick in self.x.ticks(wanted) {
            let at = self.x.at(tick);
            self.put(format_args!(
                "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{top:.1}\" y2=\"{bottom:.1}\"/>"
            ));
            self.put(format_args!(
                "<text class=\"tick\" text-anchor=\"middle\" x=\"{at:.1}\" y=\"{:.1}\">{}</text>",
                bottom + 15.0,
                escape(&shown(tick))
            ));
        }
        let (left, right) = self.frame.across();
        self.put(format_args!(
            "<text class=\"axis\" text-anchor=\"middle\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            f64::midpoint(left, right),
            bottom + 33.0,
            escape(name)
        ));
    }

    /// Values along the left.
    pub(super) fn left_axis(&mut self, wanted: usize, shown: impl Fn(f64) -> String) {
        let (left, right) = self.frame.across();
        for tick in self.y.ticks(wanted) {
            let at = self.y.at(tick);
            self.put(format_args!(
                "<line class=\"grid\" x1=\"{left:.1}\" x2=\"{right:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>"
            ));
            self.put(format_args!(
                "<text class=\"tick\" text-anchor=\"end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                left - 7.0,
                at + 4.0,
                escape(&shown(tick))
            ));
        }
    }

    /// A line through points.
    pub(super) fn line(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64)>) {
        let path: Vec<String> =
            points.into_iter().map(|(x, y)| format!("{:.1},{:.1}", self.x.at(x), self.y.at(y))).collect();
        self.put(format_args!("<polyline class=\"{class}\" points=\"{}\"/>", path.join(" ")));
    }

    /// A line from one point to another.
    pub(super) fn segment(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        self.line(class, [from, to]);
    }

    /// A dot, with what it says when it is pointed at.
    pub(super) fn dot(&mut self, class: &str, (x, y): (f64, f64), radius: f64, says: &str) {
        let (x, y) = (self.x.at(x), self.y.at(y));
        self.put(format_args!(
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\"><title>{}</title></circle>",
            escape(says)
        ));
    }

    /// A bar standing on the bottom from `from` to `to`, `share` of the plot high.
    pub(super) fn bar(&mut self, class: &str, (from, to): (f64, f64), share: f64, says: &str) {
        let (bottom, top) = self.frame.up();
        let (left, right, height) = (self.x.at(from), self.x.at(to), (bottom - top) * share);
        self.put(format_args!(
            "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\"><title>{}</title></rect>",
            left + 1.0,
            bottom - height,
            (right - left - 2.0).max(0.5),
            escape(says)
        ));
    }

    /// Words at a point, moved by pixels; `anchor` is `start`, `middle` or `end`.
    pub(super) fn words(
        &mut self,
        class: &str,
        (x, y): (f64, f64),
        (across, down): (f64, f64),
        anchor: &str,
        words: &str,
    ) {
        let (x, y) = (self.x.at(x) + across, self.y.at(y) + down);
        self.put(format_args!(
            "<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
            escape(words)
        ));
    }

    /// The drawing. `says` is what it shows, for those who do not see it.
    pub(super) fn finish(self, says: &str) -> String {
        svg((self.frame.width, self.frame.height), says, &self.body)
    }
}

/// An SVG element of its own.
pub(super) fn svg((width, height): (f64, f64), says: &str, body: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" aria-label=\"{}\">{body}</svg>",
        escape(says)
    )
}

/// A range with room around its ends.
pub(super) fn roomy(values: impl Iterator<Item = f64> + Clone, room: f64) -> (f64, f64) {
    let low = values.clone().fold(f64::INFINITY, f64::min);
    let high = values.fold(f64::NEG_INFINITY, f64::max);
    if !low.is_finite() || !high.is_finite() {
        return (0.0, 1.0);
    }
    let room = ((high - low) * room).max(0.005);
    (low - room, high + room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_reach_both_ends_and_hold_what_is_outside() {
        let linear = Scale::new((0.0, 2.0), (10.0, 110.0), Spacing::Linear);
        assert_eq!([linear.at(0.0), linear.at(1.0), linear.at(9.0)], [10.0, 60.0, 110.0]);
        let ratio = Scale::new((10.0, 1000.0), (0.0, 100.0), Spacing::Logarithmic);
        assert!((ratio.at(100.0) - 50.0).abs() < 1e-9);
    }

    #[test]
    fn ticks_are_round_and_inside() {
        let close = |found: Vec<f64>, expected: &[f64]| {
            assert_eq!(found.len(), expected.len(), "{found:?}");
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}");
        };
        close(linear_ticks(0.0, 1.0, 5), &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        close(linear_ticks(0.68, 0.76, 4), &[0.68, 0.70, 0.72, 0.74, 0.76]);
        close(logarithmic_ticks(150.0, 6000.0), &[200.0, 500.0, 1000.0, 2000.0, 5000.0]);
    }
}
