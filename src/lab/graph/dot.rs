//! The same for Graphviz.

use std::fmt::Write;

use super::{Graph, Role};

impl Graph {
    /// Draws it in the language of Graphviz.
    #[must_use]
    pub fn dot(&self) -> String {
        let mut text = format!("graph {} {{\n", quoted(&[&self.name]));
        text.push_str("  node [fontname=\"Helvetica\" shape=box style=rounded]\n");
        for (number, network) in self.networks.iter().enumerate() {
            let label = quoted(&[&network.name, &network.details.join(" ")]);
            let _ = writeln!(text, "  n{number} [label={label} shape=oval]");
        }
        for (number, host) in self.hosts.iter().enumerate() {
            let (label, colour) = (quoted(&host.labels()), colour(host.role));
            let _ = writeln!(text, "  h{number} [label={label} color=\"{colour}\"]");
        }
        for (number, host) in self.hosts.iter().enumerate() {
            for leg in &host.legs {
                let interface = quoted(&[&leg.interface]);
                let _ = match host.role {
                    Role::Server | Role::Host => {
                        writeln!(text, "  n{} -- h{number} [headlabel={interface}]", leg.network)
                    }
                    _ => writeln!(text, "  h{number} -- n{} [taillabel={interface}]", leg.network),
                };
            }
        }
        if !self.services.is_empty() {
            let _ = writeln!(text, "  label={}\n  labeljust=l", quoted(&self.services));
        }
        text.push_str("}\n");
        text
    }
}

fn colour(role: Role) -> &'static str {
    match role {
        Role::Director => "#0a63c2",
        Role::Server => "#177245",
        Role::Client => "#7a42b8",
        Role::Router => "#a1560a",
        Role::Host => "#566170",
    }
}

/// Lines as one text between quotes, where quotes and backslashes mean something.
fn quoted<T: AsRef<str>>(lines: &[T]) -> String {
    let escaped = |line: &T| line.as_ref().replace('\\', "\\\\").replace('"', "\\\"");
    let lines: Vec<String> = lines.iter().map(escaped).collect();
    format!("\"{}\"", lines.join("\\n"))
}
