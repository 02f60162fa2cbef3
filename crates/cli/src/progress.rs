//! Draws the progress of a training: a bar on terminals, now and then a line elsewhere.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use loquat_train::Progress;

use crate::output;

/// Shortest time between two lines where there is no terminal.
const PAUSE: Duration = Duration::from_secs(5);

/// Progress of one training.
#[derive(Debug)]
pub(crate) struct TrainingProgress {
    name: String,
    bar: Option<ProgressBar>,
    lines: Mutex<Lines>,
}

/// The stage and when it was last written of.
#[derive(Debug)]
struct Lines {
    stage: String,
    total: Option<u64>,
    done: u64,
    written: Option<Instant>,
}

impl TrainingProgress {
    /// Progress of the training `name`.
    pub(crate) fn new(name: &str, bars: bool) -> Self {
        let bar = bars.then(|| {
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        let lines = Lines { stage: String::new(), total: None, done: 0, written: None };
        Self { name: name.to_owned(), bar, lines: Mutex::new(lines) }
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn write_if_due(&self, lines: &mut Lines) {
        if lines.written.is_some_and(|written| written.elapsed() < PAUSE) {
            return;
        }
        lines.written = Some(Instant::now());
        let count = match lines.total {
            Some(total) => format!(" {}/{total}", lines.done),
            None if lines.done > 0 => format!(" {}", lines.done),
            None => String::new(),
        };
        output::say(&format!("{}: {}{count}", self.name, lines.stage));
    }
}

impl Progress for TrainingProgress {
    fn stage(&self, name: &str, total: Option<u64>) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: {name}", self.name));
            bar.set_length(total.unwrap_or(0));
            bar.set_position(0);
            bar.set_style(style(total.is_some()));
            return;
        }
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.stage = name.to_owned();
        lines.total = total;
        lines.done = 0;
        self.write_if_due(&mut lines);
    }

    fn advance(&self, steps: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(steps);
            return;
        }
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.done += steps;
        self.write_if_due(&mut lines);
    }

    fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| output::say(&format!("{}: {text}", self.name))),
            None => output::say(&format!("{}: {text}", self.name)),
        }
    }
}

/// The bar's form. The templates are constants, so a template that can't be read falls back to indicatif's own form.
fn style(counted: bool) -> ProgressStyle {
    let template = if counted {
        "{spinner} {msg} [{bar:30}] {pos}/{len} {elapsed}"
    } else {
        "{spinner} {msg} {pos} {elapsed}"
    };
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
        .progress_chars("=> ")
}
