//! Arguments of `loquat models`.

use std::ffi::OsString;
use std::path::PathBuf;

use loquat_spec::{ModelReference, Name};

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
    /// Chains a small and a large model (not yet supported)
    #[command(hide = true)]
    Cascade {
        /// Whatever is asked
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        rest: Vec<OsString>,
    },
}

/// Form of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TableFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}
