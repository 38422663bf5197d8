//! Filters of lists and mappings.

use std::cmp::Ordering;

use tera::value::{Key, Map};
use tera::{TeraResult, Value};

use super::super::budget;
use super::super::python::{
    arithmetic, compare, equal, error, iterate, key, mapping, text, type_name,
};
use super::super::table::{self, Given, Kind, Row};

pub(super) const ROWS: &[Row] = &[
    Row::filter("first", |value, _| Ok(iterate(value)?.into_iter().next().unwrap_or_else(Value::undefined)))
        .maybe()
        .doc("The first item; undefined where there is none."),
    Row::filter("last", |value, _| Ok(iterate(value)?.pop().unwrap_or_else(Value::undefined)))
        .maybe()
        .doc("The last item; undefined where there is none."),
    Row::filter("length", |value, _| match value.len() {
        Some(length) => Ok(length.into()),
        None => Err(error(format!("a value of type `{}` has no length", type_name(value)))),
    })
    .alias(&["count"])
    .doc("How many items, keys or letters there are."),
    Row::filter("min", |value, given| extreme(value, given, Ordering::Less))
        .takes(&["case_sensitive?", "attribute?"])
        .maybe()
        .doc("The least item, or the one with the least attribute."),
    Row::filter("max", |value, given| extreme(value, given, Ordering::Greater))
        .takes(&["case_sensitive?", "attribute?"])
        .maybe()
        .doc("The greatest item, or the one with the greatest attribute."),
    Row::filter("sum", |value, given| {
        let mut sum = given.get("start").unwrap_or_else(|| Value::from(0));
        for one in attributes(value, given)? {
            sum = arithmetic("+", &sum, &one)?;
        }
        Ok(sum)
    })
    .takes(&["attribute?", "start?"])
    .doc("The sum of the items, or of that attribute of each."),
    Row::filter("sort", sort)
        .takes(&["reverse?", "case_sensitive?", "attribute?"])
        .doc("The items in order; capitals do not count unless `case_sensitive`."),
    Row::filter("reverse", |value, _| value.reverse()).doc("The other way round."),
    Row::filter("unique", unique)
        .takes(&["case_sensitive?", "attribute?"])
        .doc("Each item once, the first of equals."),
    Row::filter("union", |value, given| {
        let mut all = iterate(value)?;
        all.extend(iterate(&given.need("b")?)?);
        Ok(distinct(all)?.into())
    })
    .takes(&["b"])
    .doc("What is in one list or the other, each once."),
    Row::filter("intersect", |value, given| chosen(value, &given.need("b")?, true))
        .takes(&["b"])
        .doc("What is in both lists, each once."),
    Row::filter("difference", |value, given| chosen(value, &given.need("b")?, false))
        .takes(&["b"])
        .doc("What is in the first list and not in the second, each once."),
    Row::filter("symmetric_difference", |value, given| {
        let other = given.need("b")?;
        let mut all = iterate(&chosen(value, &other, false)?)?;
        all.extend(iterate(&chosen(&other, value, false)?)?);
        Ok(all.into())
    })
    .takes(&["b"])
    .doc("What is in exactly one of the lists, each once."),
    Row::filter("flatten", |value, given| {
        let mut out = Vec::new();
        let levels = given.integer("levels")?.unwrap_or(i64::MAX);
        flatten(&iterate(value)?, levels, given.flag("skip_nulls").unwrap_or(true), &mut out);
        Ok(out.into())
    })
    .takes(&["levels?", "skip_nulls?"])
    .doc("Lists in the list replaced by their items."),
    Row::filter("map", map)
        .takes(&["*", "**"])
        .doc("Each item passed through a filter (`map('int')`), or that attribute of each (`map(attribute='name')`)."),
    Row::filter("select", |value, given| select(value, given, None, true))
        .takes(&["*", "**"])
        .doc("The items that pass a test, or that are true."),
    Row::filter("reject", |value, given| select(value, given, None, false))
        .takes(&["*", "**"])
        .doc("The items that do not pass a test, or that are false."),
    Row::filter("selectattr", |value, given| select(value, given, given.get("attribute"), true))
        .takes(&["attribute", "*", "**"])
        .doc("The items whose attribute passes a test, or is true."),
    Row::filter("rejectattr", |value, given| select(value, given, given.get("attribute"), false))
        .takes(&["attribute", "*", "**"])
        .doc("The items whose attribute does not pass a test, or is false."),
    Row::filter("dict2items", dict2items)
        .takes(&["key_name?", "value_name?"])
        .doc("A mapping as a list of mappings with `key` and `value`."),
    Row::filter("items2dict", items2dict)
        .takes(&["key_name?", "value_name?"])
        .doc("A list of mappings with `key` and `value` as one mapping."),
    Row::filter("dictsort", |value, given| {
        let map = value.as_map().ok_or_else(|| error("`dictsort` wants a mapping"))?;
        let by = usize::from(given.text("by").as_deref() == Some("value"));
        let exact = given.flag("case_sensitive").unwrap_or(false);
        let mut pairs: Vec<Vec<Value>> =
            map.iter().map(|(key, value)| vec![key.as_value(), value.clone()]).collect();
        sort_by(&mut pairs, exact, |pair| pair.get(by).cloned().unwrap_or_else(Value::none))?;
        if given.flag("reverse").unwrap_or(false) {
            pairs.reverse();
        }
        Ok(pairs.into_iter().map(Value::from).collect::<Vec<_>>().into())
    })
    .takes(&["case_sensitive?", "by?", "reverse?"])
    .doc("The pairs of a mapping, sorted by key or by value."),
    Row::filter("combine", combine)
        .takes(&["*", "recursive?", "list_merge?"])
        .doc("One mapping of several; what comes later counts. `recursive` also combines mappings in them."),
    Row::filter("product", |value, given| {
        let mut lists = vec![iterate(value)?];
        for other in given.rest() {
            lists.push(iterate(&other)?);
        }
        let size = lists.iter().try_fold(1_usize, |size, list| size.checked_mul(list.len()));
        budget::spend(size.unwrap_or(usize::MAX))?;
        let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
        for list in &lists {
            rows = rows
                .iter()
                .flat_map(|row| list.iter().map(|one| [row.as_slice(), std::slice::from_ref(one)].concat()))
                .collect();
        }
        Ok(rows.into_iter().map(Value::from).collect::<Vec<_>>().into())
    })
    .takes(&["*"])
    .doc("Every item with every item of the other lists."),
    Row::filter("zip", |value, given| zip(value, given, None))
        .takes(&["*"])
        .doc("The first items of the lists, then the second ones, as far as the shortest goes."),
    Row::filter("zip_longest", |value, given| {
        let fill = given.get("fillvalue").unwrap_or_else(Value::none);
        zip(value, given, Some(fill))
    })
    .takes(&["*", "fillvalue?"])
    .doc("As `zip`, as far as the longest goes, with `fillvalue` for what is missing."),
    Row::filter("batch", |value, given| {
        let size = given.integer("linecount")?.and_then(|one| usize::try_from(one).ok()).filter(|one| *one > 0);
        let size = size.ok_or_else(|| error("`linecount` is 1 or more"))?;
        let mut rows: Vec<Vec<Value>> = iterate(value)?.chunks(size).map(<[Value]>::to_vec).collect();
        if let (Some(last), Some(fill)) = (rows.last_mut(), given.get("fill_with")) {
            budget::spend(size)?;
            last.resize(size, fill);
        }
        Ok(rows.into_iter().map(Value::from).collect::<Vec<_>>().into())
    })
    .takes(&["linecount", "fill_with?"])
    .doc("Lists of so many items each."),
    Row::filter("extract", extract)
        .takes(&["container|from", "morekeys|attribute?"])
        .maybe()
        .doc("What the container has under this key, and under `morekeys` in that: `names | map('extract', hostvars, 'ansible_host')`."),
];

