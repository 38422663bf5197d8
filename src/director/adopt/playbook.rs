//! The texts of an adopted director's playbook.

use serde_json::Value;

use super::super::{Setup, daemon_in_words};
use super::{Adopted, File};
use crate::netlink::ipvs::Timeouts;

/// The kernel's own timeouts, in seconds (`ip_vs_proto_tcp.c`, `ip_vs_proto_udp.c`).
const TIMEOUTS: Timeouts = Timeouts { tcp: Some(900), tcp_fin: Some(120), udp: Some(300) };

/// What a task of each module is called, and the variable that it loops over.
const TASKS: [(&str, &str, &str, &str); 4] = [
    ("modprobe", "IPVS and its schedulers are in the kernel", "director_modules", "name"),
    ("sysctl", "Kernel parameters are set", "director_sysctls", "name"),
    ("ipvs_service", "The IPVS table has the virtual services", "director_services", "service"),
    ("address", "The VIPs are on their interfaces", "director_vips", "address"),
];

pub(super) fn files(adopted: &Adopted) -> Vec<File> {
    let file = |path: &str, text: String| File { path: path.into(), text };
    vec![
        file("inventory.yml", inventory(&adopted.host)),
        file("group_vars/directors.yml", variables(adopted)),
        file("site.yml", site(adopted)),
    ]
}

fn inventory(host: &str) -> String {
    let host = scalar(&Value::from(host));
    format!(
        "# From the director itself; from elsewhere, set ansible_host instead.\n\
         all:\n  children:\n    directors:\n      hosts:\n        \
         {host}: {{ansible_connection: local}}\n"
    )
}

fn variables(adopted: &Adopted) -> String {
    let mut text =
        format!("# What IPVS was on {} when `lvsmith ipvs adopt` looked.\n", adopted.host);
    for (module, values) in adopted.tasks() {
        let Some((_, _, variable, _)) = TASKS.iter().find(|(name, ..)| *name == module) else {
            continue;
        };
        if values.is_empty() {
            continue;
        }
        text.push_str(&format!("\n{variable}:\n"));
        values.iter().for_each(|value| item(&mut text, value));
    }
    text
}

/// A list's item: what is in it a line each, what is in that in one line.
fn item(text: &mut String, value: &Value) {
    let Value::Object(entries) = value else {
        text.push_str(&format!("  - {}\n", flow(value)));
        return;
    };
    // Short ones, which have nothing below them, are a line.
    let flat = !entries.values().any(|value| value.is_array() || value.is_object());
    let line = format!("  - {}\n", flow(value));
    if flat && line.chars().count() <= 100 {
        text.push_str(&line);
        return;
    }
    let mut lead = "  - ";
    for (key, value) in entries {
        match value {
            Value::Array(items) if items.iter().any(Value::is_object) => {
                text.push_str(&format!("{lead}{key}:\n"));
                items.iter().for_each(|item| text.push_str(&format!("      - {}\n", flow(item))));
            }
            value => text.push_str(&format!("{lead}{key}: {}\n", flow(value))),
        }
        lead = "    ";
    }
}

