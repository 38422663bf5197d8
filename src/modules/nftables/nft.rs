//! The program `nft`, here and in a network namespace that nobody else sees.

use std::thread;

use nix::sched::{CloneFlags, unshare};

use super::listing::{Tables, parse};
use crate::modules::around::{self, Around};
use crate::modules::process::{Output, Program};
use crate::modules::{Error, Host};
use crate::netlink::InterfaceName;
use crate::netlink::route::{self, NewKind, NewLink};

/// What is loaded here.
pub(super) fn loaded() -> Result<Tables, Error> {
    let output = nft(&["-s", "list", "ruleset"], None)?;
    if !output.success() {
        return Err(failure(&output, "nft list ruleset"));
    }
    Ok(parse(&output.stdout))
}

/// Has nft do something, all of it or nothing; `shown` stands for the text in its messages.
pub(super) fn feed(text: &str, shown: &str) -> Result<(), Error> {
    let mut output = nft(&["-f", "-"], Some(text))?;
    if output.success() {
        return Ok(());
    }
    for stream in [&mut output.stderr, &mut output.stdout] {
        *stream = stream.replace("/dev/stdin:", &format!("{shown}:"));
    }
    Err(failure(&output, "nft"))
}

/// What a text makes of a namespace where nothing is loaded: its tables, as nft lists them.
pub(super) fn tried(text: &str, shown: &str, host: &mut Host) -> Result<Tables, Error> {
    // What an interface is called must lead to one where rules are about its number.
    let links = host.routes()?.links()?;
    let names = links.into_iter().map(|link| link.name.to_string());
    let names: Vec<String> = names.filter(|name| name != "lo" && text.contains(name)).collect();
    let within = Around {
        environment: around::environment(),
        timeout: around::time_left().map(|left| left.as_secs().max(1)),
    };
    let tried = thread::scope(|scope| {
        // A namespace is a thread's: programs that it starts are in it, and it ends with them.
        let tried = scope.spawn(|| {
            within.hold(|| {
                unshare(CloneFlags::CLONE_NEWNET).map_err(|error| {
                    Error::io(
                        "failed to make a network namespace to try the rules in",
                        &error.into(),
                    )
                })?;
                make_links(&names)?;
                feed(text, shown)?;
                loaded()
            })
        });
        tried.join()
    });
    tried.unwrap_or_else(|_| Err(Error::new("trying the rules ended early")))
}

fn make_links(names: &[String]) -> Result<(), Error> {
    if names.is_empty() {
        return Ok(());
    }
    let mut handle = route::Handle::new()?;
    for name in names {
        let Ok(name) = name.parse::<InterfaceName>() else { continue };
        let dummy = handle.create_link(&NewLink::new(name.clone(), NewKind::Dummy));
        // Not every kernel has dummies; what kind it is does not matter.
        dummy.or_else(|_| handle.create_link(&NewLink::new(name, NewKind::Bridge)))?;
    }
    Ok(())
}

fn nft(arguments: &[&str], input: Option<&str>) -> Result<Output, Error> {
    let words = std::iter::once("nft").chain(arguments.iter().copied());
    Program::new(words).plain_language().input(input).run()
}

fn failure(output: &Output, what: &str) -> Error {
    let error = output.error(what);
    let says = |words: &str| error.message.contains(words);
    if says("Operation not permitted") {
        error.hint("run as root, set `become: true`, or try it in a lab")
    } else if says("Unable to initialize Netlink socket") || says("Protocol not supported") {
        error.hint("this kernel has no nf_tables, or may not load it")
    } else if says("Could not process rule: No such file or directory") {
        error
            .hint("a chain or set of that name is missing, or the kernel lacks what the rule needs")
    } else {
        error
    }
}
