//! `drain`: a real server takes nothing new, and what is open on it ends well.
//!
//! ```yaml
//! checks:
//!   - drain:
//!       from: client
//!       url: http://192.168.0.89/
//!       server: rs1
//!       by: {apply: {vars: {lvs_drained: [rs1]}}}
//!   - drain:
//!       from: client
//!       url: http://192.168.0.89/
//!       server: rs1
//!       by:
//!         command:
//!           on: lb1
//!           argv: [ipvsadm, -e, -t, "192.168.0.89:80", -r, "192.168.0.93", -g, -w, "0"]
//!           undo: [ipvsadm, -e, -t, "192.168.0.89:80", -r, "192.168.0.93", -g, -w, "1"]
//! ```

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::action::Action;
use super::draw;
use super::hosts::look_by;
use super::{Cause, Check, Hosts, Roster, Scene, Verdict, look};
use crate::connection::{CallError, Unreachable};
use crate::lab::probe::{self, Answer, Answers, Keep, Kept, Response, Seconds, Url};
use crate::modules::Error;

/// The file on the client that ends the open connections; nobody else uses it.
const END: &str = "/run/lvsmith-drain";
/// How long connections may take to open, all together.
const OPENING: Duration = Duration::from_secs(30);
/// They are in use for so long after the last new connection.
const AFTER: Duration = Duration::from_millis(600);

/// A real server that is drained.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    /// The host that asks.
    from: String,
    /// What it asks for.
    url: Url,
    /// The real server that is drained.
    server: String,
    /// What drains it: `apply`, `command`; it is undone afterwards.
    by: Action,
    /// How many connections are open meanwhile, over all real servers.
    #[serde(default = "twelve")]
    connections: u32,
    /// How many new connections are made once it is drained.
    #[serde(default = "twelve")]
    requests: u32,
    /// How long one request may take, in seconds.
    #[serde(default = "probe::Http::default_timeout")]
    timeout: Seconds,
}

fn twelve() -> u32 {
    12
}

/// What was seen of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drained {
    /// The connections that were open before.
    open: Kept,
    /// The new ones.
    new: Answers,
}

impl Drain {
    fn keep(&self) -> Keep {
        Keep {
            url: self.url.clone(),
            connections: self.connections,
            pause: Seconds::from_millis(200),
            timeout: self.timeout,
            until: END.into(),
            at_most: Seconds::from_millis(300_000),
        }
    }