/// A value in one line.
fn flow(value: &Value) -> String {
    match value {
        Value::Object(entries) => {
            let entries: Vec<String> =
                entries.iter().map(|(key, value)| format!("{key}: {}", flow(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", "))
        }
        value => scalar(value),
    }
}

/// A scalar that reads back as what it is, between braces too.
fn scalar(value: &Value) -> String {
    let Value::String(text) = value else { return value.to_string() };
    let plain = text.bytes().all(|byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/' | b'_' | b'-' | b':')
    });
    let letter = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/');
    let word = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));
    // A dotted address reads as text as well; an IPv6 address may read as something else.
    let address =
        text.split('/').next().is_some_and(|text| text.parse::<std::net::Ipv4Addr>().is_ok());
    if plain && !word && !text.ends_with(':') && !text.contains("::") && (letter || address) {
        text.clone()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

fn site(adopted: &Adopted) -> String {
    let mut text = format!(
        "# Written by `lvsmith ipvs adopt` from {}; applying it there changes nothing.\n\
         - name: Director\n  hosts: directors\n  gather_facts: false\n  tasks:\n",
        adopted.host
    );
    let tasks = adopted.tasks();
    for (module, name, variable, label) in TASKS {
        if tasks.iter().any(|(task, values)| *task == module && !values.is_empty()) {
            text.push_str(&format!(
                "    - name: {name}\n      {module}: \"{{{{ item }}}}\"\n      \
                 loop: \"{{{{ {variable} }}}}\"\n      \
                 loop_control: {{label: \"{{{{ item.{label} }}}}\"}}\n"
            ));
        }
    }
    text
}

/// No module is about these yet.
pub(super) fn left_out(setup: &Setup) -> Vec<String> {
    let mut left = Vec::new();
    if let Some(timeouts) = setup.timeouts.filter(|timeouts| *timeouts != TIMEOUTS) {
        let Timeouts { tcp, tcp_fin, udp } = timeouts;
        let seconds = |seconds: Option<u32>| seconds.unwrap_or_default();
        left.push(format!(
            "timeouts tcp {} s, tcp-fin {} s, udp {} s",
            seconds(tcp),
            seconds(tcp_fin),
            seconds(udp)
        ));
    }
    let daemons = setup.daemons.iter().flatten();
    left.extend(daemons.map(|daemon| format!("sync daemon {}", daemon_in_words(daemon))));
    left
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::super::super::tests::setup;
    use super::*;
    use crate::diagnostic::Source;

    fn adopted() -> Adopted {
        let services = setup().table.into_services();
        Adopted {
            host: "lb1".into(),
            setup: setup(),
            modules: vec![json!({"name": "ip_vs"}), json!({"name": "ip_vs_wrr"})],
            sysctls: vec![
                json!({"name": "net.ipv4.ip_forward", "value": "1", "sysctl_file": "/etc/sysctl.conf"}),
                json!({"name": "net.ipv4.vs.sync_threshold", "value": "3 60", "persist": false}),
            ],
            services: services.iter().map(|one| serde_json::to_value(one).unwrap()).collect(),
            vips: vec![json!({"address": "192.168.0.89/32", "interface": "eth0"})],
        }
    }

    #[test]
    fn writes_a_playbook() {
        let texts: Vec<String> = files(&adopted())
            .into_iter()
            .map(|file| format!("# {}\n{}", file.path.display(), file.text))
            .collect();
        insta::assert_snapshot!(texts.join("\n"));
    }

    #[test]
    fn writes_values_that_read_back_as_they_were() {
        let adopted = adopted();
        let source = Source { name: "vars.yml".into(), text: variables(&adopted) };
        let read = crate::yaml::read(&Arc::new(source)).unwrap().to_json();
        assert_eq!(read["director_services"], json!(adopted.services));
        assert_eq!(read["director_sysctls"], json!(adopted.sysctls));
        assert_eq!(read["director_vips"], json!(adopted.vips));
        for text in [
            "yes",
            "1",
            "1.5",
            "0x10",
            "a: b",
            "it's",
            "",
            "fd00::1/64",
            "#",
            "1:2",
            "~",
            "{",
            "10.0.0.1",
        ] {
            let source =
                Source { name: "x".into(), text: format!("{{a: {}}}", scalar(&json!(text))) };
            let read = crate::yaml::read(&Arc::new(source)).unwrap().to_json();
            assert_eq!(read["a"], json!(text));
        }
    }

    #[test]
    fn names_what_no_module_is_about() {
        assert_eq!(
            left_out(&setup()),
            [
                "sync daemon master on eth0, sync id 7, group 224.0.0.81, port 8848, ttl 1, at most 1472 bytes"
            ]
        );
        let slow = Timeouts { udp: Some(7), ..TIMEOUTS };
        let setup = Setup { timeouts: Some(slow), ..Setup::default() };
        assert_eq!(left_out(&setup), ["timeouts tcp 900 s, tcp-fin 120 s, udp 7 s"]);
    }
}
