//! `{% … %}` to statements: `set`, `if`, `for`, `include`; for what Jinja has beyond that, an
//! error that says what to do instead.

use super::Mistake;
use super::ast::{Expression, For, Include, Kind, Statement, Target};
use super::lexer::{self, Kind as T};
use super::parser::Parser;

/// Jinja's other statements, and what takes their place.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("macro", "put the text into a file of its own and `{% include %}` it"),
    ("call", "put the text into a file of its own and `{% include %}` it"),
    ("import", "put the text into a file of its own and `{% include %}` it"),
    ("from", "put the text into a file of its own and `{% include %}` it"),
    ("extends", "`{% include %}` the common parts instead"),
    ("block", "`{% include %}` the common parts instead"),
    ("filter", "catch the text with `{% set x %}…{% endset %}`, then write `{{ x | filter }}`"),
    ("with", "use `{% set … %}`"),
    ("do", "use `{% set … %}`, with a `namespace` where a loop changes it"),
    ("break", "choose the items first: `{% for x in items if … %}`"),
    ("continue", "choose the items first: `{% for x in items if … %}`"),
    ("autoescape", "nothing is escaped here"),
    ("trans", "write the text out"),
    ("debug", "use the module `debug`"),
];

const KNOWN: &[&str] =
    &["set", "if", "elif", "else", "for", "include", "raw", "endif", "endfor", "endset"];

/// So many `elif` may one `if` have.
const BRANCHES: usize = 100;

/// A whole template.
pub(super) fn template(text: &str, escapes: bool) -> Result<Vec<Statement>, Mistake> {
    let mut parser = Parser::new(lexer::template(text, escapes)?);
    let (body, _) = parser.body(&[], 0..0)?;
    Ok(body)
}

/// A bare expression and nothing else.
pub(super) fn expression(text: &str, escapes: bool) -> Result<Expression, Mistake> {
    let mut parser = Parser::new(lexer::expression(text, escapes)?);
    let expression = parser.tuple()?;
    match parser.peek().kind {
        T::End => Ok(expression),
        _ => Err(parser.unexpected("the end of the expression")),
    }
}

type Body = (Vec<Statement>, String);

impl Parser {
    /// Statements up to one of `ends`, which is taken and given back.
    fn body(&mut self, ends: &[&str], opened: std::ops::Range<usize>) -> Result<Body, Mistake> {
        self.deeper(|one| one.statements(ends, opened))
    }

    fn statements(
        &mut self,
        ends: &[&str],
        opened: std::ops::Range<usize>,
    ) -> Result<Body, Mistake> {
        let mut body = Vec::new();
        loop {
            let token = self.next();
            self.links = 0;
            match token.kind {
                T::Data(data) => body.push(Statement::Data(data)),
                T::OutputStart => {
                    body.push(Statement::Output(self.tuple()?));
                    match self.peek().kind {
                        T::OutputEnd => self.at += 1,
                        _ => return Err(self.unexpected("`}}` or an operator")),
                    }
                }
                T::TagStart => {
                    let (name, range) = self.expect_name()?;
                    if ends.contains(&name.as_str()) {
                        return Ok((body, name));
                    }
                    body.push(self.statement(&name, range)?);
                }
                _ if ends.is_empty() => return Ok((body, String::new())),
                _ => {
                    let end = ends.last().copied().unwrap_or_default();
                    return Err(Mistake::new(
                        opened,
                        format!("there is no `{{% {end} %}}` to this"),
                    ));
                }
            }
        }
    }

    fn end_of_tag(&mut self) -> Result<(), Mistake> {
        match self.peek().kind {
            T::TagEnd => {
                self.at += 1;
                Ok(())
            }
            _ => Err(self.unexpected("`%}`")),
        }
    }

    fn statement(
        &mut self,
        name: &str,
        range: std::ops::Range<usize>,
    ) -> Result<Statement, Mistake> {
        match name {
            "set" => self.set(range),
            "if" => self.condition(range),
            "for" => self.repetition(range),
            "include" => self.include(),
            "print" => {
                let value = self.tuple()?;
                self.end_of_tag()?;
                Ok(Statement::Output(value))
            }
            "else" | "elif" | "endif" | "endfor" | "endset" => {
                Err(Mistake::new(range, format!("`{name}` belongs to nothing that is open here")))
            }
            _ => match UNSUPPORTED.iter().find(|(have, _)| *have == name) {
                Some((_, instead)) => {
                    Err(Mistake::new(range, format!("`{name}` is not supported")).hint(*instead))
                }
                None => Err(Mistake::new(range, format!("there is no statement `{name}`"))
                    .did_you_mean(name, KNOWN.iter().copied())),
            },
        }
    }