/// `item.a.b` for the attribute `a.b`; undefined where something is missing.
pub(super) fn path(value: &Value, attribute: &Value) -> TeraResult<Value> {
    if attribute.as_str().is_none() {
        return Ok(super::super::python::item(value, attribute));
    }
    let mut value = value.clone();
    for part in text(attribute).split('.') {
        value = super::texts::part(&value, part);
    }
    Ok(value)
}

/// The items, or the attribute of each that is asked for.
fn attributes(value: &Value, given: &Given) -> TeraResult<Vec<Value>> {
    let items = iterate(value)?;
    let Some(attribute) = given.get("attribute") else { return Ok(items) };
    items.iter().map(|item| defined(path(item, &attribute)?, &attribute)).collect()
}

fn defined(value: Value, attribute: &Value) -> TeraResult<Value> {
    match value.is_undefined() {
        true => Err(error(format!("an item has no `{}`", text(attribute)))),
        false => Ok(value),
    }
}

fn folded(value: &Value, exact: bool) -> Value {
    match value.as_str() {
        Some(text) if !exact => Value::from(text.to_lowercase()),
        _ => value.clone(),
    }
}

fn extreme(value: &Value, given: &Given, wanted: Ordering) -> TeraResult<Value> {
    let exact = given.flag("case_sensitive").unwrap_or(false);
    let keys = attributes(value, given)?;
    let mut best: Option<(Value, Value)> = None;
    for (item, by) in iterate(value)?.into_iter().zip(keys) {
        let by = folded(&by, exact);
        let better = match &best {
            Some((_, least)) => compare(&by, least)? == wanted,
            None => true,
        };
        if better {
            best = Some((item, by));
        }
    }
    Ok(best.map_or_else(Value::undefined, |(item, _)| item))
}

