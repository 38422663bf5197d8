//! The course of a play: its batches one after the other. Where hosts keep step, each task on
//! all hosts of the batch before the next, and the handlers that were notified.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use indexmap::IndexMap;

use super::course::Way;
use super::path::{Fate, Path, Stop, Todo, Trail};
use super::workers::{Heading, Told, Work, Workers};
use super::{Chosen, Done, Flow, Options, Roster, Shared, Summary, TaskRun, interrupted, task};
use crate::playbook::{Play, Size, Strategy, Task};
use crate::report::{Event, Reporter, Status, TaskResult, overall};

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
    /// The title of the task that this play begins with.
    pub(super) start_at: Option<&'a str>,
    /// The play ends with this batch.
    pub(super) play_ends: bool,
    pub(super) summary: Summary,
}

/// The hosts of a batch, and where each of them is.
type Paths = IndexMap<usize, Path>;

/// Hosts whose task failed, and where it led them.
type Fell = HashMap<usize, Fate>;

/// What one host's task means for all.
enum Everybody {
    /// The batch ends here, and nobody failed.
    Ends,
    /// All fail with it, but for those that a `rescue` waits for.
    Fails(String, Fell),
}

const FATAL: &str = "a host failed, and `any_errors_fatal` ends the run";

/// A batch that is being done.
struct Batch<'a> {
    play: &'a Play,
    hosts: Vec<usize>,
}

