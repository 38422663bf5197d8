//! `lvsmith apply` and `lvsmith plan`: the same run, the second in check mode with a diff.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::retry::LastRun;
use super::secret::SecretArgs;
use super::{Exit, complain, complain_at, connector::Machines};
use crate::diagnostic::{Diagnostic, Diagnostics, Source};
use crate::engine::{self, Options, Summary};
use crate::inventory::{Inventory, Vars};
use crate::playbook::Playbook;
use crate::report::Terminal;

/// What `apply` and `plan` take.
#[derive(Debug, Args)]
pub(super) struct Apply {
    /// The playbook; with `--lab` the lab's own when none is given
    #[arg(required_unless_present = "lab")]
    playbook: Option<PathBuf>,
    /// Run on the hosts of a lab that is up; it is the inventory
    #[arg(long, value_name = "NAME", conflicts_with = "inventory")]
    lab: Option<String>,
    /// The inventory; without it `inventory.yml` beside the playbook, or this machine alone
    #[arg(short, long, value_name = "FILE")]
    inventory: Option<PathBuf>,
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
    /// Only these hosts: names, groups, `a:b`, `a:&b`, `a:!b`, `web*`
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
    #[arg(short = 'D', long)]
    diff: bool,
    /// A variable over all others: `name=value`, `{name: value}`, or `@file.yml`
    #[arg(short, long, value_name = "VARS")]
    extra_vars: Vec<String>,
    /// How many hosts at a time [default: all, up to 64]
    #[arg(short, long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    forks: usize,
    /// How long to wait for a host that another `apply` is changing
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    lock_timeout: u64,
    #[command(flatten)]
    secret: SecretArgs,
    /// Show the result of every task
    #[arg(short, long)]
    verbose: bool,
}

impl RunArgs {
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
            forks: self.forks,
            color: super::color(),
            lock_timeout: Duration::from_secs(self.lock_timeout),
            start_at_task: None,
            one_by_one: false,
            become_password: self.secret.read().map_err(Diagnostics::from)?,
        })
    }

    pub(super) fn verbose(&self) -> bool {
        self.verbose
    }
}

impl Apply {
    pub(super) fn apply(self) -> ExitCode {
        self.run(false)
    }

    pub(super) fn plan(self) -> ExitCode {
        self.run(true)
    }

    fn run(self, plan: bool) -> ExitCode {
        super::catch_interrupts();
        engine::at_interrupt(|| {
            anstream::eprintln!("lvsmith: finishing what has begun; Ctrl-C again ends at once");
        });
        let mut options = match self.run.options() {
            Ok(options) => options,
            Err(mistakes) => return complain_at(&mistakes).into(),
        };
        options.check |= plan;
        options.diff |= plan;
        if let Some(lab) = &self.lab {
            return super::lab::apply(lab, self.playbook.as_deref(), &options, self.run.verbose);
        }
        match self.on_machines(options) {
            Ok(exit) => exit.into(),
            Err(mistakes) => complain_at(&mistakes).into(),
        }
    }

    fn on_machines(self, mut options: Options) -> Result<Exit, Diagnostics> {
        let path = self.playbook.unwrap_or_default();
        let inventory = inventory(&path, self.inventory.as_deref());
        let (playbook, inventory) = both(Playbook::read(&path), inventory)?;
        let last_run = LastRun::of(&path);
        if self.retry_failed {
            let homeless = || Diagnostic::new("nothing is remembered for a user without a home");
            options.only = Some(last_run.as_ref().ok_or_else(homeless)?.unfinished()?);
        }
        let mut reporter = Terminal::new(anstream::stdout().lock(), self.run.verbose);
        let summary = engine::run(&playbook, &inventory, &Machines, &options, &mut reporter)?;
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

/// The inventory named, the one beside the playbook, or this machine.
fn inventory(playbook: &Path, named: Option<&Path>) -> Result<Inventory, Diagnostics> {
    let folder = playbook.parent().unwrap_or(Path::new(""));
    let beside = folder.join("inventory.yml");
    let file = match named {
        Some(file) => Some(file),
        None => beside.is_file().then_some(beside.as_path()),
    };
    let mut inventory = match file {
        Some(file) => Inventory::read(file)?,
        None => Inventory::localhost(),
    };
    // What stands beside the playbook wins over what stands beside the inventory.
    if file.and_then(Path::parent) != Some(folder) {
        inventory.read_vars_beside(folder)?;
    }
    Ok(inventory)
}

/// Both, or the mistakes of both.
fn both<A, B>(
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

fn extra_vars(text: &str) -> Result<Vars, Diagnostic> {
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
