//! The table of what a template may call: filters, tests, functions and methods, each with its
//! parameters and its documentation. What is not in it is an error at its place, and
//! `docs/jinja.md` lists it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use tera::value::{Key, Map};
use tera::{Kwargs, State, Tera, TeraResult, Value};

use super::Mistake;
use super::python::{error, text, type_name};
use super::rows;

/// What a row is, which is how it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `value | name(…)`
    Filter,
    /// `value is name(…)`
    Test,
    /// `name(…)`
    Function,
    /// `value.name(…)`
    Method,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Test => "test",
            Self::Function => "function",
            Self::Method => "method",
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Filter => "j_",
            Self::Test => "is_",
            Self::Function => "fn_",
            Self::Method => "m_",
        }
    }
}

pub(super) type Call = fn(&Value, &Given) -> TeraResult<Value>;

/// One row of the table.
#[derive(Clone, Copy)]
pub struct Row {
    /// How it is called.
    pub kind: Kind,
    /// Its name in templates.
    pub name: &'static str,
    /// Other names for the same.
    pub aliases: &'static [&'static str],
    /// Parameters in their order: `name`, `name?` where it may be left out, `name|other` where
    /// it has a second name, `*` for any number of values, `**` for any names.
    pub parameters: &'static [&'static str],
    /// What it does, in a sentence.
    pub doc: &'static str,
    /// Whether it may be asked of what is undefined.
    pub(super) takes_undefined: bool,
    /// Whether what it gives may be undefined.
    pub(super) gives_undefined: bool,
    pub(super) call: Call,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} `{}`", self.kind.word(), self.name)
    }
}

impl Row {
    pub(super) const fn new(kind: Kind, name: &'static str, call: Call) -> Self {
        Self {
            kind,
            name,
            aliases: &[],
            parameters: &[],
            doc: "",
            takes_undefined: false,
            gives_undefined: false,
            call,
        }
    }

    pub(super) const fn filter(name: &'static str, call: Call) -> Self {
        Self::new(Kind::Filter, name, call)
    }

    pub(super) const fn test(name: &'static str, call: Call) -> Self {
        Self::new(Kind::Test, name, call)
    }

    pub(super) const fn function(name: &'static str, call: Call) -> Self {
        Self::new(Kind::Function, name, call)
    }

    pub(super) const fn method(name: &'static str, call: Call) -> Self {
        Self::new(Kind::Method, name, call)
    }

    pub(super) const fn alias(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    pub(super) const fn takes(self, parameters: &'static [&'static str]) -> Self {
        Self { parameters, ..self }
    }

    pub(super) const fn doc(self, doc: &'static str) -> Self {
        Self { doc, ..self }
    }

    pub(super) const fn of_undefined(self) -> Self {
        Self { takes_undefined: true, ..self }
    }

    pub(super) const fn maybe(self) -> Self {
        Self { gives_undefined: true, ..self }
    }

    /// The name in Tera.
    pub(super) fn tera(&self) -> String {
        let name: String = self
            .name
            .chars()
            .map(|c| match c {
                '=' => 'e',
                '!' => 'n',
                '<' => 'l',
                '>' => 'g',
                c => c,
            })
            .collect();
        format!("{}{name}", self.kind.prefix())
    }

    /// The names and defaults of its parameters, as documentation shows them.
    #[must_use]
    pub fn signature(&self) -> String {
        let shown: Vec<String> = self
            .parameters
            .iter()
            .map(|one| one.split('|').next().unwrap_or(one).to_owned())
            .zip(self.parameters)
            .map(|(name, full)| match full.ends_with('?') && !name.ends_with('?') {
                true => format!("{name}?"),
                false => name,
            })
            .collect();
        shown.join(", ")
    }

