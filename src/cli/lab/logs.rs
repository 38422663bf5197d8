//! `lvsmith lab logs`: what has been written to the logs of a lab host since the lab is up.

use std::process::ExitCode;
use std::time::Duration;

use super::super::{Exit, place};
use super::{failed, in_vm, say};
use crate::lab::{Error, Logs, Running};

/// How often it looks for more.
const ROUND: Duration = Duration::from_millis(200);

/// Shows the logs, and with `follow` what comes, until it is stopped or the host ends.
pub(super) fn run(lab: Option<&str>, host: &str, follow: bool) -> ExitCode {
    let found = Running::with_host(lab, host).and_then(place::followed).and_then(|lab| {
        let entrance = lab.entrance(host)?;
        Ok((lab, entrance))
    });
    let (lab, entrance) = match found {
        Ok(found) => found,
        Err(error) => {
            let kept = in_vm::instead_of(&error, lab);
            return kept.unwrap_or_else(|| failed(error).into());
        }
    };
    let mut logs = Logs::since(lab.state().since);
    let mut last = String::new();
    let mut nothing = true;
    loop {
        let Some(root) = entrance.root() else {
            return failed(Error::HostEnded(host.to_owned())).into();
        };
        for (file, text) in logs.more(&root) {
            nothing = false;
            // As `tail` does with several files.
            if file != last {
                say(&format!("==> {file} <==\n"));
                last = file;
            }
            say(&text);
        }
        if !follow {
            break;
        }
        std::thread::sleep(ROUND);
    }
    if nothing {
        eprintln!("nothing was written to the logs of `{host}` since the lab is up");
    }
    Exit::Declared.into()
}
