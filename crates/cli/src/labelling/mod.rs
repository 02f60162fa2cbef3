//! Labelling by a person: which rows are worth it, what a key does, and the file that grows with each answer.
//!
//! Only `terminal` knows of a terminal.

mod answers;
mod doubts;
mod selection;
mod session;
mod spans;
mod terminal;

pub(crate) use answers::Answers;
pub(crate) use doubts::{Doubt, doubts};
pub(crate) use selection::{Selection, margin, nearness};
pub(crate) use session::{Form, Question, Session, Tally};
pub(crate) use spans::{Mark, Marking, SpanQuestion, SpanSession};
pub(crate) use terminal::{Asked, ask_all, is_attended};
