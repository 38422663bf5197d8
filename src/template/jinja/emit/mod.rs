//! A template in Jinja's grammar to the same template in Tera's, and for each part of the one
//! its place in the other.
//!
//! Every operator, subscript and call becomes a filter: Tera applies a chain of those from left
//! to right without nesting, and what they do is Python's way, not Tera's. What may be undefined
//! passes through `op_must` where a value is needed, so that the error names that very part.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;

use super::ast::{Expression, For, Include, Kind, Statement, Target};
use super::parser::too_deep;
use super::{Found, Included, Mistake, statements};
use crate::diagnostic::Source;

mod calls;
mod expressions;

/// Tera refuses what is nested deeper than 40.
const DEEPEST: usize = 36;

/// No template becomes larger than this in Tera's words.
const LARGEST: usize = 8 << 20;

/// No more files than this are included in one.
const INCLUDES: usize = 500;

/// Where a part of the emitted text comes from.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) emitted: Range<usize>,
    pub(super) written: Range<usize>,
    /// The included file, or the template itself.
    pub(super) file: Option<Arc<Source>>,
}

/// What a template became.
#[derive(Debug, Default)]
pub(super) struct Emitted {
    pub(super) text: String,
    pub(super) origins: Vec<Origin>,
    /// Variables that it asks for.
    pub(super) names: BTreeSet<String>,
    /// Names that it sets itself at some point; they may be variables before that.
    pub(super) set: BTreeSet<String>,
    /// Whether it looks anything up.
    pub(super) looks_up: bool,
    /// Whether other files are part of it.
    pub(super) includes: bool,
}

pub(super) type Find<'f> = &'f mut dyn FnMut(&str) -> Found;

pub(super) struct Emitter<'f> {
    emitted: Emitted,
    /// Names of loops and of `set`, from the outermost scope to the innermost.
    scopes: Vec<Scope>,
    depth: usize,
    /// How many lists around this one are written as lists.
    lists: usize,
    unpacked: usize,
    files: Vec<Arc<Source>>,
    included: usize,
    /// Whether one expression is all there is.
    alone: bool,
    find: Find<'f>,
}

#[derive(Default)]
struct Scope {
    names: Vec<String>,
    /// Names that stand for a part of the item, while a loop's `if` is written.
    parts: Vec<(String, String)>,
    is_loop: bool,
}

type Done = Result<(), Mistake>;
/// Whether the value may be undefined.
type Maybe = Result<bool, Mistake>;

impl<'f> Emitter<'f> {
    pub(super) fn new(find: Find<'f>) -> Self {
        Self {
            emitted: Emitted::default(),
            scopes: vec![Scope::default()],
            depth: 0,
            lists: 0,
            unpacked: 0,
            files: Vec::new(),
            included: 0,
            alone: false,
            find,
        }
    }

    pub(super) fn template(mut self, body: &[Statement]) -> Result<Emitted, Mistake> {
        self.alone = matches!(body, [Statement::Output(_)]);
        self.body(body)?;
        Ok(self.emitted)
    }

    pub(super) fn expression(mut self, expression: &Expression) -> Result<Emitted, Mistake> {
        self.put("{{ ");
        self.sure(expression)?;
        self.put(" | op_show }}");
        Ok(self.emitted)
    }

    fn put(&mut self, text: &str) {
        self.emitted.text.push_str(text);
    }

    fn here(&self) -> usize {
        self.emitted.text.len()
    }

    fn origin(&mut self, from: usize, written: &Range<usize>) {
        let origin = Origin {
            emitted: from..self.here(),
            written: written.clone(),
            file: self.files.last().cloned(),
        };
        self.emitted.origins.push(origin);
    }

