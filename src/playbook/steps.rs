//! Lists of tasks and blocks, and the files and roles that they bring in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::include::{Contents, Include};
use super::role::{Parts, Role};
use super::{Inherited, Task, role, task};
use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::inventory::Vars;
use crate::modules::include_role::RoleArguments;
use crate::template;
use crate::yaml::{self, Kind, Node};

/// Keywords of blocks alone.
pub(super) const BLOCK: &[&str] = &["always", "block", "name", "rescue", "tags", "vars", "when"];

/// What only a task can say, with what to do instead.
pub(super) const REFUSED: &[(&str, &str)] = &[
    ("loop", "put the tasks into a file, and loop over `include_tasks`"),
    ("register", "say it on the tasks within"),
    ("until", "say it on the tasks within"),
    ("with_items", "put the tasks into a file, and loop over `include_tasks`"),
];

/// How many files a playbook may bring in, and how deep: some that bring in others twice would
/// come to any number.
const FILES: usize = 10_000;
const DEPTH: usize = 64;

/// One entry of a list of tasks.
#[derive(Debug, Clone)]
pub enum Step {
    /// A task.
    Task(Arc<Task>),
    /// Tasks that stand or fall together.
    Block(Arc<Block>),
}

/// Tasks, what is done when one of them fails, and what is done in any case.
#[derive(Debug)]
pub struct Block {
    /// `block`.
    pub tasks: Arc<[Step]>,
    /// `rescue`.
    pub rescue: Arc<[Step]>,
    /// `always`.
    pub always: Arc<[Step]>,
}

impl Step {
    /// Every task below, those of includes that are known already among them.
    pub(super) fn collect<'a>(&'a self, into: &mut Vec<&'a Arc<Task>>) {
        match self {
            Self::Task(task) => {
                into.push(task);
                let contents = task.include.as_ref().and_then(|include| include.contents.as_ref());
                contents.into_iter().flat_map(|inner| inner.steps.iter()).for_each(|step| {
                    step.collect(into);
                });
            }
            Self::Block(block) => {
                for list in [&block.tasks, &block.rescue, &block.always] {
                    list.iter().for_each(|step| step.collect(into));
                }
            }
        }
    }
}

