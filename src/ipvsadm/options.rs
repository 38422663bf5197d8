//! The one table of commands and options: their names, what they take, which go together.
//!
//! Reading, checking and messages all go by it. The rules are ipvsadm's own, row by row.

use Argument::{Needed, No, Perhaps};
use Means::{Command, Forward, Fwmark, Ipv6, Option as Plain, Service, Sort};

use crate::netlink::ipvs::Protocol;

/// A command: what comes first on the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Add,
    Edit,
    Delete,
    Flush,
    List,
    AddServer,
    DeleteServer,
    EditServer,
    Set,
    StartDaemon,
    StopDaemon,
    Restore,
    Save,
    Zero,
    Help,
    Version,
}

impl Verb {
    /// Its name in messages, which is not always the one on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Add => "add-service",
            Self::Edit => "edit-service",
            Self::Delete => "delete-service",
            Self::Flush => "flush",
            Self::List => "list",
            Self::AddServer => "add-server",
            Self::DeleteServer => "delete-server",
            Self::EditServer => "edit-server",
            Self::Set => "set",
            Self::StartDaemon => "start-daemon",
            Self::StopDaemon => "stop-daemon",
            Self::Restore => "restore",
            Self::Save => "save",
            Self::Zero => "zero",
            Self::Help => "help",
            Self::Version => "version",
        }
    }
}

/// What an option is about; the ways to name a service are one of them, and so are the ways to
/// forward. In the order in which combinations are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Numeric,
    Connection,
    Service,
    Scheduler,
    Persistent,
    Netmask,
    Server,
    Forward,
    Weight,
    UpperThreshold,
    LowerThreshold,
    McastInterface,
    Timeout,
    Daemon,
    Stats,
    Rate,
    Thresholds,
    PersistentConn,
    NoSort,
    SyncId,
    Exact,
    OnePacket,
    Engine,
    SchedulerFlags,
    McastGroup,
    McastPort,
    McastTtl,
    SyncMaxLength,
    TunInfo,
    TunType,
    TunPort,
    TunNoChecksum,
    TunChecksum,
    TunRemoteChecksum,
}

/// Every subject with its name in messages, in order.
pub(super) const SUBJECTS: [(Subject, &str); 34] = [
    (Subject::Numeric, "numeric"),
    (Subject::Connection, "connection"),
    (Subject::Service, "service-address"),
    (Subject::Scheduler, "scheduler"),
    (Subject::Persistent, "persistent"),
    (Subject::Netmask, "netmask"),
    (Subject::Server, "real-server"),
    (Subject::Forward, "forwarding-method"),
    (Subject::Weight, "weight"),
    (Subject::UpperThreshold, "u-threshold"),
    (Subject::LowerThreshold, "l-threshold"),
    (Subject::McastInterface, "mcast-interface"),
    (Subject::Timeout, "timeout"),
    (Subject::Daemon, "daemon"),
    (Subject::Stats, "stats"),
    (Subject::Rate, "rate"),
    (Subject::Thresholds, "thresholds"),
    (Subject::PersistentConn, "persistent-conn"),
    (Subject::NoSort, "nosort"),
    (Subject::SyncId, "syncid"),
    (Subject::Exact, "exact"),
    (Subject::OnePacket, "ops"),
    (Subject::Engine, "pe"),
    (Subject::SchedulerFlags, "sched-flags"),
    (Subject::McastGroup, "mcast-group"),
    (Subject::McastPort, "mcast-port"),
    (Subject::McastTtl, "mcast-ttl"),
    (Subject::SyncMaxLength, "sync-maxlen"),
    (Subject::TunInfo, "tun-info"),
    (Subject::TunType, "tun-type"),
    (Subject::TunPort, "tun-port"),
    (Subject::TunNoChecksum, "tun-nocsum"),
    (Subject::TunChecksum, "tun-csum"),
    (Subject::TunRemoteChecksum, "tun-remcsum"),
];

