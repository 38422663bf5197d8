//! The threads that drive hosts. A host stays with one of them for the whole run: its agent
//! ends with the thread that started it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::Scope;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::course::{Course, Way};
use super::path::Bindings;
use super::{Done, Shared, TaskRun, task};
use crate::playbook::{Play, Strategy, Task};

/// What a worker is asked for.
pub(super) enum Job<'a> {
    /// One step on one host.
    Step(usize, Work<'a>),
    /// The whole way through a batch, for each of these hosts.
    Courses(Vec<usize>, Arc<Way<'a>>),
}

/// One step.
#[derive(Clone)]
pub(super) enum Work<'a> {
    Facts(&'a Play),
    Task(Arc<TaskRun<'a>>, Arc<Bindings>),
}

/// What a step is called.
#[derive(Clone)]
pub(super) enum Heading {
    Facts,
    Task(Arc<Task>),
    Handler(Arc<Task>),
}

impl Heading {
    pub(super) fn title(&self) -> String {
        self.task().map_or_else(|| "Gathering Facts".to_owned(), |task| task.title())
    }

    pub(super) fn task(&self) -> Option<&Task> {
        match self {
            Self::Facts => None,
            Self::Task(task) | Self::Handler(task) => Some(task),
        }
    }
}

impl Work<'_> {
    pub(super) fn title(&self) -> String {
        match self {
            Self::Facts(_) => Heading::Facts.title(),
            Self::Task(run, _) => run.task.title(),
        }
    }
}

impl PartialEq for Heading {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Facts, Self::Facts) => true,
            (Self::Task(one), Self::Task(two)) | (Self::Handler(one), Self::Handler(two)) => {
                Arc::ptr_eq(one, two)
            }
            _ => false,
        }
    }
}

/// What a worker tells.
pub(super) enum Told {
    /// A step is done, and took so long.
    Step(usize, Done, Duration),
    /// A host on its own way is done with a step, and was waited for so long.
    Passed(usize, Heading, Done, Duration),
    /// What a host on its own way is at from now on.
    Doing(usize, Option<String>),
    /// A host has come to the end of its way, and whether it failed on it.
    Arrived(usize, bool),
    /// A host is being waited for, by name, and why.
    Waits(String, String),
}

/// How often to look whether hosts are waited for.
const GLANCE: Duration = Duration::from_millis(500);

/// What an agent takes of the descriptors that a process may have open, with some to spare.
const DESCRIPTORS: u64 = 8;

/// Allows for so many agents, where the limit is lower than that and may be raised.
pub(super) fn make_room(agents: usize) {
    let wanted = 64 + agents as u64 * DESCRIPTORS;
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < wanted
    {
        // Where it may not be, the agent that is one too many says what is wrong.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard);
    }
}

pub(super) struct Workers<'a> {
    shared: &'a Shared<'a>,
    queues: Vec<mpsc::Sender<Job<'a>>>,
    told: mpsc::Receiver<Told>,
    /// The worker of each host, once it has one.
    homes: Vec<Option<usize>>,
}

impl<'a> Workers<'a> {
    pub(super) fn start<'scope>(
        scope: &'scope Scope<'scope, 'a>,
        shared: &'a Shared<'a>,
        count: usize,
    ) -> Self {
        let (tell, told) = mpsc::channel();
        let queues = (0..count).map(|_| {
            let (queue, jobs) = mpsc::channel::<Job<'_>>();
            let tell = tell.clone();
            scope.spawn(move || {
                // Nobody listens any more once the run is over.
                jobs.into_iter().try_for_each(|job| work(shared, job, &tell)).unwrap_or_default();
            });
            queue
        });
        Self { shared, queues: queues.collect(), told, homes: vec![None; shared.hosts.len()] }
    }

    /// Has each host do its step.
    pub(super) fn spread(&mut self, steps: &[(usize, Work<'a>)]) {
        let hosts: Vec<usize> = steps.iter().map(|(host, _)| *host).collect();
        for ((host, home), (_, work)) in self.places(&hosts).into_iter().zip(steps) {
            self.send(home, Job::Step(host, work.clone()));
        }
    }

    /// Sends each host on its way.
    pub(super) fn let_go(&mut self, hosts: &[usize], way: &Arc<Way<'a>>) {
        let mut parts = vec![Vec::new(); self.queues.len()];
        for (host, home) in self.places(hosts) {
            parts[home].push(host);
        }
        for (home, part) in parts.into_iter().enumerate().filter(|(_, part)| !part.is_empty()) {
            self.send(home, Job::Courses(part, Arc::clone(way)));
        }
    }

    /// What is told next; `None` when no worker lives any more.
    pub(super) fn next(&self) -> Option<Told> {
        loop {
            match self.told.recv_timeout(GLANCE) {
                Ok(told) => return Some(told),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    if let Some((host, why)) = self.shared.waits().pop() {
                        return Some(Told::Waits(host, why));
                    }
                }
            }
        }
    }

    /// Where each host is at home; one that comes for the first time joins the worker that
    /// has the fewest of these.
    fn places(&mut self, hosts: &[usize]) -> Vec<(usize, usize)> {
        let mut load = vec![0_usize; self.queues.len()];
        for home in hosts.iter().filter_map(|host| self.homes[*host]) {
            load[home] += 1;
        }
        let place = |host: &usize| {
            let home = self.homes[*host].unwrap_or_else(|| {
                let idle = (0..load.len()).min_by_key(|worker| load[*worker]);
                let home = idle.unwrap_or_default();
                load[home] += 1;
                home
            });
            self.homes[*host] = Some(home);
            (*host, home)
        };
        hosts.iter().map(place).collect()
    }

    fn send(&self, worker: usize, job: Job<'a>) {
        self.queues[worker].send(job).expect("workers outlive their queues");
    }
}

fn work<'a>(
    shared: &'a Shared<'a>,
    job: Job<'a>,
    tell: &mpsc::Sender<Told>,
) -> Result<(), mpsc::SendError<Told>> {
    match job {
        Job::Step(host, work) => {
            let start = Instant::now();
            let done = task::run(shared, host, &work);
            tell.send(Told::Step(host, done, start.elapsed()))
        }
        Job::Courses(hosts, way) => {
            let mut courses: VecDeque<Course<'_>> =
                hosts.iter().map(|host| Course::new(shared, *host, Arc::clone(&way))).collect();
            while let Some(mut course) = courses.pop_front() {
                tell.send(Told::Doing(course.host, course.doing()))?;
                let start = Instant::now();
                match course.advance() {
                    None => tell.send(Told::Arrived(course.host, course.has_failed()))?,
                    Some((heading, done)) => {
                        tell.send(Told::Passed(course.host, heading, done, start.elapsed()))?;
                        match way.trail.play.strategy {
                            Strategy::Free => courses.push_back(course),
                            _ => courses.push_front(course),
                        }
                    }
                }
            }
            Ok(())
        }
    }
}
