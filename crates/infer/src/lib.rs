//! A loaded pipeline: text in, prediction out.
