//! Filters, tests and functions beyond Tera's own, under the names Ansible's users know.

use std::cell::RefCell;

use tera::{Kwargs, State, Tera, TeraResult, Value};

thread_local! {
    static HANDED_OUT: RefCell<Option<Value>> = const { RefCell::new(None) };
}

/// Takes the value of the last expression that `hand_out` was called with on this thread.
pub(super) fn take_handed_out() -> Option<Value> {
    HANDED_OUT.take()
}

pub(super) fn register(tera: &mut Tera) {
    tera.register_function("hand_out", |arguments: Kwargs, _: &State| -> TeraResult<String> {
        HANDED_OUT.set(Some(arguments.must_get::<Value>("value")?));
        Ok(String::new())
    });
    tera.register_filter("to_json", |value: Value, _: Kwargs, _: &State| -> TeraResult<String> {
        serde_json::to_string(&value).map_err(tera::Error::message)
    });
    tera.register_filter(
        "to_nice_json",
        |value: Value, _: Kwargs, _: &State| -> TeraResult<String> {
            serde_json::to_string_pretty(&value).map_err(tera::Error::message)
        },
    );
    tera.register_filter("to_yaml", |value: Value, _: Kwargs, _: &State| -> TeraResult<String> {
        serde_yaml::to_string(&value).map_err(tera::Error::message)
    });
    tera.register_filter("extract", extract);
    tera.register_filter("bool", |value: Value, _: Kwargs, _: &State| -> bool {
        match value.as_str() {
            Some(text) => matches!(text.to_ascii_lowercase().as_str(), "true" | "yes" | "on" | "1"),
            None => value.is_truthy(),
        }
    });
    tera.register_test("changed", |result: Value, _: Kwargs, _: &State| flag(&result, "changed"));
    tera.register_test("failed", |result: Value, _: Kwargs, _: &State| flag(&result, "failed"));
    tera.register_test("skipped", |result: Value, _: Kwargs, _: &State| flag(&result, "skipped"));
    tera.register_test("succeeded", |result: Value, _: Kwargs, _: &State| !flag(&result, "failed"));
}

fn flag(result: &Value, name: &str) -> bool {
    result.get_from_path(name).is_some_and(Value::is_truthy)
}

/// `names | extract(from=hostvars, attribute='ansible_host')`: looks each name up in a map and
/// takes one attribute of what is there; Ansible writes `map('extract', hostvars, …)`.
fn extract(names: Value, arguments: Kwargs, _: &State) -> TeraResult<Vec<Value>> {
    let from = arguments.must_get::<Value>("from")?;
    let attribute = arguments.get::<&str>("attribute")?;
    let names =
        names.as_array().ok_or_else(|| tera::Error::message("`extract` wants a list of names"))?;
    let map = from.as_map().ok_or_else(|| tera::Error::message("`from` is not a mapping"))?;
    names
        .iter()
        .map(|name| {
            let text = name.as_str().unwrap_or_default();
            let found = map
                .get(&tera::value::Key::from(text.to_owned()))
                .ok_or_else(|| tera::Error::message(format!("`{name}` is not in the mapping")))?;
            let Some(attribute) = attribute else { return Ok(found.clone()) };
            found
                .get_from_path(attribute)
                .cloned()
                .ok_or_else(|| tera::Error::message(format!("`{name}` has no `{attribute}`")))
        })
        .collect()
}
