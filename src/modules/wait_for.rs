//! `wait_for`: until a port answers, a file is there, or neither is so any more.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::thread::sleep;
use std::time::{Duration, Instant};

use regex_lite::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::{Action, Error, Host, Mode, Outcome, around};

mod sockets;

/// Waits until a port answers or a file is there, or until neither is so any more.
///
/// Without a port and a path it waits for `timeout` seconds. Changes nothing.
///
/// ```yaml
/// wait_for:
///   path: /etc/hosts
///   search_regex: localhost
///   timeout: 10
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitFor {
    /// The name or address to connect to.
    #[serde(default = "localhost")]
    pub host: String,
    /// The TCP port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// A path, instead of a port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What to wait for.
    #[serde(default)]
    pub state: State,
    /// A regular expression that the file must contain, or that the port must say first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search_regex: Option<String>,
    /// How long to wait at most, in seconds.
    #[serde(default = "five_minutes")]
    pub timeout: u64,
    /// How long to wait before the first look, in seconds.
    #[serde(default)]
    pub delay: u64,
    /// How long to wait between two looks, in seconds.
    #[serde(default = "one")]
    pub sleep: u64,
    /// How long one attempt to connect may take, in seconds.
    #[serde(default = "five")]
    pub connect_timeout: u64,
    /// What is said when it takes too long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msg: Option<String>,
}

/// What to wait for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The port answers, or the path is there.
    #[default]
    Started,
    /// The same.
    Present,
    /// The port refuses, or the path is gone.
    Stopped,
    /// The same.
    Absent,
    /// No connection to or from this host's port is open any more.
    Drained,
}

impl State {
    fn is_away(self) -> bool {
        matches!(self, Self::Stopped | Self::Absent | Self::Drained)
    }
}

fn localhost() -> String {
    "127.0.0.1".into()
}

fn five_minutes() -> u64 {
    300
}

fn one() -> u64 {
    1
}

fn five() -> u64 {
    5
}

impl Action for WaitFor {
    fn check(&self) -> Result<(), Error> {
        if self.port.is_some() && self.path.is_some() {
            return Err(Error::new("`port` and `path` exclude each other"));
        }
        if self.state == State::Drained && self.port.is_none() {
            return Err(Error::new("`state: drained` needs a `port`"));
        }
        self.regex().map(drop)
    }

    fn run(&self, _host: &mut Host, mode: Mode) -> Result<Outcome, Error> {
        if mode.check {
            return Ok(Outcome::skipped("not waited for in check mode"));
        }
        let regex = self.regex()?;
        let start = Instant::now();
        let timeout = Duration::from_secs(self.timeout);
        let timeout = around::time_left().map_or(timeout, |left| left.min(timeout));
        let deadline = start + timeout;
        sleep(Duration::from_secs(self.delay).min(timeout));
        if self.port.is_none() && self.path.is_none() {
            sleep(deadline.saturating_duration_since(Instant::now()));
            around::check_time()?;
            return Ok(self.done(start));
        }
        loop {
            let seen = self.look(regex.as_ref(), deadline)?;
            let Some(reason) = seen else { return Ok(self.done(start)) };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                around::check_time()?;
                return Err(self.too_late(start, &reason));
            }
            sleep(Duration::from_secs(self.sleep).min(left));
        }
    }
}

impl WaitFor {
    fn regex(&self) -> Result<Option<Regex>, Error> {
        let Some(text) = &self.search_regex else { return Ok(None) };
        // As Ansible: `^` and `$` are those of a line.
        Regex::new(&format!("(?m){text}"))
            .map(Some)
            .map_err(|error| Error::new(format!("`{text}` is no regular expression: {error}")))
    }

    fn done(&self, start: Instant) -> Outcome {
        let mut result = Map::new();
        result.insert("elapsed".into(), start.elapsed().as_secs().into());
        Outcome { result, ..Outcome::default() }
    }

    fn too_late(&self, start: Instant, reason: &str) -> Error {
        let message = self.msg.clone().unwrap_or_else(|| {
            format!("waited {} s in vain for {}: {reason}", self.timeout, self.what())
        });
        Error { result: self.done(start).result, ..Error::new(message) }
    }

    fn what(&self) -> String {
        let thing = match (&self.path, self.port) {
            (Some(path), _) => format!("`{path}`"),
            (None, port) => format!("`{}:{}`", self.host, port.unwrap_or_default()),
        };
        match self.state {
            State::Started | State::Present => thing,
            State::Stopped | State::Absent => format!("the end of {thing}"),
            State::Drained => format!("the last connection of {thing}"),
        }
    }

    /// Looks once; `None` when it is as it should be, else what is the matter.
    fn look(&self, regex: Option<&Regex>, deadline: Instant) -> Result<Option<String>, Error> {
        if let Some(path) = &self.path {
            return Ok(self.look_at_path(path, regex));
        }
        let port = self.port.unwrap_or_default();
        if self.state == State::Drained {
            let open = sockets::open_connections(self.address(port).ok().map(|at| at.ip()), port)?;
            return Ok((open > 0).then(|| format!("{open} connections are open")));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let limit = Duration::from_secs(self.connect_timeout).min(left);
        let limit = limit.max(Duration::from_millis(10));
        let answer = self.address(port).and_then(|to| TcpStream::connect_timeout(&to, limit));
        Ok(match (answer, self.state.is_away()) {
            (Ok(_), true) => Some("it still answers".into()),
            (Err(_), true) => None,
            (Err(error), false) => Some(error.to_string()),
            (Ok(stream), false) => {
                regex.and_then(|regex| sockets::greeting_lacks(&stream, regex, limit))
            }
        })
    }

    fn look_at_path(&self, path: &str, regex: Option<&Regex>) -> Option<String> {
        let found = match regex {
            None => fs::metadata(path).map(|_| true),
            Some(regex) => {
                fs::read(path).map(|bytes| regex.is_match(&String::from_utf8_lossy(&bytes)))
            }
        };
        match (found, self.state.is_away()) {
            (Ok(true), false) | (Ok(false) | Err(_), true) => None,
            (Ok(true), true) => Some("it is still there".into()),
            (Ok(false), false) => Some("its text does not match".into()),
            (Err(error), false) => Some(error.to_string()),
        }
    }

    fn address(&self, port: u16) -> io::Result<SocketAddr> {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(SocketAddr::new(address, port));
        }
        (self.host.as_str(), port)
            .to_socket_addrs()?
            .next()
            .ok_or_else(|| io::Error::other(format!("`{}` has no address", self.host)))
    }
}

#[cfg(test)]
mod tests;
