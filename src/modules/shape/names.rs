//! The names of a module's arguments, as its documentation and as its decoder have them.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

use crate::diagnostic::Diagnostic;
use crate::modules::{Module, TABLE, refused};

struct Shape {
    documented: Vec<String>,
    /// Other names of theirs among them.
    decoded: &'static [&'static str],
    takes_any: bool,
}

static SHAPES: LazyLock<HashMap<&str, Shape>> = LazyLock::new(|| {
    let shape = |module: &'static Module| {
        let schema = (module.schema)();
        let properties = schema.get("properties").and_then(Value::as_object);
        let documented = properties.map(|all| all.keys().cloned().collect()).unwrap_or_default();
        let more = schema.get("additionalProperties");
        let takes_any = !matches!(more, None | Some(Value::Bool(false)));
        (module.name, Shape { documented, decoded: (module.names)(), takes_any })
    };
    TABLE.iter().map(shape).collect()
});

impl Module {
    /// The names of the arguments, as they are documented.
    #[must_use]
    pub fn arguments(&self) -> &'static [String] {
        SHAPES.get(self.name).map_or(&[], |shape| &shape.documented)
    }

    /// Every name that an argument has; none where they are not known by name.
    #[must_use]
    pub fn names(&self) -> &'static [&'static str] {
        SHAPES.get(self.name).map_or(&[], |shape| shape.decoded)
    }

    /// Whether any name is an argument, as `set_fact` has it.
    #[must_use]
    pub fn takes_any_argument(&self) -> bool {
        SHAPES.get(self.name).is_some_and(|shape| shape.takes_any)
    }

    /// Whether a name is one of an argument.
    #[must_use]
    pub fn takes(&self, name: &str) -> bool {
        SHAPES.get(self.name).is_some_and(|shape| {
            let documented = || shape.documented.iter().any(|known| known == name);
            shape.takes_any || documented() || shape.decoded.contains(&name)
        })
    }

    /// What is wrong with an argument of that name, if it can be told by the name alone.
    #[must_use]
    pub fn mistaken(&self, argument: &str) -> Option<Diagnostic> {
        if self.takes(argument) {
            return None;
        }
        Some(refused(self.refused, argument).unwrap_or_else(|| {
            Diagnostic::new(format!("`{}` has no argument `{argument}`", self.name))
                .did_you_mean(argument, self.arguments().iter().map(String::as_str))
        }))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use crate::modules;

    #[rstest]
    #[case("file", "path", true)]
    #[case("file", "dest", true)]
    #[case("package", "pkg", true)]
    #[case("file", "pth", false)]
    #[case("command", "chdir", true)]
    #[case("set_fact", "whatever", true)]
    fn knows_other_names_of_arguments(
        #[case] module: &str,
        #[case] argument: &str,
        #[case] taken: bool,
    ) {
        assert_eq!(modules::find(module).unwrap().takes(argument), taken);
    }
}
