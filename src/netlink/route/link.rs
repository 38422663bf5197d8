//! Links: listing, making, changing and removing them.

use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::IpProtocol;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    BondMode, InfoBond, InfoData, InfoGre, InfoIpTunnel, InfoKind, InfoVeth, InfoVlan,
    LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkMessage,
};

use serde::Serialize;

use super::{Error, Handle};
use crate::netlink::{InterfaceName, MacAddress};

/// An interface, as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    /// The kernel's number for it, unique in its network namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What it is: `dummy`, `bridge`, `veth`, …; nothing for hardware and for `lo`.
    pub kind: Option<String>,
    /// Whether it was set up by its administrator.
    pub up: bool,
    /// Whether it has a carrier and can pass packets.
    pub running: bool,
    /// Whether it is a loopback interface.
    pub loopback: bool,
    /// The largest packet, in bytes.
    pub mtu: u32,
    /// Its hardware address, if that has 48 bits.
    pub mac: Option<MacAddress>,
    /// The index of the bridge or bond it is a port of.
    pub master: Option<u32>,
    /// Of a tunnel: the ends of its packets.
    pub ends: Ends,
}

/// The ends of a tunnel's packets; what is not given is any address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Ends {
    /// This host's address.
    pub local: Option<IpAddr>,
    /// The other host's.
    pub remote: Option<IpAddr>,
}

/// An interface to be made.
#[derive(Debug, Clone)]
pub struct NewLink<'fd> {
    /// Its name.
    pub name: InterfaceName,
    /// What it is.
    pub kind: NewKind<'fd>,
    /// Its hardware address; the kernel draws one when there is none.
    pub mac: Option<MacAddress>,
    /// The largest packet, in bytes; the kernel's default when there is none.
    pub mtu: Option<u32>,
    /// The index of the bridge it becomes a port of.
    pub master: Option<u32>,
    /// Whether it is set up at once.
    pub up: bool,
}

impl<'fd> NewLink<'fd> {
    /// An interface of that kind, down, with the kernel's defaults.
    #[must_use]
    pub fn new(name: InterfaceName, kind: NewKind<'fd>) -> Self {
        Self { name, kind, mac: None, mtu: None, master: None, up: false }
    }
}

/// The kinds of interface that can be made.
#[derive(Debug, Clone)]
pub enum NewKind<'fd> {
    /// An interface that swallows what is sent to it.
    Dummy,
    /// A switch.
    Bridge,
    /// One end of a cable.
    Veth(Peer<'fd>),
    /// The packets of another interface that bear a VLAN's number.
    Vlan {
        /// The index of the other interface.
        on: u32,
        /// The number.
        id: u16,
    },
    /// Several interfaces as one, of which one is used and the others wait for its end
    /// (`active-backup`). Its ports have to be down when they come to it.
    Bond,
    /// IPv4 within IPv4.
    Ipip(Ends),
    /// IPv6 within IPv4.
    Sit(Ends),
    /// Either within IPv6.
    Ip6Tunnel(Ends),
    /// Either within GRE within IPv4.
    Gre(Ends),
}

/// How often a bond looks whether its ports have a carrier, in milliseconds.
const MONITOR_INTERVAL: u32 = 100;

/// The other end of a cable, which may begin its life in another network namespace.
///
/// It begins down: the kernel plugs the cable in only after it has made this end, and
/// refuses (ENOTCONN) to set up an end without one.
#[derive(Debug, Clone)]
pub struct Peer<'fd> {
    /// Its name, in the namespace it is put into.
    pub name: InterfaceName,
    /// Its hardware address.
    pub mac: Option<MacAddress>,
    /// The largest packet, in bytes.
    pub mtu: Option<u32>,
    /// The network namespace it is put into; this one when there is none.
    pub place: Option<Place<'fd>>,
}

impl<'fd> Peer<'fd> {
    /// An end of that name, down, with the kernel's defaults, in this namespace.
    #[must_use]
    pub fn new(name: InterfaceName) -> Self {
        Self { name, mac: None, mtu: None, place: None }
    }

    /// Puts it into another network namespace.
    #[must_use]
    pub fn inside(self, place: Place<'fd>) -> Self {
        Self { place: Some(place), ..self }
    }
}

/// Another network namespace.
#[derive(Debug, Clone, Copy)]
pub enum Place<'fd> {
    /// The one that a process is in, by its number in our process namespace.
    Process(u32),
    /// The one that an open `/proc/…/ns/net` stands for.
    Descriptor(BorrowedFd<'fd>),
}

/// What is to be changed of an interface; what is not given stays.
#[derive(Debug, Clone, Default)]
pub struct LinkChange<'fd> {
    /// Up or down.
    pub up: Option<bool>,
    /// The largest packet, in bytes.
    pub mtu: Option<u32>,
    /// The hardware address.
    pub mac: Option<MacAddress>,
    /// Another name.
    pub rename: Option<InterfaceName>,
    /// Into a bridge, or out of it.
    pub attach: Option<Attach>,
    /// Into another network namespace.
    pub place: Option<Place<'fd>>,
}