/// Whether an option goes with a command, or with a type of tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Required,
    /// At most one of those that are exclusive.
    Exclusive,
    Allowed,
    Illegal,
}

impl Subject {
    /// Whether it goes with a command.
    pub(super) const fn rule(self, verb: Verb) -> Rule {
        use Verb::{
            Add, AddServer, Delete, DeleteServer, Edit, EditServer, List, Save, StartDaemon,
            StopDaemon, Zero,
        };
        match (self, verb) {
            (Self::Service, Add | Edit | Delete | AddServer | EditServer | DeleteServer)
            | (Self::Server, AddServer | EditServer | DeleteServer) => Rule::Required,
            (Self::Connection | Self::Service | Self::Timeout | Self::Daemon, List) => {
                Rule::Exclusive
            }
            (Self::Service, Zero)
            | (Self::Numeric, List | Save)
            | (
                Self::Scheduler
                | Self::Persistent
                | Self::Netmask
                | Self::OnePacket
                | Self::Engine
                | Self::SchedulerFlags,
                Add | Edit,
            )
            | (
                Self::Forward
                | Self::Weight
                | Self::UpperThreshold
                | Self::LowerThreshold
                | Self::TunType
                | Self::TunPort
                | Self::TunNoChecksum
                | Self::TunChecksum
                | Self::TunRemoteChecksum,
                AddServer | EditServer,
            )
            | (
                Self::Stats
                | Self::Rate
                | Self::Thresholds
                | Self::PersistentConn
                | Self::NoSort
                | Self::SyncId
                | Self::Exact
                | Self::TunInfo,
                List,
            )
            | (
                Self::McastInterface
                | Self::McastGroup
                | Self::McastPort
                | Self::McastTtl
                | Self::SyncMaxLength,
                StartDaemon,
            )
            | (Self::SyncId, StartDaemon | StopDaemon) => Rule::Allowed,
            _ => Rule::Illegal,
        }
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(SUBJECTS[*self as usize].1)
    }
}

/// Every command, in order.
const VERBS: [Verb; 16] = [
    Verb::Add,
    Verb::Edit,
    Verb::Delete,
    Verb::Flush,
    Verb::List,
    Verb::AddServer,
    Verb::DeleteServer,
    Verb::EditServer,
    Verb::Set,
    Verb::StartDaemon,
    Verb::StopDaemon,
    Verb::Restore,
    Verb::Save,
    Verb::Zero,
    Verb::Help,
    Verb::Version,
];

/// A command's rules as sets of subjects, a bit each.
#[derive(Debug, Clone, Copy)]
struct Row {
    required: u64,
    exclusive: u64,
    illegal: u64,
}

/// The rows of all commands.
static ROWS: [Row; VERBS.len()] = {
    let mut rows = [Row { required: 0, exclusive: 0, illegal: 0 }; VERBS.len()];
    let mut at = 0;
    while at < VERBS.len() {
        let mut index = 0;
        while index < SUBJECTS.len() {
            let bit = 1 << index;
            match SUBJECTS[index].0.rule(VERBS[at]) {
                Rule::Required => rows[at].required |= bit,
                Rule::Exclusive => rows[at].exclusive |= bit,
                Rule::Illegal => rows[at].illegal |= bit,
                Rule::Allowed => {}
            }
            index += 1;
        }
        at += 1;
    }
    rows
};

impl Verb {
    /// Whether its rules are kept by these subjects, a bit each: what is asked of every line, in
    /// a few instructions. What is wrong else, the rules tell one by one.
    pub(super) fn goes_with(self, given: u64) -> bool {
        let Row { required, exclusive, illegal } = ROWS[self as usize];
        given & required == required
            && given & illegal == 0
            && (given & exclusive).count_ones() <= 1
    }
}

/// Whether something follows an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Argument {
    No,
    Needed,
    /// Only what does not begin with `-`.
    Perhaps,
}

