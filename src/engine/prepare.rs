//! What only the controller has: the files of the playbook and its roles, rendered where they
//! are templates. The agent gets their contents.

use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::outcome::Failure;
use crate::connection::Call;
use crate::diagnostic::{self, Diagnostic, Source};
use crate::modules::Error;
use crate::modules::copy::{self, Copy};
use crate::modules::nftables::Nftables;
use crate::modules::template::Template;
use crate::playbook::{BUILT_IN_TEMPLATES, Task};
use crate::template::Renderer;
use crate::yaml;

/// The call as the agent wants it: with the files of the controller, or what they are.
pub(super) fn call(
    task: &Task,
    call: Call,
    renderer: &Renderer<'_>,
    folder: &Path,
) -> Result<Call, Failure> {
    let mut placed = match task.module.name {
        "template" => {
            let template: Template = typed(call.arguments)?;
            let source = template_source(task, folder, &template.src)?;
            template.placed(renderer.file(&source)?)
        }
        "copy" => {
            let copy: Copy = typed(call.arguments)?;
            let bytes = match copy.source()? {
                copy::Source::Controller(src) => Some(bytes(task, folder, src)?),
                copy::Source::Complete => None,
            };
            copy.placed(bytes)?
        }
        "nftables" => {
            let nftables: Nftables = typed(call.arguments)?;
            let src = nftables.src.as_deref().map(|src| bytes(task, folder, src)).transpose()?;
            let arguments = serde_json::to_value(nftables.ruleset(src)?);
            let arguments = arguments.map_err(|error| Error::new(error.to_string()))?;
            return Ok(Call { arguments, ..call });
        }
        _ => return Ok(call),
    };
    let parted = placed.content.parted();
    let content = parted.map(|(digest, bytes)| {
        placed.content = digest;
        bytes
    });
    match serde_json::to_value(placed) {
        Ok(arguments) => Ok(Call { arguments, content, ..call }),
        Err(error) => Err(Error::new(error.to_string()).into()),
    }
}

/// The text that a task writes into a file, where it is one and can be had.
pub(super) fn text(
    task: &Task,
    arguments: &Value,
    renderer: &Renderer<'_>,
    folder: &Path,
) -> Option<String> {
    match task.module.name {
        "template" => {
            let template: Template = typed(arguments.clone()).ok()?;
            renderer.file(&template_source(task, folder, &template.src).ok()?).ok()
        }
        "copy" => {
            let copy: Copy = typed(arguments.clone()).ok()?;
            match (&copy.content, copy.source().ok()?) {
                (Some(content), _) => Some(content.clone()),
                (None, copy::Source::Controller(src)) => {
                    String::from_utf8(bytes(task, folder, src).ok()?).ok()
                }
                (None, copy::Source::Complete) => None,
            }
        }
        _ => None,
    }
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|error| Error::new(format!("bad arguments: {error}")))
}

/// A template of the role, of the playbook's folder, or one of those that are built in.
fn template_source(task: &Task, folder: &Path, name: &str) -> Result<Arc<Source>, Diagnostic> {
    if let Some(role) = &task.inherited.role {
        for path in [format!("templates/{name}"), name.to_owned()] {
            if let Some(source) = role.file(&path) {
                return source;
            }
        }
    }
    for path in [folder.join("templates").join(name), folder.join(name)] {
        if path.is_file() {
            return yaml::source(&path);
        }
    }
    match BUILT_IN_TEMPLATES.iter().find(|(path, _)| *path == name) {
        Some((path, text)) => {
            let name = format!("(built in) templates/{path}");
            Ok(Arc::new(Source { name, text: (*text).to_owned() }))
        }
        None => {
            let near = diagnostic::nearest(name, BUILT_IN_TEMPLATES.iter().map(|(path, _)| *path));
            let missing = missing(task, "templates", name);
            Err(match near {
                Some(near) => missing.hint(format!("did you mean the built-in `{near}`?")),
                None => missing,
            })
        }
    }
}

fn bytes(task: &Task, folder: &Path, name: &str) -> Result<Vec<u8>, Diagnostic> {
    let role = task.inherited.role.as_ref();
    let built_in = role.filter(|role| role.folder.is_none());
    if let Some(source) = built_in.and_then(|role| role.file(&format!("files/{name}"))) {
        return Ok(source?.text.clone().into_bytes());
    }
    let role_folder = role.and_then(|role| role.folder.as_deref());
    let candidates = role_folder
        .map(|role| role.join("files").join(name))
        .into_iter()
        .chain([folder.join("files").join(name), folder.join(name)]);
    for path in candidates {
        if path.is_file() {
            return crate::input::read(&path).map_err(|error| {
                Diagnostic::new(format!("failed to read `{}`: {error}", path.display()))
                    .at(&task.arguments.span)
            });
        }
    }
    Err(missing(task, "files", name))
}

fn missing(task: &Task, kind: &str, name: &str) -> Diagnostic {
    Diagnostic::new(format!("there is no file `{name}`"))
        .at(&task.arguments.span)
        .hint(format!("looked in the role's `{kind}`, then in `{kind}` beside the playbook"))
}
