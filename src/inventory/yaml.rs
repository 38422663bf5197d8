//! The YAML inventory: a mapping of groups, each with `hosts`, `vars` and `children`.

use super::Inventory;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::yaml::{Key, Kind, Node};

impl Inventory {
    pub(super) fn decode_groups(&mut self, node: &Node, mistakes: &mut Diagnostics) {
        match node.mapping() {
            Ok([]) => mistakes.push(
                Diagnostic::new("the inventory is empty")
                    .at(&node.span)
                    .hint("begin with `all:` and `hosts:`"),
            ),
            Ok(entries) => {
                if let Some((key, _)) = entries.iter().find(|(key, value)| {
                    key.text == "plugin" && matches!(value.kind, Kind::String(_))
                }) {
                    mistakes.push(plugin(key));
                    return;
                }
                for (key, group) in entries {
                    self.decode_group(key, group, mistakes);
                }
            }
            Err(error) => mistakes.push(error.hint("an inventory is a mapping of groups")),
        }
    }

    fn decode_group(&mut self, name: &Key, node: &Node, mistakes: &mut Diagnostics) {
        self.group(&name.text, Some(&name.span));
        let Some(entries) = mistakes.keep(node.mapping()) else { return };
        for (key, value) in entries {
            match key.text.as_str() {
                "hosts" => self.decode_hosts(&name.text, value, mistakes),
                "vars" => {
                    for (key, value) in mistakes.keep(value.mapping()).unwrap_or_default() {
                        let set = self.set_in_group(&name.text, &key.text, value.to_json());
                        mistakes.keep(set.map_err(|error| error.at(&value.span)));
                    }
                }
                "children" => {
                    for (child, inner) in &*entries_or_word(value, mistakes) {
                        self.group(&name.text, None).children.insert(child.text.clone());
                        self.decode_group(child, inner, mistakes);
                    }
                }
                other => mistakes.push(
                    Diagnostic::new(format!("unknown key `{other}` in the group `{}`", name.text))
                        .at(&key.span)
                        .did_you_mean(other, ["hosts", "vars", "children"]),
                ),
            }
        }
    }

    fn decode_hosts(&mut self, group: &str, node: &Node, mistakes: &mut Diagnostics) {
        if matches!(node.kind, Kind::Sequence(_)) {
            mistakes.push(
                node.expected("a mapping of hosts")
                    .hint("write `name:` for each host, a colon behind it, instead of `- name`"),
            );
            return;
        }
        for (key, vars) in &*entries_or_word(node, mistakes) {
            let vars = mistakes.keep(vars.variables()).unwrap_or_default();
            mistakes.keep(self.add_hosts(group, &key.text, &vars, &key.span));
        }
    }
}

/// The entries of a mapping; a word alone is one with nothing in it.
fn entries_or_word<'a>(
    node: &'a Node,
    mistakes: &mut Diagnostics,
) -> std::borrow::Cow<'a, [(Key, Node)]> {
    if let Kind::String(text) = &node.kind {
        let key = Key { span: node.span.clone(), text: text.clone() };
        let nothing = Node { span: node.span.clone(), kind: Kind::Null };
        return vec![(key, nothing)].into();
    }
    mistakes.keep(node.mapping()).unwrap_or_default().into()
}

fn plugin(key: &Key) -> Diagnostic {
    Diagnostic::new("inventory plugins are not supported")
        .at(&key.span)
        .hint("let Ansible write what it makes: `ansible-inventory -i FILE --list --export --yaml`")
}
