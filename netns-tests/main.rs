//! Privileged end-to-end tests: labs of namespaces, real nginx, real IPVS, real packets.
//!
//! Cases that need only namespaces run on this kernel. Those that need IPVS run here too when
//! it has it; otherwise this same program runs once more inside one micro-VM and does them
//! all there. What cannot run says why, and fails under `LVSMITH_REQUIRE_IPVS=1`.

#![expect(clippy::disallowed_methods, reason = "the harness runs the program, and real ones")]

use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};

mod cases;
mod namespace;
mod nobody;
mod support;
mod traces;
mod two_hosts;

/// What a case needs of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// Root, and namespaces.
    Namespaces,
    /// IPVS, too.
    Ipvs,
}

/// One case: its name is `file::function`.
struct Case {
    name: &'static str,
    needs: Needs,
    run: fn() -> anyhow::Result<()>,
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let inside = lvsmith::vm::inside();
    if inside {
        load_schedulers();
    }
    let root = nix::unistd::geteuid().is_root();
    let elsewhere = root && !inside && lvsmith::vm::needed();
    let here = |case: &&Case| match (inside, elsewhere) {
        (true, _) => case.needs == Needs::Ipvs,
        (false, true) => case.needs == Needs::Namespaces || arguments.list,
        (false, false) => true,
    };
    let why_not = (!root).then_some("needs root: it makes network namespaces");
    let trials =
        cases::all().into_iter().filter(|case| here(&case)).map(|case| trial(case, why_not));
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    support::forget_program();
    let mut passed = !conclusion.has_failed();
    // No boot for nothing: a filter may leave only cases that ran here.
    let chosen = |case: &Case| arguments.filter.as_ref().is_none_or(|f| case.name.contains(f));
    let any = cases::all().iter().any(|case| case.needs == Needs::Ipvs && chosen(case));
    if elsewhere && !arguments.list && any {
        passed &= inside_one_vm();
    }
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn trial(case: Case, why_not: Option<&'static str>) -> Trial {
    let required = std::env::var_os("LVSMITH_REQUIRE_IPVS").is_some_and(|value| value == "1");
    let run = case.run;
    match why_not {
        None => Trial::test(case.name, move || {
            run().map_err(|error| Failed::from(format!("{error:#}")))
        }),
        Some(why) if required => Trial::test(case.name, move || Err(Failed::from(why))),
        Some(why) => Trial::test(format!("{} (skipped: {why})", case.name), || Ok(()))
            .with_ignored_flag(true),
    }
}

/// Loads what the real ipvsadm would have the kernel load with the lock of IPVS held, which
/// deadlocks with the removal of a namespace by another case; see `modules::modprobe`.
fn load_schedulers() {
    let status = Command::new("modprobe").args(["--all", "ip_vs_lblc", "ip_vs_lblcr"]).status();
    if !status.is_ok_and(|status| status.success()) {
        eprintln!("`lblc` and `lblcr` could not be loaded beforehand");
    }
}

/// Runs this program in a VM, with the same arguments. Snapshots are written through. The kernel
/// is the VM's own choice, unless `LVSMITH_TEST_KERNEL` names one of the cache, such as `6.12`.
fn inside_one_vm() -> bool {
    let program = std::env::current_exe().expect("a test knows its own path");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/netns-tests");
    let kernel = std::env::var("LVSMITH_TEST_KERNEL");
    let status = Command::new(env!("CARGO_BIN_EXE_lvsmith"))
        .args(["vm", "run", "--share", folder])
        .args(kernel.iter().flat_map(|kernel| ["--kernel", kernel]))
        .arg("--")
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env("INSTA_WORKSPACE_ROOT", env!("CARGO_MANIFEST_DIR"))
        .status();
    match status {
        Ok(status) => status.success(),
        Err(error) => {
            eprintln!("the micro-VM could not be started: {error}");
            false
        }
    }
}
