//! `template`: a file rendered by the controller, at a place on the host.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::copy::{file_name, yes};
use super::filesystem::{ATTRIBUTES_REFUSED, Content, FileMode, Placed};
use super::{Arguments, Refused};

/// Renders a template of the playbook and puts the result onto the host.
///
/// The file is written under a temporary name, checked by `validate` and renamed, so that
/// a broken configuration never takes the place of a working one.
///
/// ```yaml
/// template:
///   src: nginx.conf.j2
///   dest: /etc/nginx/nginx.conf
///   mode: "0644"
///   validate: nginx -t -c %s
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// A file in the role's `templates` folder, in one beside the playbook, or one of those
    /// that are built in, such as `nginx/back-end.conf`.
    pub src: String,
    /// The path on the host; an existing folder, or a path that ends in `/`, takes the
    /// file under the name it has in `src`, without `.j2`.
    pub dest: String,
    /// Permission bits: octal digits (`"0644"`) or symbols (`u=rw,g=r`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<FileMode>,
    /// Owner, by name or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Group, by name or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether a file that is there with other bytes is replaced.
    #[serde(default = "yes")]
    pub force: bool,
    /// Whether to keep a copy of what was there, as `NAME.PID.SECONDS~`.
    #[serde(default)]
    pub backup: bool,
    /// Whether a symbolic link at `dest` is written through rather than replaced.
    #[serde(default)]
    pub follow: bool,
    /// A command with `%s` for the new file; when it fails, nothing is changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate: Option<String>,
}

impl Arguments for Template {
    const REFUSED: &'static [Refused] = &[ATTRIBUTES_REFUSED];
}

impl Template {
    /// What the agent is asked to do, given the rendered text of `src`.
    #[must_use]
    pub fn placed(self, rendered: String) -> Placed {
        let name = file_name(&self.src);
        Placed {
            dest: self.dest,
            name: name.map(|name| name.trim_end_matches(".j2").trim_end_matches(".tera").into()),
            content: Content::Text(rendered),
            mode: self.mode,
            owner: self.owner,
            group: self.group,
            force: self.force,
            backup: self.backup,
            follow: self.follow,
            validate: self.validate,
        }
    }
}
