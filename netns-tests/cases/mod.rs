//! The cases, one file a subject; each file lists its own.

use crate::Case;

mod bad_days;
mod lab;
mod lvs_dr;
mod readme;
mod vm;

/// Every case.
pub(crate) fn all() -> Vec<Case> {
    [lvs_dr::CASES, readme::CASES, lab::CASES, bad_days::CASES, vm::CASES]
        .into_iter()
        .flatten()
        .map(|case| Case { ..*case })
        .collect()
}