/// Whether an interface is a port of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attach {
    /// A port of the bridge with this index.
    To(u32),
    /// Of none.
    Nowhere,
}

impl Handle {
    /// Lists the interfaces, in the order of their indexes.
    pub fn links(&mut self) -> Result<Vec<Link>, Error> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
        let found = self.dump("list the links", RouteNetlinkMessage::GetLink(message))?;
        Ok(found.iter().filter_map(link).collect())
    }

    /// Finds an interface; `None` when there is no such interface.
    pub fn link(&mut self, name: &InterfaceName) -> Result<Option<Link>, Error> {
        let mut message = named(name);
        message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
        let message = RouteNetlinkMessage::GetLink(message);
        let found = self.get(|| format!("look up link `{name}`"), message)?;
        Ok(found.as_ref().and_then(link))
    }

    /// Finds an interface that must be there.
    pub fn existing_link(&mut self, name: &InterfaceName) -> Result<Link, Error> {
        self.link(name)?.ok_or_else(|| Error::NoInterface(name.clone()))
    }

    /// Makes an interface.
    pub fn create_link(&mut self, new: &NewLink<'_>) -> Result<(), Error> {
        let message = RouteNetlinkMessage::NewLink(creation(new));
        self.change(|| format!("create link `{}`", new.name), message, NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Changes an interface, all at once.
    pub fn change_link(
        &mut self,
        name: &InterfaceName,
        change: &LinkChange<'_>,
    ) -> Result<(), Error> {
        // With the index, since a name in a message is also a new name to give.
        let mut message = LinkMessage::default();
        message.header.index = self.existing_link(name)?.index;
        if let Some(up) = change.up {
            set_up(&mut message, up);
        }
        let attributes = &mut message.attributes;
        attributes.extend(change.mtu.map(LinkAttribute::Mtu));
        attributes.extend(change.mac.map(|mac| LinkAttribute::Address(mac.0.to_vec())));
        attributes.extend(change.rename.as_ref().map(|new| LinkAttribute::IfName(new.to_string())));
        attributes.extend(change.attach.map(|attach| {
            LinkAttribute::Controller(match attach {
                Attach::To(index) => index,
                Attach::Nowhere => 0,
            })
        }));
        attributes.extend(change.place.map(|place| place.attribute()));
        let message = RouteNetlinkMessage::SetLink(message);
        self.change(|| format!("change link `{name}`"), message, 0)
    }

    /// Sets an interface up.
    pub fn set_up(&mut self, name: &InterfaceName) -> Result<(), Error> {
        self.change_link(name, &LinkChange { up: Some(true), ..LinkChange::default() })
    }

    /// Sets an interface down.
    pub fn set_down(&mut self, name: &InterfaceName) -> Result<(), Error> {
        self.change_link(name, &LinkChange { up: Some(false), ..LinkChange::default() })
    }

    /// Removes an interface; of a cable, both ends go.
    pub fn delete_link(&mut self, name: &InterfaceName) -> Result<(), Error> {
        let message = RouteNetlinkMessage::DelLink(named(name));
        self.change(|| format!("delete link `{name}`"), message, 0)
    }
}

impl Place<'_> {
    fn attribute(self) -> LinkAttribute {
        match self {
            Self::Process(pid) => LinkAttribute::NetNsPid(pid),
            Self::Descriptor(descriptor) => LinkAttribute::NetNsFd(descriptor.as_raw_fd()),
        }
    }
}

fn named(name: &InterfaceName) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_string()));
    message
}

fn set_up(message: &mut LinkMessage, up: bool) {
    message.header.flags.set(LinkFlags::Up, up);
    message.header.change_mask |= LinkFlags::Up;
}

fn described(
    name: &InterfaceName,
    mac: Option<MacAddress>,
    mtu: Option<u32>,
    up: bool,
) -> LinkMessage {
    let mut message = named(name);
    message.attributes.extend(mac.map(|mac| LinkAttribute::Address(mac.0.to_vec())));
    message.attributes.extend(mtu.map(LinkAttribute::Mtu));
    if up {
        set_up(&mut message, true);
    }
    message
}

