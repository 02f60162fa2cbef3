//! What every command works with: the global flags with their sources, and the folders that follow from them.

use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::{ArgMatches, FromArgMatches};
use loquat_infer::{Compute, Kernels, OnnxRuntime};
use loquat_spec::{ErrorCode, ObjectAddress};

use crate::arguments::Global;
use crate::failure::Failure;
use crate::output::Style;

/// Folder of state in a resource folder.
const STATE: &str = ".loquat";

/// The global flags, resolved.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// The flags as parsed.
    pub(crate) global: Global,
    /// Colours.
    pub(crate) style: Style,
    /// Whether progress bars may be drawn: standard error is a terminal.
    pub(crate) bars: bool,
    /// CPU kernels that encoders compute with.
    kernels: Kernels,
    /// Whether `--threads` was given, which then wins over the resource's own number.
    #[cfg(feature = "train")]
    threads_given: bool,
    store: Option<Place>,
}

/// Where a registry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a folder.
    Folder(PathBuf),
    /// In an object store.
    Objects(ObjectAddress),
}

impl Context {
    /// Reads the global flags from the matches of the innermost command, starts the logger.
    pub(crate) fn new(matches: &ArgMatches) -> Result<Self, Failure> {
        let innermost = innermost(matches);
        let global = Global::from_arg_matches(innermost).map_err(|error| {
            Failure::new(ErrorCode::Invalid, error.to_string().trim_start_matches("error: ").trim_end())
        })?;
        let style = Style::new(global.color);
        tracing_subscriber::fmt()
            .with_writer(std::io::stderr)
            .with_ansi(style.stderr)
            .with_target(false)
            .with_max_level(global.log.filter())
            .init();
        let kernels = Kernels::named(&word(&global.kernels))
            .map_err(|error| Failure::new(ErrorCode::Unsupported, error.to_string()))?;
        let store = global.store.as_deref().map(place).transpose()?;
        #[cfg(feature = "train")]
        let threads_given =
            innermost.value_source("threads").is_some_and(|s| s != clap::parser::ValueSource::DefaultValue);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(global.threads.map_or(0, NonZeroUsize::get));
        pool.build_global().map_err(|error| {
            Failure::new(ErrorCode::Unavailable, format!("cannot start the worker threads: {error}"))
        })?;
        let bars = std::io::stderr().is_terminal();
        Ok(Self {
            global,
            style,
            bars,
            kernels,
            #[cfg(feature = "train")]
            threads_given,
            store,
        })
    }

    /// The folder of resources: the command's own argument, else `--dir`.
    pub(crate) fn folder<'a>(&'a self, argument: Option<&'a Path>) -> &'a Path {
        argument.unwrap_or(&self.global.dir)
    }

    /// The registry that goes with a folder of resources.
    pub(crate) fn store_place(&self, folder: &Path) -> Place {
        self.store.clone().unwrap_or_else(|| Place::Folder(state_folder(folder).join("store")))
    }

    /// Whether `--store` names the registry.
    pub(crate) fn store_given(&self) -> bool {
        self.store.is_some()
    }

    /// What models compute with. The library that `--onnxruntime` names is loaded by the first who asks.
    pub(crate) fn compute(&self) -> Result<Compute, Failure> {
        let path = self.global.onnxruntime.as_deref();
        let runtime = path.map(|path| OnnxRuntime::open(path, self.threads())).transpose();
        let runtime =
            runtime.map_err(|error| Failure::new(error.code(), format!("--onnxruntime {error}")))?;
        Ok(Compute { runtime, ..self.kernels.into() })
    }

    /// Number of threads to use.
    pub(crate) fn threads(&self) -> usize {
        let all = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.global.threads.unwrap_or_else(all).get()
    }

    /// Threads for a resource that may name its own number: flag before file before all.
    #[cfg(feature = "train")]
    pub(crate) fn threads_for(&self, resource: Option<usize>) -> usize {
        if self.threads_given { self.threads() } else { resource.unwrap_or_else(|| self.threads()) }
    }
}

/// Folder of journals and reports of one training.
pub(crate) fn run_folder(folder: &Path, name: &str) -> PathBuf {
    state_folder(folder).join("runs").join(name)
}

/// Folder of what may be deleted at any time.
pub(crate) fn cache_folder(folder: &Path) -> PathBuf {
    state_folder(folder).join("cache")
}

/// Folder of what is applied to the server of a folder.
#[cfg(feature = "serve")]
pub(crate) fn applied_folder(folder: &Path) -> PathBuf {
    state_folder(folder).join("applied")
}

/// Folder of all state; written as a person would, without `./` before it.
fn state_folder(folder: &Path) -> PathBuf {
    folder.strip_prefix(".").unwrap_or(folder).join(STATE)
}

/// The matches of the command at the end of the chain of subcommands.
pub(crate) fn innermost(matches: &ArgMatches) -> &ArgMatches {
    let mut matches = matches;
    while let Some((_, inner)) = matches.subcommand() {
        matches = inner;
    }
    matches
}

/// A choice by the name that the flag takes.
pub(crate) fn word(choice: &impl clap::ValueEnum) -> String {
    choice.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn place(url: &str) -> Result<Place, Failure> {
    match url.split_once("://") {
        None => Ok(Place::Folder(PathBuf::from(url))),
        Some(("file", path)) => Ok(Place::Folder(PathBuf::from(path))),
        Some(("s3" | "gs" | "az", _)) => Ok(Place::Objects(url.parse()?)),
        Some((scheme, _)) => Err(Failure::new(
            ErrorCode::Invalid,
            format!("no store is at {scheme}://: name a folder, s3://, gs:// or az:// with --store"),
        )),
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Objects(address) => write!(f, "{address}"),
        }
    }
}