    /// Drains, and makes new connections.
    fn through(&self, hosts: &mut dyn Hosts) -> Result<Answers, CallError> {
        let deadline = Instant::now() + OPENING;
        while !self.run(hosts, &["test", "-e", &Keep::ready(END)])? {
            if Instant::now() >= deadline {
                return Err(Error::new("the connections were not open in time").into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let acted = self.by.act(hosts);
        let new = acted.and_then(|_| {
            let probe = probe::Http {
                connections: self.requests,
                timeout: self.timeout,
                ..probe::Http::new(self.url.clone())
            };
            look(hosts, &self.from, probe)
        });
        std::thread::sleep(AFTER);
        new
    }

    fn run(&self, hosts: &mut dyn Hosts, argv: &[&str]) -> Result<bool, CallError> {
        let argv = argv.iter().map(ToString::to_string).collect();
        let timeout = probe::Command::default_timeout();
        Ok(look(hosts, &self.from, probe::Command { argv, timeout })?.rc == 0)
    }
}

impl Check for Drain {
    type Seen = Drained;

    fn title(&self) -> String {
        format!("{} is drained at {}", self.server, self.url)
    }

    fn hosts(&self) -> Vec<&str> {
        let mut hosts = vec![self.from.as_str(), &self.server];
        hosts.extend(self.by.hosts());
        hosts
    }

    fn look(&self, hosts: &mut dyn Hosts) -> Result<Drained, CallError> {
        self.run(hosts, &["rm", "-f", END, &Keep::ready(END)])?;
        let mut prober = hosts.stage()?.another(&self.from)?;
        let keep = self.keep();
        let open = std::thread::spawn(move || look_by(prober.as_mut(), keep));
        let new = self.through(hosts);
        // It ends before the real server is back, or it would not be known who answered.
        self.run(hosts, &["touch", END])?;
        let open = open.join().map_err(|_| Unreachable::new("a thread ended"));
        let undone = self.by.undo(hosts);
        self.run(hosts, &["rm", "-f", END, &Keep::ready(END)])?;
        undone?;
        Ok(Drained { open: open??, new: new? })
    }

    fn judge(&self, seen: &Drained, _lab: &Roster) -> Verdict {
        let mut verdict = Verdict::default();
        let server = &self.server;
        verdict.expect(format!("connections that are open on {server} end well"));
        verdict.expect(format!("no new one on {server}, and all {} answered", self.requests));
        let open = || {
            let on = |one: &&probe::KeptConnection| one.server.as_ref() == Some(server);
            seen.open.connections.iter().filter(on)
        };
        let (count, answered) = (open().count(), open().map(|one| one.answered).sum::<u32>());
        verdict.see(format!("{count} open connections on {server}, {answered} requests on them"));
        if count == 0 {
            verdict.problem(format!(
                "none of {} open connections was on {server}, which proves nothing",
                self.connections
            ));
        }
        for failure in seen.open.connections.iter().filter_map(|one| one.failure.as_ref()) {
            verdict.problem(format!("an open connection failed: {failure}"));
        }
        let named: Vec<&str> = seen
            .new
            .requests
            .iter()
            .filter_map(Answer::response)
            .collect::<Vec<&Response>>()
            .into_iter()
            .filter_map(Response::real_server)
            .collect();
        verdict.see(format!("new connections: {}", draw::order(&named)));
        let onto = named.iter().filter(|name| *name == server).count();
        if onto > 0 {
            verdict.problem(format!("{onto} new connections were given to {server}"));
        }
        for failure in seen.new.requests.iter().filter_map(Answer::failure) {
            verdict.problem(format!("a new connection failed: {failure}"));
        }
        if seen.new.not_sent > 0 {
            verdict.problem(format!("{} more were not tried", seen.new.not_sent));
        }
        verdict
    }

    /// The state that is wrong is over when it is looked at.
    fn causes(&self, _seen: &Drained, _scene: &Scene) -> Vec<Cause> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answers, check, lab};
    use super::*;
    use crate::lab::probe::{Failure, KeptConnection, Stage, Trouble};

    fn problems(open: &str, new: &str) -> Vec<String> {
        let check: Drain = check(
            "{ from: client, url: 'http://192.168.0.89/', server: rs1, connections: 2, requests: 2,
               by: { command: { on: lb1, argv: [a], undo: [b] } } }",
        );
        let cut = Failure {
            stage: Stage::Receive,
            trouble: Trouble::Reset,
            message: "connection reset".into(),
        };
        let connection = |name: &str| KeptConnection {
            server: Some(name.trim_end_matches('!').into()),
            answered: 5,
            failure: name.ends_with('!').then(|| cut.clone()),
        };
        let connections = open.split_whitespace().map(connection).collect();
        let seen = Drained { open: Kept { connections }, new: answers(new) };
        check.judge(&seen, &lab()).problems
    }

    #[test]
    fn what_is_open_ends_well_and_nothing_new_comes() {
        assert_eq!(problems("rs1 rs2", "rs2 rs2"), [""; 0]);
        assert_eq!(
            problems("rs1! rs2", "rs2 rs2"),
            ["an open connection failed: connection reset"]
        );
        assert_eq!(problems("rs1 rs2", "rs1 rs2"), ["1 new connections were given to rs1"]);
        assert_eq!(problems("rs1 rs2", "rs2 !"), ["a new connection failed: connection refused"]);
        assert_eq!(
            problems("rs2 rs2", "rs2 rs2"),
            ["none of 2 open connections was on rs1, which proves nothing"]
        );
    }
}