    /// Which parameter each argument is for: names in the order of the arguments, and then
    /// those that are beyond the parameters.
    pub(super) fn bind(
        &self,
        positional: usize,
        named: &[(&str, Range<usize>)],
        whole: &Range<usize>,
    ) -> Result<Bound, Mistake> {
        let plain: Vec<&&str> =
            self.parameters.iter().filter(|one| !one.starts_with('*')).collect();
        let any = |star: &str| self.parameters.contains(&star);
        let mut bound = Bound::default();
        // What comes after `*` is given by its name only.
        let before = self.parameters.iter().take_while(|one| !one.starts_with('*')).count();
        for at in 0..positional {
            let parameter = plain.get(at).filter(|_| at < before);
            bound.positional.push(parameter.map(|parameter| names(parameter).0));
        }
        if positional > before && !any("*") {
            let most = match before {
                0 => "no argument".to_owned(),
                1 => "one argument".to_owned(),
                n => format!("{n} arguments"),
            };
            let mistake =
                Mistake::new(whole.clone(), format!("`{}` takes at most {most}", self.name));
            return Err(mistake.hint(format!("it is `{}({})`", self.name, self.signature())));
        }
        for (name, range) in named {
            let parameter = plain.iter().find(|one| {
                let (first, second) = names(one);
                first == *name || second == Some(*name)
            });
            match parameter {
                Some(parameter) => {
                    let slot = names(parameter).0;
                    if bound.positional.contains(&Some(slot)) || bound.named.contains(&Some(slot)) {
                        let message = format!("`{name}` is given twice");
                        return Err(Mistake::new(range.clone(), message));
                    }
                    bound.named.push(Some(slot));
                }
                None if any("**") => bound.named.push(None),
                None => {
                    let message = format!("`{}` has no argument `{name}`", self.name);
                    return Err(Mistake::new(range.clone(), message)
                        .did_you_mean(name, plain.iter().map(|one| names(one).0)));
                }
            }
        }
        let given =
            |name| bound.positional.contains(&Some(name)) || bound.named.contains(&Some(name));
        match plain.iter().find(|one| !one.ends_with('?') && !given(names(one).0)) {
            Some(missing) => {
                let message = format!("`{}` needs the argument `{}`", self.name, names(missing).0);
                let hint = format!("it is `{}({})`", self.name, self.signature());
                Err(Mistake::new(whole.clone(), message).hint(hint))
            }
            None => Ok(bound),
        }
    }

    /// Calls it with values at hand, as `map` and `select` do.
    pub(super) fn apply(
        &self,
        value: &Value,
        positional: &[Value],
        named: &Map,
    ) -> TeraResult<Value> {
        if value.is_undefined() && !self.takes_undefined {
            return Err(error("an item is undefined"));
        }
        let words: Vec<(&str, Range<usize>)> =
            named.keys().filter_map(|key| key.as_str()).map(|key| (key, 0..0)).collect();
        let bound = self
            .bind(positional.len(), &words, &(0..0))
            .map_err(|mistake| error(mistake.message))?;
        let mut given = Map::new();
        let (mut rest, mut others) = (Vec::new(), Map::new());
        for (slot, value) in bound.positional.iter().zip(positional) {
            match slot {
                Some(name) => drop(given.insert(Key::from(*name), value.clone())),
                None => rest.push(value.clone()),
            }
        }
        for (slot, (name, _)) in bound.named.iter().zip(&words) {
            let Some(value) = named.get(&Key::Str(name)) else { continue };
            match slot {
                Some(slot) => drop(given.insert(Key::from(*slot), value.clone())),
                None => drop(others.insert(Key::from((*name).to_owned()), value.clone())),
            }
        }
        given.insert(Key::from(REST), Value::from(rest));
        given.insert(Key::from(NAMED), Value::from(others));
        (self.call)(value, &Given(Kwargs::new(Arc::new(given))))
    }
}

/// A parameter's names.
fn names(parameter: &'static str) -> (&'static str, Option<&'static str>) {
    let parameter = parameter.trim_end_matches('?');
    match parameter.split_once('|') {
        Some((name, other)) => (name, Some(other)),
        None => (parameter, None),
    }
}

