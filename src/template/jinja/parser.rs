//! Tokens to expressions, with Jinja's precedences: `or`, `and`, `not`, comparisons, `+ -`,
//! `~`, `* / // %`, `**`, signs, and filters and tests, which bind tightest.

use super::Mistake;
use super::ast::{Arguments, Called, Expression, Kind};
use super::lexer::{Kind as T, Token};

/// How deep brackets and statements may be nested. Tera allows 40 levels, and one of Jinja's
/// becomes up to two of Tera's.
const DEPTH: usize = 60;

pub(super) struct Parser {
    pub(super) tokens: Vec<Token>,
    pub(super) at: usize,
    pub(super) depth: usize,
    /// Operators, filters and subscripts of this expression so far.
    pub(super) links: usize,
}

/// How many operators, filters and subscripts one expression may have: Tera takes 256.
const LONGEST: usize = 250;

type Parsed = Result<Expression, Mistake>;

impl Parser {
    pub(super) fn new(tokens: Vec<Token>) -> Self {
        Self { tokens, at: 0, depth: 0, links: 0 }
    }

    /// The last token is always the end.
    pub(super) fn peek(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn peek_second(&self) -> &T {
        &self.tokens[(self.at + 1).min(self.tokens.len() - 1)].kind
    }

    pub(super) fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn before(&self) -> usize {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(0, |token| token.range.end)
    }

    pub(super) fn is_operator(&self, operator: &str) -> bool {
        matches!(&self.peek().kind, T::Operator(have) if *have == operator)
    }

    pub(super) fn is_name(&self, name: &str) -> bool {
        matches!(&self.peek().kind, T::Name(have) if have == name)
    }

    pub(super) fn take_operator(&mut self, operator: &str) -> bool {
        let found = self.is_operator(operator);
        self.at += usize::from(found);
        found
    }

    pub(super) fn take_name(&mut self, name: &str) -> bool {
        let found = self.is_name(name);
        self.at += usize::from(found);
        found
    }

    pub(super) fn unexpected(&self, wanted: &str) -> Mistake {
        let token = self.peek();
        let range = token.range.start..token.range.end.max(token.range.start + 1);
        Mistake::new(range, format!("expected {wanted}, found {}", token.kind.described()))
    }

    pub(super) fn expect_operator(&mut self, operator: &str) -> Result<(), Mistake> {
        if self.take_operator(operator) {
            return Ok(());
        }
        Err(self.unexpected(&format!("`{operator}`")))
    }

    pub(super) fn expect_name(&mut self) -> Result<(String, std::ops::Range<usize>), Mistake> {
        match self.peek().kind.clone() {
            T::Name(name) => Ok((name, self.next().range)),
            _ => Err(self.unexpected("a name")),
        }
    }

    /// Goes one level deeper, if there is one.
    pub(super) fn deeper<V>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<V, Mistake>,
    ) -> Result<V, Mistake> {
        if self.depth >= DEPTH {
            return Err(too_deep(self.peek().range.clone()));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// Takes one more operator, filter or subscript into the expression.
    fn link(&mut self) -> Result<(), Mistake> {
        self.links += 1;
        match self.links > LONGEST {
            true => Err(Mistake::new(self.peek().range.clone(), "the expression is too long")
                .hint("name a part of it with `{% set … %}` or `vars:`")),
            false => Ok(()),
        }
    }

    /// One expression, or several with commas, which is a tuple.
    pub(super) fn tuple(&mut self) -> Parsed {
        let first = self.expression()?;
        if !self.is_operator(",") {
            return Ok(first);
        }
        let start = first.range.start;
        let mut items = vec![first];
        while self.take_operator(",") && self.begins_expression() {
            items.push(self.expression()?);
        }
        Ok(Expression { range: start..self.before(), kind: Kind::List(items) })
    }

    fn begins_expression(&self) -> bool {
        match &self.peek().kind {
            T::Operator(operator) => matches!(*operator, "(" | "[" | "{" | "-" | "+"),
            T::Name(name) => name != "in",
            T::Integer(_) | T::Float(_) | T::Text(_) => true,
            _ => false,
        }
    }

    pub(super) fn expression(&mut self) -> Parsed {
        self.deeper(Self::conditional)
    }

    fn conditional(&mut self) -> Parsed {
        let mut then = self.or()?;
        while self.take_name("if") {
            self.link()?;
            let condition = Box::new(self.or()?);
            let otherwise = match self.take_name("else") {
                true => Some(Box::new(self.expression()?)),
                false => None,
            };
            let range = then.range.start..self.before();
            then =
                Expression { range, kind: Kind::If { then: Box::new(then), condition, otherwise } };
        }
        Ok(then)
    }

    pub(super) fn or(&mut self) -> Parsed {
        let mut left = self.and()?;
        while self.take_name("or") {
            self.link()?;
            let right = self.and()?;
            left = joined(left, right, Kind::Or);
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed {
        let mut left = self.not()?;
        while self.take_name("and") {
            self.link()?;
            let right = self.not()?;
            left = joined(left, right, Kind::And);
        }
        Ok(left)
    }

    fn not(&mut self) -> Parsed {
        if !self.is_name("not") {
            return self.comparison();
        }
        let start = self.next().range.start;
        let inner = self.deeper(Self::not)?;
        Ok(Expression { range: start..inner.range.end, kind: Kind::Not(Box::new(inner)) })
    }

    fn comparison(&mut self) -> Parsed {
        let first = self.sum()?;
        let mut rest = Vec::new();
        loop {
            let operator = match &self.peek().kind {
                T::Operator(one @ ("==" | "!=" | "<" | "<=" | ">" | ">=")) => *one,
                T::Name(name) if name == "in" => "in",
                T::Name(name)
                    if name == "not"
                        && matches!(self.peek_second(), T::Name(name) if name == "in") =>
                {
                    self.at += 1;
                    "not in"
                }
                _ => break,
            };
            self.at += 1;
            self.link()?;
            rest.push((operator, self.sum()?));
        }
        if rest.is_empty() {
            return Ok(first);
        }
        let range = first.range.start..self.before();
        Ok(Expression { range, kind: Kind::Compare(Box::new(first), rest) })
    }

    /// Operators of one precedence, from left to right.
    fn operators(
        &mut self,
        names: &[&'static str],
        operand: impl Fn(&mut Self) -> Parsed,
    ) -> Parsed {
        let mut left = operand(self)?;
        while let Some(operator) = names.iter().find(|name| self.is_operator(name)) {
            self.at += 1;
            self.link()?;
            let right = operand(self)?;
            left = joined(left, right, |left, right| Kind::Binary(operator, left, right));
        }
        Ok(left)
    }

    fn sum(&mut self) -> Parsed {
        self.operators(&["+", "-"], |one| {
            one.operators(&["~"], |one| {
                one.operators(&["*", "/", "//", "%"], |one| {
                    one.operators(&["**"], |one| one.signed(true))
                })
            })
        })
    }

    fn signed(&mut self, filters: bool) -> Parsed {
        let sign = ["-", "+"].into_iter().find(|sign| self.is_operator(sign));
        let mut node = match sign {
            Some(sign) => {
                let start = self.next().range.start;
                let inner = self.deeper(|one| one.signed(false))?;
                let range = start..inner.range.end;
                let inner = Box::new(inner);
                let kind = if sign == "-" { Kind::Negative(inner) } else { Kind::Positive(inner) };
                Expression { range, kind }
            }
            None => self.primary()?,
        };
        node = self.postfix(node)?;
        if filters {
            node = self.filters(node)?;
        }
        Ok(node)
    }

    fn primary(&mut self) -> Parsed {
        let token = self.peek().clone();
        let kind = match token.kind {
            T::Name(name) => match name.as_str() {
                "true" | "True" => Kind::Bool(true),
                "false" | "False" => Kind::Bool(false),
                "none" | "None" => Kind::None,
                "if" | "else" | "and" | "or" | "not" | "in" | "is" | "for" => {
                    return Err(self.unexpected("a value"));
                }
                _ => Kind::Name(name),
            },
            T::Integer(value) => Kind::Integer(value),
            T::Float(value) => Kind::Float(value),
            T::Text(mut text) => {
                // Texts side by side are one, as in Python.
                while let T::Text(more) = self.peek_second() {
                    text.push_str(more);
                    self.at += 1;
                }
                Kind::Text(text)
            }
            T::Operator("(") => return self.deeper(Self::parenthesis),
            T::Operator("[") => return self.deeper(Self::list),
            T::Operator("{") => return self.deeper(Self::dict),
            _ => return Err(self.unexpected("a value")),
        };
        self.at += 1;
        Ok(Expression { range: token.range.start..self.before(), kind })
    }

    fn parenthesis(&mut self) -> Parsed {
        let start = self.next().range.start;
        let mut inner = match self.is_operator(")") {
            true => Expression { range: start..start, kind: Kind::List(Vec::new()) },
            false => self.tuple()?,
        };
        self.expect_operator(")")?;
        inner.range = start..self.before();
        Ok(inner)
    }

    fn list(&mut self) -> Parsed {
        let start = self.next().range.start;
        let mut items = Vec::new();
        while !self.is_operator("]") {
            items.push(self.expression()?);
            if !self.take_operator(",") {
                break;
            }
        }
        if self.is_name("for") {
            return Err(self.unexpected("`]`").hint(
                "Jinja has no list comprehension: use the filters `map`, `select` and `selectattr`",
            ));
        }
        self.expect_operator("]")?;
        Ok(Expression { range: start..self.before(), kind: Kind::List(items) })
    }

    fn dict(&mut self) -> Parsed {
        let start = self.next().range.start;
        let mut entries = Vec::new();
        while !self.is_operator("}") {
            let key = self.expression()?;
            self.expect_operator(":")?;
            entries.push((key, self.expression()?));
            if !self.take_operator(",") {
                break;
            }
        }
        self.expect_operator("}")?;
        Ok(Expression { range: start..self.before(), kind: Kind::Dict(entries) })
    }

    fn postfix(&mut self, mut node: Expression) -> Parsed {
        loop {
            let start = node.range.start;
            let kind = if self.take_operator(".") {
                match self.next().kind {
                    T::Name(name) => Kind::Attribute(Box::new(node), name),
                    T::Integer(value) => {
                        let range = self.before()..self.before();
                        let item = Expression { range, kind: Kind::Integer(value) };
                        Kind::Item(Box::new(node), Box::new(item))
                    }
                    _ => {
                        self.at -= 1;
                        return Err(self.unexpected("a name after `.`"));
                    }
                }
            } else if self.is_operator("[") {
                self.deeper(|one| one.subscript(node))?
            } else if self.is_operator("(") {
                let arguments = self.deeper(Self::arguments)?;
                Kind::Call(Box::new(node), arguments)
            } else {
                return Ok(node);
            };
            self.link()?;
            node = Expression { range: start..self.before(), kind };
        }
    }

    fn subscript(&mut self, node: Expression) -> Result<Kind, Mistake> {
        self.expect_operator("[")?;
        let mut parts: [Option<Box<Expression>>; 3] = [None, None, None];
        let mut colons = 0;
        loop {
            if self.is_operator("]") {
                break;
            } else if self.is_operator(":") && colons < 2 {
                colons += 1;
                self.at += 1;
            } else if parts[colons].is_none() {
                parts[colons] = Some(Box::new(self.expression()?));
            } else {
                return Err(self.unexpected("`]`"));
            }
        }
        let close = self.peek().range.clone();
        self.expect_operator("]")?;
        match (colons, parts) {
            (0, [Some(item), ..]) => Ok(Kind::Item(Box::new(node), item)),
            (0, _) => Err(Mistake::new(close, "expected an index or a key, found `]`")),
            (_, parts) => Ok(Kind::Slice(Box::new(node), parts)),
        }
    }

    fn arguments(&mut self) -> Result<Arguments, Mistake> {
        self.expect_operator("(")?;
        let mut arguments = Arguments::default();
        while !self.is_operator(")") {
            if self.is_operator("*") || self.is_operator("**") {
                return Err(self.unexpected("an argument").hint("write the arguments out"));
            }
            let named = matches!(self.peek_second(), T::Operator("="));
            match self.peek().kind.clone() {
                T::Name(name) if named => {
                    let range = self.next().range;
                    self.at += 1;
                    if arguments.named.iter().any(|(have, ..)| *have == name) {
                        return Err(Mistake::new(range, format!("`{name}` is given twice")));
                    }
                    arguments.named.push((name, range, self.expression()?));
                }
                _ if !arguments.named.is_empty() => {
                    return Err(self
                        .unexpected("an argument with its name")
                        .hint("arguments without a name come before those that have one"));
                }
                _ => arguments.positional.push(self.expression()?),
            }
            if !self.take_operator(",") {
                break;
            }
        }
        self.expect_operator(")")?;
        Ok(arguments)
    }

    fn filters(&mut self, mut node: Expression) -> Parsed {
        loop {
            let start = node.range.start;
            let kind = if self.take_operator("|") {
                let called = self.called(false)?;
                Kind::Filter(Box::new(node), called)
            } else if self.take_name("is") {
                let negated = self.take_name("not");
                let called = self.called(true)?;
                Kind::Test(Box::new(node), called, negated)
            } else if self.is_operator("(") {
                let arguments = self.deeper(Self::arguments)?;
                Kind::Call(Box::new(node), arguments)
            } else {
                return Ok(node);
            };
            self.link()?;
            node = Expression { range: start..self.before(), kind };
        }
    }

    /// The name and the arguments of a filter or, with its looser grammar, of a test.
    fn called(&mut self, test: bool) -> Result<Called, Mistake> {
        let operator = match &self.peek().kind {
            T::Operator(one @ ("==" | "!=" | "<" | "<=" | ">" | ">=")) if test => Some(*one),
            _ => None,
        };
        let (mut name, name_range) = match operator {
            Some(operator) => (operator.to_owned(), self.next().range),
            None => self.expect_name()?,
        };
        let start = name_range.start;
        while self.is_operator(".") {
            self.at += 1;
            name = format!("{name}.{}", self.expect_name()?.0);
        }
        let name_range = start..self.before();
        let arguments = if self.is_operator("(") {
            self.deeper(Self::arguments)?
        } else if test && self.begins_test_argument() {
            let argument = self.primary()?;
            let argument = self.postfix(argument)?;
            Arguments { positional: vec![argument], named: Vec::new() }
        } else {
            Arguments::default()
        };
        Ok(Called { name, range: start..self.before(), name_range, arguments })
    }

    /// `x is divisibleby 3`: one argument may do without its parentheses.
    fn begins_test_argument(&self) -> bool {
        match &self.peek().kind {
            T::Name(name) => {
                !matches!(name.as_str(), "else" | "or" | "and" | "is" | "in" | "not" | "if")
            }
            T::Text(_) | T::Integer(_) | T::Float(_) => true,
            T::Operator(operator) => matches!(*operator, "[" | "{"),
            _ => false,
        }
    }
}

pub(super) fn too_deep(range: std::ops::Range<usize>) -> Mistake {
    Mistake::new(range, "nested too deeply").hint("name a part of it with `{% set … %}` or `vars:`")
}

fn joined(
    left: Expression,
    right: Expression,
    kind: impl FnOnce(Box<Expression>, Box<Expression>) -> Kind,
) -> Expression {
    let range = left.range.start..right.range.end;
    Expression { range, kind: kind(Box::new(left), Box::new(right)) }
}
