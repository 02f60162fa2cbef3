//! Arguments of the commands around a running server.

use std::ffi::OsString;
use std::path::PathBuf;

use super::Tls;
use crate::bench::Target;

/// Commands about API keys.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum KeysCommand {
    /// Makes a key, prints it once and stores its hash
    New(NewKey),
}

/// Arguments of `keys new`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct NewKey {
    /// Who gets it: the caller's name in logs and in the fair shares of a queue
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// File of keys, the one that the server is given; made where there is none
    #[arg(long, value_name = "FILE")]
    pub(crate) keys: PathBuf,
    /// Endpoints that it may ask [default: all]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) models: Option<Vec<String>>,
    /// Most requests a second [default: no limit]
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<f64>,
    /// What it may do: ask models (predict); change resources, load and unload models, see the requests of others (admin)
    #[arg(long = "scope", value_name = "A,B", value_enum, value_delimiter = ',', default_value = "predict")]
    pub(crate) scopes: Vec<KeyScope>,
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum KeyScope {
    Predict,
    Admin,
}

/// Arguments of `launch`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Launch {
    /// The process that starts it
    #[arg(value_name = "PID")]
    pub(crate) parent: u32,
    /// The command, a word each
    #[arg(value_name = "WORD", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) words: Vec<OsString>,
}

/// What to measure.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum BenchCommand {
    /// Puts a constant rate of requests on servers and compares their latencies
    Serve(BenchServe),
}

/// Arguments of `bench serve`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct BenchServe {
    /// Route to measure, as PROTOCOL=URL; given several times, the routes are compared. Protocols are loquat, oip, kserve, tei,
    /// openai-chat, openai-embeddings and mlflow
    #[arg(value_name = "PROTOCOL=URL", required = true)]
    pub(crate) targets: Vec<Target>,
    /// Requests a second; several rates are measured one after the other
    #[arg(long, value_name = "N,M", value_delimiter = ',', default_value = "100")]
    pub(crate) rate: Vec<f64>,
    /// Seconds for each rate
    #[arg(long, value_name = "S", default_value_t = 10.0)]
    pub(crate) seconds: f64,
    /// Seconds of the same load before the measurement, so that connections, caches and batches are warm
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    pub(crate) warm_up: f64,
    /// Milliseconds within which an answer is of use: the JSON form counts those in time
    #[arg(long, value_name = "MS", default_value_t = 1000.0)]
    pub(crate) within: f64,
    /// Most connections to a server
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub(crate) connections: usize,
    /// File of texts, one a line, sent in turn [default: texts of mixed lengths]
    #[arg(long, value_name = "FILE")]
    pub(crate) texts: Option<PathBuf>,
    /// API key
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    #[command(flatten)]
    pub(crate) tls: Tls,
    /// Image of the 99th percentile against the rate to write, as SVG
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}
