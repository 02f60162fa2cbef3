//! The commands and their flags.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use loquat_spec::{ModelReference, Task};

use super::{
    Apply, BenchCommand, Delete, Get, Global, Hosting, KeysCommand, LabelCommand, Launch, ModelsCommand, Why,
};

/// From a labelled file to a served, watched model, in one binary.
#[derive(Debug, clap::Parser)]
#[command(name = "loquat", version, max_term_width = 110, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Writes a starter folder: commented resources and a small data file that trains
    Init(Init),
    /// Checks the resources, then the data
    Check(Check),
    /// Rows worth labelling, and labels worth a second look
    #[command(subcommand)]
    Label(LabelCommand),
    /// Checks, trains, reports and registers; unchanged inputs are not trained again
    Train(Train),
    /// Trains, then serves
    Up(Up),
    /// Hosts the endpoints of the folder and the models of the store
    Serve(Serve),
    /// Predicts rows of files or standard input, one JSON object a line out, order kept
    Predict(Predict),
    /// Shows the training report of a model version
    Report(Report),
    /// The registry of model versions
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Creates or changes resources of a running server; a bad resource changes nothing
    Apply(Apply),
    /// Shows what `apply` would change; the status is 1 where anything would
    Diff(Apply),
    /// Shows resources of a running server, and how they fare
    Get(Get),
    /// Deletes a resource of a running server
    Delete(Delete),
    /// Explains a slow request, or a model that is not ready
    Why(Why),
    /// API keys of a server
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Side-by-side measurements
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Prints the JSON Schema of resources, for editors
    Schema {
        /// Kind of resource; all of them when absent
        #[arg(value_name = "KIND")]
        kind: Option<String>,
    },
    /// The configuration in force
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Prints a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Prints the manual page of loquat, or of one command
    Man {
        /// The command, such as `models diff`
        #[arg(value_name = "COMMAND")]
        command: Vec<String>,
    },
    /// Prints the command reference as markdown
    #[command(hide = true)]
    HelpMarkdown,
    /// Becomes a command that ends with the process that started it
    #[command(hide = true)]
    Launch(Launch),
    /// A command whose part does not exist yet.
    #[command(flatten)]
    Later(Later),
}

/// Commands known to the parser whose part does not exist yet.
#[derive(Debug, clap::Subcommand)]
#[command(rename_all = "kebab-case")]
pub(crate) enum Later {
    /// Predicts a whole data set as a resumable job (not yet supported)
    #[command(hide = true)]
    Batch(Anything),
    /// Translates text (not yet supported)
    #[command(hide = true)]
    Translate(Anything),
    /// Runs a stream (not yet supported)
    #[command(hide = true)]
    Stream(Anything),
    /// Enriches a search index (not yet supported)
    #[command(hide = true)]
    Enrich(Anything),
    /// Searches documents (not yet supported)
    #[command(hide = true)]
    Search(Anything),
    /// Watches live traffic (not yet supported)
    #[command(hide = true)]
    Monitor(Anything),
    /// Advises on what to improve (not yet supported)
    #[command(hide = true)]
    Advise(Anything),
    /// Reconciles resources on Kubernetes (not yet supported)
    #[command(hide = true)]
    Operator(Anything),
    /// Packages a model with its server (not yet supported)
    #[command(hide = true)]
    Package(Anything),
}

impl Later {
    /// The command's name.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Batch(_) => "batch",
            Self::Translate(_) => "translate",
            Self::Stream(_) => "stream",
            Self::Enrich(_) => "enrich",
            Self::Search(_) => "search",
            Self::Monitor(_) => "monitor",
            Self::Advise(_) => "advise",
            Self::Operator(_) => "operator",
            Self::Package(_) => "package",
        }
    }
}

/// Arguments that are not looked at.
#[derive(Debug, clap::Args)]
pub(crate) struct Anything {
    /// Whatever is asked
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<OsString>,
}

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
pub(crate) struct Init {
    /// What the model shall do
    #[arg(value_name = "TASK", value_parser = task_parser())]
    pub(crate) task: Task,
    /// Folder to write [default: --dir]
    #[arg(value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
}

