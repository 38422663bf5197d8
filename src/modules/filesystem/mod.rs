//! What `file`, `copy`, `template` and others share: modes, owners, and the one way in
//! which a file is written.

mod accounts;
mod attributes;
mod content;
mod edited;
mod mode;
mod placed;
mod replace;

pub(crate) use accounts::{Accounts, Identity};
pub(crate) use attributes::Attributes;
pub use attributes::{AttributeChange, Owned};
pub use content::{Bytes, Content, ContentDigest};
pub(crate) use edited::{Edit, Edited};
pub use mode::FileMode;
pub use placed::Placed;
pub(crate) use replace::Replacement;

/// What Ansible's file modules take of attributes, and these do not.
pub(crate) const ATTRIBUTES_REFUSED: super::Refused = &[
    ("attributes", CHATTR),
    ("attr", CHATTR),
    ("selevel", SELINUX),
    ("serole", SELINUX),
    ("setype", SELINUX),
    ("seuser", SELINUX),
    ("unsafe_writes", "a file is written whole or not at all; leave it out"),
];

const CHATTR: &str = "run `command: chattr …` after it";
const SELINUX: &str = "run `command: chcon …` or `command: restorecon …` after it";
