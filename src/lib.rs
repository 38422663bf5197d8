//! lvsmith turns an Ansible-like YAML playbook into a working Linux Virtual Server
//! cluster, and proves in a lab of network namespaces that it works.
//!
//! The rooms, in the order data flows through them:
//!
//! - [`yaml`], [`playbook`], [`inventory`]: text to typed values, every node with its place;
//! - [`input`]: the controller's files;
//! - [`template`]: the only room that knows Tera; `pattern`: regular expressions as Python has them;
//! - [`engine`]: plays x hosts x tasks;
//! - [`connection`], [`agent`]: a way to get an agent running on a host, and that agent;
//! - [`modules`]: what an agent can do, each one observe, diff, apply, observe again;
//! - [`netlink`]: IPVS over generic netlink; links, addresses and routes over rtnetlink;
//! - [`director`]: a whole IPVS setup, shown, compared, kept in a file, made so;
//! - [`ipvsadm`]: the command line and rule format of that name, over [`netlink`];
//! - [`lab`], [`vm`]: hosts as copy-on-write clones, and a kernel with IPVS where there is none;
//! - `http`: a request over plain TCP, for probes and the `uri` module;
//! - [`report`]: what people and programs are told; `xml`, `svg`: as much of both as that takes;
//! - [`lint`]: what experts of LVS would say about a playbook;
//! - [`schema`]: what can be written, for editors and for `lvsmith modules`;
//! - [`cli`]: the command line; [`diagnostic`]: errors shown at their place.

#[expect(clippy::disallowed_methods, reason = "services are started and stopped here")]
pub mod agent;
pub mod cli;
#[expect(clippy::disallowed_methods, reason = "agents are started here")]
pub mod connection;
pub mod diagnostic;
pub mod director;
pub mod engine;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod http;
pub mod input;
pub mod inventory;
pub mod ipvsadm;
#[expect(clippy::disallowed_methods, reason = "hosts are made here")]
pub mod lab;
pub mod lint;
#[expect(clippy::disallowed_methods, reason = "this is where hosts are changed")]
pub mod modules;
pub mod netlink;
mod pattern;
pub mod playbook;
pub mod report;
pub mod schema;
mod svg;
pub mod template;
#[expect(clippy::disallowed_methods, reason = "machines are made here")]
pub mod vm;
mod xml;
pub mod yaml;
