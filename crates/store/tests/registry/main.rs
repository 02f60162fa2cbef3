//! The registry through its public surface.

#[cfg(test)]
mod admission;
#[cfg(test)]
mod aliases;
#[cfg(test)]
mod applied;
#[cfg(test)]
mod cascades;
#[cfg(test)]
mod collection;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod formats;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod registration;
mod remote;
#[cfg(test)]
mod transfer;
