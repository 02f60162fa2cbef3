//! A server, a cache, and a client of both.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use loquat_connect::hub::HubConfig;
use loquat_connect::objects::ObjectSettings;
use loquat_connect::sources::{Fetched, SourceConfig, SourceError, Sources};
use loquat_testkit::ObjectServer;

/// Everything that a test needs.
pub(crate) struct Setup {
    pub(crate) server: ObjectServer,
    pub(crate) cache: tempfile::TempDir,
    /// What was warned of.
    pub(crate) warnings: Arc<Mutex<Vec<String>>>,
}

impl Setup {
    pub(crate) fn new() -> Self {
        let server = ObjectServer::start().unwrap();
        Self { server, cache: tempfile::tempdir().unwrap(), warnings: Arc::default() }
    }

    pub(crate) fn settings(&self) -> ObjectSettings {
        ObjectSettings::new(self.server.variables()).with_retries(1, Duration::from_millis(1))
    }

    pub(crate) fn sources(&self, retries: u32) -> Sources {
        let hub = HubConfig::new(self.cache.path().join("hub"));
        let config = SourceConfig::new(hub, self.settings(), self.cache.path().join("sources"));
        let config = SourceConfig { retries, pause: Duration::ZERO, ..config };
        let warnings = Arc::clone(&self.warnings);
        let warn = move |text: &str| warnings.lock().unwrap().push(text.to_owned());
        Sources::new(config, Box::new(|_| ()), Box::new(warn))
    }

    pub(crate) fn try_files(&self, address: &str) -> Result<Vec<Fetched>, SourceError> {
        self.sources(3).files(&address.parse().unwrap())
    }

    /// Names and contents of what an address names.
    pub(crate) fn files(&self, address: &str) -> Vec<(String, Vec<u8>)> {
        let fetched = self.try_files(address).unwrap();
        fetched.into_iter().map(|file| (file.name, std::fs::read(file.path).unwrap())).collect()
    }

    pub(crate) fn web(&self, path: &str) -> String {
        format!("{}/{path}", self.server.endpoint())
    }
}

/// A content that no two places of are alike.
pub(crate) fn long() -> Vec<u8> {
    (0..300_000_u32).flat_map(u32::to_le_bytes).collect()
}
