//! What only newer kernels have, and older ones drop without a word.
//!
//! Generic netlink ignores attributes that it does not know, so a kernel before 5.3 makes an
//! ordinary tunnel of one by GRE. Versions alone do not tell, since distributions backport:
//! what was asked for is read back once, and only what is not there then is held against the
//! version.

use nix::sys::utsname::uname;

use super::daemon::Daemon;
use super::destination::{Checksum, Destination, Forward, Tunnel};
use super::message::Request;
use super::service::{Family, SchedulerFlags};
use super::settings::Release;

/// Something that a kernel may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feature {
    /// `IPVS_DEST_ATTR_ADDR_FAMILY`
    OtherFamily,
    /// `IPVS_DEST_ATTR_TUN_TYPE`
    Gue,
    /// `IP_VS_CONN_F_TUNNEL_TYPE_GRE`
    Gre,
    /// `IPVS_DEST_ATTR_TUN_FLAGS`
    TunnelChecksum,
    /// `IP_VS_SVC_F_SCHED1` and its like.
    SchedulerFlags,
    /// `IPVS_DAEMON_ATTR_SYNC_MAXLEN` and what follows it.
    DaemonOptions,
}

impl Feature {
    /// What it is, and the first kernel that has it.
    pub(super) fn described(self) -> (&'static str, Release) {
        match self {
            Self::OtherFamily => ("destinations of another family", Release(3, 18, 0)),
            Self::Gue => ("tunnels by GUE", Release(5, 2, 0)),
            Self::Gre => ("tunnels by GRE", Release(5, 3, 0)),
            Self::TunnelChecksum => ("checksums of tunnels", Release(5, 3, 0)),
            Self::SchedulerFlags => ("flags of schedulers", Release(3, 11, 0)),
            Self::DaemonOptions => {
                ("a length, group, port or TTL of the sync daemon", Release(4, 3, 0))
            }
        }
    }
}

/// Those that a request makes use of.
pub(super) fn used_by(request: &Request) -> Vec<Feature> {
    match request {
        Request::AddService(service) | Request::EditService(service)
            if service.scheduler_flags != SchedulerFlags::default() =>
        {
            vec![Feature::SchedulerFlags]
        }
        Request::AddDestination(key, new) | Request::EditDestination(key, new) => {
            let mut used = Vec::new();
            if Family::of(new.key.address) != key.family() {
                used.push(Feature::OtherFamily);
            }
            used.extend(used_by_tunnel(new));
            used
        }
        Request::StartDaemon(daemon) if has_options(daemon) => vec![Feature::DaemonOptions],
        _ => Vec::new(),
    }
}

fn used_by_tunnel(destination: &Destination) -> Vec<Feature> {
    match destination.forward {
        Forward::Tunnel(Tunnel::Gue { checksum: Checksum::None, .. }) => vec![Feature::Gue],
        Forward::Tunnel(Tunnel::Gue { .. }) => vec![Feature::Gue, Feature::TunnelChecksum],
        Forward::Tunnel(Tunnel::Gre { checksum: false }) => vec![Feature::Gre],
        Forward::Tunnel(Tunnel::Gre { checksum: true }) => {
            vec![Feature::Gre, Feature::TunnelChecksum]
        }
        _ => Vec::new(),
    }
}

fn has_options(daemon: &Daemon) -> bool {
    let Daemon { max_length, group, port, ttl, .. } = daemon;
    max_length.is_some() || group.is_some() || port.is_some() || ttl.is_some()
}

/// The one among them that this kernel is too old for.
pub(super) fn lacking(used: &[Feature], running: Release) -> Option<Feature> {
    used.iter().copied().find(|feature| running < feature.described().1)
}

/// The release of the running kernel; 0.0 when it does not tell.
pub(super) fn running() -> Release {
    uname().map_or(Release(0, 0, 0), |names| Release::parse(&names.release().to_string_lossy()))
}

/// The kernel that a scheduler came with, where that is not as old as IPVS itself.
pub(super) fn scheduler_since(name: &str) -> Option<Release> {
    match name {
        "fo" => Some(Release(3, 18, 0)),
        "ovf" => Some(Release(4, 3, 0)),
        "mh" => Some(Release(4, 18, 0)),
        "twos" => Some(Release(5, 12, 0)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::super::{Scheduler, Service, ServiceKey};
    use super::*;

    fn key() -> ServiceKey {
        "10.0.0.1:80".parse().unwrap()
    }

    fn rs(forward: Forward) -> Request {
        Request::AddDestination(key(), Destination::new([10, 0, 0, 2], 80, forward))
    }

    #[test]
    fn knows_what_a_request_needs() {
        let port = NonZeroU16::new(6080).unwrap();
        let gue = |checksum| Forward::Tunnel(Tunnel::Gue { port, checksum });
        let gre = Forward::Tunnel(Tunnel::Gre { checksum: true });
        let v6 = Destination::new([0xfd, 0, 0, 0, 0, 0, 0, 1], 80, Forward::Tunnel(Tunnel::Ipip));
        let rr = Service::new(key(), Scheduler::new("rr").unwrap());
        let flags = SchedulerFlags { first: true, ..SchedulerFlags::default() };
        let flagged = Service { scheduler_flags: flags, ..rr.clone() };
        for (request, used) in [
            (rs(Forward::Direct), &[][..]),
            (rs(Forward::Tunnel(Tunnel::Ipip)), &[]),
            (rs(gue(Checksum::None)), &[Feature::Gue]),
            (rs(gue(Checksum::Remote)), &[Feature::Gue, Feature::TunnelChecksum]),
            (rs(gre), &[Feature::Gre, Feature::TunnelChecksum]),
            (Request::EditDestination(key(), v6), &[Feature::OtherFamily]),
            (Request::AddService(rr), &[]),
            (Request::EditService(flagged), &[Feature::SchedulerFlags]),
            (Request::Flush, &[]),
        ] {
            assert_eq!(used_by(&request), used, "{request}");
        }
    }

    #[test]
    fn blames_only_a_kernel_that_is_too_old() {
        let used = [Feature::Gue, Feature::TunnelChecksum];
        assert_eq!(lacking(&used, Release(5, 1, 21)), Some(Feature::Gue));
        assert_eq!(lacking(&used, Release(5, 2, 0)), Some(Feature::TunnelChecksum));
        assert_eq!(lacking(&used, Release(5, 3, 0)), None);
    }

    #[test]
    fn tells_when_a_scheduler_came() {
        assert_eq!(scheduler_since("mh"), Some(Release(4, 18, 0)));
        assert_eq!(scheduler_since("rr"), None);
    }
}