impl<'a> Run<'a, '_> {
    pub(super) fn play(&mut self, play: &'a Play, chosen: &Chosen) {
        let known: HashMap<&str, usize> = self
            .shared
            .hosts
            .iter()
            .enumerate()
            .map(|(index, host)| (host.name.as_str(), index))
            .collect();
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
            if self.play_ends || self.left(&batch.hosts).is_empty() {
                break;
            }
        }
        if std::mem::take(&mut self.play_ends) {
            return;
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
        self.summary.unfinished = hosts.map(|host| self.shared.hosts[host].name.clone()).collect();
        self.reporter.event(&Event::Recap { tallies: &self.summary.tallies });
        self.summary
    }

    fn batch(&mut self, batch: &Batch<'a>, hosts: &[usize]) {
        let names = |hosts: &[usize]| {
            hosts.iter().map(|host| self.shared.hosts[*host].name.to_owned()).collect()
        };
        let (play, all) = (names(&self.left(hosts)), names(hosts));
        let roster = Roster { play, batch: names(&batch.hosts), all };
        *self.shared.roster.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(roster);
        let alone = batch.hosts.len() == 1 && !self.shared.options.one_by_one;
        if batch.play.strategy == Strategy::Linear && !alone {
            self.in_step(batch);
        } else {
            self.each_alone(batch);
        }
    }

    /// What comes first in the play on all hosts for which it does, before anything else.
    fn in_step(&mut self, batch: &Batch<'a>) {
        let trail = Arc::new(Trail::new(batch.play).starting_at(self.start_at));
        let begin = |host: &usize| (*host, Path::new(&trail));
        let mut paths: Paths = batch.hosts.iter().map(begin).collect();
        let mut ending = None;
        while !self.over() {
            let mut stops = Vec::new();
            paths.retain(|host, path| match next(path, &trail, self.shared.options) {
                Some(stop) => {
                    stops.push((*host, stop));
                    true
                }
                None => {
                    if path.has_failed() {
                        self.lose(batch, *host);
                    }
                    false
                }
            });
            let Some((_, first)) =
                stops.iter().min_by(|(_, a), (_, b)| a.position.cmp(&b.position))
            else {
                break;
            };
            let together = |stop: &Stop| stop.position == first.position && stop.work == first.work;
            let hosts: Vec<(usize, &Stop)> = stops
                .iter()
                .filter(|(_, stop)| together(stop))
                .map(|(host, stop)| (*host, stop))
                .collect();
            match self.step(batch, &trail, &mut paths, &hosts) {
                Some(Everybody::Ends) => paths.values_mut().for_each(Path::end),
                Some(Everybody::Fails(why, fell)) => {
                    let mut rescued = fell.values().all(|fate| *fate == Fate::Rescued);
                    for (host, path) in &mut paths {
                        // Those that fell have gone where it leads.
                        if path.has_failed() || fell.contains_key(host) {
                            continue;
                        }
                        let fate = path.fail(&trail);
                        if fate == Fate::Out {
                            self.cut.insert(*host);
                            path.end();
                        }
                        rescued &= fate == Fate::Rescued;
                    }
                    ending = Some(why).filter(|_| !rescued).or(ending);
                }
                None => {}
            }
        }
        self.over = self.over.take().or(ending);
    }

    /// Each host on its own way, without waiting for others.
    fn each_alone(&mut self, batch: &Batch<'a>) {
        let trail = Arc::new(Trail::new(batch.play).starting_at(self.start_at));
        let way = Arc::new(Way { trail, closed: AtomicBool::new(false) });
        self.workers.let_go(&batch.hosts, &way);
        let mut shown = None;
        let mut under_way = batch.hosts.len();
        while under_way > 0 {
            match self.workers.next() {
                Some(Told::Passed(host, heading, done, took)) => {
                    if shown.as_ref() != Some(&heading) {
                        self.heading(&heading);
                        shown = Some(heading);
                    }
                    self.settle(batch, host, &done, took);
                    match done.flow {
                        Flow::EndBatch => way.closed.store(true, Ordering::SeqCst),
                        Flow::EndPlay => {
                            self.play_ends = true;
                            way.closed.store(true, Ordering::SeqCst);
                        }
                        _ => {}
                    }
                    if done.fatal && !done.ends_well() && done.fate != Some(Fate::Rescued) {
                        self.over.get_or_insert_with(|| FATAL.into());
                    }
                    way.closed.fetch_or(self.over.is_some(), Ordering::SeqCst);
                }
                Some(Told::Arrived(host, failed)) => {
                    under_way -= 1;
                    self.doing(host, None);
                    if failed && !self.out.contains(&host) {
                        self.lose(batch, host);
                    }
                }
                Some(Told::Waits(host, why)) => self.waits(&host, &why),
                Some(Told::Doing(host, task)) => self.doing(host, task.as_deref()),
                Some(Told::Step(..)) => {}
                None => break,
            }
        }
    }

    /// One step on the hosts whose turn it is, and what it means for all the others.
    fn step(
        &mut self,
        batch: &Batch<'a>,
        trail: &Arc<Trail<'a>>,
        paths: &mut Paths,
        hosts: &[(usize, &Stop)],
    ) -> Option<Everybody> {
        let (first, stop) = hosts.first()?;
        let (task, heading) = match &stop.work {
            Todo::Handlers => return None,
            Todo::Facts => {
                self.heading(&Heading::Facts);
                let work = Work::Facts(batch.play);
                let steps: Vec<_> = hosts.iter().map(|(host, _)| (*host, work.clone())).collect();
                return self.spread(batch, trail, paths, &steps).0;
            }
            Todo::Task(task, _) => (task, Heading::Task(Arc::clone(task))),
            Todo::Handler(task, _) => (task, Heading::Handler(Arc::clone(task))),
        };
        let run = Arc::new(TaskRun::new(trail, task, self.shared.roster()));
        let works: Vec<(usize, Work<'a>)> = hosts
            .iter()
            .map(|(host, stop)| (*host, Work::Task(Arc::clone(&run), stop.work.bindings())))
            .collect();
        self.heading(&heading);
        let once = task::once(self.shared, *first, &run, &stop.work.bindings());
        let (now, rest) = works.split_at(if once.run_once { 1 } else { works.len() });
        let mut everybody = None;
        let mut failed = Fell::new();
        for some in now.chunks(once.throttle.unwrap_or(now.len()).max(1)) {
            let (some, fell) = self.spread(batch, trail, paths, some);
            everybody = some.or(everybody);
            failed.extend(fell);
        }
        for (host, _) in rest {
            self.shared.hosts[*host].take_over(&self.shared.hosts[*first], task);
            if let Some(path) = paths.get_mut(host) {
                path.pass();
            }
        }
        if !failed.is_empty() && !rest.is_empty() && everybody.is_none() {
            let why = "a task with `run_once` failed, and with it all hosts";
            everybody = Some(Everybody::Fails(why.into(), failed));
        }
        everybody
    }

    /// Has every host do its work, and reports in the order of the inventory; beside what it
    /// means for the others are those that failed.
    fn spread(
        &mut self,
        batch: &Batch<'a>,
        trail: &Trail<'a>,
        paths: &mut Paths,
        works: &[(usize, Work<'a>)],
    ) -> (Option<Everybody>, Fell) {
        self.workers.spread(works);
        let title = works.first().map(|(_, work)| work.title());
        for (host, _) in works {
            self.doing(*host, title.as_deref());
        }
        let mut waiting: IndexMap<usize, Option<(Done, Duration)>> =
            works.iter().map(|(host, _)| (*host, None)).collect();
        let (mut everybody, mut fell, mut fatal) = (None, Fell::new(), false);
        let mut shown = 0;
        while shown < works.len() {
            match self.workers.next() {
                Some(Told::Step(host, done, took)) => {
                    self.doing(host, None);
                    waiting.insert(host, Some((done, took)));
                }
                Some(Told::Waits(host, why)) => self.waits(&host, &why),
                Some(_) => {}
                None => break,
            }
            while let Some((host, done)) = waiting.get_index_mut(shown) {
                let Some((mut done, took)) = done.take() else { break };
                let host = *host;
                shown += 1;
                if let Some(path) = paths.get_mut(&host) {
                    path.answer(trail, &mut done);
                }
                self.settle(batch, host, &done, took);
                match done.flow {
                    Flow::EndBatch => everybody = Some(Everybody::Ends),
                    Flow::EndPlay => {
                        self.play_ends = true;
                        everybody = Some(Everybody::Ends);
                    }
                    _ => {}
                }
                fatal |= done.fatal;
                fell.extend(done.fate.map(|fate| (host, fate)));
            }
        }
        if fatal {
            everybody = Some(Everybody::Fails(FATAL.into(), fell.clone()));
        }
        (everybody, fell)
    }

    fn settle(&mut self, batch: &Batch<'_>, host: usize, done: &Done, took: Duration) {
        if done.unseen && done.ends_well() {
            return;
        }
        let name = self.shared.hosts[host].name.as_str();
        self.reporter.event(&Event::Host { host: name, results: &done.results, took });
        let status = overall(&done.results);
        let rescued = done.fate == Some(Fate::Rescued);
        if let Some(tally) = self.summary.tallies.get_mut(name) {
            match status {
                _ if rescued => tally.rescued += 1,
                Status::Ignored if done.results.iter().any(TaskResult::has_changed) => {
                    tally.count(status);
                    tally.changed += 1;
                }
                status => tally.count(status),
            }
        }
        self.summary.bad_input |= status == Status::Failed
            && !rescued
            && done.results.iter().any(|result| result.bad_input);
        if done.fate == Some(Fate::Out) {
            self.lose(batch, host);
        }
    }

    /// A host takes no further part.
    fn lose(&mut self, batch: &Batch<'_>, host: usize) {
        if !self.out.insert(host) {
            return;
        }
        let name = self.shared.hosts[host].name.as_str();
        {
            let mut roster = self.shared.roster.write().unwrap_or_else(PoisonError::into_inner);
            let without =
                |names: &[String]| names.iter().filter(|one| *one != name).cloned().collect();
            let (play, batch) = (without(&roster.play), without(&roster.batch));
            *roster = Arc::new(Roster { play, batch, all: roster.all.clone() });
        }
        if self.over.is_none() {
            self.over = self.ends_all(batch);
        }
    }

    /// Whether the hosts that failed are more than the play stands, and why.
    fn ends_all(&self, batch: &Batch<'_>) -> Option<String> {
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

    fn heading(&mut self, heading: &Heading) {
        let task = heading.task();
        // What it does shows in what comes next.
        if task.is_some_and(|task| task.module.name == "meta") {
            return;
        }
        let name = heading.title();
        let handler = matches!(heading, Heading::Handler(_));
        let module = task.map(|task| task.module_key.text.as_str());
        let place = task.map(|task| &task.span);
        self.reporter.event(&Event::Task { name: &name, handler, module, place });
    }

    fn doing(&mut self, host: usize, task: Option<&str>) {
        let host = self.shared.hosts[host].name.as_str();
        self.reporter.event(&Event::Doing { host, task });
    }

    /// Whether nothing more is begun.
    fn over(&self) -> bool {
        interrupted() || self.over.is_some()
    }

    fn left(&self, hosts: &[usize]) -> Vec<usize> {
        hosts.iter().copied().filter(|host| !self.out.contains(host)).collect()
    }
}

/// Where a host stops next; handlers that are due are where it goes through.
fn next(path: &mut Path, trail: &Trail<'_>, options: &Options) -> Option<Stop> {
    loop {
        match path.next(trail, options)? {
            Stop { work: Todo::Handlers, .. } => path.flush_handlers(),
            stop => return Some(stop),
        }
    }
}

impl Done {
    /// Whether the host goes on as if nothing had happened.
    pub(super) fn ends_well(&self) -> bool {
        !overall(&self.results).ends_host()
    }
}

impl Options {
    /// Whether a task is among those that tags choose.
    #[must_use]
    pub fn tagged(&self, task: &Task) -> bool {
        let Self { tags, skip_tags, .. } = self;
        let own = &task.inherited.tags;
        // Every task is among all of those that have tags, or of those that have none.
        let kind = if own.is_empty() { "untagged" } else { "tagged" };
        let has = |wanted: &[String]| wanted.iter().any(|tag| own.contains(tag) || tag == kind);
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
