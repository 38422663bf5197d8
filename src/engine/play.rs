//! The course of a play: its sections in order, each task on all hosts before the next, and
//! the handlers that were notified.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock, mpsc};

use indexmap::IndexMap;

use super::{Done, Job, Options, Shared, Summary, TaskRun, Work, interrupted};
use crate::playbook::{Play, Task};
use crate::report::{Event, Reporter, Status, TaskResult};

pub(super) struct Run<'a, 'r> {
    pub(super) shared: &'a Shared<'a>,
    pub(super) queues: Vec<mpsc::Sender<Job<'a>>>,
    pub(super) results: mpsc::Receiver<(usize, Done)>,
    pub(super) reporter: &'r mut dyn Reporter,
    /// Hosts that failed or are unreachable.
    pub(super) out: HashSet<usize>,
    pub(super) summary: Summary,
}

impl<'a> Run<'a, '_> {
    pub(super) fn play(&mut self, play: &'a Play, names: &'a [String]) {
        if interrupted() {
            return;
        }
        self.reporter.event(&Event::Play { name: &play.name });
        let hosts: Vec<usize> = (0..self.shared.hosts.len())
            .filter(|index| names.iter().any(|name| name == self.shared.hosts[*index].name))
            .collect();
        if hosts.is_empty() {
            self.reporter.event(&Event::NoHosts);
            return;
        }
        if play.gather_facts {
            self.reporter.event(&Event::Task { name: "Gathering Facts", handler: false });
            self.spread(Work::Facts(play), &hosts);
        }
        let mut notified: HashSet<(usize, String)> = HashSet::new();
        for section in &play.sections {
            for task in section {
                notified.extend(self.task(play, task, names, &hosts, false));
            }
            self.handlers(play, names, &mut notified);
        }
    }

    fn handlers(
        &mut self,
        play: &'a Play,
        names: &'a [String],
        notified: &mut HashSet<(usize, String)>,
    ) {
        for handler in &play.handlers {
            let own = handler.name.as_ref().and_then(|name| name.as_str()).map(str::to_owned);
            let answers: Vec<&String> = own.iter().chain(&handler.listen).collect();
            let mut hosts: Vec<usize> = notified
                .iter()
                .filter(|(_, name)| answers.contains(&name))
                .map(|(host, _)| *host)
                .collect();
            hosts.sort_unstable();
            hosts.dedup();
            if !hosts.is_empty() {
                // A handler may notify one that comes after it.
                let more = self.task(play, handler, names, &hosts, true);
                notified.extend(more);
            }
        }
        notified.clear();
    }

    fn task(
        &mut self,
        play: &'a Play,
        task: &'a Task,
        names: &'a [String],
        hosts: &[usize],
        handler: bool,
    ) -> Vec<(usize, String)> {
        if interrupted() || !(handler || self.tagged(task)) {
            return Vec::new();
        }
        let mut hosts: Vec<usize> =
            hosts.iter().copied().filter(|host| !self.out.contains(host)).collect();
        let all = hosts.clone();
        if task.run_once {
            hosts.truncate(1);
        }
        self.reporter.event(&Event::Task { name: &task.title(), handler });
        let run = TaskRun { play, task, play_hosts: names, hostvars: OnceLock::new() };
        let notified = self.spread(Work::Task(Arc::new(run)), &hosts);
        if let (true, Some((first, rest))) = (task.run_once, all.split_first()) {
            for host in rest {
                self.shared.hosts[*host].take_over(&self.shared.hosts[*first], task);
            }
        }
        notified
    }

    /// Has every host do the work, and reports in the order of the inventory.
    fn spread(&mut self, work: Work<'a>, hosts: &[usize]) -> Vec<(usize, String)> {
        let hosts: Vec<usize> =
            hosts.iter().copied().filter(|host| !self.out.contains(host)).collect();
        for host in &hosts {
            let queue = &self.queues[host % self.queues.len()];
            queue
                .send(Job { host: *host, work: work.clone() })
                .expect("workers outlive their queues");
        }
        let mut waiting: IndexMap<usize, Option<Done>> =
            hosts.iter().map(|host| (*host, None)).collect();
        let mut notified = Vec::new();
        let mut shown = 0;
        for _ in 0..hosts.len() {
            let Ok((host, done)) = self.results.recv() else { break };
            waiting.insert(host, Some(done));
            while let Some((host, done)) = waiting.get_index_mut(shown) {
                let Some(done) = done.take() else { break };
                let host = *host;
                shown += 1;
                self.settle(host, &done.results);
                notified.extend(done.notified.into_iter().map(|name| (host, name)));
            }
        }
        notified
    }

    fn settle(&mut self, host: usize, results: &[TaskResult]) {
        let name = self.shared.hosts[host].name;
        self.reporter.event(&Event::Host { host: name, results });
        let status = overall(results);
        if let Some(tally) = self.summary.tallies.get_mut(name) {
            tally.count(status);
        }
        self.summary.bad_input |=
            status == Status::Failed && results.iter().any(|result| result.bad_input);
        if matches!(status, Status::Failed | Status::Unreachable) {
            self.out.insert(host);
        }
    }

    fn tagged(&self, task: &Task) -> bool {
        let Options { tags, skip_tags, .. } = self.shared.options;
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
fn overall(results: &[TaskResult]) -> Status {
    use Status::{Changed, Failed, Ignored, Ok, Skipped, Unreachable};
    [Unreachable, Failed, Ignored, Changed, Ok]
        .into_iter()
        .find(|status| results.iter().any(|result| result.status == *status))
        .unwrap_or(Skipped)
}
