//! A typed, blocking client of Loquat's own HTTP routes.
//!
//! ```no_run
//! use loquat_client::Client;
//! use loquat_spec::PredictParameters;
//!
//! let client = Client::new("http://127.0.0.1:8080");
//! let answer = client.predict("tickets", &["where is my parcel?"], &PredictParameters::default())?;
//! println!("{:?} by version {}", answer.predictions, answer.version);
//! # Ok::<(), loquat_client::ClientError>(())
//! ```
//!
//! It speaks `http://` and, by [`Client::tls`], `https://` with an authority and a client certificate of its own.

mod answer;
mod client;
mod error;
mod tls;

pub use answer::{Condition, Manager, Metadata, Model, Resource, Status};
pub use client::{Change, Client};
pub use error::{ClientError, ProblemDetails};
pub use tls::TlsFiles;
