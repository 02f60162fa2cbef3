//! Resource and wire types of Loquat: what a user writes, what goes over the wire, and the words both use.
//!
//! A resource file is parsed with positions, checked against the JSON Schema of its kind (the same schema that an
//! editor reads), turned into raw structs and validated into the domain types of this crate. Nothing past
//! validation checks a resource again. This crate knows no other crate of the workspace.

mod error_code;
mod finding;
mod names;
mod quantity;
mod resource;
mod task;
mod wire;

pub use error_code::ErrorCode;
pub use finding::{CheckName, Finding, Severity};
pub use names::{ModelReference, Name, NameError, Selector};
pub use quantity::{Bytes, QuantityError, Share, Span};
pub use resource::dataset::{Columns, Dataset, Format, SourceFile, Split, SplitPart};
pub use resource::endpoint::{Endpoint, Requests};
pub use resource::training::{Constraints, Family, Promote, Search, Training};
pub use task::{Metric, Task};
pub use wire::{Entity, Explanation, LabelScore, PredictParameters, PredictRequest, PredictResponse, Prediction};
