//! `loquat predict`: rows in, one JSON object a line out, order kept.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use loquat_data::{ReaderFormat, Record};
use loquat_infer::{Input, Pipeline};
use loquat_spec::{Columns, ErrorCode, PredictParameters, Prediction, SourceText};
use serde_json::Value;

use crate::arguments::{Predict, RowFormat};
use crate::context::Context;
use crate::failure::{Failure, chain};
use crate::output;
use crate::rows::{Reading, Row, Rows};
use crate::stores;

/// The role of what identifies a row, and the column's name where the model does not know another.
const ID: &str = "id";

/// Exit status when rows could not be predicted.
const SOME_FAILED: u8 = 1;

/// Predicts every row; the status is 1 when some could not be.
pub(crate) fn run(context: &Context, arguments: &Predict) -> Result<u8, Failure> {
    refuse_missing(&arguments.files)?;
    let (store, resolved) = stores::resolve(context, &arguments.model)?;
    let pipeline = Pipeline::from_store_on(&store, &arguments.model, context.compute()?)?;
    let parameters = parameters(arguments);
    pipeline.check_parameters(&parameters).map_err(|error| {
        Failure::new(
            ErrorCode::Invalid,
            format!("{}: {}; {}", flag(&error.field), error.reason, error.remedy),
        )
    })?;
    let columns = columns(&resolved.record.resource);
    refuse_overwriting(&arguments.files, arguments.output.as_deref())?;
    let rows = Rows::start(
        arguments.files.clone(),
        Reading {
            format: arguments.input_format.map(reader_format),
            columns: header_columns(&columns, &pipeline),
        },
    )?;
    let mut out = output::destination(arguments.output.as_deref())?;
    let mut work = Work {
        pipeline: &pipeline,
        parameters,
        columns,
        files: &arguments.files,
        threads: context.threads(),
        bar: bar(context, arguments),
        failed: 0,
    };
    while let Some(chunk) = rows.next_chunk() {
        work.predict_chunk(chunk, out.as_mut())?;
    }
    out.flush()?;
    work.bar.finish_and_clear();
    Ok(if work.failed > 0 { SOME_FAILED } else { 0 })
}

/// What every chunk needs.
struct Work<'a> {
    pipeline: &'a Pipeline,
    parameters: PredictParameters,
    columns: Columns,
    files: &'a [PathBuf],
    threads: usize,
    bar: ProgressBar,
    failed: usize,
}

/// Where a row stands and what identifies it.
struct Origin {
    file: usize,
    line: u64,
    /// As it is written.
    id: Option<String>,
}

impl Work<'_> {
    fn predict_chunk(&mut self, chunk: Vec<Row>, out: &mut dyn Write) -> Result<(), Failure> {
        let rows = chunk.len();
        let mut origins = Vec::with_capacity(rows);
        let mut inputs = Vec::with_capacity(rows);
        for row in chunk {
            match row {
                Row::Bad(problem) => self.complain(&problem),
                Row::Read(file, record) => match self.input(file, record) {
                    Ok((origin, input)) => {
                        origins.push(origin);
                        inputs.push(input);
                    }
                    Err(problem) => self.complain(&problem),
                },
            }
        }
        self.answer(&origins, &inputs, out)?;
        out.flush()?;
        self.bar.inc(rows as u64);
        Ok(())
    }

    /// Predicts all at once; where that fails, one by one, so that only the row at fault is lost.
    fn answer(&mut self, origins: &[Origin], inputs: &[Input], out: &mut dyn Write) -> Result<(), Failure> {
        if inputs.is_empty() {
            return Ok(());
        }
        if let Ok(predictions) = self.pipeline.predict(inputs, &self.parameters, self.threads) {
            return write_lines(origins, &predictions, out);
        }
        for (origin, input) in origins.iter().zip(inputs) {
            match self.pipeline.predict(std::slice::from_ref(input), &self.parameters, 1) {
                Ok(predictions) => write_lines(std::slice::from_ref(origin), &predictions, out)?,
                Err(error) => {
                    let problem = format!("{}: {}", self.place(origin.file, origin.line), chain(&error));
                    self.complain(&problem);
                }
            }
        }
        Ok(())
    }

    fn input(&self, file: usize, mut record: Record) -> Result<(Origin, Input), String> {
        let sets = loquat_infer::columns(self.pipeline.task());
        let has = |role: &&str| record.value.contains_key(self.column(&record, role));
        let roles = sets.iter().find(|set| set.iter().all(&has)).unwrap_or(&sets[0]);
        let mut texts = Vec::with_capacity(roles.len());
        for role in *roles {
            texts.push(self.text(file, &mut record, role)?);
        }
        let mut texts = texts.into_iter();
        let input = Input { text: texts.next().unwrap_or_default(), second: texts.next() };
        let mut id = |column: &str| {
            let value = record.value.swap_remove(column)?;
            Some(record.long_integers.remove(column).unwrap_or_else(|| value.to_string()))
        };
        let id = self.columns.get(ID).and_then(&mut id).or_else(|| id(ID)).filter(|id| id != "null");
        let origin = Origin { file, line: record.line, id };
        Ok((origin, input))
    }

    /// The column of a row that plays a role: the one that the model was trained on, else the role's own name.
    fn column<'c>(&'c self, record: &Record, role: &'c str) -> &'c str {
        self.columns.get(role).filter(|column| record.value.contains_key(*column)).unwrap_or(role)
    }

    /// Takes the text of a role out of a row.
    fn text(&self, file: usize, record: &mut Record, role: &str) -> Result<String, String> {
        let column = self.column(record, role);
        let value = record.value.swap_remove(column);
        if let Some(Value::String(text)) = value {
            return Ok(text);
        }
        let place = self.place(file, record.line);
        let Some(value) = value else {
            let expected = self.columns.get(role).unwrap_or(role);
            let found: Vec<&str> = record.value.keys().map(String::as_str).collect();
            let found = found.join(", ");
            return Err(format!(
                "{place}: column {expected:?} is missing (found {found}); name the {role} {expected:?}"
            ));
        };
        let reason = match self.pipeline.parse_inputs(&value) {
            Err(error) => error.reason,
            Ok(_) => "is not a text".to_owned(),
        };
        Err(format!("{place}: column {column:?} {reason}; give it a string"))
    }

    fn place(&self, file: usize, line: u64) -> String {
        match self.files.get(file) {
            Some(file) => format!("{}: line {line}", file.display()),
            None => format!("standard input: line {line}"),
        }
    }

    fn complain(&mut self, problem: &str) {
        self.failed += 1;
        self.bar.suspend(|| output::say(&format!("error: {problem}")));
    }
}

