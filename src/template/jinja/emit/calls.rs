//! Calls of filters, tests, functions and methods: each argument finds its parameter in the table.

use std::fmt::Write;
use std::ops::Range;

use super::{Done, Emitter, Maybe};
use crate::template::jinja::Mistake;
use crate::template::jinja::ast::{Arguments, Called, Expression, Kind};
use crate::template::jinja::table::{self, NAMED, REST, Row};

impl Emitter<'_> {
    pub(super) fn call(
        &mut self,
        target: &Expression,
        arguments: &Arguments,
        range: &Range<usize>,
    ) -> Maybe {
        match &target.kind {
            Kind::Name(name) => {
                let row = table::find(table::Kind::Function, name).ok_or_else(|| {
                    table::missing(table::Kind::Function, name, target.range.clone())
                })?;
                self.emitted.looks_up |= row.name == "lookup";
                self.put("none | ");
                self.row(row, arguments, range)?;
                Ok(row.gives_undefined)
            }
            Kind::Attribute(base, name) => {
                let place = base.range.end..target.range.end;
                if matches!(&base.kind, Kind::Name(of) if of == "loop") {
                    return Err(Mistake::new(
                        range.clone(),
                        format!("`loop.{name}()` is not supported"),
                    )
                    .hint("choose by `loop.index0`: `list[loop.index0 % (list | length)]`"));
                }
                let row = table::find(table::Kind::Method, name).ok_or_else(|| {
                    let start = place.end.saturating_sub(name.len());
                    table::missing(table::Kind::Method, name, start..place.end)
                })?;
                self.sure(base)?;
                self.put(" | ");
                self.row(row, arguments, range)?;
                Ok(row.gives_undefined)
            }
            _ => Err(Mistake::new(range.clone(), "only functions and methods can be called")),
        }
    }

    pub(super) fn called(
        &mut self,
        kind: table::Kind,
        value: &Expression,
        called: &Called,
    ) -> Maybe {
        let Called { name, range, name_range, arguments } = called;
        let row = table::find(kind, name)
            .ok_or_else(|| table::missing(kind, name, name_range.clone()))?;
        self.names_another(row, arguments)?;
        if row.takes_undefined {
            self.loose(value)?;
        } else {
            self.sure(value)?;
        }
        self.put(" | ");
        self.row(row, arguments, range)?;
        Ok(row.gives_undefined)
    }

    /// `map('int')` names a filter, `select('match', …)` a test: those must be there, too.
    fn names_another(&self, row: &Row, arguments: &Arguments) -> Done {
        let (kind, at) = match row.name {
            "map" => (table::Kind::Filter, 0),
            "select" | "reject" => (table::Kind::Test, 0),
            "selectattr" | "rejectattr" => (table::Kind::Test, 1),
            _ => return Ok(()),
        };
        match arguments.positional.get(at) {
            Some(Expression { kind: Kind::Text(name), range })
                if table::find(kind, name).is_none() =>
            {
                Err(table::missing(kind, name, range.clone()))
            }
            _ => Ok(()),
        }
    }

    fn row(&mut self, row: &Row, arguments: &Arguments, range: &Range<usize>) -> Done {
        let words: Vec<(&str, Range<usize>)> =
            arguments.named.iter().map(|(name, range, _)| (name.as_str(), range.clone())).collect();
        let bound = row.bind(arguments.positional.len(), &words, range)?;
        let from = self.here();
        self.put(&row.tera());
        if arguments.positional.is_empty() && arguments.named.is_empty() {
            self.origin(from, range);
            return Ok(());
        }
        self.put("(");
        self.deeper(range, |one| one.given(row, &bound, arguments, range))?;
        self.put(")");
        self.origin(from, range);
        Ok(())
    }

    fn given(
        &mut self,
        row: &Row,
        bound: &table::Bound,
        arguments: &Arguments,
        range: &Range<usize>,
    ) -> Done {
        let mut rest = Vec::new();
        for (slot, value) in bound.positional.iter().zip(&arguments.positional) {
            match slot {
                Some(name) => self.argument(row, name, value)?,
                None => rest.push(value),
            }
        }
        let mut others = Vec::new();
        for (slot, (name, _, value)) in bound.named.iter().zip(&arguments.named) {
            match slot {
                Some(slot) => self.argument(row, slot, value)?,
                None => others.push((name, value)),
            }
        }
        if !rest.is_empty() {
            let _ = write!(self.emitted.text, "{REST}=none | op_list(");
            for (at, value) in rest.iter().enumerate() {
                let _ = write!(self.emitted.text, "i{at:05}=");
                self.deeper(range, |one| one.sure(value))?;
                self.put(", ");
            }
            self.put("), ");
        }
        if !others.is_empty() {
            let _ = write!(self.emitted.text, "{NAMED}=none | op_dict(");
            for (at, (name, value)) in others.iter().enumerate() {
                let _ = write!(self.emitted.text, "k{at:05}=");
                self.text(name);
                let _ = write!(self.emitted.text, ", v{at:05}=");
                self.deeper(range, |one| one.sure(value))?;
                self.put(", ");
            }
            self.put(")");
        }
        Ok(())
    }

    fn argument(&mut self, row: &Row, name: &str, value: &Expression) -> Done {
        let _ = write!(self.emitted.text, "{name}=");
        // A default may be undefined itself: another may follow.
        if row.takes_undefined && row.gives_undefined {
            self.loose(value)?;
        } else {
            self.sure(value)?;
        }
        self.put(", ");
        Ok(())
    }
}
