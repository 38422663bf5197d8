//! The schema of an inventory in YAML, whose keys are few and whose names are the user's.

use serde_json::{Map, Value, json};

use super::document;

/// Variables that say how a host is reached.
const VARIABLES: &[(&str, &str)] = &[
    ("ansible_host", "The address or name to connect to, when it is not the host's own name."),
    ("ansible_connection", "`ssh`, which is the default, or `local` for this machine."),
    ("ansible_user", "The user to log in as."),
    ("ansible_port", "The port of the host's sshd."),
    ("ansible_ssh_private_key_file", "The file with the key to log in with."),
    ("ansible_ssh_common_args", "More arguments for `ssh`, such as a jump host."),
    ("ansible_ssh_extra_args", "More arguments for `ssh`."),
    ("ansible_host_key_checking", "Whether the host's key must be known."),
    ("ansible_timeout", "For how many seconds to wait for an answer."),
    ("ansible_become", "Whether tasks act as another user."),
    ("ansible_become_method", "By which program: `sudo`, `su` or `doas`."),
    ("ansible_become_user", "As which user; `root` unless it is said."),
];

/// JSON Schema of an inventory.
#[must_use]
pub fn inventory() -> Value {
    let known =
        VARIABLES.iter().map(|(name, text)| ((*name).to_owned(), json!({ "description": text })));
    let known: Map<String, Value> = known.collect();
    let mut definitions = Map::new();
    definitions.insert(
        "variables".into(),
        json!({
            "description": "Variables by name.",
            "type": ["object", "null"],
            "properties": known,
            "propertyNames": { "pattern": "^[^\\W\\d]\\w*$" },
        }),
    );
    let group = json!({ "$ref": "#/definitions/group" });
    let variables = json!({ "$ref": "#/definitions/variables" });
    definitions.insert(
        "group".into(),
        json!({
            "description": "A group: its hosts, the groups inside it, and variables for all of them.",
            "type": ["object", "null"],
            "additionalProperties": false,
            "properties": {
                "hosts": {
                    "description": "Hosts by name, each with its variables; `web[01:20]` are twenty.",
                    "type": ["object", "null"],
                    "additionalProperties": variables,
                },
                "children": {
                    "description": "Groups by name that are inside this one.",
                    "type": ["object", "null"],
                    "additionalProperties": group,
                },
                "vars": variables,
            },
        }),
    );
    let root = json!({
        "description": "Groups by name; `all` holds every host.",
        "type": "object",
        "minProperties": 1,
        "additionalProperties": group,
    });
    document("An inventory of lvsmith", root, definitions)
}
