//! The client.

use std::time::Duration;

use loquat_spec::{PredictParameters, PredictRequest, PredictResponse};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::Response;
use ureq::tls::TlsConfig;
use ureq::{Agent, RequestBuilder};

use crate::answer::{Model, ModelList, Resource, ResourceList};
use crate::error::{ClientError, ProblemDetails};
use crate::tls::TlsFiles;

/// Where resources are.
const APIS: &str = "/apis/loquat.dev/v1alpha1";
/// Longest wait for an answer unless [`Client::timeout`] sets another.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Largest answer read.
const MOST_BYTES: u64 = 256 << 20;

/// A client of one server. It keeps connections and may be shared between threads.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    key: Option<String>,
    timeout: Duration,
    tls: TlsConfig,
    agent: Agent,
}

/// What applying a resource changed, in the words of `kubectl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// There was none of its name.
    Created,
    /// It differs from the one before.
    Configured,
    /// It is as it was.
    Unchanged,
}

impl Client {
    /// A client of the server at `url`, such as `http://127.0.0.1:8080`. Over `https://` it trusts the authorities of the public
    /// web, unless [`Client::tls`] names others.
    pub fn new(url: &str) -> Self {
        let tls = TlsConfig::default();
        let agent = agent(TIMEOUT, &tls);
        Self { base: url.trim_end_matches('/').to_owned(), key: None, timeout: TIMEOUT, tls, agent }
    }

    /// With the authority and the client certificate of these files.
    ///
    /// # Errors
    /// When a file can't be read, or doesn't hold what it should.
    pub fn tls(mut self, files: &TlsFiles) -> Result<Self, ClientError> {
        self.tls = files.config()?;
        self.agent = agent(self.timeout, &self.tls);
        Ok(self)
    }

