//! Minutes of named stages, printed as a table.

use std::time::{Duration, Instant};

/// How long each stage took.
#[derive(Debug, Default)]
pub(crate) struct Stopwatch {
    stages: Vec<(String, Duration, bool)>,
}

impl Stopwatch {
    /// Runs `work`, remembering its time and whether it passed.
    pub(crate) fn time<T, E>(&mut self, stage: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        eprintln!("== {stage}");
        let start = Instant::now();
        let result = work();
        self.stages.push((stage.to_owned(), start.elapsed(), result.is_ok()));
        result
    }

    /// The table: one line a stage and the sum.
    pub(crate) fn table(&self) -> String {
        let mut lines: Vec<String> =
            self.stages.iter().map(|(stage, time, passed)| line(stage, *time, *passed)).collect();
        let total = self.stages.iter().map(|(_, time, _)| *time).sum();
        lines.push(line("total", total, self.stages.iter().all(|(_, _, passed)| *passed)));
        lines.join("\n")
    }
}

fn line(stage: &str, time: Duration, passed: bool) -> String {
    let minutes = time.as_secs_f64() / 60.0;
    format!("{stage:<20} {minutes:>7.2} min  {}", if passed { "passed" } else { "FAILED" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_marks_the_failed_stage_and_sums() {
        let mut stopwatch = Stopwatch::default();
        let _ = stopwatch.time("format", || Ok::<(), ()>(()));
        let _ = stopwatch.time("clippy", || Err::<(), ()>(()));
        let table = stopwatch.table();
        let ends: Vec<&str> = table.lines().filter_map(|line| line.split_whitespace().last()).collect();
        assert_eq!(ends, ["passed", "FAILED", "FAILED"]);
    }
}
