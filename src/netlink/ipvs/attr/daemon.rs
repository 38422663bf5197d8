//! `IPVS_DAEMON_ATTR_…`, the timeouts and `IPVS_INFO_ATTR_…`: to bytes and back.

use std::net::IpAddr;

use super::ip;
use crate::netlink::InterfaceName;
use crate::netlink::ipvs::constants::*;
use crate::netlink::ipvs::{Daemon, DaemonKey, DaemonRole, Family, Info, Timeouts};
use crate::netlink::wire::{Attributes, Malformed, Writer};

pub(in crate::netlink::ipvs) fn write_daemon(out: &mut Writer, daemon: &Daemon) {
    write_daemon_key(out, &daemon.key);
    out.text(IPVS_DAEMON_ATTR_MCAST_IFN, daemon.interface.as_str());
    if let Some(length) = daemon.max_length {
        out.u16(IPVS_DAEMON_ATTR_SYNC_MAXLEN, length);
    }
    match daemon.group {
        Some(IpAddr::V4(group)) => _ = out.push(IPVS_DAEMON_ATTR_MCAST_GROUP, &group.octets()),
        Some(IpAddr::V6(group)) => _ = out.push(IPVS_DAEMON_ATTR_MCAST_GROUP6, &group.octets()),
        None => {}
    }
    if let Some(port) = daemon.port {
        // Unlike every other port here, in the host's order.
        out.u16(IPVS_DAEMON_ATTR_MCAST_PORT, port);
    }
    if let Some(ttl) = daemon.ttl {
        out.push(IPVS_DAEMON_ATTR_MCAST_TTL, &[ttl]);
    }
}

/// The number of a role, in the kernel's two interfaces.
pub(in crate::netlink::ipvs) fn role_number(role: DaemonRole) -> u32 {
    match role {
        DaemonRole::Master => IP_VS_STATE_MASTER,
        DaemonRole::Backup => IP_VS_STATE_BACKUP,
    }
}

/// The role of a number.
pub(in crate::netlink::ipvs) fn role_of(number: u32) -> Result<DaemonRole, Malformed> {
    match number {
        IP_VS_STATE_MASTER => Ok(DaemonRole::Master),
        IP_VS_STATE_BACKUP => Ok(DaemonRole::Backup),
        _ => Err(Malformed("a sync daemon that is neither master nor backup")),
    }
}

pub(in crate::netlink::ipvs) fn write_daemon_key(out: &mut Writer, key: &DaemonKey) {
    out.u32(IPVS_DAEMON_ATTR_STATE, role_number(key.role));
    out.u32(IPVS_DAEMON_ATTR_SYNC_ID, key.sync_id.into());
}

pub(in crate::netlink::ipvs) fn read_daemon(
    attributes: Attributes<'_>,
) -> Result<Daemon, Malformed> {
    let (mut role, mut interface, mut sync_id) = (None, None, 0);
    let (mut max_length, mut group, mut port, mut ttl) = (None, None, None, None);
    for attribute in attributes {
        let attribute = attribute?;
        match attribute.kind {
            IPVS_DAEMON_ATTR_STATE => role = Some(role_of(attribute.u32()?)?),
            IPVS_DAEMON_ATTR_MCAST_IFN => interface = Some(attribute.text()?),
            // The kernel takes larger ones, and sends only their last byte.
            IPVS_DAEMON_ATTR_SYNC_ID => sync_id = attribute.u32()?.to_le_bytes()[0],
            IPVS_DAEMON_ATTR_SYNC_MAXLEN => max_length = Some(attribute.u16()?),
            IPVS_DAEMON_ATTR_MCAST_GROUP => group = Some(ip(&attribute, Family::Ipv4)?),
            IPVS_DAEMON_ATTR_MCAST_GROUP6 => group = Some(ip(&attribute, Family::Ipv6)?),
            IPVS_DAEMON_ATTR_MCAST_PORT => port = Some(attribute.u16()?),
            IPVS_DAEMON_ATTR_MCAST_TTL => ttl = Some(attribute.u8()?),
            _ => {}
        }
    }
    let (Some(role), Some(interface)) = (role, interface) else {
        return Err(Malformed("a sync daemon without a role or an interface"));
    };
    let interface = InterfaceName::new(interface)
        .map_err(|_| Malformed("a sync daemon on an interface without a valid name"))?;
    Ok(Daemon { key: DaemonKey { role, sync_id }, interface, max_length, group, port, ttl })
}

pub(in crate::netlink::ipvs) fn write_timeouts(out: &mut Writer, timeouts: &Timeouts) {
    let all = [
        (IPVS_CMD_ATTR_TIMEOUT_TCP, timeouts.tcp),
        (IPVS_CMD_ATTR_TIMEOUT_TCP_FIN, timeouts.tcp_fin),
        (IPVS_CMD_ATTR_TIMEOUT_UDP, timeouts.udp),
    ];
    // The kernel wants all three, and takes 0 for "as it is".
    for (kind, timeout) in all {
        out.u32(kind, timeout.unwrap_or(0));
    }
}

pub(in crate::netlink::ipvs) fn read_timeouts(
    attributes: Attributes<'_>,
) -> Result<Timeouts, Malformed> {
    let mut timeouts = Timeouts::default();
    for attribute in attributes {
        let attribute = attribute?;
        match attribute.kind {
            IPVS_CMD_ATTR_TIMEOUT_TCP => timeouts.tcp = Some(attribute.u32()?),
            IPVS_CMD_ATTR_TIMEOUT_TCP_FIN => timeouts.tcp_fin = Some(attribute.u32()?),
            IPVS_CMD_ATTR_TIMEOUT_UDP => timeouts.udp = Some(attribute.u32()?),
            _ => {}
        }
    }
    Ok(timeouts)
}

pub(in crate::netlink::ipvs) fn read_info(attributes: Attributes<'_>) -> Result<Info, Malformed> {
    let (mut version, mut table_size) = (None, 0);
    for attribute in attributes {
        let attribute = attribute?;
        match attribute.kind {
            IPVS_INFO_ATTR_VERSION => version = Some(attribute.u32()?),
            IPVS_INFO_ATTR_CONN_TAB_SIZE => table_size = attribute.u32()?,
            _ => {}
        }
    }
    let version = version.ok_or(Malformed("an IPVS without a version"))?;
    Ok(Info { version: version_of(version), table_size })
}

/// The version that `IP_VS_VERSION_CODE` stands for.
pub(in crate::netlink::ipvs) fn version_of(code: u32) -> (u8, u8, u8) {
    let [_, major, minor, patch] = code.to_be_bytes();
    (major, minor, patch)
}
