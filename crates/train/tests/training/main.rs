//! Training through the public surface: the whole line, and the pages made of its report.

mod encoders;
mod line;
mod origins;
mod page;
mod pairs;
mod support;
mod words;
