//! The shapes of arguments: their names, and one value where there may be several.

pub(super) mod fields;
mod names;
mod several;

pub(super) use several::{Several, several};
