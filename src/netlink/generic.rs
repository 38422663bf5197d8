//! Generic netlink: how a family is found by its name, and how its replies begin.

use super::wire::{Attribute, Attributes, Malformed, Writer};

/// Where families are asked for, by the numbers and names of the kernel's `genetlink.h`.
pub(super) const GENL_ID_CTRL: u16 = 0x10;
const CTRL_CMD_NEWFAMILY: u8 = 1;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

/// The version that every family here has, the controller's own included.
const VERSION: u8 = 1;

/// A message of `struct genlmsghdr` and what belongs to the command.
pub(super) fn command(command: u8, fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut out = Writer(vec![command, VERSION, 0, 0]);
    fill(&mut out);
    out.0
}

/// Asks for the number of a generic netlink family; on a kernel that can, loads its module.
pub(super) fn family_request(name: &str) -> Vec<u8> {
    command(CTRL_CMD_GETFAMILY, |out| {
        out.text(CTRL_ATTR_FAMILY_NAME, name);
    })
}

pub(super) fn family(body: &[u8]) -> Result<u16, Malformed> {
    find(reply(body, CTRL_CMD_NEWFAMILY)?, CTRL_ATTR_FAMILY_ID)?.u16()
}

/// Asks for every generic netlink family, which loads nothing.
pub(super) fn families_request() -> Vec<u8> {
    command(CTRL_CMD_GETFAMILY, |_| {})
}

pub(super) fn named_family(body: &[u8]) -> Result<(String, u16), Malformed> {
    let attributes = reply(body, CTRL_CMD_NEWFAMILY)?;
    let name = find(attributes.clone(), CTRL_ATTR_FAMILY_NAME)?.text()?;
    Ok((name.into(), find(attributes, CTRL_ATTR_FAMILY_ID)?.u16()?))
}

/// Reads `struct genlmsghdr`, whose command says what the reply is.
pub(super) fn reply(body: &[u8], expected: u8) -> Result<Attributes<'_>, Malformed> {
    let short = Malformed("a generic netlink message is shorter than its header");
    let (&[command, _, _, _], rest) = body.split_first_chunk::<4>().ok_or(short)?;
    if command == expected {
        Ok(Attributes(rest))
    } else {
        Err(Malformed("a reply to another command than was asked"))
    }
}

pub(super) fn find(attributes: Attributes<'_>, kind: u16) -> Result<Attribute<'_>, Malformed> {
    for attribute in attributes {
        let attribute = attribute?;
        if attribute.kind == kind {
            return Ok(attribute);
        }
    }
    Err(Malformed("a reply without what was asked for"))
}
