//! Online batching: one bounded queue a model, emptied in batches of texts of all callers.
//!
//! [`Queue`] decides and knows no thread and no clock: every call says what time it is, which is how its tests drive it
//! through many thousand schedules. [`Batcher`] puts threads and a clock around it, [`Compute`] is what they run.

mod arrivals;
mod cost;
mod pipeline;
mod pool;
mod queue;

pub use cost::CostModel;
pub use pipeline::{Asks, Output, PipelineJob, Pipelines};
pub use pool::{Batcher, Company, Compute, Done, Failure, Part, Pending, Reply};
pub use queue::{Arrival, Batch, Dropped, Limits, Queue, Reason, Refusal, Slice, Step, Ticket};
