//! Draws how far the reading of a data set is: a bar on terminals, now and then a line elsewhere.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::output;

/// Time between two lines where there is no terminal, and before the first: short readings stay silent.
const PAUSE: Duration = Duration::from_secs(10);

const MEBIBYTE: u64 = 1 << 20;

/// Progress of one reading.
#[derive(Debug)]
pub(crate) struct ReadingProgress {
    name: String,
    started: Instant,
    bar: Option<ProgressBar>,
    written: Mutex<Instant>,
}

impl ReadingProgress {
    /// Progress of the data set `name`.
    pub(crate) fn new(name: &str, bars: bool) -> Self {
        let bar = bars.then(|| {
            let bar = ProgressBar::new_spinner().with_message(format!("{name}: reading"));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        let now = Instant::now();
        Self { name: name.to_owned(), started: now, bar, written: Mutex::new(now) }
    }

    /// Shows that `read` bytes of `total`, where that is known, are read.
    pub(crate) fn show(&self, read: u64, total: Option<u64>) {
        if let Some(bar) = &self.bar {
            if let Some(total) = total
                && bar.length().is_none()
            {
                bar.set_length(total);
                bar.set_style(style());
            }
            bar.set_position(read);
            return;
        }
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.elapsed() < PAUSE {
            return;
        }
        *written = Instant::now();
        let (read_mebibytes, name) = (output::thousands((read / MEBIBYTE) as usize), &self.name);
        output::say(&match total {
            Some(total) if read > 0 => {
                let seconds = self.started.elapsed().as_secs_f64();
                let left = seconds * (total as f64 / read as f64 - 1.0).max(0.0);
                let total = output::thousands((total / MEBIBYTE) as usize);
                format!("{name}: read {read_mebibytes} of {total} MiB, about {left:.0} s left")
            }
            _ => format!("{name}: read {read_mebibytes} MiB"),
        });
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The bar's form. The template is a constant, so one that can't be read falls back to indicatif's own form.
fn style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {msg} [{bar:30}] {bytes}/{total_bytes} {elapsed}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