    fn deeper<V>(
        &mut self,
        range: &Range<usize>,
        inner: impl FnOnce(&mut Self) -> Result<V, Mistake>,
    ) -> Result<V, Mistake> {
        if self.depth >= DEEPEST {
            return Err(too_deep(range.clone()));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn body(&mut self, body: &[Statement]) -> Done {
        body.iter().try_for_each(|statement| self.statement(statement))
    }

    fn statement(&mut self, statement: &Statement) -> Done {
        if self.here() > LARGEST {
            return Err(Mistake::new(0..0, "the template is too large"));
        }
        match statement {
            Statement::Data(data) => self.data(data),
            Statement::Output(value) => self.output(value)?,
            Statement::Set(target, value, range) => self.set(target, value, range)?,
            Statement::Capture(name, body) => {
                self.bind(name);
                let name = tera_name(name);
                let _ = write!(self.emitted.text, "{{% set {name} %}}");
                self.body(body)?;
                self.put("{% endset %}");
            }
            Statement::If(branches, otherwise) => {
                for (at, (condition, body)) in branches.iter().enumerate() {
                    self.put(if at == 0 { "{% if " } else { "{% elif " });
                    self.sure(condition)?;
                    self.put(" %}");
                    self.body(body)?;
                }
                if !otherwise.is_empty() {
                    self.put("{% else %}");
                    self.body(otherwise)?;
                }
                self.put("{% endif %}");
            }
            Statement::For(repetition) => self.repetition(repetition)?,
            Statement::Include(include) => self.include(include)?,
        }
        Ok(())
    }

    fn output(&mut self, value: &Expression) -> Done {
        let from = self.here();
        self.put("{{ ");
        match &value.kind {
            // Within a text, `{{ 'x' if c }}` is nothing where `c` is not.
            Kind::If { then, condition, otherwise: None } if !self.alone => {
                let nothing =
                    Expression { range: value.range.clone(), kind: Kind::Text(String::new()) };
                if self.conditional(then, condition, Some(&nothing))? {
                    self.operator("op_must", &[], &then.range);
                }
            }
            _ => self.sure(value)?,
        }
        self.put(" | op_show }}");
        self.origin(from, &value.range);
        Ok(())
    }

    fn data(&mut self, data: &str) {
        // What Tera would take for its own brackets is written as a text in such brackets.
        let brackets = ["{{", "{%", "{#"].iter().any(|bracket| data.contains(bracket));
        if brackets || data.ends_with('{') {
            self.put("{{ ");
            self.text(data);
            self.put(" }}");
        } else {
            self.put(data);
        }
    }

    fn bind(&mut self, name: &str) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.names.push(name.to_owned());
        }
        self.emitted.set.insert(name.to_owned());
    }

    fn set(&mut self, target: &Target, value: &Expression, range: &Range<usize>) -> Done {
        match target {
            Target::Name(name) => {
                let tera = tera_name(name).into_owned();
                let _ = write!(self.emitted.text, "{{% set {tera} = ");
                self.loose(value)?;
                self.put(" %}");
                self.bind(name);
            }
            Target::Names(names) => {
                let part = self.fresh();
                let _ = write!(self.emitted.text, "{{% set {part} = ");
                self.sure(value)?;
                self.operator("op_parts", &[("count", &names.len().to_string())], &value.range);
                self.put(" %}");
                self.unpack(names, &part);
            }
            Target::Attribute(name, key) => {
                let level = self.scopes.iter().rposition(|scope| scope.names.contains(name));
                let innermost = self.scopes.iter().rposition(|scope| scope.is_loop).unwrap_or(0);
                let set = match level {
                    Some(level) if level >= innermost => "set",
                    Some(level) if !self.scopes[..=level].iter().any(|scope| scope.is_loop) => {
                        "set_global"
                    }
                    Some(_) => {
                        return Err(Mistake::new(
                            range.clone(),
                            format!("`{name}` belongs to a loop around this one"),
                        )
                        .hint("make the `namespace` before the outermost loop"));
                    }
                    None => {
                        return Err(Mistake::new(
                            range.clone(),
                            format!("`{name}` is no `namespace`"),
                        )
                        .hint(format!("begin with `{{% set {name} = namespace({key}=…) %}}`")));
                    }
                };
                let tera = tera_name(name).into_owned();
                let from = self.here();
                let _ = write!(self.emitted.text, "{{% {set} {tera} = {tera} | op_with(key=");
                self.text(key);
                self.put(", value=");
                self.deeper(&value.range, |one| one.sure(value))?;
                self.put(") %}");
                self.origin(from, range);
            }
        }
        Ok(())
    }

    fn fresh(&mut self) -> String {
        self.unpacked += 1;
        format!("part_{}_", self.unpacked)
    }

    /// Gives the items of `part` to names.
    fn unpack(&mut self, names: &[String], part: &str) {
        for (at, name) in names.iter().enumerate() {
            let tera = tera_name(name).into_owned();
            let _ = write!(self.emitted.text, "{{% set {tera} = {part}[{at}] %}}");
            self.bind(name);
        }
    }

