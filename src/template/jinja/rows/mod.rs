//! The rows of the table, by what they are about.

mod collections;
mod encodings;
mod functions;
mod methods;
mod network;
mod numbers;
mod operators;
mod patterns;
mod tests;
mod texts;
mod values;
mod yaml;

use super::table::{Kind, Row};

pub use functions::Question;
pub(in crate::template) use functions::answer;
pub(super) use operators::UNDEFINED;
pub(super) use operators::register;

/// All of them.
pub(super) const ALL: &[&[Row]] = &[
    values::ROWS,
    texts::ROWS,
    patterns::ROWS,
    numbers::ROWS,
    collections::ROWS,
    encodings::ROWS,
    network::ROWS,
    tests::ROWS,
    functions::ROWS,
    methods::ROWS,
];

/// What is not here, and what to do instead.
pub(super) const INSTEAD: &[(Kind, &str, &str)] = &[
    (
        Kind::Filter,
        "random",
        "a template must give the same every time; choose by `inventory_hostname`",
    ),
    (Kind::Filter, "shuffle", "a template must give the same every time; use `sort`"),
    (Kind::Filter, "password_hash", "write the hash into the inventory"),
    (Kind::Filter, "tojson", "use `to_json`"),
    (Kind::Filter, "json_query", "use `selectattr`, `map(attribute='…')` and `first`"),
    (
        Kind::Filter,
        "community.general.json_query",
        "use `selectattr`, `map(attribute='…')` and `first`",
    ),
    (Kind::Filter, "groupby", "use `selectattr('key', '==', value)` for each value"),
    (Kind::Filter, "escape", "nothing is escaped in configuration files; use `quote` for a shell"),
    (Kind::Filter, "e", "nothing is escaped in configuration files; use `quote` for a shell"),
    (Kind::Filter, "safe", "nothing is escaped here; leave it out"),
    (Kind::Filter, "str", "use `string`"),
    (Kind::Filter, "items", "use `dict2items`, or the method `.items()`"),
    (Kind::Filter, "keys", "use `list`, or the method `.keys()`"),
    (Kind::Filter, "values", "use the method `.values()`"),
    (Kind::Filter, "nth", "use an index: `x[2]`"),
    (Kind::Filter, "get", "use the method `.get()`"),
    (Kind::Filter, "slice", "use `batch`"),
    (Kind::Filter, "wordwrap", "write the text in lines as it should stand"),
    (Kind::Filter, "ipsubnet", "use `ipaddr` with the query `network/prefix`"),
    (Kind::Filter, "strftime", "use a fact such as `ansible_date_time`"),
    (Kind::Test, "file", "look with the module `stat` and test its result"),
    (Kind::Test, "exists", "look with the module `stat` and test its result"),
    (Kind::Test, "directory", "look with the module `stat` and test its result"),
    (Kind::Function, "query", "use `lookup`"),
    (Kind::Function, "q", "use `lookup`"),
    (Kind::Function, "now", "use a fact such as `ansible_date_time`"),
    (Kind::Function, "joiner", "use `join`"),
    (Kind::Function, "cycler", "use `list[loop.index0 % (list | length)]`"),
    (Kind::Function, "super", "templates have no parents here; `{% include %}` the common parts"),
    (
        Kind::Method,
        "append",
        "write `{% set list = list + [item] %}`, with a `namespace` in a loop",
    ),
    (Kind::Method, "extend", "write `{% set list = list + more %}`, with a `namespace` in a loop"),
    (Kind::Method, "update", "write `{% set a = a | combine(b) %}`, with a `namespace` in a loop"),
    (Kind::Method, "pop", "use a slice: `list[:-1]`"),
    (Kind::Method, "sort", "use the filter `sort`"),
    (Kind::Method, "isalpha", "use the test `match`"),
    (Kind::Method, "isalnum", "use the test `match`"),
    (Kind::Method, "copy", "values never change; leave it out"),
];
