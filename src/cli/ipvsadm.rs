//! `lvsmith ipvsadm`, and the program called through a link of that name.

use std::ffi::OsString;
use std::io::{BufReader, BufWriter};
use std::process::ExitCode;

use clap::Args;

use crate::ipvsadm::{Called, Streams};

/// The most that is read of rules at once; all of one read goes to the kernel together.
const INPUT: usize = 256 << 10;

/// Do what ipvsadm does, with its own arguments: `-Ln`, `-A -t 10.0.0.1:80 -s rr`, `-R`, …
#[derive(Debug, Args)]
#[command(disable_help_flag = true, override_usage = "lvsmith ipvsadm [ARGUMENTS OF IPVSADM]")]
pub struct Ipvsadm {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

impl Ipvsadm {
    /// Does it.
    pub fn run(self) -> ExitCode {
        run(Called::Ipvsadm, "lvsmith ipvsadm", self.arguments)
    }
}

/// Does what the program's name says, when that is one of ipvsadm's, or its first argument:
/// `lvsmith ipvsadm` may be called for every rule, and takes its arguments as they are.
pub fn called() -> Option<ExitCode> {
    let mut arguments = std::env::args_os();
    let program = arguments.next()?;
    if let Some(called) = Called::by(&program) {
        return Some(run(called, &program.to_string_lossy(), arguments.collect()));
    }
    let ipvsadm = arguments.next().is_some_and(|argument| argument == "ipvsadm");
    ipvsadm.then(|| run(Called::Ipvsadm, "lvsmith ipvsadm", arguments.collect()))
}

fn run(called: Called, program: &str, arguments: Vec<OsString>) -> ExitCode {
    let arguments: Vec<String> =
        arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let mut input = BufReader::with_capacity(INPUT, std::io::stdin().lock());
    let mut out = BufWriter::new(std::io::stdout());
    let streams = Streams { input: &mut input, out: &mut out, err: &mut std::io::stderr() };
    ExitCode::from(called.run(program, &arguments, streams))
}
