//! Rules as nft lists them, cut into tables: without counters, and without what the rules
//! themselves put into sets.

use std::collections::BTreeMap;

/// The text of each table, by its family and name.
pub(super) type Tables = BTreeMap<String, String>;

/// Cuts a listing into its tables.
pub(super) fn parse(listing: &str) -> Tables {
    let mut tables = Tables::new();
    let mut current: Option<(String, Vec<&str>)> = None;
    for line in listing.lines() {
        let head = line.strip_prefix("table ").and_then(|rest| rest.strip_suffix(" {"));
        match (head, &mut current) {
            (Some(name), None) => current = Some((name.to_owned(), vec![line])),
            (_, Some((_, lines))) => lines.push(line),
            // A comment, such as that a table is another program's.
            (None, None) => {}
        }
        if line == "}"
            && let Some((name, lines)) = current.take()
        {
            tables.insert(name, without_learned(&lines));
        }
    }
    tables
}

/// Leaves out what is in sets that rules write to, or whose elements end by themselves.
fn without_learned(lines: &[&str]) -> String {
    let mut out = String::new();
    let mut rest = lines;
    while let Some((line, after)) = rest.split_first() {
        let opens = ["\tset ", "\tmap "].iter().any(|start| line.starts_with(start));
        let end = after.iter().position(|line| *line == "\t}");
        match end.filter(|_| opens && line.ends_with('{')) {
            Some(end) => {
                let (set, remaining) = rest.split_at(end + 2);
                set_text(set, &mut out);
                rest = remaining;
            }
            None => {
                push(line, &mut out);
                rest = after;
            }
        }
    }
    out
}

fn set_text(lines: &[&str], out: &mut String) {
    let learns = |line: &&str| {
        let line = line.trim();
        let flags = line.strip_prefix("flags ").unwrap_or_default();
        line.starts_with("timeout ") || flags.contains("dynamic") || flags.contains("timeout")
    };
    let learns = lines.iter().any(learns);
    let mut within = false;
    for line in lines {
        within |= learns && line.trim_start().starts_with("elements = {");
        if !within {
            push(line, out);
        }
        within &= !line.ends_with('}');
    }
}

fn push(line: &str, out: &mut String) {
    out.push_str(line);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As nft 1.0.6 lists them.
    const LISTING: &str = "# Warning: table ip filter is managed by iptables-nft, do not touch!\n\
        table inet lvs {\n\tset blocked {\n\t\ttype ipv4_addr\n\t\telements = { 10.0.0.1,\n\
        \t\t\t     10.0.0.2 }\n\t}\n\n\tset seen {\n\t\ttype ipv4_addr\n\t\tsize 65535\n\
        \t\tflags dynamic,timeout\n\t\telements = { 10.0.0.3 expires 5s,\n\t\t\t     10.0.0.4 }\n\
        \t}\n\n\tchain marks {\n\t\tmeta mark set 0x00000001 counter\n\t}\n}\ntable ip empty {\n}\n";

    #[test]
    fn cuts_a_listing_into_tables() {
        let tables = parse(LISTING);
        assert_eq!(tables.keys().collect::<Vec<_>>(), ["inet lvs", "ip empty"]);
        assert_eq!(tables["ip empty"], "table ip empty {\n}\n");
    }

    #[test]
    fn leaves_out_what_rules_have_learned() {
        let lvs = &parse(LISTING)["inet lvs"];
        assert!(lvs.contains("10.0.0.1") && lvs.contains("10.0.0.2"), "{lvs}");
        assert!(!lvs.contains("10.0.0.3") && !lvs.contains("10.0.0.4"), "{lvs}");
        assert!(lvs.contains("\tset seen {\n\t\ttype ipv4_addr\n") && lvs.ends_with("\t}\n}\n"));
    }
}