/// What an option means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    Command(Verb),
    Service(Protocol),
    Fwmark,
    Ipv6,
    Forward(Method),
    /// Nothing: it is how things are anyway.
    Sort,
    Option(Subject),
}

/// How packets are forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Direct,
    Nat,
    Tunnel,
}

/// What may stand on a command line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Switch {
    pub(super) long: &'static str,
    pub(super) short: Option<char>,
    pub(super) argument: Argument,
    pub(super) means: Means,
}

const fn long(long: &'static str, argument: Argument, means: Means) -> Switch {
    Switch { long, short: None, argument, means }
}

const fn both(long: &'static str, short: char, argument: Argument, means: Means) -> Switch {
    Switch { long, short: Some(short), argument, means }
}

/// Every switch there is.
pub(super) const SWITCHES: &[Switch] = &[
    both("add-service", 'A', No, Command(Verb::Add)),
    both("edit-service", 'E', No, Command(Verb::Edit)),
    both("delete-service", 'D', No, Command(Verb::Delete)),
    both("clear", 'C', No, Command(Verb::Flush)),
    both("list", 'L', No, Command(Verb::List)),
    both("list", 'l', No, Command(Verb::List)),
    both("zero", 'Z', No, Command(Verb::Zero)),
    both("add-server", 'a', No, Command(Verb::AddServer)),
    both("edit-server", 'e', No, Command(Verb::EditServer)),
    both("delete-server", 'd', No, Command(Verb::DeleteServer)),
    long("set", No, Command(Verb::Set)),
    both("help", 'h', No, Command(Verb::Help)),
    both("version", 'v', No, Command(Verb::Version)),
    both("restore", 'R', No, Command(Verb::Restore)),
    both("save", 'S', No, Command(Verb::Save)),
    long("start-daemon", Needed, Command(Verb::StartDaemon)),
    long("stop-daemon", Needed, Command(Verb::StopDaemon)),
    both("tcp-service", 't', Needed, Service(Protocol::Tcp)),
    both("udp-service", 'u', Needed, Service(Protocol::Udp)),
    long("sctp-service", Needed, Service(Protocol::Sctp)),
    both("fwmark-service", 'f', Needed, Fwmark),
    both("ipv6", '6', No, Ipv6),
    both("scheduler", 's', Needed, Plain(Subject::Scheduler)),
    both("persistent", 'p', Perhaps, Plain(Subject::Persistent)),
    both("netmask", 'M', Needed, Plain(Subject::Netmask)),
    both("real-server", 'r', Needed, Plain(Subject::Server)),
    both("masquerading", 'm', No, Forward(Method::Nat)),
    both("ipip", 'i', No, Forward(Method::Tunnel)),
    both("gatewaying", 'g', No, Forward(Method::Direct)),
    both("weight", 'w', Needed, Plain(Subject::Weight)),
    both("u-threshold", 'x', Needed, Plain(Subject::UpperThreshold)),
    both("l-threshold", 'y', Needed, Plain(Subject::LowerThreshold)),
    both("numeric", 'n', No, Plain(Subject::Numeric)),
    both("connection", 'c', No, Plain(Subject::Connection)),
    long("mcast-interface", Needed, Plain(Subject::McastInterface)),
    long("syncid", Needed, Plain(Subject::SyncId)),
    long("timeout", No, Plain(Subject::Timeout)),
    long("daemon", No, Plain(Subject::Daemon)),
    long("stats", No, Plain(Subject::Stats)),
    long("rate", No, Plain(Subject::Rate)),
    long("thresholds", No, Plain(Subject::Thresholds)),
    long("persistent-conn", No, Plain(Subject::PersistentConn)),
    long("nosort", No, Plain(Subject::NoSort)),
    long("sort", No, Sort),
    both("exact", 'X', No, Plain(Subject::Exact)),
    both("ops", 'o', No, Plain(Subject::OnePacket)),
    long("pe", Needed, Plain(Subject::Engine)),
    both("sched-flags", 'b', Needed, Plain(Subject::SchedulerFlags)),
    long("mcast-group", Needed, Plain(Subject::McastGroup)),
    long("mcast-port", Needed, Plain(Subject::McastPort)),
    long("mcast-ttl", Needed, Plain(Subject::McastTtl)),
    long("sync-maxlen", Needed, Plain(Subject::SyncMaxLength)),
    long("tun-info", No, Plain(Subject::TunInfo)),
    long("tun-type", Needed, Plain(Subject::TunType)),
    long("tun-port", Needed, Plain(Subject::TunPort)),
    long("tun-nocsum", No, Plain(Subject::TunNoChecksum)),
    long("tun-csum", No, Plain(Subject::TunChecksum)),
    long("tun-remcsum", No, Plain(Subject::TunRemoteChecksum)),
];

