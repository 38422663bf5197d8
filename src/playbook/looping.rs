//! What a task loops over, and how: `loop`, the old `with_…`, `loop_control`.

use super::Setting;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::yaml::Node;

/// What a task loops over, unrendered.
#[derive(Debug, Clone, PartialEq)]
pub struct Loop {
    /// What is made of the value.
    pub kind: LoopKind,
    /// The value.
    pub over: Node,
    /// What an item is called; `item` unless `loop_control` says otherwise.
    pub name: String,
    /// The variable that counts the items, from 0.
    pub index: Option<String>,
    /// What is shown of an item.
    pub label: Option<Node>,
    /// Seconds to wait between two items.
    pub pause: Option<Setting<f64>>,
    /// Whether items see `ansible_loop`.
    pub extended: bool,
}

/// How items are made of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopKind {
    /// `loop`, `with_list`: the list as it is.
    List,
    /// `with_items`: lists in it are laid out, and one value is a list of one.
    Items,
    /// `with_dict`: an entry each, with `key` and `value`.
    Dict,
    /// `with_sequence`: numbers.
    Sequence,
}

const KINDS: &[(&str, LoopKind)] = &[
    ("loop", LoopKind::List),
    ("with_list", LoopKind::List),
    ("with_items", LoopKind::Items),
    ("with_dict", LoopKind::Dict),
    ("with_sequence", LoopKind::Sequence),
];

const CONTROLS: &[&str] = &["loop_var", "index_var", "label", "pause", "extended"];

/// The keywords.
pub(super) fn keywords() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(name, _)| *name).chain(["loop_control"])
}

impl Loop {
    /// What a task says of it.
    pub(super) fn decode(task: &Node, mistakes: &mut Diagnostics) -> Option<Self> {
        let mut said = KINDS.iter().filter_map(|(name, kind)| Some((*kind, task.get(name)?)));
        let first = said.next();
        if let Some((_, second)) = said.next() {
            mistakes.push(Diagnostic::new("a task loops over one thing only").at(&second.span));
        }
        let control = task.get("loop_control");
        let Some((kind, over)) = first else {
            if let Some(control) = control {
                let error = Diagnostic::new("`loop_control` without a loop").at(&control.span);
                mistakes.push(error.hint("say over what with `loop:`"));
            }
            return None;
        };
        let mut looped = Self {
            kind,
            over: over.clone(),
            name: "item".into(),
            index: None,
            label: None,
            pause: None,
            extended: false,
        };
        for (key, value) in control.and_then(|node| mistakes.keep(node.mapping())).unwrap_or(&[]) {
            match key.text.as_str() {
                "loop_var" => looped.name = mistakes.keep(value.decode()).unwrap_or_default(),
                "index_var" => looped.index = mistakes.keep(value.decode()),
                "label" => looped.label = Some(value.clone()),
                "pause" => looped.pause = mistakes.keep(Setting::decode(value)),
                "extended" => looped.extended = mistakes.keep(value.decode()).unwrap_or_default(),
                other => mistakes.push(
                    Diagnostic::new(format!("unknown key `{other}` in `loop_control`"))
                        .at(&key.span)
                        .did_you_mean(other, CONTROLS.iter().copied()),
                ),
            }
        }
        Some(looped)
    }
}
