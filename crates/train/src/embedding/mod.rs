//! Training of embeddings: a backbone fine-tuned on pairs of texts, held against the backbone as it is.
//!
//! There are no folds: a fine-tune is dear, so each is trained once, on one split, and scored on its held-out pairs, as the
//! untuned backbones are. What wins there is trained on all pairs, and the artifact is scored on the sealed test pairs by the
//! pipeline that serves.

mod artifact;
mod embeddings;
mod line;
mod mining;
mod pairs;
mod scoring;
mod texts;
mod tune;

pub(crate) use line::{reproduce, train};
pub(crate) use scoring::answers;
pub(crate) use texts::{Contrastive, Course, learn};
pub(crate) use tune::is_untuned;
