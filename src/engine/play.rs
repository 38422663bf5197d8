//! The course of a play: its batches one after the other. Where hosts keep step, each task on
//! all hosts of the batch before the next, and the handlers that were notified.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use indexmap::IndexMap;

use super::course::Way;
use super::workers::{Heading, Told, Work, Workers};
use super::{Chosen, Done, Options, Roster, Shared, Summary, TaskRun, interrupted};
use crate::playbook::{Play, Size, Strategy, Task};
use crate::report::{Event, Reporter, Status, TaskResult};

pub(super) struct Run<'a, 'r> {
    pub(super) shared: &'a Shared<'a>,
    pub(super) workers: Workers<'a>,
    pub(super) reporter: &'r mut dyn Reporter,
    /// Hosts that failed or are unreachable.
    pub(super) out: HashSet<usize>,
    /// Hosts that were left before everything was done.
    pub(super) cut: HashSet<usize>,
    /// Why nothing more is begun.
    pub(super) over: Option<String>,
    pub(super) summary: Summary,
}

/// A batch that is being done.
struct Batch<'a> {
    play: &'a Play,
    hosts: Vec<usize>,
}

impl<'a> Run<'a, '_> {
    pub(super) fn play(&mut self, play: &'a Play, chosen: &Chosen) {
        let known: HashMap<&str, usize> =
            self.shared.hosts.iter().enumerate().map(|(index, host)| (host.name, index)).collect();
        let mut hosts: Vec<usize> =
            chosen.hosts.iter().filter_map(|name| known.get(name.as_str()).copied()).collect();
        hosts.sort_unstable();
        if self.over() {
            self.cut.extend(hosts);
            return;
        }
        self.reporter.event(&Event::Play { name: &play.name });
        if hosts.is_empty() {
            self.reporter.event(&Event::NoHosts);
            return;
        }
        hosts.retain(|host| !self.out.contains(host));
        let batches = Size::batches(&chosen.sizes, &hosts);
        let mut rest = batches.iter();
        for batch in rest.by_ref() {
            let batch = Batch { play, hosts: batch.clone() };
            self.batch(&batch, &hosts);
            if self.over() {
                self.cut.extend(&batch.hosts);
                break;
            }
            if self.left(&batch.hosts).is_empty() {
                break;
            }
        }
        let undone: Vec<usize> = rest.flatten().copied().collect();
        if let Some(reason) = &self.over {
            self.reporter.event(&Event::Ended { reason });
        } else if !undone.is_empty() && !interrupted() {
            let reason = "all hosts of a batch failed, the play ends before the next";
            self.reporter.event(&Event::Ended { reason });
        }
        self.cut.extend(undone);
    }

    /// The end of it all.
    pub(super) fn finish(mut self) -> Summary {
        self.summary.interrupted = interrupted();
        let unfinished = |index: &usize| self.out.contains(index) || self.cut.contains(index);
        let hosts = (0..self.shared.hosts.len()).filter(unfinished);
        self.summary.unfinished = hosts.map(|host| self.shared.hosts[host].name.into()).collect();
        self.reporter.event(&Event::Recap { tallies: &self.summary.tallies });
        self.summary
    }

    fn batch(&mut self, batch: &Batch<'a>, hosts: &[usize]) {
        let names = |hosts: &[usize]| {
            hosts.iter().map(|host| self.shared.hosts[*host].name.to_owned()).collect()
        };
        let roster = Roster { play: names(&self.left(hosts)), batch: names(&batch.hosts) };
        *self.shared.roster.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(roster);
        let alone = batch.hosts.len() == 1 && !self.shared.options.one_by_one;
        if batch.play.strategy == Strategy::Linear && !alone {
            self.in_step(batch);
        } else {
            self.each_alone(batch);
        }
    }

    /// Each task on all hosts before the next.
    fn in_step(&mut self, batch: &Batch<'a>) {
        let play = batch.play;
        if play.gather_facts {
            self.heading(Heading::Facts);
            self.spread(batch, &Work::Facts(play), &batch.hosts);
        }
        let mut notified: HashSet<(usize, String)> = HashSet::new();
        for section in &play.sections {
            for task in section.iter().filter(|task| self.shared.options.tagged(task)) {
                notified.extend(self.task(batch, Heading::Task(task), task, &batch.hosts));
            }
            self.handlers(batch, &mut notified);
        }
    }

    /// Each host on its own way, without waiting for others.
    fn each_alone(&mut self, batch: &Batch<'a>) {
        let way = Arc::new(Way { play: batch.play, closed: AtomicBool::new(false) });
        self.workers.let_go(&batch.hosts, &way);
        let mut shown = None;
        let mut under_way = batch.hosts.len();
        while under_way > 0 {
            match self.workers.next() {
                Some(Told::Passed(host, heading, done)) => {
                    if shown != Some(heading) {
                        self.heading(heading);
                        shown = Some(heading);
                    }
                    self.settle(batch, host, &done.results);
                    way.closed.fetch_or(self.over.is_some(), Ordering::SeqCst);
                }
                Some(Told::Arrived) => under_way -= 1,
                Some(Told::Waits(host, why)) => self.waits(&host, &why),
                Some(Told::Step(..)) => {}
                None => break,
            }
        }
    }

    fn handlers(&mut self, batch: &Batch<'a>, notified: &mut HashSet<(usize, String)>) {
        for handler in &batch.play.handlers {
            let mut hosts: Vec<usize> = notified
                .iter()
                .filter(|(_, name)| handler.answers_to(name))
                .map(|(host, _)| *host)
                .collect();
            hosts.sort_unstable();
            hosts.dedup();
            if !hosts.is_empty() {
                // A handler may notify one that comes after it.
                let more = self.task(batch, Heading::Handler(handler), handler, &hosts);
                notified.extend(more);
            }
        }
        notified.clear();
    }

    fn task(
        &mut self,
        batch: &Batch<'a>,
        heading: Heading<'a>,
        task: &'a Task,
        hosts: &[usize],
    ) -> Vec<(usize, String)> {
        if self.over() {
            return Vec::new();
        }
        let all = self.left(hosts);
        let hosts = if task.run_once { &all[..all.len().min(1)] } else { &all };
        self.heading(heading);
        let roster = self.shared.roster();
        let run = TaskRun { play: batch.play, task, roster, hostvars: Arc::default() };
        let notified = self.spread(batch, &Work::Task(Arc::new(run)), hosts);
        if let (true, Some((first, rest))) = (task.run_once, all.split_first()) {
            for host in rest {
                self.shared.hosts[*host].take_over(&self.shared.hosts[*first], task);
            }
        }
        notified
    }

    /// Has every host do the work, and reports in the order of the inventory.
    fn spread(
        &mut self,
        batch: &Batch<'a>,
        work: &Work<'a>,
        hosts: &[usize],
    ) -> Vec<(usize, String)> {
        self.workers.spread(hosts, work);
        let mut waiting: IndexMap<usize, Option<Done>> =
            hosts.iter().map(|host| (*host, None)).collect();
        let mut notified = Vec::new();
        let mut shown = 0;
        while shown < hosts.len() {
            match self.workers.next() {
                Some(Told::Step(host, done)) => drop(waiting.insert(host, Some(done))),
                Some(Told::Waits(host, why)) => self.waits(&host, &why),
                Some(_) => {}
                None => break,
            }
            while let Some((host, done)) = waiting.get_index_mut(shown) {
                let Some(done) = done.take() else { break };
                let host = *host;
                shown += 1;
                self.settle(batch, host, &done.results);
                notified.extend(done.notified.into_iter().map(|name| (host, name)));
            }
        }
        notified
    }

    fn settle(&mut self, batch: &Batch<'_>, host: usize, results: &[TaskResult]) {
        let name = self.shared.hosts[host].name;
        self.reporter.event(&Event::Host { host: name, results });
        let status = overall(results);
        if let Some(tally) = self.summary.tallies.get_mut(name) {
            tally.count(status);
        }
        self.summary.bad_input |=
            status == Status::Failed && results.iter().any(|result| result.bad_input);
        if status.ends_host() {
            self.out.insert(host);
            let mut roster = self.shared.roster.write().unwrap_or_else(PoisonError::into_inner);
            let without =
                |names: &[String]| names.iter().filter(|one| *one != name).cloned().collect();
            let (play, batch) = (without(&roster.play), without(&roster.batch));
            *roster = Arc::new(Roster { play, batch });
        }
        if status.ends_host() && self.over.is_none() {
            self.over = self.ends_all(batch);
        }
    }

    /// Whether the hosts that failed are more than the play stands, and why.
    fn ends_all(&self, batch: &Batch<'_>) -> Option<String> {
        if batch.play.any_errors_fatal {
            return Some("a host failed, and `any_errors_fatal` ends the run".into());
        }
        let allowed = batch.play.max_fail_percentage?;
        let (failed, all) = (batch.hosts.len() - self.left(&batch.hosts).len(), batch.hosts.len());
        #[expect(clippy::cast_precision_loss, reason = "numbers of hosts are small")]
        let percentage = failed as f64 * 100.0 / all as f64;
        (percentage > allowed).then(|| {
            format!(
                "{failed} of {all} hosts failed, more than `max_fail_percentage: {allowed}` stands: \
                 the run ends"
            )
        })
    }

    fn waits(&mut self, host: &str, why: &str) {
        self.reporter.event(&Event::Waiting { host, why });
    }

    fn heading(&mut self, heading: Heading<'_>) {
        let (name, handler) = match heading {
            Heading::Facts => ("Gathering Facts".to_owned(), false),
            Heading::Task(task) => (task.title(), false),
            Heading::Handler(task) => (task.title(), true),
        };
        self.reporter.event(&Event::Task { name: &name, handler });
    }

    /// Whether nothing more is begun.
    fn over(&self) -> bool {
        interrupted() || self.over.is_some()
    }

    fn left(&self, hosts: &[usize]) -> Vec<usize> {
        hosts.iter().copied().filter(|host| !self.out.contains(host)).collect()
    }
}

impl Options {
    /// Whether a task is among those that tags choose.
    pub(super) fn tagged(&self, task: &Task) -> bool {
        let Self { tags, skip_tags, .. } = self;
        let own = &task.inherited.tags;
        let has = |wanted: &[String]| own.iter().any(|tag| wanted.contains(tag));
        let always = own.iter().any(|tag| tag == "always");
        let never = own.iter().any(|tag| tag == "never");
        if has(skip_tags) || (always && skip_tags.iter().any(|tag| tag == "always")) {
            return false;
        }
        if tags.is_empty() {
            return !never;
        }
        has(tags) || always || (!never && tags.iter().any(|tag| tag == "all"))
    }
}

/// The worst of a loop's items counts for the task.
pub(super) fn overall(results: &[TaskResult]) -> Status {
    use Status::{Changed, Failed, Ignored, Ok, Skipped, Unreachable};
    [Unreachable, Failed, Ignored, Changed, Ok]
        .into_iter()
        .find(|status| results.iter().any(|result| result.status == *status))
        .unwrap_or(Skipped)
}
