//! Training through the public surface: the whole line, and the pages made of its report.

mod annotators;
mod domains;
mod embeddings;
mod encoders;
mod from_scratch;
mod gpu;
mod line;
mod origins;
mod page;
mod pairs;
mod support;
mod words;
