//! The pipeline through its public surface, with models small enough to reckon by hand.

#[cfg(test)]
mod cascades;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod inputs;
#[cfg(test)]
mod loading;
#[cfg(test)]
mod predictions;
