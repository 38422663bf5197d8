//! `lvsmith apply` and `lvsmith plan`: the same run, the second in check mode with a diff.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::defaults::Defaults;
use super::output::{OutputArgs, refuse};
use super::retry::LastRun;
use super::secret::SecretArgs;
use super::{Exit, complain, connector::Machines, inventory::InventoryArgs};
use crate::diagnostic::{Diagnostic, Diagnostics, Source};
use crate::engine::{self, Options, Summary};
use crate::inventory::{Inventory, Vars};
use crate::lab::trial::Audience;
use crate::playbook::Playbook;

/// What `apply` and `plan` take.
#[derive(Debug, Args)]
pub(super) struct Apply {
    /// The playbook; with `--lab` the lab's own when none is given
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
            start_at_task: None,
            one_by_one: false,
            become_password: self.secret.read().map_err(Diagnostics::from)?,
        })
    }
}

impl Apply {
    pub(super) fn apply(self) -> ExitCode {
        self.run(false)
    }

    pub(super) fn plan(self) -> ExitCode {
        self.run(true)
    }

    fn run(mut self, plan: bool) -> ExitCode {
        let beside = self.playbook.as_deref().unwrap_or(Path::new("."));
        let defaults = match Defaults::read(beside) {
            Ok(defaults) => defaults,
            Err(mistakes) => return refuse(&mut *self.run.output.audience(), &mistakes).into(),
        };
        self.run.fall_back(&defaults);
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
        if let Some(lab) = &self.lab {
            return super::lab::apply(lab, self.playbook.as_deref(), &options, &mut *audience);
        }
        match self.on_machines(options, &defaults, &mut *audience) {
            Ok(exit) => exit.into(),
            Err(mistakes) => refuse(&mut *audience, &mistakes).into(),
        }
    }

    fn on_machines(
        self,
        mut options: Options,
        defaults: &Defaults,
        audience: &mut dyn Audience,
    ) -> Result<Exit, Diagnostics> {
        let path = self.playbook.unwrap_or_default();
        let inventory = inventory(&path, &self.inventory.or(defaults.inventory.as_deref()));
        let (playbook, mut inventory) = both(Playbook::read(&path), inventory)?;
        defaults.lend(&mut inventory);
        let last_run = LastRun::of(&path);
        if self.retry_failed {
            let homeless = || Diagnostic::new("nothing is remembered for a user without a home");
            options.only = Some(last_run.as_ref().ok_or_else(homeless)?.unfinished()?);
        }
        let summary = engine::run(&playbook, &inventory, &Machines, &options, audience)?;
        if let Some(last_run) = last_run.filter(|_| !options.check)
            && let Err(warning) = last_run.keep(&summary.unfinished)
        {
            complain(&warning);
        }
        Ok(exit_of(&summary))
    }
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
