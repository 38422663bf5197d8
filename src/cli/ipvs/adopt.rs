//! `lvsmith ipvs adopt`: a playbook of the director that this machine is.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Failure, Outcome, say};
use crate::cli::Exit;
use crate::diagnostic::Diagnostic;
use crate::director::adopt::{Adopted, Error, File};
use crate::netlink::route;
use crate::report::counted;

/// Write a playbook of this director: its table, VIPs, kernel parameters and modules
///
/// Applying it here changes nothing, which is tried before anything is written.
#[derive(Debug, Args)]
pub(super) struct Adopt {
    /// The folder to write it into; named after this host when not said
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

impl Adopt {
    pub(super) fn run(self) -> Outcome {
        let host = host_name();
        let folder = self.output.unwrap_or_else(|| PathBuf::from(&host));
        let mut ipvs = super::open()?;
        let mut routes = route::Handle::new().map_err(Error::from).map_err(failure)?;
        let adopted = Adopted::observe(&host, &mut ipvs, &mut routes).map_err(failure)?;
        let files = adopted.files();
        write(&folder, &files)?;
        let (services, vips, sysctls) = adopted.counts();
        say(&format!(
            "{}, {} and {} are in {}\n",
            counted(services, "service"),
            counted(vips, "VIP"),
            counted(sysctls, "kernel parameter"),
            folder.display()
        ));
        say(&format!("lvsmith apply {} changes nothing now\n", folder.join("site.yml").display()));
        Ok(Exit::Declared)
    }
}

/// A name that an inventory takes.
fn host_name() -> String {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "director".into())
}

fn failure(error: Error) -> Failure {
    match error {
        Error::Ipvs(error) => error.into(),
        Error::Route(error) => {
            let diagnostic = Diagnostic::new(error.to_string());
            Failure::host(match error.hint() {
                Some(hint) => diagnostic.hint(hint),
                None => diagnostic,
            })
        }
        Error::Unsteady { .. } => Failure::host(
            Diagnostic::new(error.to_string())
                .hint("was the table changed just now? try again; nothing was written"),
        ),
        error => Failure::host(Diagnostic::new(error.to_string())),
    }
}

/// Writes what is not there yet, and nothing when some of it is.
#[expect(clippy::disallowed_methods, reason = "the playbook is what the command writes")]
fn write(folder: &Path, files: &[File]) -> Result<(), Failure> {
    if let Some(there) = files.iter().map(|file| folder.join(&file.path)).find(|path| path.exists())
    {
        return Err(Failure::input(
            Diagnostic::new(format!("`{}` is there already", there.display()))
                .hint("name another folder with `--output`"),
        ));
    }
    let failed = |path: &Path, error: &std::io::Error| {
        let mistake = format!("failed to write `{}`: {error}", path.display());
        Failure::host(Diagnostic::new(mistake))
    };
    for file in files {
        let path = folder.join(&file.path);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).map_err(|error| failed(parent, &error))?;
        std::fs::write(&path, &file.text).map_err(|error| failed(&path, &error))?;
    }
    Ok(())
}