/// Sorts by a key of each; types that cannot be compared are an error.
fn sort_by<T>(items: &mut [T], exact: bool, by: impl Fn(&T) -> Value) -> TeraResult<()> {
    let mut trouble = None;
    items.sort_by_cached_key(|item| {
        let by = folded(&by(item), exact);
        Sorted(by)
    });
    for pair in items.windows(2) {
        if let Err(error) = compare(&by(&pair[0]), &by(&pair[1])) {
            trouble.get_or_insert(error);
        }
    }
    trouble.map_or(Ok(()), Err)
}

/// A value in Python's order, or in any where Python has none.
struct Sorted(Value);

impl PartialEq for Sorted {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Sorted {}

impl PartialOrd for Sorted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sorted {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0).unwrap_or_else(|_| type_name(&self.0).cmp(type_name(&other.0)))
    }
}

fn sort(value: &Value, given: &Given) -> TeraResult<Value> {
    let exact = given.flag("case_sensitive").unwrap_or(false);
    let mut items: Vec<(Value, Value)> =
        iterate(value)?.into_iter().zip(attributes(value, given)?).collect();
    let reversed = given.flag("reverse").unwrap_or(false);
    if reversed {
        items.reverse();
    }
    sort_by(&mut items, exact, |(_, by)| by.clone())?;
    if reversed {
        items.reverse();
    }
    Ok(items.into_iter().map(|(item, _)| item).collect::<Vec<_>>().into())
}

fn unique(value: &Value, given: &Given) -> TeraResult<Value> {
    let exact = given.flag("case_sensitive").unwrap_or(false);
    let items = iterate(value)?;
    let by = attributes(value, given)?;
    let mut seen: Vec<Value> = Vec::new();
    let mut out = Vec::new();
    for (item, by) in items.into_iter().zip(by) {
        let by = folded(&by, exact);
        budget::spend(seen.len() / 64)?;
        if !seen.iter().any(|one| equal(one, &by)) {
            seen.push(by);
            out.push(item);
        }
    }
    Ok(out.into())
}

fn distinct(items: Vec<Value>) -> TeraResult<Vec<Value>> {
    let mut out: Vec<Value> = Vec::new();
    for item in items {
        budget::spend(out.len() / 64)?;
        if !out.iter().any(|one| equal(one, &item)) {
            out.push(item);
        }
    }
    Ok(out)
}

fn chosen(value: &Value, other: &Value, wanted: bool) -> TeraResult<Value> {
    let other = iterate(other)?;
    let mut items = distinct(iterate(value)?)?;
    budget::spend(items.len().saturating_mul(other.len()) / 64)?;
    items.retain(|item| other.iter().any(|one| equal(one, item)) == wanted);
    Ok(items.into())
}