fn task_parser() -> impl TypedValueParser<Value = Task> {
    PossibleValuesParser::new(Task::ALL.map(Task::as_str)).map(|text| {
        Task::ALL
            .into_iter()
            .find(|task| task.as_str() == text)
            .expect("the parser allows names of tasks only")
    })
}

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// Folder of resources [default: --dir]
    #[arg(value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    /// Check the data of this Dataset only
    #[arg(long, value_name = "NAME")]
    pub(crate) dataset: Option<String>,
    /// Write the Dataset repaired into FILE (jsonl, with a column that says which part a row belongs to) and every change
    /// into FILE.changes.jsonl; the source stays as it is
    #[arg(long, value_name = "FILE", conflicts_with = "format")]
    pub(crate) fix: Option<PathBuf>,
    /// Form of the findings
    #[arg(long, value_enum, default_value_t = FindingFormat::Text)]
    pub(crate) format: FindingFormat,
}

/// Form of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum FindingFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// SARIF 2.1.0, for code hosts and editors.
    Sarif,
}

/// Arguments of `train`.
#[derive(Debug, clap::Args)]
pub(crate) struct Train {
    /// Folder of resources [default: --dir]
    #[arg(value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    /// Names of the Training resources to train [default: all]
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Train even where the inputs are unchanged
    #[arg(long)]
    pub(crate) force: bool,
    /// Say what would be trained and why, and end
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Arguments of `up`.
#[derive(Debug, clap::Args)]
pub(crate) struct Up {
    /// Folder of resources [default: --dir]
    #[arg(value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) hosting: Hosting,
}

/// Arguments of `serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// Folder of resources [default: --dir]
    #[arg(value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) hosting: Hosting,
}

/// Arguments of `predict`.
#[derive(Debug, clap::Args)]
pub(crate) struct Predict {
    /// The model version that answers
    #[arg(value_name = "NAME[@ALIAS|:VERSION]")]
    pub(crate) model: ModelReference,
    /// Files of jsonl, csv, tsv, parquet or plain lines [default: standard input]
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// File to write instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Form of the rows [default: by the file's name; standard input: by its first line]
    #[arg(long, value_enum)]
    pub(crate) input_format: Option<RowFormat>,
    /// Give the best N labels with their scores
    #[arg(long, value_name = "N")]
    pub(crate) top_k: Option<usize>,
    /// Give what decided, with character offsets
    #[arg(long)]
    pub(crate) explain: bool,
    /// Candidate labels, for zero-shot models
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) labels: Option<Vec<String>>,
    /// Hypothesis template, for zero-shot models
    #[arg(long, value_name = "T")]
    pub(crate) template: Option<String>,
    /// Exactly one of the labels holds: scores add up to 1, for zero-shot models
    #[arg(long)]
    pub(crate) exclusive: bool,
    /// Threshold that replaces the model's own, for multi-label models
    #[arg(long, value_name = "X")]
    pub(crate) threshold: Option<f32>,
    /// Which of the model's prompts stands before each text, for embedding models
    #[arg(long, value_name = "NAME")]
    pub(crate) prompt_name: Option<String>,
}

/// Form of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum RowFormat {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values with a header.
    Csv,
    /// Tab-separated values with a header.
    Tsv,
    /// Apache Parquet.
    Parquet,
    /// One text a line.
    Lines,
}

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
pub(crate) struct Report {
    /// The model version
    #[arg(value_name = "NAME[:VERSION]", required_unless_present = "compare")]
    pub(crate) model: Option<ModelReference>,
    /// Form of the report
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) format: ReportFormat,
    /// File to write instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Write the report as a page and open it in a browser
    #[arg(long)]
    pub(crate) open: bool,
    /// Set version B beside version A, on the test rows of B's data set
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with = "model")]
    pub(crate) compare: Option<Vec<ModelReference>>,
}

/// Form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ReportFormat {
    /// A summary that is read in ten seconds.
    Text,
    /// One page that needs no network.
    Html,
    /// For programs.
    Json,
    /// For pull requests and wikis.
    Markdown,
}

/// Commands about the configuration.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum ConfigCommand {
    /// Shows each value and where it comes from
    Show,
}
