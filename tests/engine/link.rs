//! A way to an agent on this machine that is as slow as one to another continent: what either
//! side says arrives later, however much it is, and can be counted or held up for good.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use lvsmith::connection::{AgentClient, Become, CallError, Connection, LastWords, Unreachable};
use lvsmith::engine::Connector;
use lvsmith::inventory::Vars;
use lvsmith::modules::HostKind;

use super::LVSMITH;

/// Hosts at the far end of such a way.
#[derive(Clone, Default)]
pub(super) struct Link {
    /// From one end to the other and back.
    pub(super) round_trip: Duration,
    /// The host whose way is cut once `cut` is set.
    pub(super) fragile: Option<&'static str>,
    pub(super) cut: Arc<AtomicBool>,
    /// Bytes on their way to agents so far.
    pub(super) sent: Arc<AtomicU64>,
    /// How often an agent was spoken to after it had said something: the round trips.
    pub(super) turns: Arc<AtomicU64>,
}

impl Link {
    pub(super) fn of(milliseconds: u64) -> Self {
        Self { round_trip: Duration::from_millis(milliseconds), ..Self::default() }
    }
}

impl Connector for Link {
    fn connect(&self, host: &str, _: &Vars) -> Result<Box<dyn Connection>, Unreachable> {
        let fragile = self.fragile == Some(host);
        let cut = if fragile { self.cut.clone() } else { Arc::default() };
        Ok(Box::new(Self { cut, ..self.clone() }))
    }
}

impl Connection for Link {
    fn start(&self, _: Option<&Become>) -> Result<AgentClient, CallError> {
        let mut child = Command::new(LVSMITH)
            .arg("agent")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the agent starts");
        let (near_end, to_agent) = io::pipe().expect("a pipe");
        let (from_agent, far_end) = io::pipe().expect("a pipe");
        let stdin = child.stdin.replace(ChildStdin::from(OwnedFd::from(to_agent)));
        let stdout = child.stdout.replace(ChildStdout::from(OwnedFd::from(from_agent)));
        let answered = Arc::new(AtomicBool::new(true));
        let (sent, turns, heard) = (self.sent.clone(), self.turns.clone(), answered.clone());
        self.carry(near_end, stdin.expect("it is piped"), move |bytes| {
            sent.fetch_add(bytes as u64, Ordering::SeqCst);
            turns.fetch_add(u64::from(answered.swap(false, Ordering::SeqCst)), Ordering::SeqCst);
        });
        self.carry(stdout.expect("it is piped"), far_end, move |_| {
            heard.store(true, Ordering::SeqCst);
        });
        let agent = AgentClient::greet(child, HostKind::Machine, LastWords::default())?;
        Ok(if self.fragile.is_some() { agent.patience(Duration::from_secs(4)) } else { agent })
    }
}

impl Link {
    /// Carries all that comes, and then the end of it.
    fn carry(
        &self,
        mut from: impl Read + Send + 'static,
        mut to: impl Write + Send + 'static,
        see: impl Fn(usize) + Send + 'static,
    ) {
        let (load, unload) = mpsc::channel::<(Instant, Vec<u8>)>();
        let (later, cut) = (self.round_trip / 2, self.cut.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 64 << 10];
            while let Ok(length @ 1..) = from.read(&mut buffer) {
                see(length);
                if load.send((Instant::now() + later, buffer[..length].to_vec())).is_err() {
                    break;
                }
            }
        });
        std::thread::spawn(move || {
            for (due, bytes) in unload {
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                if !cut.load(Ordering::SeqCst) && to.write_all(&bytes).is_err() {
                    break;
                }
            }
        });
    }
}
