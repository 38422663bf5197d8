//! `lvsmith apply` and `lvsmith plan`: the same run, the second in check mode with a diff.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::defaults::Defaults;
use super::listing::ListArgs;
use super::output::{OutputArgs, refuse};
use super::retry::LastRun;
use super::saved::{Plan, Record, Said};
use super::secret::SecretArgs;
use super::{Exit, complain, connector::Machines, inventory::InventoryArgs};
use crate::diagnostic::{Diagnostic, Diagnostics, Source};
use crate::engine::{self, Options, Summary};
use crate::input;
use crate::inventory::{Inventory, Vars};
use crate::lab::trial::Audience;
use crate::playbook::Playbook;

/// What `apply` and `plan` take.
#[derive(Debug, Args)]
pub(super) struct Apply {
    /// The playbook, or a plan that `plan --out` saved; with `--lab` the lab's own when none is
    /// given
    #[arg(required_unless_present = "lab")]
    playbook: Option<PathBuf>,
    /// Run on the hosts of a lab that is up; it is the inventory
    #[arg(long, value_name = "NAME", conflicts_with = "inventory")]
    lab: Option<String>,
    #[command(flatten)]
    inventory: InventoryArgs,
    /// Only hosts that the last `apply` of this playbook left unfinished: they failed, were
    /// unreachable, or it ended before their turn
    #[arg(long, conflicts_with = "lab")]
    retry_failed: bool,
    #[command(flatten)]
    list: ListArgs,
    #[command(flatten)]
    run: RunArgs,
}

/// How a playbook is run, wherever its hosts are.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct RunArgs {
    /// Only these hosts: names, groups, `a:b`, `a:&b`, `a:!b`, `web*`, `web[0]`, `~regex`, `@FILE`
    #[arg(short, long, value_name = "PATTERN")]
    limit: Option<String>,
    /// Only tasks with one of these tags
    #[arg(short, long, value_delimiter = ',', value_name = "TAG")]
    tags: Vec<String>,
    /// No task with one of these tags
    #[arg(long, value_delimiter = ',', value_name = "TAG")]
    skip_tags: Vec<String>,
    /// Begin with the first task of this name; `*` stands for any letters
    #[arg(long, value_name = "NAME")]
    start_at_task: Option<String>,
    /// Change nothing, say what would change
    #[arg(short = 'C', long)]
    check: bool,
    /// Show texts before and after
    #[arg(short = 'D', long, overrides_with = "no_diff")]
    diff: bool,
    /// Show none, whatever `lvsmith.toml` says
    #[arg(long)]
    no_diff: bool,
    /// A variable over all others: `name=value`, `{name: value}`, or `@file.yml`
    #[arg(short, long, value_name = "VARS")]
    extra_vars: Vec<String>,
    /// How many hosts at a time [default: all, up to 64]
    #[arg(short, long, value_name = "N")]
    forks: Option<usize>,
    /// How long to wait for a host that another `apply` is changing [default: 60]
    #[arg(long, value_name = "SECONDS")]
    lock_timeout: Option<u64>,
    #[command(flatten)]
    secret: SecretArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

/// How long another run is waited for unless something else is said.
const LOCK_TIMEOUT: u64 = 60;

impl RunArgs {
    /// For what needs no run.
    pub(super) fn of(limit: Option<String>, extra_vars: Vec<String>) -> Self {
        Self { limit, extra_vars, ..Self::default() }
    }

    /// Fills in what was not said.
    pub(super) fn fall_back(&mut self, defaults: &Defaults) {
        self.output.fall_back(defaults);
        self.forks = self.forks.or(defaults.forks);
        self.lock_timeout = self.lock_timeout.or(defaults.lock_timeout);
        self.diff |= !self.no_diff && defaults.diff.unwrap_or(false);
    }

    /// The engine's options; what is wrong with `-e` is a mistake.
    pub(super) fn options(&self) -> Result<Options, Diagnostics> {
        let mut extra = Vars::new();
        for text in &self.extra_vars {
            extra.extend(extra_vars(text).map_err(Diagnostics::from)?);
        }
        Ok(Options {
            check: self.check,
            diff: self.diff,
            tags: self.tags.clone(),
            skip_tags: self.skip_tags.clone(),
            limit: self.limit.clone(),
            only: None,
            extra,
            forks: self.forks.unwrap_or(0),
            color: self.output.color(),
            lock_timeout: Duration::from_secs(self.lock_timeout.unwrap_or(LOCK_TIMEOUT)),
            start_at_task: self.start_at_task.clone(),
            one_by_one: false,
            become_password: self.secret.read().map_err(Diagnostics::from)?,
        })
    }
}

