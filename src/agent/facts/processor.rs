//! The processors, counted as Ansible counts them.

use std::collections::HashMap;
use std::fs;

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;
use serde_json::json;

use super::Facts;

pub(super) fn add(facts: &mut Facts) {
    let Ok(text) = fs::read_to_string("/proc/cpuinfo") else { return };
    let machine = facts.get("machine").and_then(|machine| machine.as_str()).unwrap_or_default();
    facts.extend(processors(&text, machine, usable()));
}

/// How many processors this process may run on.
fn usable() -> Option<usize> {
    let set = sched_getaffinity(Pid::from_raw(0)).ok()?;
    Some((0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).count())
}

fn processors(text: &str, machine: &str, usable: Option<usize>) -> Facts {
    let (mut names, mut flags) = (Vec::new(), Vec::new());
    let mut count: HashMap<&str, usize> = HashMap::new();
    // Cores of each socket, and threads of each core, by the numbers they come under.
    let mut sockets: Vec<(&str, usize)> = Vec::new();
    let mut threads: Option<usize> = None;
    let mut socket = "0";
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let (key, value) = (key.trim(), value.trim());
        match key {
            "model name" | "Processor" | "vendor_id" | "cpu" | "Vendor" | "processor" => {
                names.push(value);
                *count.entry(key).or_default() += 1;
            }
            "physical id" => {
                socket = value;
                if !sockets.iter().any(|(name, _)| *name == value) {
                    sockets.push((value, 1));
                }
            }
            "cpu cores" => {
                let cores = value.parse().unwrap_or(1);
                match sockets.iter_mut().find(|(name, _)| *name == socket) {
                    Some((_, known)) => *known = cores,
                    None => sockets.push((socket, cores)),
                }
            }
            "siblings" => threads = threads.or(value.parse().ok()),
            "flags" => flags = value.split_whitespace().collect(),
            _ => {}
        }
    }
    let of = |key: &str| count.get(key).copied().unwrap_or(0);
    let by_number = ["armv", "aarch", "ppc"].iter().any(|arch| machine.starts_with(arch));
    let single = match of("vendor_id") {
        _ if by_number => of("processor"),
        vendors if vendors > 0 && vendors == of("model name") => vendors,
        _ => names.len(),
    };
    let sockets_count = if sockets.is_empty() { single } else { sockets.len() };
    let cores = sockets.first().map_or(1, |(_, cores)| *cores).max(1);
    let threads = threads.unwrap_or(1).div_ceil(cores);
    let facts = json!({
        "processor": names,
        "processor_count": sockets_count,
        "processor_cores": cores,
        "processor_threads_per_core": threads,
        "processor_vcpus": threads * sockets_count * cores,
        "processor_nproc": usable.unwrap_or_else(|| of("processor")),
        "flags": flags,
    });
    facts.as_object().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_sockets_cores_and_threads() {
        let mut text = String::new();
        for cpu in 0..8 {
            let socket = cpu / 4;
            text += &format!(
                "processor\t: {cpu}\nvendor_id\t: I\nmodel name\t: X\nphysical id\t: {socket}\nsiblings\t: 4\ncore id\t: {}\ncpu cores\t: 2\nflags\t: fpu vme\n\n",
                cpu % 2
            );
        }
        let facts = processors(&text, "x86_64", Some(6));
        let numbers = ["count", "cores", "threads_per_core", "vcpus", "nproc"]
            .map(|name| facts[&format!("processor_{name}")].as_u64().unwrap());
        assert_eq!(numbers, [2, 2, 2, 8, 6]);
        assert_eq!(facts["flags"], json!(["fpu", "vme"]));
        let arm = "processor\t: 0\nBogoMIPS\t: 50\n\nprocessor\t: 1\n";
        let facts = processors(arm, "aarch64", None);
        assert_eq!((&facts["processor_vcpus"], &facts["processor_nproc"]), (&2.into(), &2.into()));
    }
}
