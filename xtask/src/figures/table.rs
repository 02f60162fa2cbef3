//! The table of figures by name.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::figures::record::{Bench, Record};
use crate::figures::sources::Measured;
use crate::figures::{
    alias_moves, artifact_size, backbones, bulk_predict, cascade, check_memory, cold_build, cold_start,
    data_sets, encoder, encoder_profile, encoder_throughput, evaluation, few_shot, http_latency, int8_loss,
    kill, label_noise, many_models, near_duplicates, object_store, overload, report_pages, server_overhead,
    sick, sklearn_search, training_step, uner, ungrouped, zero_shot_topics,
};
use crate::workspace::Workspace;

/// Folder of the stored records.
pub(crate) const STORED: &str = "docs/figures";

/// A figure: its name, which sources it depends on, what it measures, and how.
struct Figure {
    name: &'static str,
    of: Measured,
    measures: &'static str,
    measure: fn(&Bench) -> Result<Vec<Record>>,
}

const FIGURES: &[Figure] = &[
    Figure {
        name: "massive",
        of: Measured::Learning,
        measures: "accuracy on MASSIVE en, 60 intents",
        measure: |bench| evaluation::measure(bench, &evaluation::MASSIVE),
    },
    Figure {
        name: "goemotions",
        of: Measured::Learning,
        measures: "macro-F1 on GoEmotions, 28 labels",
        measure: |bench| evaluation::measure(bench, &evaluation::GOEMOTIONS),
    },
    Figure {
        name: "sib200",
        of: Measured::Learning,
        measures: "accuracy on SIB-200, 25 languages, grouped by sentence",
        measure: |bench| evaluation::measure(bench, &evaluation::SIB200),
    },
    Figure {
        name: "sib200-ungrouped",
        of: Measured::Learning,
        measures: "SIB-200 without `group`: the warning, and how much too good random folds are",
        measure: ungrouped::measure,
    },
    Figure {
        name: "tatoeba-langid",
        of: Measured::Learning,
        measures: "accuracy of language identification, 87 languages",
        measure: |bench| evaluation::measure(bench, &evaluation::TATOEBA_LANGID),
    },
    Figure {
        name: "artifact-size",
        of: Measured::Learning,
        measures: "megabytes of the 60-class artifact and of the example's",
        measure: artifact_size::measure,
    },
    Figure {
        name: "bulk-predict",
        of: Measured::Answering,
        measures: "texts a second on one core, 60 classes and 8 classes",
        measure: bulk_predict::measure,
    },
    Figure {
        name: "http-latency",
        of: Measured::Answering,
        measures: "p99 of one prediction over HTTP at 1,000 requests a second",
        measure: http_latency::measure,
    },
    Figure {
        name: "sklearn-search",
        of: Measured::Learning,
        measures: "time of a search against the same search in scikit-learn",
        measure: sklearn_search::measure,
    },
    Figure {
        name: "label-noise",
        of: Measured::Learning,
        measures: "flipped labels that training doubts, beside cleanlab",
        measure: label_noise::measure,
    },
    Figure {
        name: "kill",
        of: Measured::Learning,
        measures: "runs killed at a random moment that end with the same weights",
        measure: |bench| kill::measure(bench, &kill::SEARCH),
    },
    Figure {
        name: "kill-fine-tune",
        of: Measured::Learning,
        measures: "`kill -9` of a fine-tune at 10 random moments: the weights of an uninterrupted one",
        measure: |bench| kill::measure(bench, &kill::FINE_TUNE),
    },
    Figure {
        name: "encoder-minilm",
        of: Measured::Engine,
        measures: "time of MiniLM on batches of equal length against ONNX Runtime and others",
        measure: encoder::measure_minilm,
    },
    Figure {
        name: "encoder-mixed",
        of: Measured::Engine,
        measures: "time of MiniLM on tweets of mixed length, tokenising included",
        measure: encoder::measure_mixed,
    },
    Figure {
        name: "encoder-profile",
        of: Measured::Engine,
        measures: "share of the processor's peak in the encoder engine, and where the rest goes",
        measure: encoder_profile::measure,
    },
    Figure {
        name: "training-step",
        of: Measured::Step,
        measures: "time of a training step of MiniLM for each real token beside PyTorch, and memory",
        measure: training_step::measure,
    },
    Figure {
        name: "encoder-massive",
        of: Measured::Learning,
        measures: "accuracy on MASSIVE en with the families linear and encoder, from MiniLM",
        measure: |bench| evaluation::measure(bench, &evaluation::ENCODER_MASSIVE),
    },
    Figure {
        name: "encoder-goemotions",
        of: Measured::Learning,
        measures: "macro-F1 on GoEmotions with the families linear and encoder, from MiniLM",
        measure: |bench| evaluation::measure(bench, &evaluation::ENCODER_GOEMOTIONS),
    },
    Figure {
        name: "wnut17",
        of: Measured::Learning,
        measures: "F1 of entities on WNUT17 with the families linear and encoder, from MiniLM",
        measure: |bench| evaluation::measure(bench, &evaluation::WNUT17),
    },
    Figure {
        name: "wnut17-linear",
        of: Measured::Learning,
        measures: "F1 of entities on WNUT17 without an encoder",
        measure: |bench| evaluation::measure(bench, &evaluation::WNUT17_LINEAR),
    },
    Figure {
        name: "uner",
        of: Measured::Learning,
        measures: "F1 of names in ten languages by one model, beside a conditional random field",
        measure: uner::measure,
    },
    Figure {
        name: "nli",
        of: Measured::Learning,
        measures: "accuracy on SNLI from 24,000 pairs, families linear and encoder, from MiniLM",
        measure: |bench| evaluation::measure(bench, &evaluation::NLI),
    },
    Figure {
        name: "int8-loss",
        of: Measured::Learning,
        measures: "points that int8 weights of the encoders above lose on their test rows, from their reports",
        measure: int8_loss::measure,
    },
    Figure {
        name: "zero-shot-topics",
        of: Measured::Learning,
        measures: "accuracy of topics on SIB-200 in English by entailment, beside likeness of vectors",
        measure: zero_shot_topics::measure,
    },
    Figure {
        name: "distillation",
        of: Measured::Learning,
        measures: "points that a two-layer student of the MASSIVE model loses, and its speed",
        measure: backbones::distillation,
    },
    Figure {
        name: "trimming",
        of: Measured::Learning,
        measures: "bytes saved by trimming MiniLM to English, and answers that stay on MASSIVE",
        measure: backbones::trimming,
    },
    Figure {
        name: "adaptation",
        of: Measured::Learning,
        measures: "accuracy on MASSIVE from few labels and many texts, beside the same without the texts",
        measure: backbones::adaptation,
    },
    Figure {
        name: "from-scratch",
        of: Measured::Learning,
        measures: "accuracy on MASSIVE of an encoder from scratch, beside the linear family in the same time",
        measure: backbones::from_scratch,
    },
    Figure {
        name: "sick",
        of: Measured::Learning,
        measures: "Spearman on SICK relatedness of MiniLM tuned on its pairs, beside MiniLM untuned",
        measure: sick::measure,
    },
    Figure {
        name: "few-shot",
        of: Measured::Learning,
        measures: "accuracy from 8 rows of each of 20 intents, families encoder and linear, mean of 5 draws",
        measure: few_shot::measure,
    },
    Figure {
        name: "encoder-throughput",
        of: Measured::Answering,
        measures: "texts a second of MiniLM over HTTP at a p99 of 50 ms, beside other servers",
        measure: encoder_throughput::measure,
    },
    Figure {
        name: "overload",
        of: Measured::Answering,
        measures: "answers in time under three times the capacity, and the recovery",
        measure: overload::measure,
    },
    Figure {
        name: "server-overhead",
        of: Measured::Answering,
        measures: "requests a second on one core of an 8-class model, p99, idle memory",
        measure: server_overhead::measure,
    },
    Figure {
        name: "alias-moves",
        of: Measured::Answering,
        measures: "requests failed or wrongly named while an alias moves 50 times",
        measure: alias_moves::measure,
    },
    Figure {
        name: "many-models",
        of: Measured::Answering,
        measures: "ten models under a memory budget for three: wrong answers, memory held",
        measure: many_models::measure,
    },
    Figure {
        name: "cold-start",
        of: Measured::Answering,
        measures: "first answer and memory of a server of MiniLM, beside FastAPI with ONNX Runtime",
        measure: cold_start::measure,
    },
    Figure {
        name: "cascade",
        of: Measured::Learning,
        measures: "calibrations that miss their agreement in 200 draws, and the time saved",
        measure: cascade::measure,
    },
    Figure {
        name: "near-duplicates",
        of: Measured::Data,
        measures: "planted near-duplicates found among 100,000 rows, and false ones",
        measure: near_duplicates::measure,
    },
    Figure {
        name: "data-sets",
        of: Measured::Data,
        measures: "shared texts and absent labels found in every evaluation set, and the time beside spaCy",
        measure: data_sets::measure,
    },
    Figure {
        name: "report-pages",
        of: Measured::Learning,
        measures: "axe-core's findings on three reports in Chromium, light and dark, desk and phone",
        measure: report_pages::measure,
    },
    Figure {
        name: "check-memory",
        of: Measured::Data,
        measures: "memory of the check of a jsonl file of 3 GB",
        measure: check_memory::measure,
    },
    Figure {
        name: "object-store",
        of: Measured::Whole,
        measures: "object stores from which a training gives another version than from disk",
        measure: object_store::measure,
    },
    Figure {
        name: "cold-build",
        of: Measured::Whole,
        measures: "minutes of a build from nothing and size of the binary",
        measure: cold_build::measure,
    },
];