/// Which parameter each argument is for; `None` for those beyond.
#[derive(Debug, Default)]
pub(super) struct Bound {
    pub(super) positional: Vec<Option<&'static str>>,
    pub(super) named: Vec<Option<&'static str>>,
}

/// Tera's names for what is beyond the parameters.
pub(super) const REST: &str = "rest";
pub(super) const NAMED: &str = "named";

/// The arguments of a call.
#[derive(Debug)]
pub(super) struct Given(pub(super) Kwargs);

impl Given {
    /// The argument, when it is given and not `none`.
    pub(super) fn get(&self, name: &str) -> Option<Value> {
        self.0.get::<Value>(name).ok().flatten().filter(|value| !value.is_none())
    }

    /// The argument, which the signature asks for; `none` counts.
    pub(super) fn need(&self, name: &str) -> TeraResult<Value> {
        self.0.must_get::<Value>(name)
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| text(&value))
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.get(name).map(|value| value.is_truthy())
    }

    pub(super) fn integer(&self, name: &str) -> TeraResult<Option<i64>> {
        self.get(name)
            .map(|value| {
                let integer = value.as_bool().map(i64::from).or_else(|| value.as_i64());
                integer.ok_or_else(|| {
                    error(format!("`{name}` wants a whole number, not `{}`", type_name(&value)))
                })
            })
            .transpose()
    }

    /// What is beyond the parameters.
    pub(super) fn rest(&self) -> Vec<Value> {
        self.get(REST).and_then(|rest| rest.as_array().map(<[Value]>::to_vec)).unwrap_or_default()
    }

    pub(super) fn named(&self) -> Map {
        self.get(NAMED).and_then(|named| named.as_map().cloned()).unwrap_or_default()
    }
}

type Index = HashMap<(Kind, &'static str), &'static Row>;

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut index = Index::new();
    for row in rows() {
        for name in std::iter::once(&row.name).chain(row.aliases) {
            index.insert((row.kind, name), row);
        }
    }
    index
});

/// Every row.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    rows::ALL.iter().flat_map(|rows| rows.iter())
}

/// The row of that name; Ansible's full names are known, too.
pub(super) fn find(kind: Kind, name: &str) -> Option<&'static Row> {
    let short = ["ansible.builtin.", "ansible.utils.", "ansible.netcommon."]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(name);
    INDEX.get(&(kind, short)).copied()
}

/// Why there is no such row, at its place, with what may have been meant or a way out.
pub(super) fn missing(kind: Kind, name: &str, range: Range<usize>) -> Mistake {
    let mistake = Mistake::new(range, format!("there is no {} `{name}`", kind.word()));
    if let Some((.., instead)) =
        rows::INSTEAD.iter().find(|(of, have, _)| *of == kind && *have == name)
    {
        return mistake.hint(*instead);
    }
    let other = [Kind::Filter, Kind::Test, Kind::Function, Kind::Method]
        .into_iter()
        .find(|other| *other != kind && INDEX.contains_key(&(*other, name)));
    let candidates = INDEX.keys().filter(|(of, _)| *of == kind).map(|(_, name)| *name);
    let near = crate::diagnostic::nearest(name, candidates);
    match (near, other) {
        (Some(near), _) => mistake.hint(format!("did you mean `{near}`?")),
        (None, Some(other)) => mistake.hint(format!("`{name}` is a {}", other.word())),
        (None, None) => {
            mistake.hint("docs/jinja.md lists what there is; `set_fact` or a fact may do")
        }
    }
}

/// Makes Tera know every row.
pub(super) fn register(tera: &mut Tera) {
    for row in rows() {
        let call = row.call;
        tera.register_filter(row.tera(), move |value: Value, given: Kwargs, _: &State| {
            call(&value, &Given(given))
        });
    }
}
