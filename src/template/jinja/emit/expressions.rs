//! Expressions: every operator and subscript becomes a filter, and what may be undefined passes
//! through `op_must` where a value is needed.

use std::fmt::Write;
use std::ops::Range;

use super::{Done, Emitter, Maybe, tera_name};
use crate::template::jinja::Mistake;
use crate::template::jinja::ast::{Expression, Kind};
use crate::template::jinja::table;

impl Emitter<'_> {
    /// A value that is there, or the error that it is not.
    pub(super) fn sure(&mut self, expression: &Expression) -> Done {
        if self.loose(expression)? {
            self.operator("op_must", &[], &expression.range);
        }
        Ok(())
    }

    /// ` | name(key=value)`
    pub(super) fn operator(
        &mut self,
        name: &str,
        arguments: &[(&str, &str)],
        written: &Range<usize>,
    ) {
        self.put(" | ");
        let from = self.here();
        self.put(name);
        if !arguments.is_empty() {
            let shown: Vec<String> =
                arguments.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let _ = write!(self.emitted.text, "({})", shown.join(", "));
        }
        self.origin(from, written);
    }

    /// ` | name(key=expression)`
    pub(super) fn operation(
        &mut self,
        name: &str,
        key: &str,
        with: &Expression,
        written: &Range<usize>,
    ) -> Done {
        self.put(" | ");
        let from = self.here();
        let _ = write!(self.emitted.text, "{name}({key}=");
        self.deeper(&with.range, |one| one.sure(with))?;
        self.put(")");
        self.origin(from, written);
        Ok(())
    }

    pub(super) fn text(&mut self, text: &str) {
        self.emitted.text.push('"');
        for c in text.chars() {
            if matches!(c, '"' | '\\') {
                self.emitted.text.push('\\');
            }
            self.emitted.text.push(c);
        }
        self.emitted.text.push('"');
    }

    pub(super) fn loose(&mut self, expression: &Expression) -> Maybe {
        let from = self.here();
        let maybe = self.value(expression)?;
        self.origin(from, &expression.range);
        Ok(maybe)
    }

    fn value(&mut self, expression: &Expression) -> Maybe {
        let range = &expression.range;
        match &expression.kind {
            Kind::None => self.put("none"),
            Kind::Bool(value) => self.put(if *value { "true" } else { "false" }),
            Kind::Integer(value) => self.put(&value.to_string()),
            Kind::Float(value) => {
                self.text(&format!("{value:e}"));
                self.put(" | op_number");
            }
            Kind::Text(text) => self.text(text),
            Kind::List(items) => self.list(items, range)?,
            Kind::Dict(entries) => self.dict(entries, range)?,
            Kind::Name(name) => {
                self.name(name);
                return Ok(true);
            }
            Kind::Attribute(base, name) => return self.attribute(base, name, range),
            Kind::Item(base, key) => {
                self.loose(base)?;
                self.operation("op_item", "key", key, range)?;
                return Ok(true);
            }
            Kind::Slice(base, parts) => {
                self.sure(base)?;
                self.put(" | ");
                let from = self.here();
                self.put("op_slice(");
                for (name, part) in ["start", "end", "step"].iter().zip(parts) {
                    if let Some(part) = part {
                        let _ = write!(self.emitted.text, "{name}=");
                        self.deeper(range, |one| one.sure(part))?;
                        self.put(", ");
                    }
                }
                self.put(")");
                self.origin(from, range);
            }
            Kind::Call(target, arguments) => return self.call(target, arguments, range),
            Kind::Filter(value, called) => return self.called(table::Kind::Filter, value, called),
            Kind::Test(value, called, negated) => {
                if !*negated {
                    return self.called(table::Kind::Test, value, called);
                }
                self.put("(not ");
                self.deeper(range, |one| one.called(table::Kind::Test, value, called))?;
                self.put(")");
            }
            Kind::Negative(value) => {
                self.sure(value)?;
                self.operator("op_neg", &[], range);
            }
            Kind::Positive(value) => {
                self.sure(value)?;
                self.operator("op_pos", &[], range);
            }
            Kind::Not(value) => {
                self.put("(not ");
                self.deeper(range, |one| one.sure(value))?;
                self.put(")");
            }
            Kind::And(..) => return self.joined(expression, " and "),
            Kind::Or(..) => return self.joined(expression, " or "),
            Kind::Binary(operator, left, right) => {
                self.sure(left)?;
                self.operation(binary(operator), "with", right, range)?;
            }
            Kind::Compare(first, rest) => self.comparison(first, rest, range)?,
            Kind::If { then, condition, otherwise } => {
                return self
                    .deeper(range, |one| one.conditional(then, condition, otherwise.as_deref()));
            }
        }
        Ok(false)
    }

    pub(super) fn conditional(
        &mut self,
        then: &Expression,
        condition: &Expression,
        otherwise: Option<&Expression>,
    ) -> Maybe {
        self.put("(");
        let mut maybe = self.loose(then)?;
        self.put(" if ");
        self.sure(condition)?;
        self.put(" else ");
        match otherwise {
            Some(otherwise) => maybe |= self.loose(otherwise)?,
            None => {
                self.put("none | op_undefined");
                maybe = true;
            }
        }
        self.put(")");
        Ok(maybe)
    }

    /// `a and b and c`, which nests on the left, without nesting.
    fn joined(&mut self, expression: &Expression, word: &str) -> Maybe {
        let mut operands = Vec::new();
        let mut rest = expression;
        while let (Kind::And(left, right), " and ") | (Kind::Or(left, right), " or ") =
            (&rest.kind, word)
        {
            operands.push(right.as_ref());
            rest = left;
        }
        operands.push(rest);
        operands.reverse();
        self.deeper(&expression.range, |one| {
            one.put("(");
            let mut maybe = false;
            for (at, operand) in operands.iter().enumerate() {
                if at > 0 {
                    one.put(word);
                }
                if at + 1 < operands.len() {
                    one.sure(operand)?;
                } else {
                    maybe = one.loose(operand)?;
                }
            }
            one.put(")");
            Ok(maybe)
        })
    }

    fn comparison(
        &mut self,
        first: &Expression,
        rest: &[(&'static str, Expression)],
        range: &Range<usize>,
    ) -> Done {
        if let [(operator, right)] = rest {
            self.sure(first)?;
            return self.operation(comparison(operator), "with", right, range);
        }
        self.put("(");
        let mut left = first;
        self.deeper(range, |one| {
            for (at, (operator, right)) in rest.iter().enumerate() {
                if at > 0 {
                    one.put(" and ");
                }
                one.sure(left)?;
                one.operation(comparison(operator), "with", right, range)?;
                left = right;
            }
            Ok(())
        })?;
        self.put(")");
        Ok(())
    }

    fn name(&mut self, name: &str) {
        for scope in self.scopes.iter().rev() {
            if let Some((_, part)) = scope.parts.iter().find(|(have, _)| have == name) {
                let part = part.clone();
                return self.put(&part);
            }
            if scope.names.iter().any(|have| have == name) {
                break;
            }
        }
        let of_loop = self
            .scopes
            .iter()
            .any(|scope| scope.is_loop && scope.names.iter().any(|have| have == name));
        if !of_loop {
            self.emitted.names.insert(name.to_owned());
        }
        self.put(&tera_name(name));
    }

    fn attribute(&mut self, base: &Expression, name: &str, range: &Range<usize>) -> Maybe {
        if let Kind::Name(of) = &base.kind
            && of == "loop"
            && self.scopes.iter().any(|scope| scope.is_loop)
        {
            match name {
                "index" | "index0" | "first" | "last" | "length" => {
                    let _ = write!(self.emitted.text, "loop.{name}");
                }
                "revindex" => self.put("loop.length | op_sub(with=loop.index0)"),
                "revindex0" => self.put("loop.length | op_sub(with=loop.index)"),
                _ => {
                    return Err(Mistake::new(range.clone(), format!("`loop.{name}` is not supported"))
                        .hint("`loop` has `index`, `index0`, `revindex`, `revindex0`, `first`, `last` and `length`"));
                }
            }
            return Ok(false);
        }
        self.loose(base)?;
        let path = matches!(base.kind, Kind::Name(_))
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !matches!(name, "true" | "false" | "True" | "False");
        match path {
            true => {
                let _ = write!(self.emitted.text, "?.{name}");
            }
            false => {
                self.put(" | op_attr(key=");
                self.text(name);
                self.put(")");
            }
        }
        Ok(true)
    }

    fn list(&mut self, items: &[Expression], range: &Range<usize>) -> Done {
        // Tera knows lists in lists, and nothing deeper.
        let native = self.lists == 0;
        if native {
            self.put("[");
        } else if items.is_empty() {
            self.put("none | op_list");
            return Ok(());
        } else {
            self.put("none | op_list(");
        }
        self.lists += 1;
        for (at, item) in items.iter().enumerate() {
            if !native {
                let _ = write!(self.emitted.text, "i{at:05}=");
            }
            self.deeper(range, |one| one.sure(item))?;
            self.put(", ");
        }
        self.lists -= 1;
        self.put(if native { "]" } else { ")" });
        Ok(())
    }

    fn dict(&mut self, entries: &[(Expression, Expression)], range: &Range<usize>) -> Done {
        if entries.is_empty() {
            self.put("none | op_dict");
            return Ok(());
        }
        self.put("none | ");
        let from = self.here();
        self.put("op_dict(");
        for (at, (key, value)) in entries.iter().enumerate() {
            for (letter, part) in [("k", key), ("v", value)] {
                let _ = write!(self.emitted.text, "{letter}{at:05}=");
                self.deeper(range, |one| one.sure(part))?;
                self.put(", ");
            }
        }
        self.put(")");
        self.origin(from, range);
        Ok(())
    }
}

fn binary(operator: &str) -> &'static str {
    match operator {
        "+" => "op_add",
        "-" => "op_sub",
        "*" => "op_mul",
        "/" => "op_div",
        "//" => "op_floor",
        "%" => "op_mod",
        "**" => "op_pow",
        _ => "op_concat",
    }
}

fn comparison(operator: &str) -> &'static str {
    match operator {
        "==" => "op_eq",
        "!=" => "op_ne",
        "<" => "op_lt",
        "<=" => "op_le",
        ">" => "op_gt",
        ">=" => "op_ge",
        "in" => "op_in",
        _ => "op_not_in",
    }
}
