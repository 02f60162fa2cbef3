//! What is asked of a server, over the REST form of the Open Inference Protocol v2.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use ureq::Agent;

use super::registry::ServerConfig;
use super::tensor::{Sent, Tensor};
use crate::servers::ServerError;

/// Longest wait for the answer to a look.
const LOOK: Duration = Duration::from_secs(2);
/// Longest wait for the answer to a request; those who ask give up earlier by their own limits.
const ANSWER: Duration = Duration::from_secs(30);
/// Largest answer in bytes.
const LARGEST: u64 = 256 << 20;
/// Inputs of a server that says nothing of its own.
const USUAL: [&str; 2] = ["text", "second_text"];

/// An input that takes texts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct TextInput {
    name: String,
    #[serde(default)]
    datatype: String,
    #[serde(default)]
    shape: Vec<i64>,
}

/// What a server says of its model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Described {
    #[serde(default)]
    inputs: Vec<TextInput>,
    #[serde(default)]
    outputs: Vec<Named>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Answer {
    outputs: Vec<Sent>,
}

/// Asks one server.
#[derive(Debug)]
pub(super) struct Client {
    model: String,
    url: String,
    agent: Agent,
}

impl Client {
    pub(super) fn new(config: &ServerConfig) -> Self {
        let builder = Agent::config_builder()
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_connect(Some(LOOK))
            .user_agent(concat!("loquat/", env!("CARGO_PKG_VERSION")));
        Self {
            model: config.model.to_string(),
            url: config.url.trim_end_matches('/').to_owned(),
            agent: builder.build().new_agent(),
        }
    }

    /// Whether anything answers at its address.
    pub(super) fn is_taken(&self) -> bool {
        self.get("/v2/health/live").is_ok()
    }

    /// What the server says of its model, once it is ready; else why it is not.
    pub(super) fn look(&self) -> Result<Described, String> {
        let model = format!("/v2/models/{}", self.model);
        for path in ["/v2/health/ready".to_owned(), format!("{model}/ready")] {
            let (status, body) = self.get(&path)?;
            let says_no = ["ready", "live"].iter().any(|key| body[key] == Value::Bool(false));
            if status != 200 || says_no {
                return Err(format!("GET {path} answers {status}, not yet ready"));
            }
        }
        // A server need not describe its models.
        let (status, body) = self.get(&model)?;
        let described = serde_json::from_value::<Described>(body).ok().filter(|_| status == 200);
        let mut described = described.unwrap_or_default();
        described.inputs.retain(|input| input.datatype == "BYTES");
        if described.inputs.is_empty() {
            described.inputs = USUAL.map(TextInput::named).to_vec();
        }
        Ok(described)
    }

    /// The tensors that the server gives for texts, a column for each of its inputs: all that it describes, as some are only
    /// given when they are asked for.
    pub(super) fn infer(
        &self,
        described: &Described,
        columns: &[Vec<&str>],
    ) -> Result<Vec<Tensor>, ServerError> {
        let protocol = |problem: String| {
            let (model, url) = self.named();
            ServerError::Protocol { model, url, problem }
        };
        let Described { inputs, outputs } = described;
        if inputs.len() < columns.len() {
            return Err(protocol("it has one input of type BYTES, and pairs of texts need two".to_owned()));
        }
        let tensor = |(input, texts): (&TextInput, &Vec<&str>)| input.tensor(texts);
        let tensors: Vec<Value> = inputs.iter().zip(columns).map(tensor).collect();
        let path = format!("{}/v2/models/{}/infer", self.url, self.model);
        let request = self.agent.post(&path).config().timeout_global(Some(ANSWER)).build();
        let mut body = json!({ "inputs": tensors });
        if !outputs.is_empty() {
            body["outputs"] = json!(outputs);
        }
        let sent = request.content_type("application/json").send(body.to_string().as_bytes());
        let mut response = sent.map_err(|error| self.down(error.to_string()))?;
        let status = response.status().as_u16();
        let text = response.body_mut().with_config().limit(LARGEST).read_to_vec();
        let text = text.map_err(|error| self.down(error.to_string()))?;
        match status {
            200 => {}
            502..=504 => return Err(self.down(format!("it answers {status}"))),
            _ => {
                let body: Value = serde_json::from_slice(&text).unwrap_or_default();
                let words = body["error"].as_str().unwrap_or("it gives no reason");
                let (model, url) = self.named();
                let detail = words.chars().take(300).collect();
                return Err(ServerError::Refused { model, url, status, detail });
            }
        }
        let answer: Answer =
            serde_json::from_slice(&text).map_err(|error| protocol(format!("its answer: {error}")))?;
        answer.outputs.into_iter().map(|sent| sent.read().map_err(protocol)).collect()
    }

    /// The error of a server that can't be asked.
    pub(super) fn down(&self, reason: String) -> ServerError {
        let (model, url) = self.named();
        ServerError::Down { model, url, reason }
    }

    /// The error of an answer that a model can't have.
    pub(super) fn protocol(&self, problem: String) -> ServerError {
        let (model, url) = self.named();
        ServerError::Protocol { model, url, problem }
    }

    fn named(&self) -> (String, String) {
        (self.model.clone(), self.url.clone())
    }

    fn get(&self, path: &str) -> Result<(u16, Value), String> {
        let request = self.agent.get(format!("{}{path}", self.url)).config().timeout_global(Some(LOOK));
        let mut response = request.build().call().map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(1 << 20).read_to_vec();
        let body = body.map_err(|error| error.to_string())?;
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }
}

impl TextInput {
    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), datatype: "BYTES".to_owned(), shape: vec![-1] }
    }

    /// Texts as this input takes them: a list, or rows of one.
    fn tensor(&self, texts: &[&str]) -> Value {
        let shape = if self.shape.len() == 2 { vec![texts.len(), 1] } else { vec![texts.len()] };
        json!({ "name": self.name, "shape": shape, "datatype": "BYTES", "data": texts })
    }
}
