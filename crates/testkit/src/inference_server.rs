//! A small server of a model over the Open Inference Protocol v2.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::request::Request;

/// What a server answers with: from the body of a request a status and a body.
type Answer = Box<dyn Fn(&Value) -> (u16, Value) + Send>;

struct State {
    ready: bool,
    inputs: Value,
    answer: Answer,
    asked: Vec<Value>,
}

/// A server of one model on a loopback port, which answers as long as the process lives.
#[derive(Clone)]
pub struct InferenceServer {
    state: Arc<Mutex<State>>,
    address: SocketAddr,
}

impl InferenceServer {
    /// Starts a server that is not ready and describes no inputs.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(answer: impl Fn(&Value) -> (u16, Value) + Send + 'static) -> std::io::Result<Self> {
        Self::start_at("127.0.0.1:0", answer)
    }

    /// The same at an address.
    ///
    /// # Errors
    /// When the address can't be had.
    pub fn start_at(
        address: &str,
        answer: impl Fn(&Value) -> (u16, Value) + Send + 'static,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let state = State { ready: false, inputs: json!([]), answer: Box::new(answer), asked: Vec::new() };
        let server = Self { state: Arc::new(Mutex::new(state)), address: listener.local_addr()? };
        let state = Arc::clone(&server.state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&state);
                // A client that went away is no concern of the server.
                std::thread::spawn(move || drop(respond(stream, &state)));
            }
        });
        Ok(server)
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whether it says that it is ready.
    pub fn set_ready(&self, ready: bool) {
        self.state().ready = ready;
    }

    /// The inputs that it describes.
    pub fn set_inputs(&self, inputs: Value) {
        self.state().inputs = inputs;
    }

    /// The bodies of the requests so far.
    pub fn asked(&self) -> Vec<Value> {
        self.state().asked.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn respond(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let request = Request::read(&stream)?;
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let (status, body) = match request.path.rsplit('/').next().unwrap_or_default() {
        "infer" => {
            let asked: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            state.asked.push(asked.clone());
            (state.answer)(&asked)
        }
        "ready" if state.ready => (200, json!({ "ready": true })),
        "ready" => (503, json!({ "ready": false })),
        "live" => (200, json!({ "live": true })),
        name => (200, json!({ "name": name, "inputs": state.inputs, "outputs": [] })),
    };
    drop(state);
    let body = body.to_string();
    let head = format!("HTTP/1.1 {status} -\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes())
}