/// Prints the names, what each measures, and whether its record is of the sources as they are.
pub(crate) fn list(workspace: &Workspace) -> Result<()> {
    for figure in FIGURES {
        println!("{:<18} {}; {}", figure.name, figure.measures, figure.state(workspace)?);
    }
    Ok(())
}

impl Figure {
    fn stored(&self, workspace: &Workspace) -> PathBuf {
        workspace.path(STORED).join(format!("{}.json", self.name))
    }

    /// What the stored record says of the sources as they are.
    fn state(&self, workspace: &Workspace) -> Result<String> {
        let Ok(text) = std::fs::read_to_string(self.stored(workspace)) else {
            return Ok("no record".to_owned());
        };
        let records: Vec<Record> = serde_json::from_str(&text)?;
        let now = self.of.hash(workspace.root(), "HEAD")?;
        let date = records.first().map_or("", |record| &record.date);
        let changed = records.iter().any(|record| record.sources.as_ref() != Some(&now));
        let state = if changed { "its sources have changed since" } else { "valid" };
        Ok(format!("record of {date}, {state}"))
    }
}

/// Measures one figure, prints its records and stores them. A quick run takes the debug build and short loads, where the figure
/// knows them, and stores nothing.
pub(crate) fn measure(workspace: &Workspace, name: &str, quick: bool) -> Result<()> {
    let figure = FIGURES
        .iter()
        .find(|figure| figure.name == name)
        .with_context(|| format!("no figure {name:?}; `cargo xtask figure` lists them"))?;
    let sources = figure.of.hash(workspace.root(), "HEAD")?;
    let mut records = (figure.measure)(&Bench::new(workspace, quick)?)?;
    records.iter_mut().for_each(|record| record.sources = Some(sources.clone()));
    let text = serde_json::to_string_pretty(&records)?;
    println!("{text}");
    if quick {
        return Ok(());
    }
    let folder = workspace.path(STORED);
    std::fs::create_dir_all(&folder)?;
    let path = figure.stored(workspace);
    std::fs::write(&path, format!("{text}\n")).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_figures_are_unique() {
        let mut names: Vec<&str> = FIGURES.iter().map(|figure| figure.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FIGURES.len());
    }
}
