//! The file that `restore`, `diff` and `apply` take: a table as YAML.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::Failure;
use crate::diagnostic::{Diagnostic, Source};
use crate::director::{Document, Setup};
use crate::yaml;

/// Which file.
#[derive(Debug, Args)]
pub(super) struct FileArgs {
    /// The table, as `lvsmith ipvs save` writes it; `-` is standard input
    file: PathBuf,
}

impl FileArgs {
    /// Reads it, before the kernel is looked at.
    pub(super) fn read(&self) -> Result<Setup, Failure> {
        let source = if self.file == Path::new("-") {
            standard_input().map_err(Failure::input)?
        } else {
            yaml::source(&self.file).map_err(Failure::input)?
        };
        Document::read(&source).map(Document::into_setup).map_err(Failure::input)
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