fn creation(new: &NewLink<'_>) -> LinkMessage {
    let mut message = described(&new.name, new.mac, new.mtu, new.up);
    message.attributes.extend(new.master.map(LinkAttribute::Controller));
    let info = match &new.kind {
        NewKind::Dummy => vec![LinkInfo::Kind(InfoKind::Dummy)],
        NewKind::Bridge => vec![LinkInfo::Kind(InfoKind::Bridge)],
        NewKind::Veth(peer) => {
            let mut other = described(&peer.name, peer.mac, peer.mtu, false);
            other.attributes.extend(peer.place.map(Place::attribute));
            let data = InfoData::Veth(InfoVeth::Peer(other));
            vec![LinkInfo::Kind(InfoKind::Veth), LinkInfo::Data(data)]
        }
        NewKind::Vlan { on, id } => {
            message.attributes.push(LinkAttribute::Link(*on));
            let data = InfoData::Vlan(vec![InfoVlan::Id(*id)]);
            vec![LinkInfo::Kind(InfoKind::Vlan), LinkInfo::Data(data)]
        }
        NewKind::Bond => {
            let data = InfoData::Bond(vec![
                InfoBond::Mode(BondMode::ActiveBackup),
                InfoBond::MiiMon(MONITOR_INTERVAL),
            ]);
            vec![LinkInfo::Kind(InfoKind::Bond), LinkInfo::Data(data)]
        }
        NewKind::Ipip(ends) => tunnel(InfoKind::IpIp, *ends, None),
        NewKind::Sit(ends) => tunnel(InfoKind::SitTun, *ends, None),
        // Protocol 0 stands for both; otherwise it is IPv6 alone.
        NewKind::Ip6Tunnel(ends) => {
            tunnel(InfoKind::Ip6Tnl, *ends, Some(InfoIpTunnel::Protocol(IpProtocol::Hopopts)))
        }
        NewKind::Gre(ends) => {
            let v4 = |end: Option<IpAddr>| match end {
                Some(IpAddr::V4(address)) => Some(address),
                _ => None,
            };
            let local = v4(ends.local).map(InfoGre::Local);
            let data = local.into_iter().chain(v4(ends.remote).map(InfoGre::Remote)).collect();
            vec![LinkInfo::Kind(InfoKind::GreTun), LinkInfo::Data(InfoData::GreTun(data))]
        }
    };
    message.attributes.push(LinkAttribute::LinkInfo(info));
    message
}

fn tunnel(kind: InfoKind, ends: Ends, more: Option<InfoIpTunnel>) -> Vec<LinkInfo> {
    let local = ends.local.map(InfoIpTunnel::Local);
    let remote = ends.remote.map(InfoIpTunnel::Remote);
    let data = local.into_iter().chain(remote).chain(more).collect();
    vec![LinkInfo::Kind(kind), LinkInfo::Data(InfoData::IpTunnel(data))]
}

/// The ends that the data of a tunnel tells; the unspecified address is any.
fn ends(data: &InfoData) -> Ends {
    let mut ends = Ends::default();
    let given = |address: IpAddr| Some(address).filter(|address| !address.is_unspecified());
    match data {
        InfoData::IpTunnel(all) => {
            for one in all {
                match one {
                    InfoIpTunnel::Local(address) => ends.local = given(*address),
                    InfoIpTunnel::Remote(address) => ends.remote = given(*address),
                    _ => {}
                }
            }
        }
        InfoData::GreTun(all) => {
            for one in all {
                match one {
                    InfoGre::Local(address) => ends.local = given((*address).into()),
                    InfoGre::Remote(address) => ends.remote = given((*address).into()),
                    _ => {}
                }
            }
        }
        _ => {}
    }
    ends
}

fn link(message: &RouteNetlinkMessage) -> Option<Link> {
    let RouteNetlinkMessage::NewLink(message) = message else { return None };
    let flags = message.header.flags;
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        kind: None,
        up: flags.contains(LinkFlags::Up),
        running: flags.contains(LinkFlags::LowerUp),
        loopback: flags.contains(LinkFlags::Loopback),
        mtu: 0,
        mac: None,
        master: None,
        ends: Ends::default(),
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::Address(mac) => {
                link.mac = mac.as_slice().try_into().ok().map(MacAddress)
            }
            LinkAttribute::Controller(index) => link.master = Some(*index),
            LinkAttribute::LinkInfo(info) => {
                link.kind = info.iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind.to_string()),
                    _ => None,
                });
                link.ends = info
                    .iter()
                    .find_map(|info| match info {
                        LinkInfo::Data(data) => Some(ends(data)),
                        _ => None,
                    })
                    .unwrap_or_default();
            }
            _ => {}
        }
    }
    Some(link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_a_cable_in_one_message() {
        let name = |name| InterfaceName::new(name).unwrap();
        let peer = Peer {
            mac: Some(MacAddress([2, 0, 0, 0, 0, 1])),
            ..Peer::new(name("eth0")).inside(Place::Process(42))
        };
        let cable = NewLink {
            master: Some(7),
            mtu: Some(1400),
            up: true,
            ..NewLink::new(name("port0"), NewKind::Veth(peer))
        };
        let message = creation(&cable);
        assert!(message.header.flags.contains(LinkFlags::Up));
        let [near @ .., LinkAttribute::LinkInfo(info)] = message.attributes.as_slice() else {
            panic!("no description of the kind in {message:?}");
        };
        let expected = [
            LinkAttribute::IfName("port0".into()),
            LinkAttribute::Mtu(1400),
            LinkAttribute::Controller(7),
        ];
        assert_eq!(near, expected);
        let [_, LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(far)))] = info.as_slice() else {
            panic!("no other end in {info:?}");
        };
        // Set up before the cable is plugged in, it would be refused.
        assert!(!far.header.change_mask.contains(LinkFlags::Up));
        let expected = [
            LinkAttribute::IfName("eth0".into()),
            LinkAttribute::Address(vec![2, 0, 0, 0, 0, 1]),
            LinkAttribute::NetNsPid(42),
        ];
        assert_eq!(far.attributes, expected);
    }
}
