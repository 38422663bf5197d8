//! Names that a lab file gives, valid once they exist.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Makes a newtype over text whose rule is a function from the text to what is wrong with it.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $rule:path) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                $rule(&text).map(|()| Self(text))
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// What a lab is called: part of a socket's name, so 1 to 63 letters, digits, `-`, `_`, `.`.
    LabName, lab
}
name! {
    /// What a host is called: RFC 1123 labels, within the kernel's `HOST_NAME_MAX`.
    HostName, host
}
name! {
    /// What a network is called; its bridge bears the name, so at most 15 bytes.
    NetworkName, network
}
name! {
    /// What a group of hosts is called: Ansible's rule, so that it can be a variable too.
    GroupName, group
}

name! {
    /// A package of a distribution, as dpkg and rpm name it.
    PackageName, package
}
name! {
    /// A module of the kernel; `-` and `_` are the same.
    ModuleName, module
}

fn package(text: &str) -> Result<(), String> {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte);
    if first && text.bytes().all(fits) {
        return Ok(());
    }
    Err(format!("`{text}` cannot be the name of a package"))
}

fn module(text: &str) -> Result<(), String> {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if first && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
        return Ok(());
    }
    Err(format!("`{text}` cannot be the name of a module"))
}

fn lab(text: &str) -> Result<(), String> {
    let fits = (1..=63).contains(&text.len());
    if fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        return Ok(());
    }
    Err(format!(
        "`{text}` cannot be the name of a lab\nhint: 1 to 63 letters, digits, `-`, `_` and `.`"
    ))
}

fn host(text: &str) -> Result<(), String> {
    // Linux: sethostname(2) takes 64 bytes; RFC 1123 gives each label 63.
    if text.len() > 64 {
        return Err(format!("host name `{text}` is longer than the kernel's 64 bytes"));
    }
    if text.eq_ignore_ascii_case("localhost") {
        return Err("`localhost` is every host's own name\nhint: give it another one".into());
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if text.split('.').all(label) {
        return Ok(());
    }
    Err(format!(
        "`{text}` cannot be a host name\nhint: letters, digits and inner hyphens, such as `rs1`"
    ))
}

fn network(text: &str) -> Result<(), String> {
    if text.len() > 15 {
        return Err(format!(
            "network name `{text}` is longer than 15 bytes\nhint: its bridge bears the name, and \
             the kernel gives an interface no more"
        ));
    }
    // No dot: the host's ends of cables have one, so the two never meet.
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if text == "lo" || text.is_empty() || !text.bytes().all(valid) {
        return Err(format!(
            "`{text}` cannot be the name of a network\nhint: letters, digits, `-` and `_`, such \
             as `lan`"
        ));
    }
    Ok(())
}

fn group(text: &str) -> Result<(), String> {
    if text == "all" || text == "ungrouped" {
        return Err(format!("the group `{text}` is always there\nhint: leave it out"));
    }
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if first && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Ok(());
    }
    let mut error = format!("`{text}` cannot be the name of a group");
    if text.contains('-') {
        error.push_str(&format!("\nhint: did you mean `{}`?", text.replace('-', "_")));
    }
    Err(error)
}
