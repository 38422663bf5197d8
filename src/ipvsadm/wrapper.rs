//! The program under other names: what a link named `ipvsadm` does, and those named as its two
//! scripts.

use std::ffi::OsStr;
use std::path::Path;

use super::{Streams, run};

const IPVSADM: &str = "ipvsadm";

/// The name by which the program was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Called {
    /// `ipvsadm`.
    Ipvsadm,
    /// `ipvsadm-save`: `-S`, with `-n` when that is given.
    Save,
    /// `ipvsadm-restore`: `-C`, then `-R` without lines that begin with `#`.
    Restore,
}

impl Called {
    /// Tells by a program's path, of which the last part counts.
    #[must_use]
    pub fn by(program: &OsStr) -> Option<Self> {
        match Path::new(program).file_name()?.to_str()? {
            IPVSADM => Some(Self::Ipvsadm),
            "ipvsadm-save" => Some(Self::Save),
            "ipvsadm-restore" => Some(Self::Restore),
            _ => None,
        }
    }

    /// Does it; answers the exit code.
    pub fn run(self, program: &str, arguments: &[String], streams: Streams<'_>) -> u8 {
        match self {
            Self::Ipvsadm => run(program, arguments, streams),
            Self::Save => save(program, arguments, streams),
            Self::Restore => restore(streams),
        }
    }
}

fn save(program: &str, arguments: &[String], streams: Streams<'_>) -> u8 {
    let mut switches = vec!["-S".to_owned()];
    for argument in arguments.iter().filter(|argument| argument.starts_with('-')) {
        if argument != "-n" {
            let name = Path::new(program).file_name().unwrap_or_default().to_string_lossy();
            // Nothing is left to tell where telling fails.
            let _ = writeln!(
                streams.err,
                "{name}: Script to save the IPVS table to stdout.\n   \
                 With the -n option, prints out the table in numeric format."
            );
            return 1;
        }
        switches.truncate(1);
        switches.push("-n".into());
    }
    run(IPVSADM, &switches, streams)
}

fn restore(streams: Streams<'_>) -> u8 {
    let Streams { input, out, err } = streams;
    let mut rules = Vec::new();
    if let Err(error) = input.read_to_end(&mut rules) {
        let _ = writeln!(err, "{error}");
        return 1;
    }
    let rules: Vec<u8> = rules
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| !line.starts_with(b"#"))
        .flatten()
        .copied()
        .collect();
    let mut step = |switch: &str, mut input: &[u8]| {
        run(IPVSADM, &[switch.to_owned()], Streams { input: &mut input, out, err })
    };
    // As in the script, what comes of the first does not count.
    step("-C", &[]);
    step("-R", &rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_names() {
        let by = |program: &str| Called::by(OsStr::new(program));
        assert_eq!(by("/sbin/ipvsadm"), Some(Called::Ipvsadm));
        assert_eq!(by("ipvsadm-save"), Some(Called::Save));
        assert_eq!(by("./ipvsadm-restore"), Some(Called::Restore));
        assert_eq!(by("/ipvsadm/lvsmith"), None);
        assert_eq!(by(""), None);
    }
}