fn flatten(items: &[Value], levels: i64, skip_nulls: bool, out: &mut Vec<Value>) {
    for item in items {
        match item.as_array() {
            Some(inner) if levels > 0 => flatten(inner, levels - 1, skip_nulls, out),
            _ if skip_nulls
                && (item.is_none() || matches!(item.as_str(), Some("None" | "null"))) => {}
            _ => out.push(item.clone()),
        }
    }
}

fn map(value: &Value, given: &Given) -> TeraResult<Value> {
    let (rest, named) = (given.rest(), given.named());
    let items = iterate(value)?;
    let mapped: TeraResult<Vec<Value>> = match rest.split_first() {
        Some((name, arguments)) => {
            let row = row(Kind::Filter, name)?;
            items.iter().map(|item| defined_item(row.apply(item, arguments, &named)?)).collect()
        }
        None => {
            let Some(attribute) = named.get(&Key::Str("attribute")) else {
                return Err(error("`map` wants a filter's name or `attribute=`"));
            };
            let unless = named.get(&Key::Str("default"));
            items
                .iter()
                .map(|item| match (path(item, attribute)?, unless) {
                    (found, Some(unless)) if found.is_undefined() => Ok(unless.clone()),
                    (found, _) => defined(found, attribute),
                })
                .collect()
        }
    };
    mapped.map(Value::from)
}

fn defined_item(value: Value) -> TeraResult<Value> {
    match value.is_undefined() {
        true => Err(error("an item of the list is undefined")),
        false => Ok(value),
    }
}

fn row(kind: Kind, name: &Value) -> TeraResult<&'static Row> {
    let name = text(name);
    table::find(kind, &name).ok_or_else(|| error(table::missing(kind, &name, 0..0).message))
}

fn select(value: &Value, given: &Given, by: Option<Value>, wanted: bool) -> TeraResult<Value> {
    let (rest, named) = (given.rest(), given.named());
    let test = match rest.first() {
        Some(name) => Some(row(Kind::Test, name)?),
        None => None,
    };
    let mut out = Vec::new();
    for item in iterate(value)? {
        let tested = match &by {
            Some(attribute) => path(&item, attribute)?,
            None => item.clone(),
        };
        let passes = match test {
            Some(row) if tested.is_undefined() && !row.takes_undefined => {
                return Err(error(format!(
                    "an item has no `{}`",
                    by.as_ref().map(text).unwrap_or_default()
                )));
            }
            Some(row) => row.apply(&tested, &rest[1..], &named)?.is_truthy(),
            None if tested.is_undefined() => {
                return Err(error(format!(
                    "an item has no `{}`",
                    by.as_ref().map(text).unwrap_or_default()
                )));
            }
            None => tested.is_truthy(),
        };
        if passes == wanted {
            out.push(item);
        }
    }
    Ok(out.into())
}

fn pair_names(given: &Given) -> (String, String) {
    let name = |of, unless: &str| given.text(of).unwrap_or_else(|| unless.into());
    (name("key_name", "key"), name("value_name", "value"))
}

fn dict2items(value: &Value, given: &Given) -> TeraResult<Value> {
    let (key_name, value_name) = pair_names(given);
    let map = value.as_map().ok_or_else(|| {
        error(format!("`dict2items` wants a mapping, not a value of type `{}`", type_name(value)))
    })?;
    let items = map.iter().map(|(key, value)| {
        let key = (Key::from(key_name.clone()), key.as_value());
        mapping([key, (Key::from(value_name.clone()), value.clone())])
    });
    Ok(items.collect::<Vec<_>>().into())
}

fn items2dict(value: &Value, given: &Given) -> TeraResult<Value> {
    let (key_name, value_name) = pair_names(given);
    let mut map = Map::new();
    for item in iterate(value)? {
        let part = |name: &String| {
            let found = item.as_map().and_then(|map| map.get(&Key::Str(name)).cloned());
            found.ok_or_else(|| error(format!("an item has no `{name}`")))
        };
        map.insert(key(&part(&key_name)?)?, part(&value_name)?);
    }
    Ok(map.into())
}

