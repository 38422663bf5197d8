//! Command lines by chance, the same ones every time: mostly sensible, sometimes not.

use super::twins::Line;

/// Numbers that look random (xorshift64).
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit
    }

    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

/// An option: how it is written, and what may follow; no values, no argument.
struct Choice {
    long: &'static str,
    short: &'static str,
    good: &'static [&'static str],
    bad: &'static [&'static str],
}

const fn choice(
    long: &'static str,
    short: &'static str,
    good: &'static [&'static str],
    bad: &'static [&'static str],
) -> Choice {
    Choice { long, short, good, bad }
}

const SERVICES: &[&str] = &["10.1.0.1:80", "10.1.0.2:443", "[fd00::1]:80", "10.1.0.1:0"];
const BAD_SERVICES: &[&str] =
    &["10.1.0.1", "x", "", "10.1.0.1:x", "12", "[fd00::1]", "10.1.0.1:65536", "10.1.0.9:http"];

const SERVICE: &[Choice] = &[
    choice("tcp-service", "t", SERVICES, BAD_SERVICES),
    choice("tcp-service", "t", SERVICES, BAD_SERVICES),
    choice("udp-service", "u", SERVICES, BAD_SERVICES),
    choice("sctp-service", "", SERVICES, BAD_SERVICES),
    choice("fwmark-service", "f", &["1", "2", "4294967295"], &["0", "-1", "x", "4294967296"]),
];

const OF_SERVICES: &[Choice] = &[
    choice("scheduler", "s", &["rr", "wrr", "wlc", "sh", "mh", "nq"], &["", "bogus"]),
    choice("persistent", "p", &["1", "300", "2678400"], &["0", "x", "2678401", "-3"]),
    choice("netmask", "M", &["255.255.255.0", "64", "128"], &["x", "0.0.0.0.0", "129"]),
    choice("ops", "o", &[], &[]),
    choice("pe", "", &["sip"], &["bogus"]),
    choice(
        "sched-flags",
        "b",
        &["sh-port", "mh-port,mh-fallback", "flag-1,flag-2", "flag-3"],
        &["bogus", "flag-4", ""],
    ),
];

const SERVER: &[Choice] = &[choice(
    "real-server",
    "r",
    &["10.9.0.2:80", "10.9.0.3", "10.9.0.4:8080", "[fd09::2]:80", "fd09::3"],
    &["", "x:80", ":80", "10.9.0.2:99999"],
)];

const OF_SERVERS: &[Choice] = &[
    choice("masquerading", "m", &[], &[]),
    choice("gatewaying", "g", &[], &[]),
    choice("ipip", "i", &[], &[]),
    choice("ipip", "i", &[], &[]),
    choice("weight", "w", &["0", "5", "65536", " 7"], &["-1", "x", "2147483648"]),
    choice("u-threshold", "x", &["0", "10", "2000"], &["-1", "x"]),
    choice("l-threshold", "y", &["0", "5", "1000"], &["-1", "x"]),
    choice("tun-type", "", &["ipip", "gue", "gre"], &["bogus", ""]),
    choice("tun-port", "", &["6080", "1"], &["0", "65536", "x"]),
    choice("tun-nocsum", "", &[], &[]),
    choice("tun-csum", "", &[], &[]),
    choice("tun-remcsum", "", &[], &[]),
];

const OF_LISTS: &[Choice] = &[
    choice("numeric", "n", &[], &[]),
    choice("numeric", "n", &[], &[]),
    choice("connection", "c", &[], &[]),
    choice("timeout", "", &[], &[]),
    choice("daemon", "", &[], &[]),
    choice("stats", "", &[], &[]),
    choice("rate", "", &[], &[]),
    choice("exact", "X", &[], &[]),
    choice("thresholds", "", &[], &[]),
    choice("persistent-conn", "", &[], &[]),
    choice("tun-info", "", &[], &[]),
    choice("nosort", "", &[], &[]),
    choice("sort", "", &[], &[]),
];

const OF_DAEMONS: &[Choice] = &[
    choice("mcast-interface", "", &["lo", "lo", "lo"], &["nosuch", "a/b", ""]),
    choice("syncid", "", &["0", "7", "255"], &["256", "-1", "x"]),
    choice("sync-maxlen", "", &["1000", "65507"], &["0", "65508"]),
    choice("mcast-group", "", &["224.0.0.99"], &["10.0.0.1", "x", "fd00::1"]),
    choice("mcast-port", "", &["9999"], &["0", "65536"]),
    choice("mcast-ttl", "", &["9"], &["0", "256"]),
];

