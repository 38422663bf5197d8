//! `lvsmith lab capture`: the packets of a lab host as they pass its cables, a line each.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;

use super::super::{Exit, complain, file, place};
use super::{failed, in_vm, say};
use crate::diagnostic::Diagnostic;
use crate::lab::monitor::Monitor;
use crate::lab::{Error, Filter, Pcapng, Running};

/// How often it looks for new packets.
const ROUND: Duration = Duration::from_millis(50);

/// How often it looks whether the host is still there.
const ALIVE: Duration = Duration::from_secs(1);

/// What `lab capture` takes.
#[derive(Debug, Args)]
pub(super) struct Capture {
    /// The lab's name or folder; not needed when one has that host
    #[arg(long)]
    lab: Option<String>,
    /// Write pcapng instead of lines, headers and first bytes; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// End after so many packets
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// The host
    host: String,
    /// Only these: `arp`, `ndp` (neighbour discovery of IPv6), `ip`, `ip6`, `tcp`, `udp`, `sctp`, `icmp`,
    /// `port N`, `host ADDRESS`; of several all must be true
    filter: Vec<String>,
}

/// Where packets go.
enum Sink {
    Lines,
    File(Pcapng<Box<dyn Write>>, PathBuf),
}

impl Capture {
    pub(super) fn run(self) -> ExitCode {
        let filter = match Filter::parse(&self.filter) {
            Ok(filter) => filter,
            Err(mistake) => {
                complain(&mistake);
                return Exit::BadInput.into();
            }
        };
        let lab =
            match Running::with_host(self.lab.as_deref(), &self.host).and_then(place::followed) {
                Ok(lab) => lab,
                Err(error) => {
                    let kept = self.in_vm(&error);
                    return kept.unwrap_or_else(|| failed(error).into());
                }
            };
        match self.listen(&lab, &filter) {
            Ok(()) => Exit::Declared.into(),
            Err(exit) => exit.into(),
        }
    }

    /// The same where the lab is in a VM, which has no way to our files but its output.
    fn in_vm(&self, error: &Error) -> Option<ExitCode> {
        let Some(path) = self.path() else {
            return in_vm::instead_of(error, self.lab.as_deref());
        };
        let mut arguments: Vec<String> = ["lab", "capture", "--write", "-"].map(Into::into).into();
        arguments.extend(self.lab.iter().flat_map(|lab| ["--lab".to_owned(), lab.clone()]));
        arguments.extend(self.count.iter().flat_map(|count| ["-c".to_owned(), count.to_string()]));
        arguments.extend([vec![self.host.clone()], self.filter.clone()].concat());
        in_vm::into_file(error, self.lab.as_deref(), &arguments, || made(path).map_err(told))
    }

    /// The file to write, where that is not standard output.
    fn path(&self) -> Option<&Path> {
        self.write.as_deref().filter(|path| *path != Path::new("-"))
    }

    fn listen(&self, lab: &Running, filter: &Filter) -> Result<(), Exit> {
        // A lab that was named may lack the host.
        lab.entrance(&self.host).map_err(failed)?;
        let monitor = Monitor::start(lab).map_err(failed)?;
        let mut sink = self.sink().map_err(told)?;
        let mut left = self.count.unwrap_or(u64::MAX);
        let mut mark = monitor.mark();
        let mut looked = Instant::now();
        loop {
            for frame in monitor.next(&mut mark) {
                if frame.cable.host != self.host || !filter.takes(&frame) {
                    continue;
                }
                match &mut sink {
                    Sink::Lines => say(&format!("{frame}\n")),
                    Sink::File(pcapng, path) => pcapng
                        .frame(&frame)
                        .and_then(|()| pcapng.flush())
                        .map_err(|error| told(file::failed(path, &error)))?,
                }
                left -= 1;
                if left == 0 {
                    return Ok(());
                }
            }
            std::thread::sleep(ROUND);
            if looked.elapsed() > ALIVE {
                lab.entrance(&self.host).map_err(failed)?;
                looked = Instant::now();
            }
        }
    }

    fn sink(&self) -> Result<Sink, Diagnostic> {
        let Some(path) = &self.write else { return Ok(Sink::Lines) };
        let out: Box<dyn Write> = match self.path() {
            Some(path) => Box::new(made(path)?),
            None => Box::new(std::io::stdout()),
        };
        let pcapng = Pcapng::new(out).map_err(|error| file::failed(path, &error))?;
        Ok(Sink::File(pcapng, path.clone()))
    }
}

#[expect(clippy::disallowed_methods, reason = "the file is what `--write` asks for")]
fn made(path: &Path) -> Result<File, Diagnostic> {
    File::create(path).map_err(|error| file::failed(path, &error))
}

fn told(mistake: Diagnostic) -> Exit {
    complain(&mistake);
    Exit::Environment
}