/// Reads the lists of a play.
pub(super) struct Reader<'a> {
    /// Where the playbook lies.
    pub(super) folder: &'a Path,
    pub(super) mistakes: &'a mut Diagnostics,
    /// Handlers of the roles.
    pub(super) handlers: Vec<Arc<Task>>,
    /// Roles whose variables all of the play sees.
    pub(super) roles: Vec<Arc<Role>>,
    /// Names of roles that are done once.
    pub(super) done: Vec<String>,
    /// What is being read, from the outside in.
    pub(super) chain: Vec<String>,
    files: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(folder: &'a Path, mistakes: &'a mut Diagnostics) -> Self {
        let (handlers, roles, done, chain, files) = Default::default();
        Self { folder, mistakes, handlers, roles, done, chain, files }
    }

    pub(super) fn steps(&mut self, list: &Node, around: &Inherited) -> Vec<Step> {
        let mut steps = Vec::new();
        let items = list.sequence().map_err(|error| error.hint("each task begins with `- `"));
        for item in self.mistakes.keep(items).unwrap_or_default() {
            if item.get("block").is_some() {
                steps.extend(self.block(item, around));
            } else if let Some(stray) = stray(item) {
                self.mistakes.push(stray);
            } else if let Some(task) = task::decode(item, around, self.mistakes) {
                self.task(task, around, &mut steps);
            }
        }
        steps
    }

    /// Handlers are no tree: each of them is notified by itself.
    pub(super) fn handlers(&mut self, list: &Node, around: &Inherited) -> Vec<Arc<Task>> {
        fn flat(step: Step, into: &mut Vec<Arc<Task>>) -> Result<(), Diagnostic> {
            match step {
                Step::Task(task) => into.push(task),
                Step::Block(block) => {
                    let more = block.rescue.first().or(block.always.first());
                    if let Some(Step::Task(task)) = more {
                        return Err(Diagnostic::new("a handler cannot have `rescue` or `always`")
                            .at(&task.span)
                            .hint(
                                "put the block into a file, and `include_tasks` as the handler",
                            ));
                    }
                    for step in block.tasks.iter() {
                        flat(step.clone(), into)?;
                    }
                }
            }
            Ok(())
        }
        let mut handlers = Vec::new();
        for step in self.steps(list, around) {
            self.mistakes.keep(flat(step, &mut handlers));
        }
        handlers
    }

    fn block(&mut self, node: &Node, around: &Inherited) -> Option<Step> {
        for (key, _) in node.mapping().unwrap_or_default() {
            let known = || BLOCK.iter().chain(super::inherited::KEYWORDS).copied();
            if known().any(|known| known == key.text) {
                continue;
            }
            let error = Diagnostic::new(format!("unknown key `{}` in a block", key.text));
            let error = error.at(&key.span);
            self.mistakes.push(match REFUSED.iter().find(|(name, _)| *name == key.text) {
                Some((_, instead)) => error.hint(*instead),
                None => error.did_you_mean(&key.text, known()),
            });
        }
        let inherited = around.within(node, self.mistakes);
        let mut part = |name: &str| -> Arc<[Step]> {
            node.get(name).map(|list| self.steps(list, &inherited)).unwrap_or_default().into()
        };
        let (tasks, rescue, always) = (part("block"), part("rescue"), part("always"));
        Some(Step::Block(Arc::new(Block { tasks, rescue, always })))
    }

    /// Adds a task, or what stands in its place.
    fn task(&mut self, mut task: Task, around: &Inherited, steps: &mut Vec<Step>) {
        match task.module.name {
            "import_tasks" | "import_role" => {
                let imported = match import_mistake(&task) {
                    Some(mistake) => Err(mistake),
                    None => Ok(self.brought(&task, &task.arguments, &task.inherited)),
                };
                let imported = self.mistakes.keep(imported).flatten();
                steps.extend(imported.iter().flat_map(|inner| inner.steps.iter().cloned()));
                return;
            }
            "include_tasks" | "include_role" => {
                let include = Include::new(&task, around, self.mistakes);
                let contents = match template::node_has_template(&task.arguments) {
                    true => None,
                    false => self.included(&task, &include.around),
                };
                task.include = Some(Box::new(Include { contents, ..include }));
            }
            _ => {}
        }
        steps.push(Step::Task(Arc::new(task)));
    }

    /// What an include brings, unless it is within itself: then its conditions say how often.
    fn included(&mut self, task: &Task, around: &Inherited) -> Option<Arc<Contents>> {
        let role = task.module.name == "include_role";
        let name = task.arguments.get(if role { "name" } else { "file" }).or(Some(&task.arguments));
        let id = self.id(task, name?.as_str()?);
        if self.chain.contains(&id) {
            if task.inherited.when.is_empty() {
                self.endless(&id, &task.module_key.span);
            }
            return None;
        }
        self.brought(task, &task.arguments, around)
    }

    /// What an include or an import brings; its arguments hold no template any more.
    pub(super) fn brought(
        &mut self,
        task: &Task,
        arguments: &Node,
        inherited: &Inherited,
    ) -> Option<Arc<Contents>> {
        let steps = if task.module.name.ends_with("_role") {
            let said: RoleArguments = self.mistakes.keep(arguments.decode())?;
            let parts = Parts::of(&said);
            let at = arguments.get("name").unwrap_or(arguments);
            let before = self.handlers.len();
            let role = self.role(at, &said.name, Vars::new(), &parts, inherited)?;
            let handlers = self.handlers[before..].to_vec();
            if said.public.unwrap_or(task.module.name == "import_role") {
                self.roles.extend(role.role);
            }
            return Some(Arc::new(Contents { steps: role.steps.into(), handlers }));
        } else {
            let file = arguments.get("file").unwrap_or(arguments);
            let name = self.mistakes.keep(file.decode::<String>())?;
            let id = self.id(task, &name);
            let found = tasks_file(task, self.folder, &name).map_err(|e| e.at(&file.span));
            let source = self.mistakes.keep(found)?;
            let list = self.mistakes.keep(yaml::read(&source))?;
            self.within(&id, &file.span, |reader| reader.steps(&list, inherited))?
        };
        Some(Arc::new(Contents { steps: steps.into(), handlers: Vec::new() }))
    }

    /// Reads something that may bring in more, unless it is within itself.
    pub(super) fn within<T>(
        &mut self,
        id: &str,
        at: &Span,
        read: impl FnOnce(&mut Self) -> T,
    ) -> Option<T> {
        if self.chain.iter().any(|outer| outer == id) {
            self.endless(id, at);
            return None;
        }
        self.files += 1;
        if self.files > FILES || self.chain.len() >= DEPTH {
            let what = format!("more than {FILES} files are brought in, or {DEPTH} in one another");
            if !self.mistakes.0.iter().any(|mistake| mistake.message == what) {
                self.mistakes.push(Diagnostic::new(what).at(at));
            }
            return None;
        }
        self.chain.push(id.to_owned());
        let read = read(self);
        self.chain.pop();
        Some(read)
    }

    fn endless(&mut self, id: &str, at: &Span) {
        let chain = [self.chain.join(" -> "), id.to_owned()].join(" -> ");
        let error = Diagnostic::new(format!("{id} brings in itself"));
        self.mistakes.push(error.at(at).hint(chain));
    }

    /// What a file or a role is called in the chain.
    fn id(&self, task: &Task, name: &str) -> String {
        if task.module.name.ends_with("_role") {
            return role::id(name);
        }
        let found = candidates(task, self.folder, name).into_iter().find(|path| path.is_file());
        format!("`{}`", found.unwrap_or_else(|| name.into()).display())
    }
}

