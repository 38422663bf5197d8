//! Which hosts of a play are alike to a task: those that have the same values for every name
//! it asks for. What it comes to on one of them, it comes to on all of them.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use serde_json::Value;

use super::host::HostState;

/// The hosts of a play, and how they differ.
pub(super) struct Likeness<'a> {
    hosts: &'a [HostState],
    index: HashMap<&'a str, usize>,
    /// For each name that was asked for: which hosts have the same value, none if all do.
    values: HashMap<String, Option<Rc<[u32]>>>,
    /// The play's hosts.
    play: Vec<usize>,
    /// Its hosts, parted by the names in which they differ.
    parts: HashMap<Vec<String>, Rc<Parts<'a>>>,
    /// The task at which a host was covered last.
    covered: Vec<usize>,
    task: usize,
    next: usize,
}

/// Hosts, parted.
struct Parts<'a> {
    /// The part of each of the play's hosts.
    part: HashMap<usize, usize>,
    names: Vec<Rc<[&'a str]>>,
    members: Vec<Vec<usize>>,
}

impl<'a> Likeness<'a> {
    pub(super) fn of(hosts: &'a [HostState]) -> Self {
        Self {
            hosts,
            index: hosts.iter().enumerate().map(|(at, host)| (host.name.as_str(), at)).collect(),
            values: HashMap::new(),
            play: Vec::new(),
            parts: HashMap::new(),
            covered: vec![0; hosts.len()],
            task: 0,
            next: 0,
        }
    }

    /// Goes on to a play with these hosts.
    pub(super) fn look_at(&mut self, hosts: &[String]) {
        let known = hosts.iter().filter_map(|name| self.index.get(name.as_str()));
        self.play = known.copied().collect();
        self.parts.clear();
    }

    /// Goes on to the next task.
    pub(super) fn restart(&mut self) {
        self.task += 1;
        self.next = 0;
    }

    /// A host that is like none of those that were looked at for this task.
    pub(super) fn next(&mut self) -> Option<&'a HostState> {
        while let Some(&host) = self.play.get(self.next) {
            if self.covered[host] != self.task {
                return Some(&self.hosts[host]);
            }
            self.next += 1;
        }
        None
    }

    /// The hosts that are like this one to a task that asks for these names; none of them comes
    /// [next](Self::next).
    pub(super) fn alike(&mut self, host: &HostState, asked: &HashSet<String>) -> Rc<[&'a str]> {
        let mut names: Vec<String> =
            asked.iter().filter(|name| self.differ_in(name).is_some()).cloned().collect();
        names.sort();
        let parts = match self.parts.get(&names) {
            Some(parts) => Rc::clone(parts),
            None => {
                let parts = Rc::new(self.parted(&names));
                self.parts.insert(names, Rc::clone(&parts));
                parts
            }
        };
        let part =
            self.index.get(host.name.as_str()).and_then(|host| parts.part.get(host)).copied();
        let Some(part) = part else { return Rc::new([]) };
        if parts.members[part].len() == self.play.len() {
            self.next = self.play.len();
        }
        for host in &parts.members[part] {
            self.covered[*host] = self.task;
        }
        Rc::clone(&parts.names[part])
    }

    fn parted(&mut self, names: &[String]) -> Parts<'a> {
        let values: Vec<Rc<[u32]>> = names.iter().filter_map(|name| self.differ_in(name)).collect();
        let mut known: HashMap<Vec<u32>, usize> = HashMap::new();
        let mut members: Vec<Vec<usize>> = Vec::new();
        let mut part = HashMap::new();
        for &host in &self.play {
            let key = values.iter().map(|values| values[host]).collect();
            let at = *known.entry(key).or_insert(members.len());
            if at == members.len() {
                members.push(Vec::new());
            }
            members[at].push(host);
            part.insert(host, at);
        }
        let called =
            |members: &Vec<usize>| members.iter().map(|at| self.hosts[*at].name.as_str()).collect();
        Parts { part, names: members.iter().map(called).collect(), members }
    }

    /// A number for each host, the same for those with the same value; none if all have it.
    fn differ_in(&mut self, name: &str) -> Option<Rc<[u32]>> {
        if let Some(values) = self.values.get(name) {
            return values.clone();
        }
        let mut known: HashMap<Option<String>, u32> = HashMap::new();
        let numbers: Rc<[u32]> = self
            .hosts
            .iter()
            .map(|host| {
                let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
                *known.entry(own(host, name)).or_insert(next)
            })
            .collect();
        let values = (known.len() > 1).then_some(numbers);
        self.values.insert(name.to_owned(), values.clone());
        values
    }
}

/// What a name stands for on a host alone.
fn own(host: &HostState, name: &str) -> Option<String> {
    match name {
        "inventory_hostname" | "inventory_hostname_short" => Some(host.name.clone()),
        "group_names" => Some(host.groups.to_string()),
        _ => host.declared.get(name).map(Value::to_string),
    }
}