/// The switch of that long name.
pub(super) fn by_name(name: &str) -> Option<&'static Switch> {
    SWITCHES.iter().find(|switch| switch.long == name)
}

/// The switch of that letter.
pub(super) fn by_letter(letter: char) -> Option<&'static Switch> {
    SWITCHES.get(usize::from(*LETTERS.get(letter as usize)?))
}

/// The place of each letter's switch; that of no switch is behind all of them.
static LETTERS: [u8; 128] = {
    let mut places = [u8::MAX; 128];
    let mut at = 0;
    while at < SWITCHES.len() {
        if let Some(letter) = SWITCHES[at].short {
            places[letter as usize] = at as u8;
        }
        at += 1;
    }
    places
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_subjects_in_the_order_of_their_numbers() {
        for (index, (subject, _)) in SUBJECTS.iter().enumerate() {
            assert_eq!(*subject as usize, index);
        }
    }

    #[test]
    fn finds_every_letter() {
        for (index, verb) in VERBS.iter().enumerate() {
            assert_eq!(*verb as usize, index);
        }
        for letter in ('\0'..'\u{100}').chain(['ſ', '𝐀']) {
            let found = SWITCHES.iter().find(|switch| switch.short == Some(letter));
            assert_eq!(by_letter(letter), found, "{letter:?}");
        }
    }

    #[test]
    fn knows_every_letter_and_name_once() {
        for (index, switch) in SWITCHES.iter().enumerate() {
            for other in &SWITCHES[index + 1..] {
                assert!(switch.short.is_none() || switch.short != other.short, "{other:?}");
                assert!(switch.long != other.long || switch.long == "list", "{other:?}");
            }
        }
    }

    #[test]
    fn has_the_rows_of_the_real_table() {
        // `+` required, `1` exclusive, ` ` allowed, `x` illegal; one letter a subject.
        let rows = [
            (Verb::Add, "xx+   xxxxxxxxxxxxxxx   xxxxxxxxxx"),
            (Verb::Delete, "xx+xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
            (Verb::Flush, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
            (Verb::List, " 11xxxxxxxxx11       xxxxxxx xxxxx"),
            (Verb::EditServer, "xx+xxx+    xxxxxxxxxxxxxxxxxx     "),
            (Verb::DeleteServer, "xx+xxx+xxxxxxxxxxxxxxxxxxxxxxxxxxx"),
            (Verb::StartDaemon, "xxxxxxxxxxx xxxxxxx xxxx    xxxxxx"),
            (Verb::StopDaemon, "xxxxxxxxxxxxxxxxxxx xxxxxxxxxxxxxx"),
            (Verb::Save, " xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
            (Verb::Zero, "xx xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
        ];
        for (verb, row) in rows {
            let letter = |(subject, _): &(Subject, &str)| match subject.rule(verb) {
                Rule::Required => '+',
                Rule::Exclusive => '1',
                Rule::Allowed => ' ',
                Rule::Illegal => 'x',
            };
            assert_eq!(SUBJECTS.iter().map(letter).collect::<String>(), row, "{verb:?}");
        }
    }
}
