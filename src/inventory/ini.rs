//! The INI inventory: `[group]` with hosts, `[group:vars]` and `[group:children]`, line by line.

use std::ops::Range;
use std::sync::Arc;

use indexmap::IndexMap;

use super::{Inventory, Vars};
use crate::diagnostic::{Diagnostic, Diagnostics, Source, Span};

mod literal;
mod words;

#[cfg(test)]
mod tests;

/// Takes the text of an inventory apart, and adds it to what is known.
pub(super) fn read(inventory: &mut Inventory, source: &Arc<Source>, mistakes: &mut Diagnostics) {
    let mut reader = Reader {
        inventory,
        source,
        group: "ungrouped".into(),
        kind: Kind::Hosts,
        open: IndexMap::new(),
    };
    let mut at = 0;
    for line in source.text.split_inclusive(['\n', '\r']) {
        let start = at + (line.len() - line.trim_start().len());
        at += line.len();
        let line = line.trim();
        if !line.is_empty() && !line.starts_with(['#', ';']) {
            mistakes.keep(reader.line(line, start));
        }
    }
    for (name, open) in std::mem::take(&mut reader.open) {
        mistakes.push(reader.undeclared(&name, open));
    }
}

/// What the lines of a section are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Hosts,
    Vars,
    Children,
}

/// A group that was named and not declared yet.
enum Open {
    /// By `[group:vars]`.
    Vars(Span),
    /// Inside these groups.
    Child(Vec<String>, Span),
}

struct Reader<'a> {
    inventory: &'a mut Inventory,
    source: &'a Arc<Source>,
    group: String,
    kind: Kind,
    open: IndexMap<String, Open>,
}

impl Reader<'_> {
    fn span(&self, range: Range<usize>) -> Span {
        Span { source: Arc::clone(self.source), start: range.start, end: range.end }
    }

    fn line(&mut self, line: &str, start: usize) -> Result<(), Diagnostic> {
        let whole = self.span(start..start + line.len());
        match header(line) {
            Some((group, kind)) => {
                let place = self.span(start + 1..start + 1 + group.len());
                return self.section(group, kind, &place).map_err(|error| error.at(&whole));
            }
            None if line.starts_with('[') && line.ends_with(']') => {
                return Err(Diagnostic::new(format!("`{line}` is not a section")).at(&whole).hint(
                    "write `[group]`, `[group:vars]` or `[group:children]`, without spaces",
                ));
            }
            None => {}
        }
        match self.kind {
            Kind::Hosts => self.host(line, start),
            Kind::Vars => self.variable(line, &whole),
            Kind::Children => self.child(line, &whole),
        }
    }

    fn section(&mut self, group: &str, kind: &str, span: &Span) -> Result<(), Diagnostic> {
        group.clone_into(&mut self.group);
        self.kind = match kind {
            "" | "hosts" => Kind::Hosts,
            "vars" => Kind::Vars,
            "children" => Kind::Children,
            other => {
                return Err(Diagnostic::new(format!("`{other}` is not what a section can hold"))
                    .did_you_mean(other, ["hosts", "vars", "children"]));
            }
        };
        let is_new = !self.inventory.groups.contains_key(group);
        self.inventory.group(group, Some(span));
        if self.kind == Kind::Vars {
            if is_new && !self.open.contains_key(group) {
                self.open.insert(group.to_owned(), Open::Vars(span.clone()));
            }
        } else if let Some(Open::Child(parents, _)) = self.open.shift_remove(group) {
            for parent in parents {
                self.inventory.group(&parent, None).children.insert(group.to_owned());
            }
        }
        Ok(())
    }

    fn host(&mut self, line: &str, start: usize) -> Result<(), Diagnostic> {
        let whole = self.span(start..start + line.len());
        let words = words::split(line).map_err(|wrong| {
            Diagnostic::new(wrong).at(&whole).hint("quotes are those of a shell")
        })?;
        let mut words =
            words.into_iter().map(|(range, word)| (start + range.start..start + range.end, word));
        let Some((range, name)) = words.next() else { return Ok(()) };
        let place = self.span(range);
        if let Some(name) = name.strip_suffix(':') {
            return Err(Diagnostic::new(format!("a colon behind the host `{name}`"))
                .at(&place)
                .hint(
                    "a colon stands before a port; YAML belongs into a file ending with `.yml`",
                ));
        }
        let mut vars = Vars::new();
        for (range, word) in words {
            let Some((name, value)) = word.split_once('=') else {
                return Err(Diagnostic::new(format!("`{word}` is not a variable"))
                    .at(&self.span(range))
                    .hint("write `name=value`, values with spaces in quotes; one host a line"));
            };
            vars.insert(name.to_owned(), literal::value(value));
        }
        self.inventory.add_hosts(&self.group, &name, &vars, &place)
    }

    fn variable(&mut self, line: &str, span: &Span) -> Result<(), Diagnostic> {
        let Some((name, value)) = line.split_once('=') else {
            return Err(Diagnostic::new(format!("`{line}` is not a variable"))
                .at(span)
                .hint("write `name = value`"));
        };
        let value = literal::value(value.trim());
        let set = self.inventory.set_in_group(&self.group, name.trim(), value);
        set.map_err(|error| error.at(span))
    }

    fn child(&mut self, line: &str, span: &Span) -> Result<(), Diagnostic> {
        let end = line.find(|c: char| c.is_whitespace() || matches!(c, ':' | ']'));
        let (name, rest) = line.split_at(end.unwrap_or(line.len()));
        let rest = rest.trim_start();
        if name.is_empty() || !(rest.is_empty() || rest.starts_with('#')) {
            return Err(Diagnostic::new(format!("`{line}` is not the name of a group"))
                .at(span)
                .hint("below `[group:children]` stand names of groups, one on each line"));
        }
        if self.inventory.groups.contains_key(name) {
            self.inventory.group(&self.group, None).children.insert(name.to_owned());
            return Ok(());
        }
        let span = self.span(span.start..span.start + name.len());
        let open = self.open.entry(name.to_owned()).or_insert(Open::Child(Vec::new(), span));
        if let Open::Child(parents, _) = open {
            parents.push(self.group.clone());
        }
        Ok(())
    }

    fn undeclared(&self, name: &str, open: Open) -> Diagnostic {
        let known = self.inventory.groups.keys().map(String::as_str).filter(|known| *known != name);
        let (span, what) = match open {
            Open::Vars(span) => (span, "has variables".to_owned()),
            Open::Child(parents, span) => {
                let parent = parents.last().map_or("another group", String::as_str);
                (span, format!("is inside `{parent}`"))
            }
        };
        let hint = match crate::diagnostic::nearest(name, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write `[{name}]` and its hosts below it"),
        };
        Diagnostic::new(format!("`{name}` {what}, but nothing declares this group"))
            .at(&span)
            .hint(hint)
    }
}

/// The group of `[group:kind]`, and the kind.
fn header(line: &str) -> Option<(&str, &str)> {
    let (inside, rest) = line.strip_prefix('[')?.split_once(']')?;
    let rest = rest.trim_start();
    let (group, kind) = inside.split_once(':').unwrap_or((inside, ""));
    let word = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c == '_');
    let named = !group.is_empty() && !group.contains(char::is_whitespace);
    let kinded = word(kind) && kind.is_empty() != inside.contains(':');
    (named && kinded && (rest.is_empty() || rest.starts_with('#'))).then_some((group, kind))
}