/// One line a prediction; the row's id stands first where it has one.
fn write_lines(origins: &[Origin], predictions: &[Prediction], out: &mut dyn Write) -> Result<(), Failure> {
    let mut line = Vec::with_capacity(256);
    for (origin, prediction) in origins.iter().zip(predictions) {
        line.clear();
        serde_json::to_writer(&mut line, prediction).map_err(|error| Failure::json(&error))?;
        if let Some(id) = &origin.id {
            out.write_all(b"{\"id\":")?;
            out.write_all(id.as_bytes())?;
            out.write_all(b",")?;
            out.write_all(&line[1..])?;
        } else {
            out.write_all(&line)?;
        }
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn parameters(arguments: &Predict) -> PredictParameters {
    PredictParameters {
        top_k: arguments.top_k,
        explain: arguments.explain,
        labels: arguments.labels.clone(),
        template: arguments.template.clone(),
        exclusive: arguments.exclusive,
        threshold: arguments.threshold,
        prompt_name: arguments.prompt_name.clone(),
    }
}

/// The flag that sets a parameter of a request.
fn flag(field: &str) -> String {
    format!("--{}", field.trim_start_matches("parameters.").replace('_', "-"))
}

/// The columns of the data that the model was trained on, so that the same files can be predicted.
fn columns(resource: &str) -> Columns {
    let source = SourceText { path: PathBuf::from("record.yaml"), text: resource.to_owned() };
    let parsed = loquat_spec::parse(&[source]).ok();
    parsed
        .and_then(|resources| resources.datasets.into_iter().next())
        .map_or_else(Columns::default, |d| d.value.columns)
}

fn reader_format(format: RowFormat) -> ReaderFormat {
    match format {
        RowFormat::Jsonl => ReaderFormat::Jsonl,
        RowFormat::Csv => ReaderFormat::Csv,
        RowFormat::Tsv => ReaderFormat::Tsv,
        RowFormat::Parquet => ReaderFormat::Parquet,
        RowFormat::Lines => ReaderFormat::Lines,
    }
}

/// A missing file is bad usage, told before anything is predicted.
fn refuse_missing(files: &[PathBuf]) -> Result<(), Failure> {
    let missing: Vec<&Path> = files.iter().map(PathBuf::as_path).filter(|file| !file.exists()).collect();
    match missing.first() {
        None => Ok(()),
        Some(file) => {
            let remedy = "name a file that exists, or none to read standard input";
            let message = format!("{}: no such file; {remedy}", file.display());
            Err(Failure::new(ErrorCode::NotFound, message))
        }
    }
}

/// Answers are written while rows are read, so an input can't be the output.
fn refuse_overwriting(files: &[PathBuf], output: Option<&Path>) -> Result<(), Failure> {
    let Some(Ok(output)) = output.map(std::fs::canonicalize) else { return Ok(()) };
    let is_output = |file: &&PathBuf| std::fs::canonicalize(file).is_ok_and(|file| file == output);
    match files.iter().find(is_output) {
        None => Ok(()),
        Some(file) => {
            let message =
                format!("{} is read, so it can't be written; name another file with -o", file.display());
            Err(Failure::new(ErrorCode::Invalid, message))
        }
    }
}

/// Columns of which one stands in the header of rows for this model.
fn header_columns(columns: &Columns, pipeline: &Pipeline) -> Vec<String> {
    let roles = loquat_infer::columns(pipeline.task()).iter().flat_map(|set| set.iter());
    roles.flat_map(|role| [columns.get(role), Some(*role)]).flatten().map(str::to_owned).collect()
}

/// A count with its rate on terminals, unless the answers themselves go to the terminal.
fn bar(context: &Context, arguments: &Predict) -> ProgressBar {
    if !context.bars || (arguments.output.is_none() && std::io::stdout().is_terminal()) {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    // A write of a line that is drawn again at once may fail without loss.
    let rate = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
        let _ = write!(text, "{}/s", output::thousands(state.per_sec() as usize));
    };
    if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} rows, {rate}, {elapsed}") {
        bar.set_style(style.with_key("rate", rate));
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
