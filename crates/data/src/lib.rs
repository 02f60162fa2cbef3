//! Readers, conformance checks and splits.
