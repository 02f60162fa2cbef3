//! Follows the store and the declared resources: hosts what aliases name and swaps a pipeline once its successor has
//! loaded.
//!
//! A thread of its own looks at the modification times of the store's folders and reads it only where they moved.
//! A version that can't be taken into service leaves the old one answering, shows in the endpoint's condition and is
//! tried again with growing pauses.

mod cascading;
mod follower;
mod loading;
mod memory;
mod stamp;
mod target;
mod watcher;

pub(crate) use follower::follow;
