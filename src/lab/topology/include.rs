//! `include:` of a lab file: what other lab files say, below what this one says.
//!
//! Files are merged as trees whose nodes keep their places, so a mistake is shown in the file
//! that has it.

use std::path::{Path, PathBuf};

use crate::diagnostic::Diagnostic;
use crate::yaml::{Key, Kind, Node};

/// Keys whose entries are merged one by one, and the entries' own keys too.
const MERGED: [&str; 2] = ["networks", "hosts"];

/// Reads a lab file and, below it, those that it includes.
pub(super) fn read(path: &Path) -> Result<Node, Diagnostic> {
    within(path, &mut Vec::new())
}

fn within(path: &Path, around: &mut Vec<PathBuf>) -> Result<Node, Diagnostic> {
    let mut node = Node::read_file(path)?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let Kind::Mapping(entries) = &mut node.kind else { return Ok(node) };
    let Some(at) = entries.iter().position(|(key, _)| key.text == "include") else {
        return Ok(node);
    };
    let (_, included) = entries.remove(at);
    around.push(real(path));
    let mut below: Option<Node> = None;
    for name in included.one_or_many() {
        let written = name.as_str().ok_or_else(|| name.expected("the path of a lab file"))?;
        let file = folder.join(written);
        if !file.is_file() {
            return Err(Diagnostic::new(format!("there is no lab file `{written}`"))
                .at(&name.span)
                .hint(format!("it is looked for in `{}`", shown(&folder))));
        }
        if around.contains(&real(&file)) {
            return Err(Diagnostic::new(format!("`{written}` includes itself"))
                .at(&name.span)
                .hint("leave out one of the includes that lead back to it"));
        }
        let mut other = within(&file, around)?;
        relocate(&mut other, Path::new(written).parent().unwrap_or(Path::new("")));
        below = Some(match below {
            Some(below) => merged(below, other),
            None => other,
        });
    }
    around.pop();
    Ok(match below {
        Some(below) => merged(below, node),
        None => node,
    })
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn shown(folder: &Path) -> String {
    let text = folder.display().to_string();
    if text.is_empty() { ".".into() } else { text }
}

/// What an included file is called is its own affair; what it names lies where it lies.
fn relocate(node: &mut Node, folder: &Path) {
    let Kind::Mapping(entries) = &mut node.kind else { return };
    entries.retain(|(key, _)| key.text != "name");
    let playbook = entries.iter_mut().find(|(key, _)| key.text == "playbook");
    if let Some((_, Node { kind: Kind::String(path), .. })) = playbook {
        *path = folder.join(&path).display().to_string();
    }
}

/// Two lab files as one: what the upper one says counts, and its checks come last.
fn merged(below: Node, above: Node) -> Node {
    let span = above.span.clone();
    let (Kind::Mapping(below), Kind::Mapping(above_entries)) = (below.kind, above.kind.clone())
    else {
        return above;
    };
    let entries = combined(below, above_entries, &|key, below, above| match key {
        "checks" => appended(below, above),
        key if MERGED.contains(&key) => overlaid(below, above, &overlay_keys),
        _ => above,
    });
    Node { span, kind: Kind::Mapping(entries) }
}

type Merge<'a> = &'a dyn Fn(&str, Node, Node) -> Node;

/// The entries of both, with what stands in both merged.
fn combined(
    below: Vec<(Key, Node)>,
    above: Vec<(Key, Node)>,
    merge: Merge<'_>,
) -> Vec<(Key, Node)> {
    let mut entries = below;
    for (key, value) in above {
        match entries.iter().position(|(have, _)| have.text == key.text) {
            Some(at) => {
                let (_, old) = entries.remove(at);
                let value = merge(&key.text, old, value);
                entries.insert(at, (key, value));
            }
            None => entries.push((key, value)),
        }
    }
    entries
}

fn overlaid(below: Node, above: Node, merge: Merge<'_>) -> Node {
    match (below.kind, above.kind) {
        (Kind::Mapping(lower), Kind::Mapping(upper)) => {
            Node { span: above.span, kind: Kind::Mapping(combined(lower, upper, merge)) }
        }
        // Nothing takes nothing away.
        (kind, Kind::Null) => Node { span: below.span, kind },
        (_, kind) => Node { span: above.span, kind },
    }
}

/// A network or a host in both files: the keys of the upper one count.
fn overlay_keys(_: &str, below: Node, above: Node) -> Node {
    overlaid(below, above, &|_, _, above| above)
}

fn appended(below: Node, above: Node) -> Node {
    match (below.kind, above.kind) {
        (Kind::Sequence(mut all), Kind::Sequence(more)) => {
            all.extend(more);
            Node { span: above.span, kind: Kind::Sequence(all) }
        }
        (kind, Kind::Null) => Node { span: below.span, kind },
        (_, kind) => Node { span: above.span, kind },
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Topology;

    /// A folder with these files.
    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    const COMMON: &str = "name: common\nnetworks: {lan: {subnet: 10.0.0.0/24, mtu: 1400}}\n\
        hosts: {client: {networks: {lan: 10.0.0.9}}}\nplaybook: base.yml\n\
        checks:\n- command: {on: client, argv: ['true']}\n";

    #[test]
    fn what_is_included_lies_below() {
        let folder = folder(&[
            ("common/net.yml", COMMON),
            ("common/base.yml", "[]"),
            (
                "dr/lab.yml",
                "include: ../common/net.yml\nnetworks: {lan: {mtu: 1300}, far: {subnet: 10.1.0.0/24}}\n\
                 hosts: {client: {groups: [clients]}, lb1: {networks: {lan: 10.0.0.1, far: 10.1.0.1}}}\n\
                 checks:\n- command: {on: lb1, argv: ['true']}\n",
            ),
        ]);
        let lab = Topology::read(&folder.path().join("dr")).unwrap();
        assert_eq!(lab.name.as_str(), "dr");
        assert_eq!(lab.networks["lan"].mtu, Some(1300));
        let hosts: Vec<&str> = lab.hosts.keys().map(|host| host.as_str()).collect();
        assert_eq!(hosts, ["client", "lb1"]);
        let client = &lab.hosts["client"];
        assert_eq!((client.groups.len(), client.networks.len()), (1, 1));
        assert_eq!(lab.playbook.as_deref(), Some("../common/base.yml".as_ref()));
        assert_eq!(lab.checks.len(), 2);
    }

    #[test]
    fn a_mistake_is_shown_in_the_file_that_has_it() {
        let folder = folder(&[
            (
                "net.yml",
                "networks: {lan: {subnet: 10.0.0.0/24}}\nhosts:\n  a: {networks: {lan: 10.9.9.9}}\n",
            ),
            ("lab.yml", "name: x\ninclude: [net.yml]\n"),
        ]);
        let error = Topology::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("net.yml:3:23: host `a` cannot be there"), "{error}");
    }

    #[test]
    fn refuses_circles_and_what_is_not_there() {
        let folder = folder(&[
            ("lab.yml", "include: a.yml\nhosts: {x: }\n"),
            ("a.yml", "include: [b.yml]\n"),
            ("b.yml", "include: [lab.yml]\n"),
            ("c.yml", "include: [nope.yml]\nhosts: {x: }\n"),
        ]);
        let error = Topology::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("b.yml:1:11: `lab.yml` includes itself"), "{error}");
        let error = Topology::read(&folder.path().join("c.yml")).unwrap_err().to_string();
        assert!(error.contains("c.yml:1:11: there is no lab file `nope.yml`"), "{error}");
    }
}
