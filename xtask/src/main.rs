//! Checks, figures and the services test.
fn main() {}
