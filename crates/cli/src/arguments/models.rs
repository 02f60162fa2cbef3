//! Arguments of `loquat models`.

use std::path::PathBuf;

use loquat_spec::{CascadeStage, ModelReference, Name};

/// The registry's commands.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum ModelsCommand {
    /// Lists the versions of every model
    List {
        /// Form of the answer
        #[arg(long, value_enum, default_value_t = TableFormat::Text)]
        format: TableFormat,
    },
    /// Shows one version: metrics, provenance, size
    Show {
        /// name, name:version or name@alias
        #[arg(value_name = "NAME[@ALIAS|:VERSION]")]
        model: ModelReference,
        /// Form of the answer
        #[arg(long, value_enum, default_value_t = TableFormat::Text)]
        format: TableFormat,
    },
    /// Moves an alias to a version
    Promote {
        /// The version
        #[arg(value_name = "NAME:VERSION")]
        model: ModelReference,
        /// The alias to move
        #[arg(value_name = "ALIAS", default_value = "champion", value_parser = Name::new)]
        alias: Name,
    },
    /// Moves an alias back to the version that it pointed at before
    Rollback {
        /// The model
        #[arg(value_name = "NAME", value_parser = Name::new)]
        name: Name,
        /// The alias to move
        #[arg(value_name = "ALIAS", default_value = "champion", value_parser = Name::new)]
        alias: Name,
    },
    /// Shows how two versions differ: metrics, data, resources
    Diff {
        /// The older version
        #[arg(value_name = "NAME:VERSION")]
        old: ModelReference,
        /// The newer version
        #[arg(value_name = "NAME:VERSION")]
        new: ModelReference,
    },
    /// Copies a version's artifact into a folder
    Export {
        /// The version
        #[arg(value_name = "NAME[@ALIAS|:VERSION]")]
        model: ModelReference,
        /// Folder to write; must not exist or be empty
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// Registers an artifact folder as the next version of a model
    Import {
        /// The model
        #[arg(value_name = "NAME", value_parser = Name::new)]
        name: Name,
        /// Folder of the artifact
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// Removes a version that no alias points at
    Rm {
        /// The version
        #[arg(value_name = "NAME:VERSION")]
        model: ModelReference,
    },
    /// Deletes what no version refers to
    Gc,
    /// Trains a version again and compares the weights
    Reproduce {
        /// The version
        #[arg(value_name = "NAME[@ALIAS|:VERSION]")]
        model: ModelReference,
    },
    /// Measures how sure a cheap version must be to answer in place of a dear one
    Cascade(Cascade),
}

/// Arguments of `models cascade`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Cascade {
    /// The version that is asked first
    #[arg(value_name = "CHEAP")]
    pub(crate) cheap: ModelReference,
    /// The version that answers what the first is not sure of
    #[arg(value_name = "DEAR")]
    pub(crate) dear: ModelReference,
    /// Dataset of --dir with rows for the task
    #[arg(long, value_name = "NAME")]
    pub(crate) dataset: String,
    /// Share of all inputs on which the answer must stay what DEAR would have said
    #[arg(long, value_name = "SHARE", default_value_t = CascadeStage::AGREEMENT)]
    pub(crate) agreement: f64,
    /// Probability that the agreement holds beyond the rows measured on
    #[arg(long, value_name = "SHARE", default_value_t = CONFIDENCE)]
    pub(crate) confidence: f64,
    /// Which rows to measure on; all only where neither version was trained on them
    #[arg(long, value_enum, default_value_t = CascadeRows::Test)]
    pub(crate) rows: CascadeRows,
    /// Candidate labels, for zero-shot classification [default: those of the Endpoint that states the cascade]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) labels: Option<Vec<String>>,
    /// Sentence that a label is put into, for zero-shot classification [default: each model's own]
    #[arg(long, value_name = "T", requires = "labels")]
    pub(crate) template: Option<String>,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t = TableFormat::Text)]
    pub(crate) format: TableFormat,
}

/// The confidence where none is given: high enough that the agreement also holds, nineteen times in twenty, when it is counted on
/// as many fresh rows again.
pub(crate) const CONFIDENCE: f64 = 0.99;

/// Rows of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum CascadeRows {
    /// Those of its test part, which no training sees.
    Test,
    /// All.
    All,
}

/// Form of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TableFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}
