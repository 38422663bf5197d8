//! The texts of an adopted director's playbook.

use serde_json::{Value, json};

use super::{Adopted, File};

/// A task of the playbook, of which there are as many as there is something to declare.
struct Task {
    module: &'static str,
    name: &'static str,
    /// What `group_vars` calls its arguments.
    variable: &'static str,
    shape: Shape,
}

/// How a task gets its arguments.
enum Shape {
    /// One after the other, each shown by this.
    Each(&'static str),
    /// All at once, as this argument.
    All(&'static str),
    /// There is only one.
    Once,
}

/// In the order in which a director is built: clients find a complete table.
const TASKS: [Task; 6] = [
    Task {
        module: "modprobe",
        name: "IPVS and its schedulers are in the kernel",
        variable: "director_modules",
        shape: Shape::Each("name"),
    },
    Task {
        module: "sysctl",
        name: "Kernel parameters are set",
        variable: "director_sysctls",
        shape: Shape::Each("name"),
    },
    Task {
        module: "ipvs_table",
        name: "The IPVS table has the virtual services",
        variable: "director_services",
        shape: Shape::All("services"),
    },
    Task {
        module: "ipvs_timeouts",
        name: "Idle connections are kept for so long",
        variable: "director_timeouts",
        shape: Shape::Once,
    },
    Task {
        module: "ipvs_daemon",
        name: "Connections are synchronised",
        variable: "director_daemons",
        shape: Shape::Each("state"),
    },
    Task {
        module: "address",
        name: "The VIPs are on their interfaces",
        variable: "director_vips",
        shape: Shape::Each("address"),
    },
];

impl Task {
    fn values<'a>(&self, adopted: &'a Adopted) -> &'a [Value] {
        match self.module {
            "modprobe" => &adopted.modules,
            "sysctl" => &adopted.sysctls,
            "ipvs_table" => &adopted.services,
            "ipvs_timeouts" => adopted.timeouts.as_slice(),
            "ipvs_daemon" => &adopted.daemons,
            _ => &adopted.vips,
        }
    }
}

/// Every task with its arguments, as the playbook runs them.
pub(super) fn tasks(adopted: &Adopted) -> Vec<(&'static str, Value)> {
    let arguments = |task: &Task| -> Vec<Value> {
        match (task.values(adopted), &task.shape) {
            ([], _) => Vec::new(),
            (all, Shape::All(argument)) => vec![json!({ *argument: all })],
            (all, Shape::Each(_) | Shape::Once) => all.to_vec(),
        }
    };
    TASKS
        .iter()
        .flat_map(|task| arguments(task).into_iter().map(|arguments| (task.module, arguments)))
        .collect()
}

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
    for task in &TASKS {
        match (task.values(adopted), &task.shape) {
            ([], _) => {}
            ([value], Shape::Once) => {
                text.push_str(&format!("\n{}: {}\n", task.variable, flow(value)));
            }
            (values, _) => {
                text.push_str(&format!("\n{}:\n", task.variable));
                values.iter().for_each(|value| item(&mut text, value));
            }
        }
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
pub(crate) fn flow(value: &Value) -> String {
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
    for Task { name, module, variable, shape } in
        TASKS.iter().filter(|task| !task.values(adopted).is_empty())
    {
        text.push_str(&format!("    - name: {name}\n      {module}: "));
        text.push_str(&match shape {
            Shape::Each(label) => format!(
                "\"{{{{ item }}}}\"\n      loop: \"{{{{ {variable} }}}}\"\n      \
                 loop_control: {{label: \"{{{{ item.{label} }}}}\"}}\n"
            ),
            Shape::All(argument) => format!("{{{argument}: \"{{{{ {variable} }}}}\"}}\n"),
            Shape::Once => format!("\"{{{{ {variable} }}}}\"\n"),
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::super::tests::setup;
    use super::*;
    use crate::diagnostic::Source;

    fn adopted() -> Adopted {
        let services = setup().table.into_services();
        Adopted {
            host: "lb1".into(),
            modules: vec![json!({"name": "ip_vs"}), json!({"name": "ip_vs_wrr"})],
            sysctls: vec![
                json!({"name": "net.ipv4.ip_forward", "value": "1", "sysctl_file": "/etc/sysctl.conf"}),
                json!({"name": "net.ipv4.vs.sync_threshold", "value": "3 60", "persist": false}),
            ],
            services: services.iter().map(|one| serde_json::to_value(one).unwrap()).collect(),
            timeouts: Some(json!({"tcp": 900, "tcp_fin": 120, "udp": 7})),
            daemons: vec![json!({"state": "master", "interface": "eth1", "group": "ff02::51"})],
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
        assert_eq!(read["director_timeouts"], json!(adopted.timeouts));
        assert_eq!(read["director_daemons"], json!(adopted.daemons));
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
}
