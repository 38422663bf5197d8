//! `persistence`: a client stays with its real server.
//!
//! ```yaml
//! checks:
//!   - persistence: {clients: [client, other], url: "http://192.168.0.89/", requests: 4}
//!   - persistence:
//!       from: client
//!       sources: [10.0.0.100, 10.0.0.101, 10.0.0.102]
//!       url: http://192.168.0.89/
//!       elsewhere: true
//!       expires: 6
//! ```

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use indexmap::IndexSet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cause::{self, Traffic};
use super::draw;
use super::{Cause, Check, Hosts, Roster, Scene, Verdict, look};
use crate::connection::CallError;
use crate::lab::probe::{self, Answer, Answers, Response, Seconds, Url};
use crate::netlink::ipvs::Protocol;

/// Clients, each of which must be answered by one real server.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Persistence {
    clients: Vec<Client>,
    url: Url,
    requests: u32,
    timeout: Seconds,
    elsewhere: bool,
    expires: Option<Seconds>,
}

/// Who asks: a host, from one of its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Client {
    host: String,
    source: Option<IpAddr>,
}

/// The check as written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    /// Hosts that ask, each a client.
    #[serde(default)]
    clients: Vec<String>,
    /// A host that asks, from each of its addresses in `sources`.
    from: Option<String>,
    /// Addresses of `from`, each a client.
    #[serde(default)]
    sources: Vec<IpAddr>,
    /// What they ask for.
    url: Url,
    /// How often each asks; four times unless written.
    #[serde(default = "four")]
    requests: u32,
    /// For how many seconds to wait for an answer.
    timeout: Option<Seconds>,
    /// Whether not all clients may be with the same real server.
    #[serde(default)]
    elsewhere: bool,
    /// After so many seconds without a request a client must be free again: at least one of
    /// them must be with another real server then, as round robin has it.
    expires: Option<Seconds>,
}

fn four() -> u32 {
    4
}

/// What one client saw.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stayed {
    /// Its host, and its address where it has several.
    client: String,
    answers: Answers,
    /// One more request, after the time in which it is forgotten.
    later: Option<Answers>,
}

impl TryFrom<Written> for Persistence {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let hosts = written.clients.into_iter().map(|host| Client { host, source: None });
        let mut clients: Vec<Client> = hosts.collect();
        match (written.from, written.sources.is_empty()) {
            (Some(host), false) => clients.extend(
                written
                    .sources
                    .into_iter()
                    .map(|source| Client { host: host.clone(), source: Some(source) }),
            ),
            (Some(host), true) => clients.push(Client { host, source: None }),
            (None, false) => {
                return Err("`sources` are addresses of `from`, which is missing".into());
            }
            (None, true) => {}
        }
        if clients.is_empty() {
            return Err(
                "nobody asks\nhint: give `clients: [HOST, …]`, or `from` with `sources`".into()
            );
        }
        if written.requests < 2 {
            return Err("`requests` must be 2 or more: one request stays with anybody".into());
        }
        if written.elsewhere && clients.len() < 2 {
            return Err("`elsewhere` takes at least two clients".into());
        }
        Ok(Self {
            clients,
            url: written.url,
            requests: written.requests,
            timeout: written.timeout.unwrap_or_else(probe::Http::default_timeout),
            elsewhere: written.elsewhere,
            expires: written.expires,
        })
    }
}

/// The real servers that answered, in order.
fn servers(answers: &Answers) -> Vec<&str> {
    let named = answers.requests.iter().filter_map(Answer::response);
    named.filter_map(Response::real_server).collect()
}

/// Waits on a host, so that the end of the check's time ends this, too.
fn waited(hosts: &mut dyn Hosts, host: &str, time: Seconds) -> Result<(), CallError> {
    let argv = ["sleep".to_owned(), time.0.as_secs_f64().to_string()].into();
    let timeout = Seconds((time.0 + Duration::from_secs(10)).min(Duration::from_secs(86_400)));
    look(hosts, host, probe::Command { argv, timeout }).map(drop)
}

impl Persistence {
    fn ask(
        &self,
        hosts: &mut dyn Hosts,
        client: &Client,
        requests: u32,
    ) -> Result<Answers, CallError> {
        let probe = probe::Http {
            connections: requests,
            timeout: self.timeout,
            source: client.source,
            ..probe::Http::new(self.url.clone())
        };
        look(hosts, &client.host, probe)
    }
}

impl Check for Persistence {
    type Seen = Vec<Stayed>;

    fn title(&self) -> String {
        match self.clients.as_slice() {
            [one] => format!("{} stays with its real server at {}", one.host, self.url),
            all => format!("{} clients stay with their real servers at {}", all.len(), self.url),
        }
    }

    fn hosts(&self) -> Vec<&str> {
        self.clients.iter().map(|client| client.host.as_str()).collect()
    }

    fn look(&self, hosts: &mut dyn Hosts) -> Result<Vec<Stayed>, CallError> {
        let mut seen = Vec::new();
        for client in &self.clients {
            let answers = self.ask(hosts, client, self.requests)?;
            let name = match client.source {
                Some(source) => format!("{} ({source})", client.host),
                None => client.host.clone(),
            };
            seen.push(Stayed { client: name, answers, later: None });
        }
        if let Some(time) = self.expires
            && let Some(first) = self.clients.first()
        {
            waited(hosts, &first.host, time)?;
            // The last one first: in the same order round robin could come to the same servers.
            for (client, seen) in self.clients.iter().zip(&mut seen).rev() {
                seen.later = Some(self.ask(hosts, client, 1)?);
            }
        }
        Ok(seen)
    }

