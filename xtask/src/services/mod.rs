//! `cargo xtask services-test`: a real server and registry, driven by the clients that users run.

mod object_stores;
mod python;
mod server;
mod services_test;

pub(crate) use object_stores::ObjectStores;
pub(crate) use python::environment as python_environment;
pub(crate) use server::{Server, free_address};
pub(crate) use services_test::{references, test};
