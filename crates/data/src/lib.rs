//! Readers, conformance checks and splits.
//!
//! [`load`] reads a `Dataset` into a [`Table`]: rows that conform to the task, shared between training, development
//! and test, and findings about everything that is wrong with them. [`read_records`] streams the records of one file
//! as they are. This crate knows nothing of models.

mod checks;
mod class_names;
mod columns;
mod conll;
mod content;
mod delimited;
mod entries;
mod error;
mod extract;
mod file_account;
mod findings;
mod format;
mod glance;
mod hits;
mod lines;
mod load;
mod log;
mod long_integers;
mod mending;
mod numbers;
mod open;
mod parquet;
mod parquet_file;
mod parquet_pages;
mod reader;
mod reading;
mod repair;
mod scan;
mod sketch;
mod sources;
mod split;
mod survey;
mod table;
mod tags;
mod votes;

pub use checks::{CHECKS, Check};
pub use entries::{Entry, entries, label_column, pair_text};
pub use error::{DataError, Fault};
pub use format::ReaderFormat;
pub use load::{Audit, LoadOptions, OnProgress, check, load};
pub use reader::{Record, RecordStream, read_records, read_records_from, read_standard_input};
pub use repair::{Repair, repair};
pub use split::{Part, group_key, normalised, part_of, text_key};
pub use table::{Input, LabelledSpan, Location, Row, Table};
