//! What is wrong with resource files: where it stands, what it is called, and what to do about it.

#[cfg(test)]
mod case;
#[cfg(test)]
mod dataset;
#[cfg(test)]
mod endpoint;
#[cfg(test)]
mod file;
#[cfg(test)]
mod model;
#[cfg(test)]
mod resource;
#[cfg(test)]
mod training;
