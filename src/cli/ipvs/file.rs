//! The file that `restore`, `diff` and `apply` take: a table as YAML or as rules.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::Failure;
use crate::diagnostic::{Diagnostic, Source};
use crate::director::{Document, Setup, are_rules, read_rules};
use crate::yaml;

/// Which file.
#[derive(Debug, Args)]
pub(super) struct FileArgs {
    /// The table, as `lvsmith ipvs save` or `ipvsadm -S` writes it; `-` is standard input
    file: PathBuf,
    /// What the file is; without it, what it looks like
    #[arg(long)]
    format: Option<Format>,
}

/// What tables are written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// YAML
    #[default]
    Yaml,
    /// Rules of ipvsadm, which `ipvsadm -R` takes as well
    Rules,
}

impl FileArgs {
    /// A file that looks like what it is.
    pub(super) fn of(file: PathBuf) -> Self {
        Self { file, format: None }
    }

    /// Reads it, before the kernel is looked at.
    pub(super) fn read(&self) -> Result<Setup, Failure> {
        let source = if self.file == Path::new("-") {
            standard_input().map_err(Failure::input)?
        } else {
            yaml::source(&self.file).map_err(Failure::input)?
        };
        let rules = match self.format {
            Some(format) => format == Format::Rules,
            None => are_rules(&source.text),
        };
        let setup = if rules {
            read_rules(&source)
        } else {
            Document::read(&source).map(Document::into_setup)
        };
        setup.map_err(Failure::input)
    }

    /// How it is called in what is said about it.
    pub(super) fn name(&self) -> String {
        if self.file == Path::new("-") {
            "standard input".into()
        } else {
            self.file.display().to_string()
        }
    }
}

fn standard_input() -> Result<Arc<Source>, Diagnostic> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .read_to_end(&mut bytes)
        .map_err(|error| Diagnostic::new(format!("failed to read standard input: {error}")))?;
    yaml::source_of("standard input".into(), bytes)
}
