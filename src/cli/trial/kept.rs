//! What is kept of a trial, in files that options name.

use std::path::{Path, PathBuf};

use clap::Args;

use super::super::{Exit, complain, file};
use crate::diagnostic::Diagnostic;
use crate::lab::trial::Report;
use crate::lab::{Graph, Pcapng, Sequence, environment};
use crate::modules::process::Timestamp;
use crate::report::{Exhibits, page};

/// Which files are written.
#[derive(Debug, Args)]
pub(in super::super) struct Kept {
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report as a page of HTML, with pictures, that needs nothing else
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Draw the first request of the first check that made one, hop by hop, as SVG
    #[arg(long, value_name = "FILE")]
    sequence: Option<PathBuf>,
    /// Write the packets of each check to a pcapng file in that folder, headers and first bytes
    #[arg(long, value_name = "FOLDER")]
    pcap: Option<PathBuf>,
    /// When the trial began.
    #[arg(skip = begun())]
    begun: String,
}

fn begun() -> String {
    let now = Timestamp::now().to_string();
    // To the second; parts of one are nobody's concern.
    now.split('.').next().map(|now| format!("{now} UTC")).unwrap_or_default()
}

impl Kept {
    /// Makes the folder for packets, so that a VM can share it, and sees whether this user may write
    /// to all of them: root of a VM or of a user namespace could, into copies.
    pub(super) fn prepare(&self) -> Result<(), Exit> {
        let made = self.pcap.iter().try_for_each(|folder| file::make_folder(folder));
        let files = [&self.json, &self.report, &self.sequence, &self.pcap];
        made.and_then(|()| files.into_iter().flatten().try_for_each(|path| file::may_write(path)))
            .map_err(|error| {
                complain(&error);
                Exit::Environment
            })
    }

    /// Where the report is to be as JSON.
    pub(in super::super) fn json(&self) -> Option<&Path> {
        self.json.as_deref()
    }

    /// Refuses what is about one trial and not about several.
    pub(super) fn allow_several(&self) -> Result<(), Exit> {
        let said = [self.report.is_some(), self.sequence.is_some(), self.pcap.is_some()];
        let options = ["--report", "--sequence", "--pcap"];
        match said.into_iter().zip(options).find(|(said, _)| *said) {
            None => Ok(()),
            Some((_, option)) => {
                let error = Diagnostic::new(format!("`{option}` is about one trial, not several"));
                complain(&error.hint("name one lab; of a matrix, pick with `--only KEY=VALUE`"));
                Err(Exit::BadInput)
            }
        }
    }

    /// The folders that the files are in, each once.
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        let files = [&self.json, &self.report, &self.sequence].into_iter().flatten();
        let folders = files.map(|file| file::folder_of(file));
        let mut folders: Vec<PathBuf> = folders.chain(self.pcap.clone()).collect();
        folders.sort();
        folders.dedup();
        folders
    }

    /// Writes all of them; what failed was told, and makes the exit code worse.
    pub(super) fn write(&self, report: &Report, graph: Option<Graph>, exit: Exit) -> Exit {
        let mut written = Vec::new();
        if let Some(path) = &self.json {
            written.push(json(path, report));
        }
        if let Some(path) = &self.sequence {
            written.push(sequence(path, report, graph.as_ref()));
        }
        if let Some(path) = &self.report {
            let (when, environment) = (self.begun.clone(), environment::versions());
            let exhibits = Exhibits { graph, when, environment };
            written.push(file::write(path, page(report, &exhibits).as_bytes()));
        }
        if let Some(folder) = &self.pcap {
            written.push(packets(folder, report));
        }
        let failed = written.into_iter().filter_map(Result::err);
        failed.fold(exit, |exit, error| {
            complain(&error);
            Exit::Environment.max(exit)
        })
    }
}

fn json(path: &Path, report: &Report) -> Result<(), Diagnostic> {
    let text = serde_json::to_string_pretty(report).map_err(|error| file::failed(path, &error))?;
    file::write(path, (text + "\n").as_bytes())
}

fn sequence(path: &Path, report: &Report, graph: Option<&Graph>) -> Result<(), Diagnostic> {
    let first = report.checks.iter().find_map(|check| {
        let sequence = Sequence::of(check, &report.hosts)?;
        Some(sequence.svg(&format!("{}: {}", report.lab, check.name), graph))
    });
    let first = first.ok_or_else(|| {
        Diagnostic::new(format!("there is no request to draw in `{}`", path.display()))
            .hint("no check sent one that passed a cable")
    })?;
    file::write(path, first.as_bytes())
}

/// A file for each check that packets were seen of, in the order of the checks.
fn packets(folder: &Path, report: &Report) -> Result<(), Diagnostic> {
    for (number, check) in (1..).zip(&report.checks).filter(|(_, check)| !check.packets.is_empty())
    {
        let path = folder.join(format!("{number:02}-{}.pcapng", named(&check.name)));
        let written = Pcapng::new(Vec::new()).and_then(|mut pcapng| {
            check.packets.iter().try_for_each(|frame| pcapng.frame(frame))?;
            Ok(pcapng.into_inner())
        });
        file::write(&path, &written.map_err(|error| file::failed(&path, &error))?)?;
    }
    Ok(())
}

/// A check's name as a file's: letters, digits and hyphens, and not many of them.
fn named(check: &str) -> String {
    let words = check.split(|letter: char| !letter.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let name: String = words.join("-").to_lowercase().chars().take(60).collect();
    name.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_files_by_their_checks() {
        assert_eq!(named("only the director answers ARP!"), "only-the-director-answers-arp");
        assert_eq!(named("../../etc/passwd"), "etc-passwd");
        assert_eq!(named(&"long ".repeat(40)).len(), 59);
        assert_eq!(named("…"), "");
    }
}
