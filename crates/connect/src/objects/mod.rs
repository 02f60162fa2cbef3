//! Object stores: S3, Google Cloud Storage and Azure Blob Storage behind one blocking interface.
//!
//! The protocols are [`object_store`]'s; bytes travel through the same HTTP client as those of the hub.

mod bucket;
mod error;
mod settings;
mod transport;

pub use bucket::{Bucket, Condition, Content, Listed, Part, Tag};
pub use error::ObjectError;
pub use settings::ObjectSettings;