const ANYTHING: &[&[Choice]] = &[SERVICE, OF_SERVICES, SERVER, OF_SERVERS, OF_LISTS, OF_DAEMONS];

/// A command line.
pub(super) fn line(chance: &mut Chance) -> Line {
    let mut words: Vec<String> = Vec::new();
    let command = |chance: &mut Chance, long: &str, short: &str| {
        if chance.percent(25) { format!("--{long}") } else { format!("-{short}") }
    };
    match chance.below(20) {
        0..=4 => {
            words.push(command(chance, "add-service", "A"));
            service(chance, &mut words);
            some(chance, OF_SERVICES, 3, &mut words);
        }
        5 => {
            words.push(command(chance, "edit-service", "E"));
            service(chance, &mut words);
            some(chance, OF_SERVICES, 3, &mut words);
        }
        6 => {
            words.push(command(chance, "delete-service", "D"));
            service(chance, &mut words);
        }
        7..=10 => {
            words.push(command(chance, "add-server", "a"));
            server(chance, &mut words);
            some(chance, OF_SERVERS, 4, &mut words);
        }
        11 => {
            words.push(command(chance, "edit-server", "e"));
            server(chance, &mut words);
            some(chance, OF_SERVERS, 4, &mut words);
        }
        12 => {
            words.push(command(chance, "delete-server", "d"));
            server(chance, &mut words);
        }
        13..=15 => {
            words.push(command(chance, "list", "L"));
            if chance.percent(20) {
                service(chance, &mut words);
            }
            some(chance, OF_LISTS, 3, &mut words);
        }
        16 => {
            let role = if chance.percent(85) { chance.of(&["master", "backup"]) } else { "x" };
            let verb = chance.of(&["start-daemon", "start-daemon", "stop-daemon"]);
            words.extend([format!("--{verb}"), role.to_owned()]);
            some(chance, OF_DAEMONS, 3, &mut words);
        }
        17 => {
            words.push("--set".into());
            for _ in 0..3 + usize::from(chance.percent(10)) {
                words.push(chance.of(&["0", "60", "900", "2678400", "x", "2678401"]).to_owned());
            }
        }
        18 => {
            words.push(command(chance, "zero", "Z"));
            if chance.percent(50) {
                service(chance, &mut words);
            }
        }
        _ => {
            words.push(command(chance, "save", "S"));
            some(chance, OF_LISTS, 1, &mut words);
        }
    }
    if chance.percent(8) {
        let choices = ANYTHING[chance.below(ANYTHING.len())];
        some(chance, choices, 1, &mut words);
    }
    if chance.percent(3) {
        let other = chance.of(&["--bogus", "-q", "extra", "--stats=5", "--", "-", "-A", "-p"]);
        words.push(other.to_owned());
    }
    if chance.percent(5) {
        // Order matters to it in many ways.
        let index = 1 + chance.below(words.len());
        if index < words.len() {
            let last = words.len() - 1;
            words.swap(index, last);
        }
    }
    Line::new(words.join(" "))
}

fn service(chance: &mut Chance, words: &mut Vec<String>) {
    let choice = &SERVICE[chance.below(SERVICE.len())];
    written(chance, choice, words);
    if choice.short == "f" && chance.percent(40) || chance.percent(2) {
        words.push(chance.of(&["-6", "--ipv6"]).to_owned());
    }
}

fn server(chance: &mut Chance, words: &mut Vec<String>) {
    service(chance, words);
    written(chance, &SERVER[0], words);
}

fn some(chance: &mut Chance, choices: &[Choice], most: usize, words: &mut Vec<String>) {
    for _ in 0..chance.below(most + 1) {
        let choice = &choices[chance.below(choices.len())];
        written(chance, choice, words);
    }
}

fn written(chance: &mut Chance, choice: &Choice, words: &mut Vec<String>) {
    let short = !choice.short.is_empty() && chance.percent(70);
    let name = if short { format!("-{}", choice.short) } else { format!("--{}", choice.long) };
    if choice.good.is_empty() {
        words.push(name);
        return;
    }
    let values = if chance.percent(8) && !choice.bad.is_empty() { choice.bad } else { choice.good };
    let value = chance.of(values);
    let quote = |value: &str| {
        if value.is_empty() || value.contains(' ') {
            format!("'{value}'")
        } else {
            value.to_owned()
        }
    };
    let quoted = quote(value);
    match chance.below(10) {
        0 => words.push(format!("{name}={quoted}")),
        1 if short && !value.is_empty() => words.push(format!("{name}{quoted}")),
        _ => words.extend([name, quoted]),
    }
}
