//! `lvsmith completions` and `lvsmith man`: made from the definitions that parse the command
//! line, so that they cannot say something else.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

use super::{Exit, complain};
use crate::diagnostic::Diagnostic;
use crate::report::counted;

/// Print what a shell needs to complete the command line
///
/// In ~/.bashrc: `source <(lvsmith completions bash)`. For zsh, write it to a file `_lvsmith` in
/// a folder of $fpath; for fish, to ~/.config/fish/completions/lvsmith.fish.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

/// Write man pages, one for each subcommand, into a folder
#[derive(Debug, Args)]
pub(super) struct Man {
    /// The folder, such as /usr/local/share/man/man1; it is made where it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Completions {
    pub(super) fn run(self, mut command: Command) -> Exit {
        let name = command.get_name().to_owned();
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, name, &mut script);
        // A reader that has seen enough is no error.
        let _ = std::io::stdout().write_all(&script);
        Exit::Declared
    }
}

impl Man {
    pub(super) fn run(self, command: Command) -> Exit {
        match self.write(command) {
            Ok(count) => {
                let pages = counted(count, "man page");
                anstream::println!("wrote {pages} into {}", self.folder.display());
                Exit::Declared
            }
            Err(error) => {
                let folder = self.folder.display();
                complain(&Diagnostic::new(format!(
                    "failed to write man pages into `{folder}`: {error}"
                )));
                Exit::Environment
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "man pages are what the command writes")]
    fn write(&self, mut command: Command) -> std::io::Result<usize> {
        std::fs::create_dir_all(&self.folder)?;
        // Names such as `lvsmith ipvs list` come with what `build` spreads to subcommands.
        command.build();
        self.write_page(&command)
    }

    /// Writes the page of a command and those below it; says how many.
    #[expect(clippy::disallowed_methods, reason = "man pages are what the command writes")]
    fn write_page(&self, command: &Command) -> std::io::Result<usize> {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name());
        let mut page = Vec::new();
        clap_mangen::Man::new(command.clone()).render(&mut page)?;
        std::fs::write(self.folder.join(format!("{name}.1")), page)?;
        let below = command.get_subcommands();
        let shown = below.filter(|below| !below.is_hide_set() && below.get_name() != "help");
        shown.map(|below| self.write_page(below)).try_fold(1, |sum, count| Ok(sum + count?))
    }
}
