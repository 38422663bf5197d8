//! The cases, one file a subject; each file lists its own.

use crate::Case;

mod lvs_dr;
mod readme;

/// Every case.
pub(crate) fn all() -> Vec<Case> {
    [lvs_dr::CASES, readme::CASES].into_iter().flatten().map(|case| Case { ..*case }).collect()
}