fn stray(item: &Node) -> Option<Diagnostic> {
    let Kind::Mapping(entries) = &item.kind else { return None };
    let (key, _) = entries.iter().find(|(key, _)| ["rescue", "always"].contains(&&*key.text))?;
    let error = Diagnostic::new(format!("`{}` without a `block`", key.text)).at(&key.span);
    Some(error.hint("it belongs beside the `block:` whose tasks it is for"))
}

/// What cannot be said of an import, which is there before anything is known of a host.
fn import_mistake(task: &Task) -> Option<Diagnostic> {
    let name = task.module.name;
    let instead = name.replace("import", "include");
    let error = |what: &str, at: &Span| {
        Diagnostic::new(format!("`{name}` {what}")).at(at).hint(format!("use `{instead}`"))
    };
    match &task.items {
        Some(items) => Some(error("cannot be repeated", &items.over.span)),
        None if template::node_has_template(&task.arguments) => {
            Some(error("is done before variables are known", &task.arguments.span))
        }
        None => None,
    }
}

/// A file of tasks: beside the one that names it, among those of the role, beside the playbook.
fn tasks_file(
    task: &Task,
    folder: &Path,
    name: &str,
) -> Result<Arc<crate::diagnostic::Source>, Diagnostic> {
    let built_in = task.inherited.role.as_ref().filter(|role| role.folder.is_none());
    if let Some(source) = built_in.and_then(|role| role.file(&format!("tasks/{name}"))) {
        return source;
    }
    match candidates(task, folder, name).into_iter().find(|path| path.is_file()) {
        Some(path) => yaml::source(&path),
        None => Err(Diagnostic::new(format!("there is no file `{name}`")).hint(
            "looked beside the file that names it, in the role's `tasks`, then beside the playbook",
        )),
    }
}

fn candidates(task: &Task, folder: &Path, name: &str) -> Vec<PathBuf> {
    let beside = Path::new(&task.module_key.span.source.name).parent();
    let role = task.inherited.role.as_ref().and_then(|role| role.folder.as_ref());
    let role = role.map(|role| role.join("tasks"));
    let folders = beside.map(Path::to_owned).into_iter().chain(role);
    let folders = folders.chain([folder.to_owned(), folder.join("tasks")]);
    folders.map(|folder| folder.join(name)).collect()
}
