//! What went wrong in a template, said at its place in the text that the user wrote; and of what
//! is not there, what may have been meant.

use super::jinja::{Compiled, Mistake};
use super::{Renderer, lookup, place};
use crate::diagnostic::{Diagnostic, Span};

/// A mistake, and whether it is that something is not there.
pub(super) struct Trouble {
    pub(super) diagnostic: Diagnostic,
    pub(super) undefined: bool,
}

impl From<Diagnostic> for Trouble {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { diagnostic, undefined: false }
    }
}

impl From<Trouble> for Diagnostic {
    fn from(trouble: Trouble) -> Self {
        trouble.diagnostic
    }
}

impl Renderer<'_> {
    pub(super) fn trouble(
        &self,
        mistake: &Mistake,
        compiled: &Compiled,
        text: &str,
        span: &Span,
    ) -> Trouble {
        let diagnostic = shown(mistake, text, span);
        if !mistake.undefined {
            return Trouble { diagnostic, undefined: false };
        }
        self.lacked.set(true);
        let written = mistake.file.as_ref().map_or(text, |file| file.text.as_str());
        let words = written.get(mistake.range.clone()).unwrap_or_default().trim();
        let diagnostic = match self.incomplete.borrow().get(root(words)) {
            Some(reason) => reason.clone(),
            None => {
                let root = root(words);
                let own = !compiled.names.contains(root) || compiled.set.contains(root);
                self.undefined(words, own, diagnostic)
            }
        };
        Trouble { diagnostic, undefined: true }
    }

    /// Says that what `words` begins with is not there, and what may have been meant; names of
    /// the template's `own` are no variables.
    fn undefined(&self, words: &str, own: bool, diagnostic: Diagnostic) -> Diagnostic {
        let root = root(words);
        let plain = words.chars().all(|c| c.is_alphanumeric() || "_.[]'\"".contains(c));
        let there = self.variables.variable(root).is_some();
        if own || !plain || there {
            let there = match there && plain && words != root {
                true => format!(", though `{root}` is there"),
                false => String::new(),
            };
            let diagnostic =
                Diagnostic { message: format!("`{words}` is undefined{there}"), ..diagnostic };
            return match plain.then(|| self.near_key(words)).flatten() {
                Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
                None => diagnostic,
            };
        }
        let names = self.variables.names();
        let diagnostic =
            Diagnostic { message: format!("undefined variable `{root}`"), ..diagnostic };
        match crate::diagnostic::nearest(root, names.iter().map(String::as_str)) {
            Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
            None => diagnostic
                .hint("declare it in group_vars, host_vars or `vars:`, or pass it with -e"),
        }
    }

    /// For `a.b.c`: the key of `a.b` that `c` resembles.
    fn near_key(&self, words: &str) -> Option<String> {
        let (path, last) = words.rsplit_once('.')?;
        let mut parts = path.split('.');
        let resolved = self.resolved.borrow();
        let mut value = resolved.get(parts.next()?)?;
        for part in parts {
            value = value.as_map()?.get(&tera::value::Key::Str(part))?;
        }
        let keys = value.as_map()?.keys().filter_map(|key| key.as_str());
        crate::diagnostic::nearest(last, keys).map(str::to_owned)
    }
}

/// The name that an expression begins with.
fn root(words: &str) -> &str {
    let end = words.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(words.len());
    &words[..end]
}

/// A mistake where it stands: in an included file, or in the text that is at `span`.
pub(super) fn shown(mistake: &Mistake, text: &str, span: &Span) -> Diagnostic {
    let diagnostic = match &mistake.file {
        Some(file) => lookup::in_file(mistake, file),
        None => {
            let place = place::place(span, text, mistake.range.start, mistake.range.end);
            Diagnostic::new(mistake.message.clone()).at(&place)
        }
    };
    match &mistake.hint {
        Some(hint) => diagnostic.hint(hint.clone()),
        None => diagnostic,
    }
}
