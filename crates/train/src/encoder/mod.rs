//! The encoder family: classifiers on the features of pretrained encoders.
//!
//! The features of a frozen backbone are computed once, by the engine that serves, and kept on disk; a trial is a linear
//! classifier on them and costs seconds. The backbone of the best is then fine-tuned as a whole. The artifact holds the
//! backbone with the classifier in the place of its head.

mod adaptation;
mod backbone;
mod course;
mod export;
mod features;
mod few_shot;
mod fine_tune;
mod from_scratch;
mod gap_filling;
mod head;
mod starts;
mod student;
mod words;

pub(crate) use adaptation::adaptation_report;
pub use backbone::Backbone;
pub(crate) use backbone::Loaded;
pub(crate) use course::{SPLIT, keeps_split};
pub(crate) use export::export;
pub(crate) use features::{Features, Text, compute, digest, prepare};
pub(crate) use few_shot::{FewShotConfig, FewTexts, has_few_rows};
pub(crate) use fine_tune::{FineTuneConfig, forget_split, is_fine_tune, leaves_heads};
pub(crate) use from_scratch::from_scratch_report;
pub(crate) use head::{HeadConfig, MULTI, SINGLE, first_guesses, is_head, space};
pub(crate) use starts::adapts;
pub(crate) use student::agreement;
