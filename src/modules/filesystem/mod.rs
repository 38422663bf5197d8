//! What `file`, `copy`, `template` and others share: modes, owners, and the one way in
//! which a file is written.

mod accounts;
mod attributes;
mod content;
mod mode;
mod placed;
mod replace;

pub(crate) use accounts::{Accounts, Identity};
pub(crate) use attributes::Attributes;
pub use attributes::{AttributeChange, Owned};
pub use content::{Bytes, Content, ContentDigest};
pub use mode::FileMode;
pub use placed::Placed;
pub(crate) use replace::Replacement;
