//! What templates look up on the controller: files, other templates, the environment.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::jinja::Question;
use super::{Renderer, jinja};
use crate::diagnostic::{Diagnostic, Source, Span, nearest};
use crate::yaml;

/// What can be looked up.
const KINDS: &[&str] = &["file", "env", "template", "first_found"];

/// How far above the file that asks a folder `templates` or `files` is looked for.
const LEVELS: usize = 3;

impl Renderer<'_> {
    /// The file of that name that the text at `span` means: in the folders that the variables
    /// name, then in `kind` (`templates`, `files`) beside the text's own file or above it, then
    /// right there.
    pub(super) fn path(&self, kind: &str, name: &str, span: &Span) -> Option<PathBuf> {
        let name = Path::new(name);
        if name.is_absolute() {
            return Some(name.to_path_buf()).filter(|path| path.is_file());
        }
        let own = Path::new(&span.source.name).parent();
        let above = own.into_iter().flat_map(|folder| folder.ancestors().take(LEVELS));
        let mut folders = self.variables.folders();
        folders.extend(above.map(Path::to_path_buf));
        folders
            .iter()
            .flat_map(|folder| [folder.join(kind).join(name), folder.join(name)])
            .find(|path| path.is_file())
    }

    /// The template that another one includes.
    pub(super) fn included(&self, name: &str, span: &Span) -> jinja::Found {
        let path = self.path("templates", name, span)?;
        Some(yaml::source(&path).map_err(|error| error.message))
    }

    /// The answer to a question of a template.
    pub(super) fn look_up(&self, question: &Question, span: &Span) -> Result<tera::Value, String> {
        let terms: Vec<Value> = question
            .terms
            .iter()
            .map(|term| serde_json::to_value(term).unwrap_or_default())
            .collect();
        let option = |name: &str| {
            let key = tera::value::Key::from(name.to_owned());
            question.options.get(&key).and_then(|value| serde_json::to_value(value).ok())
        };
        let forgiving = option("errors").is_some_and(|errors| errors == "ignore");
        let texts =
            terms.iter().map(|term| term.as_str().map_or_else(|| term.to_string(), str::to_owned));
        let found: Result<Vec<String>, String> = match question.name.as_str() {
            "env" => Ok(texts
                .map(|name| {
                    let unless =
                        option("default").and_then(|value| value.as_str().map(str::to_owned));
                    std::env::var(name).unwrap_or_else(|_| unless.unwrap_or_default())
                })
                .collect()),
            "file" => texts.map(|name| self.file_text(&name, span)).collect(),
            "template" => texts.map(|name| self.template_text(&name, span)).collect(),
            "first_found" => return self.first_found(&terms, &option("skip"), forgiving, span),
            other => {
                let near = nearest(other, KINDS.iter().copied());
                let hint = near.map_or_else(
                    || format!("there are {}", KINDS.join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                return Err(format!("there is no lookup `{other}`{HINT}{hint}"));
            }
        };
        match found {
            Ok(found) => Ok(found.join(",").into()),
            Err(_) if forgiving => Ok("".into()),
            Err(message) => Err(message),
        }
    }

    fn file_text(&self, name: &str, span: &Span) -> Result<String, String> {
        let path = self.path("files", name, span).ok_or_else(|| missing(name, "files"))?;
        let source = yaml::source(&path).map_err(|error| error.message)?;
        Ok(source.text.trim_end().to_owned())
    }

    fn template_text(&self, name: &str, span: &Span) -> Result<String, String> {
        let path = self.path("templates", name, span).ok_or_else(|| missing(name, "templates"))?;
        let source = yaml::source(&path).map_err(|error| error.message)?;
        self.once(&format!("lookup('template', '{name}')"), span, || self.file(&source))
            .map_err(|error| error.to_string())
    }

    fn first_found(
        &self,
        terms: &[Value],
        skip: &Option<Value>,
        forgiving: bool,
        span: &Span,
    ) -> Result<tera::Value, String> {
        let mut names: Vec<String> = Vec::new();
        let mut skips = forgiving || skip.as_ref().is_some_and(super::truthy);
        for term in terms {
            let list = |value: Option<&Value>| -> Vec<String> {
                let many = value
                    .map(|value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]));
                many.into_iter()
                    .flatten()
                    .filter_map(|one| one.as_str().map(str::to_owned))
                    .collect()
            };
            match term.as_object() {
                Some(map) => {
                    let (files, paths) = (list(map.get("files")), list(map.get("paths")));
                    skips |= map.get("skip").is_some_and(super::truthy);
                    let inside = |path: &String| {
                        let path = PathBuf::from(path);
                        files
                            .iter()
                            .map(move |file| path.join(file).display().to_string())
                            .collect::<Vec<_>>()
                    };
                    match paths.is_empty() {
                        true => names.extend(files.clone()),
                        false => names.extend(paths.iter().flat_map(inside)),
                    }
                }
                None => names.extend(list(Some(term))),
            }
        }
        let found = names.iter().find_map(|name| {
            self.path("files", name, span).or_else(|| self.path("templates", name, span))
        });
        match found {
            Some(path) => Ok(path.display().to_string().into()),
            None if skips => Ok(tera::Value::undefined()),
            None => Err(format!("none of these files is there: {}", names.join(", "))),
        }
    }
}

/// A hint may follow a message after this.
pub(super) const HINT: &str = "\nhint: ";

fn missing(name: &str, kind: &str) -> String {
    format!(
        "there is no file `{name}`{HINT}it is looked for in `{kind}`, and beside the file that asks"
    )
}

/// Renders by way of lookups where the template has any.
pub(super) fn rendered(
    renderer: &Renderer<'_>,
    compiled: &jinja::Compiled,
    context: &tera::Context,
    span: &Span,
) -> Result<jinja::Rendered, jinja::Mistake> {
    if !compiled.looks_up {
        return compiled.render(context);
    }
    jinja::answer(
        || compiled.render(context),
        |question| renderer.look_up(question, span),
        |mistake, message| match message.split_once(HINT) {
            Some((message, hint)) => {
                jinja::Mistake { message: message.into(), hint: Some(hint.into()), ..mistake }
            }
            None => jinja::Mistake { message, ..mistake },
        },
    )
}

/// The diagnostic of a mistake whose file is known.
pub(super) fn in_file(mistake: &jinja::Mistake, file: &Arc<Source>) -> Diagnostic {
    let span =
        Span { source: Arc::clone(file), start: mistake.range.start, end: mistake.range.end };
    Diagnostic::new(mistake.message.clone()).at(&span)
}
