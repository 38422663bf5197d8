//! Real processes, of units that are written here, with records in a folder of their own.

use tempfile::TempDir;

use super::*;

struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("plain").to_owned()
    }

    /// Reads a unit as anew each time, as one run after another does.
    fn unit(&self, service: &str) -> Unit {
        let text = format!("[Service]\n{service}\n").replace("@DIR@", &self.path(""));
        fs::write(self.path("it.service"), text).expect("written");
        let mut unit = Unit::find_in([self.folder.path()].into_iter(), "it").expect("parses");
        unit.records = self.path("records").into();
        unit
    }
}

fn ends(pid: i32) -> bool {
    wait(Duration::from_secs(5), || !process::alive(pid))
}

#[test]
fn finds_a_simple_service_again_and_stops_all_of_it() {
    let bench = Bench::new();
    // The shell stays, since something follows; its child is in its session.
    let text = "ExecStart=/bin/sh -c 'sleep 100 & echo $$! > @DIR@child; wait; true'";
    assert_eq!(main_pid(&bench.unit(text)), None);
    start(&bench.unit(text)).expect("starts");
    let main = main_pid(&bench.unit(text)).expect("runs");
    let child: i32 = fs::read_to_string(bench.path("child")).unwrap().trim().parse().unwrap();
    assert!(process::alive(main) && process::alive(child));
    stop(&bench.unit(text)).expect("stops");
    assert!(ends(main) && ends(child));
    assert_eq!(main_pid(&bench.unit(text)), None);
    stop(&bench.unit(text)).expect("stopping twice is stopping");
}

#[test]
fn kills_what_does_not_listen() {
    let bench = Bench::new();
    let text = "ExecStart=/bin/sh -c 'trap \"\" TERM; while :; do sleep 0.1; done'\n\
        TimeoutStopSec=300ms";
    start(&bench.unit(text)).expect("starts");
    let main = main_pid(&bench.unit(text)).expect("runs");
    stop(&bench.unit(text)).expect("stops");
    assert!(ends(main));
}

#[test]
fn takes_a_daemon_from_its_pid_file_and_no_other_process() {
    let bench = Bench::new();
    // The daemon is another program than the one that starts it.
    let text = "Type=forking\nPIDFile=@DIR@pid\n\
        ExecStart=/bin/sh -c 'setsid sleep 100 & echo $$! > @DIR@pid'";
    start(&bench.unit(text)).expect("starts");
    let main = main_pid(&bench.unit(text)).expect("runs");
    stop(&bench.unit(text)).expect("stops");
    assert!(ends(main));
    // What a crash left behind names somebody else by now: this very process.
    fs::write(bench.path("pid"), std::process::id().to_string()).expect("written");
    assert_eq!(main_pid(&bench.unit(text)), None);
    stop(&bench.unit(text)).expect("does no harm");
}

#[test]
fn shows_the_words_of_a_command_that_failed() {
    let bench = Bench::new();
    for (text, key) in [
        ("ExecStartPre=/bin/sh -c 'echo broken >&2; exit 1'\nExecStart=/bin/sleep 9", "StartPre"),
        ("ExecStart=/bin/sh -c 'echo broken >&2; exit 1'", "ended as it was started"),
        ("Type=forking\nPIDFile=@DIR@p\nExecStart=/bin/sh -c 'echo broken >&2; exit 1'", "Start"),
    ] {
        let error = start(&bench.unit(text)).expect_err("fails");
        assert!(error.message.contains("broken") && error.message.contains(key), "{error}");
        assert_eq!(main_pid(&bench.unit(text)), None);
    }
    let lenient = "ExecStartPre=-/bin/false\nType=oneshot\nExecStart=/bin/true";
    start(&bench.unit(lenient)).expect("a minus in front ignores a failure");
}

#[test]
fn leaves_nothing_of_a_service_that_failed_halfway() {
    let bench = Bench::new();
    let text = "ExecStart=/bin/sh -c 'echo $$$$ > @DIR@main; sleep 100; true'\n\
        ExecStartPost=/bin/false";
    start(&bench.unit(text)).expect_err("fails");
    let main = fs::read_to_string(bench.path("main")).unwrap().trim().parse().unwrap();
    assert!(ends(main));
}

#[test]
fn counts_a_oneshot_as_running_only_when_it_remains() {
    let bench = Bench::new();
    let once = "Type=oneshot\nExecStart=/bin/true";
    start(&bench.unit(once)).expect("runs");
    assert!(main_pid(&bench.unit(once)).is_none() && !bench.unit(once).lasts());
    let remains = format!("{once}\nRemainAfterExit=yes\nExecStop=/bin/touch @DIR@stopped");
    start(&bench.unit(&remains)).expect("runs");
    assert!(main_pid(&bench.unit(&remains)).is_some());
    stop(&bench.unit(&remains)).expect("stops");
    assert!(main_pid(&bench.unit(&remains)).is_none());
    assert!(Path::new(&bench.path("stopped")).exists());
}

#[test]
fn waits_until_a_service_says_that_it_is_ready() {
    let bench = Bench::new();
    let silent = "Type=notify\nTimeoutStartSec=300ms\nExecStart=/bin/sleep 100";
    let error = start(&bench.unit(silent)).expect_err("never says so");
    assert!(error.message.contains("not ready"), "{error}");
}

#[test]
fn hands_the_main_process_to_the_reload_command() {
    let bench = Bench::new();
    let text = "ExecStart=/bin/sh -c 'trap \"echo again > @DIR@seen\" HUP; while :; do sleep 0.05; \
        done'\nExecReload=/bin/kill -HUP $MAINPID";
    start(&bench.unit(text)).expect("starts");
    reload(&bench.unit(text)).expect("reloads");
    assert!(wait(Duration::from_secs(5), || Path::new(&bench.path("seen")).exists()));
    stop(&bench.unit(text)).expect("stops");
    let error = reload(&bench.unit("ExecStart=/bin/true")).expect_err("cannot");
    assert!(error.hint.expect("a hint").contains("restarted"));
}

#[test]
fn refuses_a_masked_unit_and_one_that_is_no_service() {
    let bench = Bench::new();
    std::os::unix::fs::symlink("/dev/null", bench.path("gone.service")).expect("linked");
    let folders = || [bench.folder.path()].into_iter();
    let masked = Unit::find_in(folders(), "gone").expect("found");
    assert!(start(&masked).expect_err("refused").message.contains("is masked"));
    let error = Unit::find_in(folders(), "dbus.socket").expect_err("no service");
    assert!(error.message.contains(".socket"), "{error}");
}

#[test]
fn knows_a_unit_by_its_own_name_when_asked_by_an_alias() {
    let bench = Bench::new();
    bench.unit("ExecStart=/bin/true");
    std::os::unix::fs::symlink("it.service", bench.path("alias.service")).expect("linked");
    let unit = Unit::find_in([bench.folder.path()].into_iter(), "alias").expect("found");
    assert_eq!(unit.name, "it");
}