    /// With the API key that `loquat keys new` printed.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// With the longest time that a call may take.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self.agent = agent(timeout, &self.tls);
        self
    }

    /// Predicts texts, in order.
    pub fn predict(
        &self,
        endpoint: &str,
        texts: &[impl AsRef<str>],
        parameters: &PredictParameters,
    ) -> Result<PredictResponse, ClientError> {
        let inputs = texts.iter().map(|text| Value::from(text.as_ref())).collect();
        self.predict_inputs(endpoint, inputs, parameters)
    }

    /// Predicts one input or a list of inputs, each a string or an object with the task's columns.
    pub fn predict_inputs(
        &self,
        endpoint: &str,
        inputs: Value,
        parameters: &PredictParameters,
    ) -> Result<PredictResponse, ClientError> {
        let url = format!("{}/models/{}/predict", self.base, encoded(endpoint));
        let request = PredictRequest { inputs, parameters: parameters.clone() };
        let body = serde_json::to_vec(&request).map_err(|source| ClientError::Foreign {
            url: url.clone(),
            status: 0,
            source,
        })?;
        let call = self.keyed(self.agent.post(&url)).header("content-type", "application/json");
        answer(&url, call.send(&body[..]))
    }

    /// Every endpoint and what answers it.
    pub fn models(&self) -> Result<Vec<Model>, ClientError> {
        let list: ModelList = self.get("/models")?;
        Ok(list.models)
    }

    /// Whether every endpoint has a version that answers.
    pub fn is_ready(&self) -> Result<bool, ClientError> {
        let url = format!("{}/health/ready", self.base);
        let response =
            self.agent.get(&url).call().map_err(|source| ClientError::unreachable(&url, source))?;
        Ok(response.status().is_success())
    }

    /// The resources of a kind, in the plural as in paths: `endpoints`.
    pub fn resources(&self, kind: &str) -> Result<Vec<Resource>, ClientError> {
        let list: ResourceList = self.get(&format!("{APIS}/{}", encoded(kind)))?;
        Ok(list.items)
    }

    /// One resource.
    pub fn resource(&self, kind: &str, name: &str) -> Result<Resource, ClientError> {
        self.get(&resource_path(kind, name))
    }

    /// Creates or changes a resource, given as YAML or JSON, and answers it as it is then. A dry run changes nothing.
    pub fn apply(
        &self,
        (kind, name): (&str, &str),
        text: &str,
        dry_run: bool,
    ) -> Result<Resource, ClientError> {
        let url = self.changing(kind, name, dry_run);
        let call = self.keyed(self.agent.put(&url)).header("content-type", "application/yaml");
        answer(&url, call.send(text.as_bytes()))
    }

    /// Creates or changes every resource of `text`, YAML documents of any kinds, or, where the server refuses one, none. Answers
    /// each as it is then with what changed, those that are named by others first. A dry run changes nothing.
    pub fn apply_all(&self, text: &str, dry_run: bool) -> Result<Vec<(Resource, Change)>, ClientError> {
        let url = format!("{}{APIS}{}", self.base, query(dry_run));
        let call = self.keyed(self.agent.put(&url)).header("content-type", "application/yaml");
        let applied: Applied = answer(&url, call.send(text.as_bytes()))?;
        Ok(applied.items.into_iter().zip(applied.changes).collect())
    }

    /// Deletes a resource.
    pub fn delete(&self, kind: &str, name: &str) -> Result<(), ClientError> {
        let url = self.changing(kind, name, false);
        let _: Value = answer(&url, self.keyed(self.agent.delete(&url)).call())?;
        Ok(())
    }

    /// Why a request took as long as it did, or how an endpoint fares: the facts, as the server's OpenAPI document describes
    /// them.
    pub fn why(&self, subject: &str) -> Result<Value, ClientError> {
        self.get(&format!("/why/{}", encoded(subject)))
    }

    fn changing(&self, kind: &str, name: &str, dry_run: bool) -> String {
        format!("{}{}{}", self.base, resource_path(kind, name), query(dry_run))
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let url = format!("{}{path}", self.base);
        answer(&url, self.keyed(self.agent.get(&url)).call())
    }

    fn keyed<B>(&self, call: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.key {
            Some(key) => call.header("authorization", format!("Bearer {key}")),
            None => call,
        }
    }
}

/// The answer to resources that are applied together.
#[derive(Debug, Deserialize)]
struct Applied {
    items: Vec<Resource>,
    changes: Vec<Change>,
}

fn query(dry_run: bool) -> &'static str {
    if dry_run { "?dryRun=All" } else { "" }
}

fn resource_path(kind: &str, name: &str) -> String {
    format!("{APIS}/{}/{}", encoded(kind), encoded(name))
}

fn agent(timeout: Duration, tls: &TlsConfig) -> Agent {
    let config = Agent::config_builder().timeout_global(Some(timeout)).http_status_as_error(false);
    config.tls_config(tls.clone()).build().into()
}

/// The answer in its type, or the problem that the server names.
fn answer<T: DeserializeOwned>(
    url: &str,
    sent: Result<Response<ureq::Body>, ureq::Error>,
) -> Result<T, ClientError> {
    let mut response = sent.map_err(|source| ClientError::unreachable(url, source))?;
    let status = response.status();
    let retry_after =
        response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
    let bytes = response
        .body_mut()
        .with_config()
        .limit(MOST_BYTES)
        .read_to_vec()
        .map_err(|source| ClientError::unreachable(url, source))?;
    let foreign = |source| ClientError::Foreign { url: url.to_owned(), status: status.as_u16(), source };
    if status.is_success() {
        return serde_json::from_slice(&bytes).map_err(foreign);
    }
    let problem: ProblemDetails = serde_json::from_slice(&bytes).map_err(foreign)?;
    Err(ClientError::Refused(Box::new(ProblemDetails { retry_after, ..problem })))
}

/// A name as one segment of a path.
fn encoded(name: &str) -> String {
    let mut path = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}