    fn target(&mut self, attribute: bool) -> Result<Target, Mistake> {
        let parenthesis = self.take_operator("(");
        let (first, range) = self.assignable()?;
        if attribute && self.take_operator(".") {
            return Ok(Target::Attribute(first, self.expect_name()?.0));
        }
        let mut names = vec![first];
        let mut several = false;
        while self.take_operator(",") {
            several = true;
            if matches!(self.peek().kind, T::Name(_)) && !self.is_name("in") {
                names.push(self.assignable()?.0);
            }
        }
        if parenthesis {
            self.expect_operator(")")?;
        }
        match (several, names.pop()) {
            (false, Some(name)) => Ok(Target::Name(name)),
            (_, Some(name)) => {
                names.push(name);
                Ok(Target::Names(names))
            }
            (_, None) => Err(Mistake::new(range, "expected a name")),
        }
    }

    fn assignable(&mut self) -> Result<(String, std::ops::Range<usize>), Mistake> {
        let (name, range) = self.expect_name()?;
        let reserved = ["true", "false", "none", "True", "False", "None", "loop", "not", "in"];
        match reserved.contains(&name.as_str()) {
            true => Err(Mistake::new(range, format!("`{name}` cannot be given a value"))),
            false => Ok((name, range)),
        }
    }

    fn set(&mut self, range: std::ops::Range<usize>) -> Result<Statement, Mistake> {
        let target = self.target(true)?;
        if self.take_operator("=") {
            let value = self.tuple()?;
            self.end_of_tag()?;
            return Ok(Statement::Set(target, value, range));
        }
        let Target::Name(name) = target else { return Err(self.unexpected("`=`")) };
        match self.peek().kind {
            T::TagEnd => self.at += 1,
            _ => return Err(self.unexpected("`=` or `%}`")),
        }
        let (body, _) = self.body(&["endset"], range)?;
        self.end_of_tag()?;
        Ok(Statement::Capture(name, body))
    }

    fn condition(&mut self, range: std::ops::Range<usize>) -> Result<Statement, Mistake> {
        let mut branches = Vec::new();
        loop {
            let condition = self.tuple()?;
            self.end_of_tag()?;
            let (body, end) = self.body(&["elif", "else", "endif"], range.clone())?;
            branches.push((condition, body));
            if branches.len() > BRANCHES {
                return Err(Mistake::new(range, "the `if` is too long: it has too many branches")
                    .hint("look the value up in a mapping instead"));
            }
            if end == "elif" {
                continue;
            }
            let mut otherwise = Vec::new();
            if end == "else" {
                self.end_of_tag()?;
                otherwise = self.body(&["endif"], range)?.0;
            }
            self.end_of_tag()?;
            return Ok(Statement::If(branches, otherwise));
        }
    }

    fn repetition(&mut self, range: std::ops::Range<usize>) -> Result<Statement, Mistake> {
        let target = self.target(false)?;
        if !self.take_name("in") {
            return Err(self.unexpected("`in`"));
        }
        // No inline `if` here: it chooses the items.
        let first = self.or()?;
        let items = match self.is_operator(",") {
            true => {
                let mut items = vec![first];
                while self.take_operator(",") {
                    items.push(self.or()?);
                }
                let all = items[0].range.start..items[items.len() - 1].range.end;
                Expression { range: all, kind: Kind::List(items) }
            }
            false => first,
        };
        let condition = match self.take_name("if") {
            true => Some(self.expression()?),
            false => None,
        };
        if self.is_name("recursive") {
            return Err(Mistake::new(self.peek().range.clone(), "`recursive` is not supported")
                .hint("write a loop for each level"));
        }
        self.end_of_tag()?;
        let (body, end) = self.body(&["else", "endfor"], range.clone())?;
        let mut otherwise = Vec::new();
        if end == "else" {
            self.end_of_tag()?;
            otherwise = self.body(&["endfor"], range)?.0;
        }
        self.end_of_tag()?;
        Ok(Statement::For(Box::new(For { target, items, condition, body, otherwise })))
    }

    fn include(&mut self) -> Result<Statement, Mistake> {
        let token = self.next();
        let T::Text(name) = token.kind else {
            return Err(Mistake::new(token.range, "an included file's name must be written out")
                .hint("choose between names with `{% if %}`"));
        };
        let ignore_missing = self.take_name("ignore");
        if ignore_missing && !self.take_name("missing") {
            return Err(self.unexpected("`missing`"));
        }
        if self.take_name("with") || self.take_name("without") {
            if self.tokens[self.at - 1].kind == T::Name("without".into()) {
                return Err(Mistake::new(
                    self.tokens[self.at - 1].range.clone(),
                    "`without context` is not supported",
                )
                .hint("the included file sees the variables"));
            }
            if !self.take_name("context") {
                return Err(self.unexpected("`context`"));
            }
        }
        self.end_of_tag()?;
        Ok(Statement::Include(Include { name, range: token.range, ignore_missing }))
    }
}
