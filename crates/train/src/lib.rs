//! Training: nested cross-validation, search, calibration, evaluation, report.
//!
//! [`train`] takes a validated resource and a checked table through the whole line: a search in rounds of
//! fixed size (a tree-structured Parzen estimator with successive halving over folds), each outer fold with a
//! search of its own, the refit on all training rows, one look at the sealed test split through the pipeline
//! that serves, the report, and the registry. The same resource, data, seed and [`Cuts`] give the same
//! weights bit for bit, whatever the number of threads and however often the run was killed.

mod annotators;
mod artifact;
mod assemble;
mod baselines;
mod bootstrap;
mod budget;
mod calibrate;
mod cancel;
mod cascade;
mod compare;
mod cuts;
mod domains;
mod embedding;
mod encoder;
mod error;
mod evaluate;
mod families;
mod few_shot;
mod folds;
mod grid;
mod halving;
mod html;
mod inspection;
mod journal;
mod languages;
mod learning_curve;
mod likeness;
mod linear;
mod markdown;
mod metrics;
mod model_card;
mod nested;
mod noise;
mod origins;
mod out_of_fold;
mod problem;
mod progress;
mod promote;
mod quantisation;
mod random;
mod recipe;
mod report;
mod report_details;
mod report_origins;
mod request;
mod run;
mod search;
mod summary;
mod tagging;
mod thresholds;
mod tpe;
mod train;
mod trimming;
mod tuning;

pub use cancel::Cancel;
pub use cascade::{CalibrationError, CascadeRow, CascadeTarget, calibrate_cascade, choose_threshold};
pub use compare::{Change, ChangedRow, Comparison, Contender, McNemar, MetricPair, Side, compare};
pub use cuts::{Cuts, Plan, Stopped};
pub use encoder::Backbone;
pub use error::TrainError;
pub use few_shot::FewShotPlan;
pub use grid::{Grid, evaluate_grid};
pub use origins::{Origins, Teacher};
pub use progress::{Progress, Silent};
pub use report::{
    CalibrationBin, CalibrationReport, ClassReport, Cost, DatasetReport, FindingReport, LanguageReport,
    LengthReport, NoiseReport, OuterReport, ParetoRow, Report, Score, TestReport, TrialReport, TrialState,
};
pub use report_details::{
    AnnotatorsReport, BaselineReport, CrossDomainReport, DomainReport, ExampleReport, Inspection,
    LearningCurve, LearningFit, LearningPoint, Mistake, Provenance, QuantisationReport, SliceReport,
    ThresholdCurve,
};
pub use report_origins::{AdaptationReport, DistillationReport, FromScratchReport, TrimmingReport};
pub use request::{InputsHash, Outcome, Request, Trained, inputs_hash};
pub use train::{Reproduction, reproduce, train, unfinished};
