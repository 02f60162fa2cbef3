//! How a run tells what it is doing. The caller draws it; this crate writes to no terminal.

/// Receives the progress of a run, from any of its threads.
pub trait Progress: Sync {
    /// A new stage begins; `total` counts its steps where they are known.
    fn stage(&self, name: &str, total: Option<u64>);
    /// `steps` more of the stage are done.
    fn advance(&self, steps: u64);
    /// Something worth a line of its own.
    fn note(&self, text: &str);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn stage(&self, _name: &str, _total: Option<u64>) {}
    fn advance(&self, _steps: u64) {}
    fn note(&self, _text: &str) {}
}