    fn judge(&self, seen: &Vec<Stayed>, _lab: &Roster) -> Verdict {
        let mut verdict = Verdict::default();
        verdict.expect(format!("each client with one real server for {} requests", self.requests));
        let mut all: IndexSet<&str> = IndexSet::new();
        for Stayed { client, answers, .. } in seen {
            let named = servers(answers);
            verdict.see(format!("{client}: {}", draw::order(&named)));
            if let Some(failure) = answers.requests.iter().find_map(Answer::failure) {
                verdict.problem(format!("{client} got no answer: {failure}"));
            } else if named.len() < answers.requests.len() {
                verdict.problem(format!("{client} got answers that name no real server"));
            }
            let own: IndexSet<&str> = named.iter().copied().collect();
            if own.len() > 1 {
                let own: Vec<&str> = own.iter().copied().collect();
                verdict.problem(format!("{client} was answered by {}", own.join(", ")));
            }
            all.extend(own);
        }
        if self.elsewhere {
            verdict.expect("not all of them with the same one");
            if all.len() < 2 {
                verdict.problem("all clients are with the same real server");
            }
        }
        if let Some(time) = self.expires {
            let time = time.0.as_secs_f64();
            verdict.expect(format!("a client is free again after {time} s"));
            let moved = |one: &&Stayed| {
                let later = one.later.as_ref().map(servers).unwrap_or_default();
                later.first() != servers(&one.answers).last()
            };
            let moved = seen.iter().filter(moved).count();
            verdict.see(format!("{moved} of {} with another one after {time} s", seen.len()));
            if moved == 0 {
                verdict.problem(format!("after {time} s every client is still where it was"));
            }
        }
        verdict
    }

    fn causes(&self, seen: &Vec<Stayed>, scene: &Scene) -> Vec<Cause> {
        let asked = || seen.iter().flat_map(|one| &one.answers.requests).map(|answer| answer.peer);
        let written = self.url.address().map(|address| SocketAddr::new(address, self.url.port));
        let Some(service) = asked().next().or(written) else { return Vec::new() };
        let mut causes = cause::of_wandering(service, scene);
        causes
            .extend(self.expires.iter().flat_map(|after| cause::of_memory(service, *after, scene)));
        let failed = |one: &&Stayed| one.answers.requests.iter().any(|a| a.failure().is_some());
        if let Some(one) = seen.iter().find(failed)
            && let Some(client) = self.clients.first()
        {
            let traffic = Traffic::to_any(&client.host, service, Protocol::Tcp, &one.answers);
            causes.extend(cause::of_traffic(&traffic, scene));
        }
        causes
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answers, check, check_error, lab};
    use super::*;

    fn problems(more: &str, seen: &[(&str, &str)]) -> Vec<String> {
        let yaml = format!("{{ clients: [client, rs1], url: 'http://192.168.0.89/', {more} }}");
        let stayed = |(names, later): &(&str, &str)| Stayed {
            client: "client".into(),
            answers: answers(names),
            later: (!later.is_empty()).then(|| answers(later)),
        };
        let seen: Vec<Stayed> = seen.iter().map(stayed).collect();
        check::<Persistence>(&yaml).judge(&seen, &lab()).problems
    }

    #[test]
    fn a_client_stays_where_it_is() {
        assert_eq!(problems("", &[("rs1 rs1 rs1", ""), ("rs2 rs2 rs2", "")]), [""; 0]);
        assert_eq!(
            problems("", &[("rs1 rs2 rs1", ""), ("rs2 rs2 rs2", "")]),
            ["client was answered by rs1, rs2"]
        );
        assert_eq!(problems("", &[("rs1 !", "")]), ["client got no answer: connection refused"]);
    }

    #[test]
    fn others_may_be_elsewhere_and_in_the_end_everybody() {
        let same = [("rs1 rs1", ""), ("rs1 rs1", "")];
        assert_eq!(
            problems("elsewhere: true", &same),
            ["all clients are with the same real server"]
        );
        assert_eq!(problems("expires: 1", &[("rs1 rs1", "rs2"), ("rs2 rs2", "rs2")]), [""; 0]);
        assert_eq!(
            problems("expires: 1", &[("rs1 rs1", "rs1"), ("rs2 rs2", "rs2")]),
            ["after 1 s every client is still where it was"]
        );
    }

    #[test]
    fn wants_clients_that_can_show_something() {
        let error = |yaml: &str| check_error::<Persistence>(yaml);
        assert!(error("{ url: 'http://a/' }").contains("nobody asks"));
        assert!(error("{ url: 'http://a/', sources: [10.0.0.1] }").contains("`from`"));
        assert!(error("{ url: 'http://a/', clients: [a], requests: 1 }").contains("2 or more"));
        assert!(
            error("{ url: 'http://a/', clients: [a], elsewhere: true }").contains("two clients")
        );
    }
}
