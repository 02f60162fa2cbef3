//! `cargo xtask figure`: named measurements of the release binary, stored as records and printed as a page.

mod alias_moves;
mod artifact_size;
mod backbones;
mod benchmarks;
mod bulk_predict;
mod cascade;
mod check_memory;
mod cold_build;
mod cold_start;
mod data_sets;
mod encoder;
mod encoder_profile;
mod encoder_throughput;
mod evaluation;
mod few_shot;
mod http_latency;
mod int8_loss;
mod kill;
mod label_noise;
mod line_program;
mod load;
mod many_models;
mod near_duplicates;
mod object_store;
mod overload;
mod record;
mod report_pages;
mod server_overhead;
mod serving;
mod sick;
mod sklearn_search;
mod sources;
mod synthetic;
mod table;
mod training;
mod training_step;
mod uner;
mod ungrouped;
mod zero_shot_topics;

pub(crate) use benchmarks::write as write_benchmarks;
pub(crate) use load::{LoadPlan, generate as generate_load};
pub(crate) use record::{Bench, Record, Target};
pub(crate) use table::{STORED, list, measure};

use anyhow::{Result, bail};

use crate::workspace::Workspace;

/// Trains a model that figures share, into the user's cache, where it is not there yet.
pub(crate) fn make_model(workspace: &Workspace, name: &str) -> Result<()> {
    let bench = Bench::new(workspace, false)?;
    match name {
        "nli" => {
            zero_shot_topics::entailment_model(&bench).map(|folder| println!("{}", folder.path().display()))
        }
        _ => bail!("there is no model `{name}` that figures share; there is `nli`"),
    }
}