    fn repetition(&mut self, repetition: &For) -> Done {
        let For { target, items, condition, body, otherwise } = repetition;
        let (name, names) = match target {
            Target::Names(names) => (self.fresh(), Some(names)),
            Target::Name(name) | Target::Attribute(name, _) => (tera_name(name).into_owned(), None),
        };
        let count = names.map_or(0, Vec::len).to_string();
        let _ = write!(self.emitted.text, "{{% for {name} in ");
        if condition.is_some() {
            let _ = write!(self.emitted.text, "[{name} for {name} in ");
        }
        self.sure(items)?;
        self.operator("op_iterate", &[], &items.range);
        if names.is_some() {
            self.operator("op_each", &[("count", &count)], &items.range);
        }
        let mut scope = Scope { is_loop: true, ..Scope::default() };
        match names {
            None => {
                if let Target::Name(name) = target {
                    scope.names.push(name.clone());
                }
            }
            Some(names) => {
                let parts = names.iter().enumerate();
                scope.parts =
                    parts.map(|(at, one)| (one.clone(), format!("{name}[{at}]"))).collect();
            }
        }
        self.scopes.push(scope);
        if let Some(condition) = condition {
            self.put(" if ");
            self.sure(condition)?;
            self.put(" ]");
        }
        self.put(" %}");
        if let Some(scope) = self.scopes.last_mut() {
            scope.parts.clear();
        }
        if let Some(names) = names {
            self.unpack(names, &name);
        }
        self.body(body)?;
        self.scopes.pop();
        if !otherwise.is_empty() {
            self.put("{% else %}");
            self.body(otherwise)?;
        }
        self.put("{% endfor %}");
        Ok(())
    }

    /// The statements of another file, in place. What it sets stays in it.
    fn include(&mut self, include: &Include) -> Done {
        let Include { name, range, ignore_missing } = include;
        let place = |mistake: Mistake, file: Option<&Arc<Source>>| match file {
            Some(file) => mistake.within(file),
            None => mistake,
        };
        let around = self.files.last().cloned();
        let fail = |mistake: Mistake| place(mistake, around.as_ref());
        self.included += 1;
        self.emitted.includes = true;
        if self.included > INCLUDES {
            return Err(fail(Mistake::new(
                range.clone(),
                format!("more than {INCLUDES} files are included"),
            )));
        }
        let source = match (self.find)(name) {
            Some(Ok(source)) => source,
            Some(Err(message)) => return Err(fail(Mistake::new(range.clone(), message))),
            None if *ignore_missing => return Ok(()),
            None => {
                return Err(fail(
                    Mistake::new(range.clone(), format!("there is no template `{name}`"))
                        .hint("it is looked for in `templates` and beside this file"),
                ));
            }
        };
        if self.files.iter().any(|file| file.name == source.name) || self.files.len() > 20 {
            let chain: Vec<&str> = self.files.iter().map(|file| file.name.as_str()).collect();
            return Err(fail(
                Mistake::new(range.clone(), format!("`{name}` includes itself")).hint(format!(
                    "{} -> {}",
                    chain.join(" -> "),
                    source.name
                )),
            ));
        }
        let text = Included::text(&source);
        let body = statements::template(text, true).map_err(|mistake| mistake.within(&source))?;
        self.files.push(Arc::clone(&source));
        self.scopes.push(Scope { is_loop: true, ..Scope::default() });
        self.put("{% for included_ in [1] %}");
        let result = self.body(&body);
        self.put("{% endfor %}");
        self.scopes.pop();
        self.files.pop();
        result.map_err(|mistake| mistake.within(&source))
    }
}

/// Words that Tera keeps to itself, or that begin what it makes up.
const RESERVED: &[&str] = &[
    "loop",
    "self",
    "continue",
    "break",
    "null",
    "super",
    "set",
    "filter",
    "extends",
    "included_",
];

/// The name in Tera's text; Tera knows ASCII only.
pub(in crate::template) fn tera_name(name: &str) -> Cow<'_, str> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let made_up =
        name.starts_with("__tera") || name.starts_with("part_") || name.starts_with("other_");
    if plain && !made_up && !RESERVED.contains(&name) {
        return Cow::Borrowed(name);
    }
    let mut safe = String::from("other_");
    for c in name.chars() {
        match c {
            c if c.is_ascii_alphanumeric() || c == '_' => safe.push(c),
            c => {
                let _ = write!(safe, "_{:x}_", u32::from(c));
            }
        }
    }
    Cow::Owned(safe)
}
