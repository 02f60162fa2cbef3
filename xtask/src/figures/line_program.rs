//! A program that answers each line of JSON with one.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// A running program; it ends when this is dropped.
pub(crate) struct LineProgram {
    name: String,
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// The first line that it printed.
    pub(crate) greeting: Value,
}

impl LineProgram {
    /// Starts `command` and reads its greeting.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = started.with_context(|| format!("cannot start {name}"))?;
        let questions = child.stdin.take().context("its input is a pipe")?;
        let answers = BufReader::new(child.stdout.take().context("its output is a pipe")?);
        let mut program = Self { name, child, questions, answers, greeting: Value::Null };
        program.greeting = program.read()?;
        Ok(program)
    }

    /// Asks one question.
    pub(crate) fn ask(&mut self, question: &Value) -> Result<Value> {
        writeln!(self.questions, "{question}")
            .with_context(|| format!("{} takes no questions", self.name))?;
        self.read()
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        ensure!(!line.is_empty(), "{} ended without an answer; it says why above", self.name);
        serde_json::from_str(&line).with_context(|| format!("{} printed something else than JSON", self.name))
    }
}

impl Drop for LineProgram {
    fn drop(&mut self) {
        // Whether it had ended before makes no difference.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
