//! What a template says, as Jinja's grammar has it. Every part knows its place in the text.

use std::ops::Range;

/// An expression and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expression {
    pub(super) range: Range<usize>,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    None,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Expression>),
    Dict(Vec<(Expression, Expression)>),
    Name(String),
    Attribute(Box<Expression>, String),
    Item(Box<Expression>, Box<Expression>),
    Slice(Box<Expression>, [Option<Box<Expression>>; 3]),
    Call(Box<Expression>, Arguments),
    Filter(Box<Expression>, Called),
    Test(Box<Expression>, Called, bool),
    Negative(Box<Expression>),
    Positive(Box<Expression>),
    Not(Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Binary(&'static str, Box<Expression>, Box<Expression>),
    Compare(Box<Expression>, Vec<(&'static str, Expression)>),
    If { then: Box<Expression>, condition: Box<Expression>, otherwise: Option<Box<Expression>> },
}

/// A filter or test, and what it is given.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Called {
    pub(super) name: String,
    /// Where the name and the arguments stand.
    pub(super) range: Range<usize>,
    pub(super) name_range: Range<usize>,
    pub(super) arguments: Arguments,
}

/// What stands between the parentheses of a call.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Arguments {
    pub(super) positional: Vec<Expression>,
    pub(super) named: Vec<(String, Range<usize>, Expression)>,
}

/// What a value is given to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Target {
    Name(String),
    /// `a, b`: a value of so many parts.
    Names(Vec<String>),
    /// `ns.name`: an attribute of a `namespace`.
    Attribute(String, String),
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Statement {
    Data(String),
    Output(Expression),
    Set(Target, Expression, Range<usize>),
    /// `{% set x %}…{% endset %}`
    Capture(String, Vec<Statement>),
    If(Vec<(Expression, Vec<Statement>)>, Vec<Statement>),
    For(Box<For>),
    Include(Include),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct For {
    pub(super) target: Target,
    pub(super) items: Expression,
    pub(super) condition: Option<Expression>,
    pub(super) body: Vec<Statement>,
    pub(super) otherwise: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Include {
    pub(super) name: String,
    pub(super) range: Range<usize>,
    pub(super) ignore_missing: bool,
}
