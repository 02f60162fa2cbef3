//! Resource and wire types of Loquat: what a user writes, what goes over the wire, and the words both use.
//!
//! A resource file is parsed with positions, checked against the JSON Schema of its kind (the same schema that an
//! editor reads), turned into raw structs and validated into the domain types of this crate. Nothing past
//! validation checks a resource again. This crate knows no other crate of the workspace.

mod address;
mod conform;
mod error_code;
mod finding;
mod hub_reference;
mod names;
mod parse;
mod problem;
mod quantity;
mod raw;
mod resource;
mod schema;
mod starter;
mod task;
mod wire;
mod wire_reading;
mod yaml;

pub use address::{Address, HubDataset, ObjectAddress, ObjectScheme};
pub use error_code::ErrorCode;
pub use finding::{CheckName, Finding, Severity};
pub use hub_reference::HubReference;
pub use names::{ModelReference, Name, NameError, Selector};
pub use parse::{Located, Resources, SourceText, documents, parse};
pub use problem::RESOURCE_CHECKS;
pub use quantity::{Bytes, QuantityError, Share, Span};
pub use raw::checks::CHECKS;
pub use raw::endpoint::to_yaml_endpoint;
pub use resource::dataset::{Columns, Dataset, Format, SourceFile, Split, SplitPart};
pub use resource::endpoint::{CascadeStage, Endpoint, Portion, Requests, Scaling, ZeroShot};
pub use resource::model::{Model, ModelServer, ModelSource, Precision};
pub use resource::training::{Constraints, Family, Promote, Search, Training};
pub use schema::{API_VERSION, KINDS, LATER_KINDS, combined_schema, schema};
pub use starter::starter;
pub use task::{Metric, PairData, Task};
pub use wire::{
    Entity, Explanation, LabelScore, PredictParameters, PredictRequest, PredictResponse, Prediction,
};