impl Apply {
    pub(super) fn apply(self) -> ExitCode {
        self.run(false, None)
    }

    /// Runs it in check mode, and saves what it found where it is told to.
    pub(super) fn plan(self, out: Option<&Path>) -> ExitCode {
        self.run(true, out)
    }

    fn run(mut self, plan: bool, out: Option<&Path>) -> ExitCode {
        let beside = self.playbook.as_deref().unwrap_or(Path::new("."));
        let defaults = match Defaults::read(beside) {
            Ok(defaults) => defaults,
            Err(mistakes) => return refuse(&mut *self.run.output.audience(), &mistakes).into(),
        };
        self.run.fall_back(&defaults);
        let lab = match self.lab.as_deref().map(super::lab::found).transpose() {
            Ok(lab) => lab,
            Err(code) => return code,
        };
        super::catch_interrupts();
        engine::at_interrupt(|| {
            anstream::eprintln!("lvsmith: finishing what has begun; Ctrl-C again ends at once");
        });
        let mut audience = self.run.output.audience();
        let mut options = match self.run.options() {
            Ok(options) => options,
            Err(mistakes) => return refuse(&mut *audience, &mistakes).into(),
        };
        options.check |= plan;
        options.diff |= plan && !self.run.no_diff;
        if let Some(lab) = &lab {
            return super::lab::apply(lab, self.playbook.as_deref(), &options, &mut *audience);
        }
        let ran = match (&self.playbook, plan) {
            (Some(file), false) if Plan::is_in(file) => {
                self.saved(&Plan::read(file), options, &defaults, &mut *audience)
            }
            _ => self.on_machines(options, &defaults, out, &mut *audience),
        };
        match ran {
            Ok(exit) => exit.into(),
            Err(mistakes) => refuse(&mut *audience, &mistakes).into(),
        }
    }

    fn on_machines(
        &self,
        mut options: Options,
        defaults: &Defaults,
        out: Option<&Path>,
        audience: &mut dyn Audience,
    ) -> Result<Exit, Diagnostics> {
        if out.is_some() {
            input::note();
        }
        let path = self.playbook.clone().unwrap_or_default();
        let named = self.inventory.clone().or(defaults.inventory.as_deref());
        let (playbook, inventory) = read(&path, &named, defaults)?;
        if self.list.wanted() {
            let text = self.list.text(&playbook, &inventory, &options)?;
            // A reader that has seen enough is no error.
            let _ = anstream::stdout().write_all(text.as_bytes());
            return Ok(Exit::Declared);
        }
        let last_run = LastRun::of(&path);
        if self.retry_failed {
            let homeless = || Diagnostic::new("nothing is remembered for a user without a home");
            options.only = Some(last_run.as_ref().ok_or_else(homeless)?.unfinished()?);
        }
        let mut record = Record::new(Some(audience));
        let summary = engine::run(&playbook, &inventory, &Machines, &options, &mut record)?;
        if let Some(last_run) = last_run.filter(|_| !options.check)
            && let Err(warning) = last_run.keep(&summary.unfinished)
        {
            complain(&warning);
        }
        let exit = exit_of(&summary);
        match out {
            Some(out) if exit == Exit::Declared => {
                let plan = Plan::new(&path, named.names(), &options, input::take(), record.hosts);
                plan.write(out)?;
                let out = out.display();
                anstream::eprintln!("saved: `lvsmith apply {out}` does this, or nothing");
            }
            Some(_) => complain(&Diagnostic::new("the plan is not saved: it does not end well")),
            None => {}
        }
        Ok(exit)
    }

    /// Does what a saved plan says, if that is what would be done now.
    fn saved(
        &self,
        plan: &Result<Plan, Diagnostic>,
        mut options: Options,
        defaults: &Defaults,
        audience: &mut dyn Audience,
    ) -> Result<Exit, Diagnostics> {
        let plan = plan.as_ref().map_err(Clone::clone)?;
        self.refuse_besides(plan, &options)?;
        options.limit.clone_from(&plan.options.limit);
        options.tags.clone_from(&plan.options.tags);
        options.skip_tags.clone_from(&plan.options.skip_tags);
        options.start_at_task.clone_from(&plan.options.start_at_task);
        input::note();
        let named = InventoryArgs::of(&plan.inventory);
        let (playbook, inventory) = read(&plan.playbook, &named, defaults)?;
        let check = Options { check: true, diff: plan.options.diff, ..options.clone() };
        let mut record = Record::new(None);
        engine::run(&playbook, &inventory, &Machines, &check, &mut record)?;
        let now = Plan::new(&plan.playbook, named.names(), &check, input::take(), record.hosts);
        let differences = plan.differences(&now);
        if engine::interrupted() {
            return Ok(Exit::Interrupted);
        }
        if !differences.is_empty() {
            let lines = differences.join("\n  ");
            let message = format!("the plan holds no more, and nothing was done:\n  {lines}");
            let mistake = Diagnostic::new(message).hint("look at a new plan");
            refuse(audience, &mistake.into());
            return Ok(Exit::Different);
        }
        let summary = engine::run(&playbook, &inventory, &Machines, &options, audience)?;
        Ok(exit_of(&summary))
    }

