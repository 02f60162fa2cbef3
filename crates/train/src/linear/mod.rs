//! The linear family: n-gram features computed once and shared, and solvers that treat all classes at once.
//!
//! Every solver ends as one matrix `[features, classes]` with a bias. All of them read and write whole rows of that
//! matrix, so that one pass over a text serves every class with vector instructions; results are the same bits whatever
//! the vector width, because no sum runs across a vector.

mod component;
mod config;
mod corpus;
mod dense;
mod embedding;
mod logistic;
mod matrix;
mod naive_bayes;
mod random;
mod softmax;
mod space;
mod svm;
#[cfg(test)]
mod tests;
mod weights;
mod workspace;

pub(crate) use config::{ClassWeight, LinearConfig, LinearError, Parameters, Solver};
pub(crate) use dense::{Dense, DenseFit};
pub(crate) use random::Random;
pub(crate) use space::{Dimension, Domain, MULTI, SINGLE, first_guesses, space};
pub(crate) use workspace::{Targets, Workspace};
