//! Where the stores are and who asks, in the words of the usual environment variables.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use loquat_spec::{ObjectAddress, ObjectScheme};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder};
use object_store::{BackoffConfig, ObjectStore, RetryConfig, StaticCredentialProvider};

use crate::objects::transport::Transport;

/// What the names of the variables begin with.
const BEGINNINGS: [&str; 4] = ["AWS_", "GOOGLE_", "AZURE_", "STORAGE_EMULATOR_HOST"];
/// Names that the stores' own tools know beside those that [`object_store`] knows.
const ALSO: [(&str, &str); 4] = [
    ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    ("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"),
    ("AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY"),
    ("STORAGE_EMULATOR_HOST", "GOOGLE_BASE_URL"),
];

/// Variables of the object stores, secrets among them; their values are never shown.
#[derive(Clone)]
pub struct ObjectSettings {
    variables: BTreeMap<String, String>,
    /// How often a request that failed is tried again.
    retries: usize,
    /// Pause before the first further try; it doubles with each.
    pause: Duration,
}

impl ObjectSettings {
    /// Takes the variables of the stores out of `variables`, such as those of the environment.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let known = |name: &str| BEGINNINGS.iter().any(|start| name.starts_with(start));
        let variables =
            variables.into_iter().filter(|(name, value)| known(name) && !value.trim().is_empty()).collect();
        Self { variables, retries: 3, pause: Duration::from_millis(200) }
    }

    /// The same settings with another patience for a store that fails.
    pub fn with_retries(self, retries: usize, pause: Duration) -> Self {
        Self { retries, pause, ..self }
    }

    /// A client of the bucket of `address`.
    pub(crate) fn store(&self, address: &ObjectAddress) -> object_store::Result<Arc<dyn ObjectStore>> {
        Ok(match address.scheme {
            ObjectScheme::S3 => Arc::new(self.s3(&address.bucket)?),
            ObjectScheme::Gs => Arc::new(self.gs(&address.bucket)?),
            ObjectScheme::Az => Arc::new(self.az(&address.bucket)?),
        })
    }

    fn s3(&self, bucket: &str) -> object_store::Result<object_store::aws::AmazonS3> {
        let mut builder = AmazonS3Builder::new().with_bucket_name(bucket);
        for (key, value) in self.named() {
            if let Ok(key) = key.parse() {
                builder = builder.with_config(key, value);
            }
        }
        let plain = self.is_plain("AWS_ENDPOINT_URL") || self.is_plain("AWS_ENDPOINT");
        let builder = builder.with_bucket_name(bucket).with_allow_http(plain).with_disable_bulk_delete(true);
        builder.with_retry(self.retry()).with_http_connector(Transport).build()
    }

    fn gs(&self, bucket: &str) -> object_store::Result<object_store::gcp::GoogleCloudStorage> {
        let mut builder = GoogleCloudStorageBuilder::new();
        for (key, value) in self.named() {
            if let Ok(key) = key.parse() {
                builder = builder.with_config(key, value);
            }
        }
        if let Some(host) = self.value("GOOGLE_BASE_URL") {
            // An emulator knows no accounts, and its address may come without a scheme. Writes carry a token even without
            // signatures, and would otherwise ask this machine's role for one.
            let url = if host.contains("://") { host.to_owned() } else { format!("http://{host}") };
            let nobody = StaticCredentialProvider::new(GcpCredential { bearer: "emulator".to_owned() });
            builder = builder.with_base_url(url.trim_end_matches('/')).with_skip_signature(true);
            builder = builder.with_credentials(Arc::new(nobody));
        }
        builder.with_bucket_name(bucket).with_retry(self.retry()).with_http_connector(Transport).build()
    }

    fn az(&self, container: &str) -> object_store::Result<object_store::azure::MicrosoftAzure> {
        let mut builder = MicrosoftAzureBuilder::new();
        for (key, value) in self.named() {
            if let Ok(key) = key.parse() {
                builder = builder.with_config(key, value);
            }
        }
        let builder =
            builder.with_container_name(container).with_allow_http(self.is_plain("AZURE_STORAGE_ENDPOINT"));
        builder.with_retry(self.retry()).with_http_connector(Transport).build()
    }

    /// The variables as the protocol crate names them: in lower case, other tools' names translated.
    fn named(&self) -> impl Iterator<Item = (String, &str)> {
        self.variables.iter().map(|(name, value)| {
            let name = ALSO.iter().find(|(other, _)| other == name).map_or(name.as_str(), |(_, own)| own);
            (name.to_lowercase(), value.as_str())
        })
    }

    fn value(&self, wanted: &str) -> Option<&str> {
        self.named().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    }

    /// Whether a variable names a server without TLS: the user's own choice.
    fn is_plain(&self, name: &str) -> bool {
        self.value(name).is_some_and(|url| url.starts_with("http://"))
    }

    fn retry(&self) -> RetryConfig {
        let backoff = BackoffConfig { init_backoff: self.pause, ..BackoffConfig::default() };
        RetryConfig { backoff, max_retries: self.retries, ..RetryConfig::default() }
    }
}

impl fmt::Debug for ObjectSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}