    /// What a plan says already cannot be said once more, and its variables must be those of `-e`.
    fn refuse_besides(&self, plan: &Plan, options: &Options) -> Result<(), Diagnostic> {
        let run = &self.run;
        let said = [
            ("`--inventory`", !self.inventory.names().is_empty()),
            ("`--limit`", run.limit.is_some()),
            ("`--tags`", !run.tags.is_empty()),
            ("`--skip-tags`", !run.skip_tags.is_empty()),
            ("a list", self.list.wanted()),
            ("`--start-at-task`", run.start_at_task.is_some()),
            ("`--check`", run.check),
            ("`--retry-failed`", self.retry_failed),
        ];
        if let Some((name, _)) = said.iter().find(|(_, said)| *said) {
            return Err(Diagnostic::new(format!("{name} does not go with a saved plan"))
                .hint("what is done, and where, is what the plan says"));
        }
        if !plan.options.has_same_variables(&Said::of(options)) {
            return Err(Diagnostic::new("the plan was made with other variables of `-e`")
                .hint("give the same ones again: a plan does not hold their values"));
        }
        Ok(())
    }
}

/// A playbook and its inventory.
pub(super) fn read(
    path: &Path,
    named: &InventoryArgs,
    defaults: &Defaults,
) -> Result<(Playbook, Inventory), Diagnostics> {
    let (playbook, mut inventory) = both(Playbook::read(path), inventory(path, named))?;
    defaults.lend(&mut inventory);
    Ok((playbook, inventory))
}

/// How a run ended, as an exit code.
pub(super) fn exit_of(summary: &Summary) -> Exit {
    let any = |counts: fn(&crate::report::Tally) -> usize| {
        summary.tallies.values().any(|tally| counts(tally) > 0)
    };
    if summary.interrupted {
        complain(&Diagnostic::new("interrupted; tasks that had begun were finished"));
        Exit::Interrupted
    } else if summary.bad_input {
        Exit::BadInput
    } else if any(|tally| tally.failed) {
        Exit::HostFailed
    } else if any(|tally| tally.unreachable) {
        Exit::Unreachable
    } else {
        Exit::Declared
    }
}

/// The inventories named, the one beside the playbook, or this machine.
pub(super) fn inventory(playbook: &Path, named: &InventoryArgs) -> Result<Inventory, Diagnostics> {
    let folder = match playbook.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut inventory = named.read(folder)?.unwrap_or_else(Inventory::localhost);
    // What stands beside the playbook wins over what stands beside the inventory.
    inventory.read_vars_beside(folder)?;
    super::inventory::warn(&inventory);
    Ok(inventory)
}

/// Both, or the mistakes of both.
pub(super) fn both<A, B>(
    first: Result<A, Diagnostics>,
    second: Result<B, Diagnostics>,
) -> Result<(A, B), Diagnostics> {
    match (first, second) {
        (Ok(first), Ok(second)) => Ok((first, second)),
        (Err(mut first), Err(second)) => {
            first.0.extend(second.0);
            Err(first)
        }
        (Err(mistakes), _) | (_, Err(mistakes)) => Err(mistakes),
    }
}

pub(super) fn extra_vars(text: &str) -> Result<Vars, Diagnostic> {
    if let Some(file) = text.strip_prefix('@') {
        return crate::inventory::read_vars(Path::new(file));
    }
    let source = Source { name: "-e".into(), text: text.into() };
    if text.trim_start().starts_with('{') {
        return crate::yaml::read(&source.into())?.variables();
    }
    text.split_whitespace()
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) => Ok((name.to_owned(), Value::from(value))),
            None => Err(Diagnostic::new(format!("-e: `{pair}` is not a variable"))
                .hint("write `name=value`, `{name: value}`, or `@file.yml`")),
        })
        .collect()
}
