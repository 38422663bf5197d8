//! The same for Mermaid, which GitLab, GitHub and many wikis draw.

use std::fmt::Write;

use super::{Card, Graph, Role};

impl Graph {
    /// Draws it as a Mermaid flowchart.
    #[must_use]
    pub fn mermaid(&self) -> String {
        let mut text = String::from("flowchart TB\n");
        for (number, network) in self.networks.iter().enumerate() {
            let label = [network.name.clone(), network.details.join(" ")].join("<br/>");
            let _ = writeln!(text, "  n{number}([\"{}\"]):::network", escaped(&label));
        }
        for (number, host) in self.hosts.iter().enumerate() {
            let label: Vec<String> = host.labels().iter().map(|line| escaped(line)).collect();
            let class = host.role.class();
            let _ = writeln!(text, "  h{number}[\"{}\"]:::{class}", label.join("<br/>"));
        }
        for (number, host) in self.hosts.iter().enumerate() {
            for leg in &host.legs {
                let (interface, network) = (escaped(&leg.interface), leg.network);
                // What clients, directors and routers stand above is drawn below them.
                let _ = match host.role {
                    Role::Server | Role::Host => {
                        writeln!(text, "  n{network} ---|{interface}| h{number}")
                    }
                    _ => writeln!(text, "  h{number} ---|{interface}| n{network}"),
                };
            }
        }
        for (class, colour) in [
            ("network", "#566170"),
            ("director", "#0a63c2"),
            ("server", "#177245"),
            ("client", "#7a42b8"),
            ("router", "#a1560a"),
            ("host", "#566170"),
        ] {
            let _ = writeln!(text, "  classDef {class} stroke:{colour},stroke-width:2px");
        }
        for service in &self.services {
            let _ = writeln!(text, "  %% {service}");
        }
        text
    }
}

impl Card {
    /// What stands in its box, a line each.
    pub(super) fn labels(&self) -> Vec<String> {
        let count = if self.count > 1 { format!(" (×{})", self.count) } else { String::new() };
        let mut lines = vec![format!("{}{count}", self.name), self.purpose()];
        lines.extend(self.legs.iter().flat_map(|leg| leg.addresses.iter().cloned()));
        lines.extend(self.vips.iter().map(|vip| format!("VIP {vip}")));
        lines
    }
}

/// Nothing in a text may end its label; Mermaid has entities for that.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.replace("<br/>", "\n").chars() {
        match letter {
            '\n' => escaped.push_str("<br/>"),
            '"' | '<' | '>' | '&' | '#' | '|' | ';' => {
                let _ = write!(escaped, "#{};", u32::from(letter));
            }
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}