fn combine(value: &Value, given: &Given) -> TeraResult<Value> {
    let recursive = given.flag("recursive").unwrap_or(false);
    let merge = given.text("list_merge").unwrap_or_else(|| "replace".into());
    let mut maps = Vec::new();
    for one in std::iter::once(value.clone()).chain(given.rest()) {
        match one.as_array() {
            Some(items) => maps.extend(items.iter().cloned()),
            None => maps.push(one),
        }
    }
    let mut out = Map::new();
    for one in maps {
        let map = one.as_map().ok_or_else(|| {
            error(format!("`combine` wants mappings, not a value of type `{}`", type_name(&one)))
        })?;
        combine_into(&mut out, map, recursive, &merge)?;
    }
    Ok(out.into())
}

fn combine_into(out: &mut Map, map: &Map, recursive: bool, merge: &str) -> TeraResult<()> {
    for (key, value) in map {
        let combined = match out.get(key) {
            Some(have) => {
                match (have.as_map(), value.as_map(), have.as_array(), value.as_array()) {
                    (Some(have), Some(value), ..) if recursive => {
                        let mut inner = have.clone();
                        combine_into(&mut inner, value, recursive, merge)?;
                        Value::from(inner)
                    }
                    (.., Some(have), Some(value)) => merged(have, value, merge)?.into(),
                    _ => value.clone(),
                }
            }
            None => value.clone(),
        };
        out.insert(key.clone(), combined);
    }
    Ok(())
}

fn merged(have: &[Value], value: &[Value], merge: &str) -> TeraResult<Vec<Value>> {
    let without = |of: &[Value], others: &[Value]| -> Vec<Value> {
        of.iter().filter(|one| !others.iter().any(|other| equal(one, other))).cloned().collect()
    };
    Ok(match merge {
        "replace" => value.to_vec(),
        "keep" => have.to_vec(),
        "append" => [have, value].concat(),
        "prepend" => [value, have].concat(),
        "append_rp" => [without(have, value).as_slice(), value].concat(),
        "prepend_rp" => [value, without(have, value).as_slice()].concat(),
        _ => return Err(error(format!("`{merge}` is no `list_merge`"))),
    })
}

fn zip(value: &Value, given: &Given, fill: Option<Value>) -> TeraResult<Value> {
    let mut lists = vec![iterate(value)?];
    for other in given.rest() {
        lists.push(iterate(&other)?);
    }
    let lengths = lists.iter().map(Vec::len);
    let length = if fill.is_some() { lengths.max() } else { lengths.min() }.unwrap_or(0);
    let missing = fill.unwrap_or_else(Value::none);
    let row = |at: usize| {
        let row = lists.iter().map(|list| list.get(at).cloned().unwrap_or_else(|| missing.clone()));
        Value::from(row.collect::<Vec<_>>())
    };
    Ok((0..length).map(row).collect::<Vec<_>>().into())
}

fn extract(value: &Value, given: &Given) -> TeraResult<Value> {
    let container = given.need("container")?;
    let more = given.get("morekeys");
    // `names | extract(from=hostvars)` does for a list what Ansible writes with `map`.
    if let Some(names) = value.as_array() {
        let each = names.iter().map(|name| defined(one(name, &container, more.as_ref())?, name));
        return each.collect::<TeraResult<Vec<_>>>().map(Value::from);
    }
    one(value, &container, more.as_ref())
}

fn one(name: &Value, container: &Value, more: Option<&Value>) -> TeraResult<Value> {
    let mut found = super::super::python::item(container, name);
    if found.is_undefined() {
        return Err(error(format!("`{}` is not in the mapping", text(name))));
    }
    let Some(more) = more else { return Ok(found) };
    for key in more.as_array().unwrap_or(std::slice::from_ref(more)) {
        found = super::super::python::item(&found, key);
        if found.is_undefined() {
            return Err(error(format!("`{}` has no `{}`", text(name), text(key))));
        }
    }
    Ok(found)
}
