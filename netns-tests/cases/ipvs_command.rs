//! `lvsmith ipvs`, each subcommand on a real table, held against the real ipvsadm.

use std::process::{Child, Output, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::namespace::Namespace;
use crate::support::{lvsmith, nothing_left, program, told};
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[
    Case { name: "ipvs_command::list_and_stats", needs: Needs::Ipvs, run: list_and_stats },
    Case { name: "ipvs_command::zero_and_flush", needs: Needs::Ipvs, run: zero_and_flush },
    Case { name: "ipvs_command::timeouts_and_daemons", needs: Needs::Ipvs, run: timeouts },
    Case { name: "ipvs_command::save_loses_nothing", needs: Needs::Ipvs, run: save },
    Case { name: "ipvs_command::rules_of_ipvsadm", needs: Needs::Ipvs, run: rules },
    Case { name: "ipvs_command::diff_tells_by_its_exit_code", needs: Needs::Ipvs, run: diff },
    Case { name: "ipvs_command::apply_leaves_others_alone", needs: Needs::Ipvs, run: apply },
    Case { name: "ipvs_command::restore_all_or_nothing", needs: Needs::Ipvs, run: atomic },
    Case { name: "ipvs_command::drain_waits_for_connections", needs: Needs::Ipvs, run: drain },
    Case { name: "ipvs_command::a_module_drains_too", needs: Needs::Ipvs, run: module_drains },
    Case { name: "ipvs_command::adopt_round_trip", needs: Needs::Ipvs, run: adopt },
    Case { name: "ipvs_command::explains_who_is_next", needs: Needs::Ipvs, run: explains },
    Case { name: "ipvs_command::says_what_is_missing", needs: Needs::Ipvs, run: missing },
];

const TABLE: &str = "\
ipvsadm -A -t 10.1.0.1:80 -s wrr -p 300 &&
ipvsadm -a -t 10.1.0.1:80 -r 10.9.0.3:80 -g -w 5 -x 10 -y 5 &&
ipvsadm -a -t 10.1.0.1:80 -r 10.9.0.4:8080 -m -w 0 &&
ipvsadm -A -u [fd01::1]:53 -s sh -b sh-port &&
ipvsadm -a -u [fd01::1]:53 -r [fd09::3]:53 -i -w 1 --tun-type gue --tun-port 6080 &&
ipvsadm -A -f 7 -s rr";

/// A namespace with a table that ipvsadm has made.
fn director(name: &str) -> Result<Namespace> {
    let namespace = Namespace::new(name)?;
    namespace.shell(TABLE)?;
    Ok(namespace)
}

/// Exactly this, or everything it said.
fn exits(output: &Output, code: i32) -> Result<()> {
    ensure!(output.status.code() == Some(code), "not {code}: {}", told(output));
    Ok(())
}

fn says(output: &Output, text: &str) -> Result<()> {
    let all = told(output);
    ensure!(all.contains(text), "it does not say `{text}`: {all}");
    Ok(())
}

/// What a person sees, with the program's own way of padding.
fn list_and_stats() -> Result<()> {
    let namespace = director("list")?;
    let list = namespace.ipvs(&["list"])?;
    exits(&list, 0)?;
    insta::assert_snapshot!("ipvs_list", String::from_utf8_lossy(&list.stdout));

    let json = namespace.ipvs(&["list", "--json", "--service", "10.1.0.1:80"])?;
    let services: Value = serde_json::from_slice(&json.stdout)?;
    ensure!(services[0]["service"] == "tcp://10.1.0.1:80", "{services:#}");
    ensure!(services[0]["destinations"][0]["upper_threshold"] == 10, "{services:#}");
    ensure!(services.as_array().map(Vec::len) == Some(1), "{services:#}");

    let watched = namespace.ipvs(&["list", "--json", "--watch", "0.2", "--times", "3"])?;
    exits(&watched, 0)?;
    ensure!(String::from_utf8_lossy(&watched.stdout).lines().count() == 3, "{}", told(&watched));

    let stats = namespace.ipvs(&["stats"])?;
    exits(&stats, 0)?;
    insta::assert_snapshot!("ipvs_stats", String::from_utf8_lossy(&stats.stdout));
    let none = namespace.ipvs(&["list", "--service", "10.1.0.9:80"])?;
    exits(&none, 2)?;
    says(&none, "there is no service `tcp://10.1.0.9:80`")
}

fn zero_and_flush() -> Result<()> {
    let namespace = director("zero")?;
    exits(&namespace.ipvs(&["zero"])?, 0)?;
    exits(&namespace.ipvs(&["zero", "fwmark://7"])?, 0)?;
    let none = namespace.ipvs(&["zero", "10.1.0.9:80"])?;
    exits(&none, 2)?;
    says(&none, "there is no such service")?;

    let before = namespace.table()?;
    let refused = namespace.ipvs(&["flush"])?;
    exits(&refused, 4)?;
    says(&refused, "--yes")?;
    ensure!(namespace.table()? == before, "a flush that was refused has removed something");
    let done = namespace.ipvs(&["flush", "--yes"])?;
    exits(&done, 0)?;
    says(&done, "removed 3 services")?;
    ensure!(namespace.table()?.is_empty(), "flush has left something");
    Ok(())
}

fn timeouts() -> Result<()> {
    let namespace = Namespace::new("timeouts")?;
    exits(&namespace.ipvs(&["timeouts", "--tcp", "1000", "--udp", "7"])?, 0)?;
    let listed = namespace.shell("ipvsadm -L --timeout")?;
    ensure!(listed.contains("1000 120 7"), "{listed}");
    let json = namespace.ipvs(&["timeouts", "--json"])?;
    let read: Value = serde_json::from_slice(&json.stdout)?;
    ensure!(read == serde_json::json!({"tcp": 1000, "tcp_fin": 120, "udp": 7}), "{read}");
    exits(&namespace.ipvs(&["timeouts", "--tcp", "0"])?, 4)?;

    let start = ["daemon", "start", "master", "--interface", "lo", "--sync-id", "7"];
    exits(&namespace.ipvs(&start)?, 0)?;
    let listed = namespace.shell("ipvsadm -L --daemon")?;
    ensure!(listed.contains("master sync daemon (mcast=lo, syncid=7"), "{listed}");
    says(&namespace.ipvs(&["daemon"])?, "master on lo, sync id 7, group 224.0.0.81, port 8848")?;
    let twice = namespace.ipvs(&start)?;
    exits(&twice, 2)?;
    says(&twice, "running already")?;
    exits(&namespace.ipvs(&["daemon", "stop", "master"])?, 0)?;
    let none = namespace.ipvs(&["daemon", "stop", "master"])?;
    exits(&none, 2)?;
    says(&none, "no master sync daemon is running")
}

/// Thresholds, timeouts and daemons are what `ipvsadm -S` does not save.
fn save() -> Result<()> {
    let namespace = director("save")?;
    namespace.shell("ipvsadm --set 1000 60 30")?;
    exits(&namespace.ipvs(&["daemon", "start", "backup", "--interface", "lo"])?, 0)?;
    let saved = namespace.ipvs(&["save"])?;
    exits(&saved, 0)?;
    insta::assert_snapshot!("ipvs_save", String::from_utf8_lossy(&saved.stdout));
    let file = namespace.file("table.yml", &saved.stdout)?;
    let (rules, thresholds) = (namespace.table()?, namespace.shell("ipvsadm -Ln --thresholds")?);

    namespace.shell("ipvsadm -C && ipvsadm --set 1 2 3 && ipvsadm --stop-daemon backup")?;
    exits(&namespace.ipvs(&["restore", "--atomic", &file])?, 0)?;
    ensure!(namespace.table()? == rules, "{:#?}\nwas {rules:#?}", namespace.table()?);
    ensure!(namespace.shell("ipvsadm -Ln --thresholds")? == thresholds, "was {thresholds}");
    ensure!(namespace.shell("ipvsadm -L --timeout")?.contains("1000 60 30"));
    ensure!(namespace.shell("ipvsadm -L --daemon")?.contains("backup"));
    let again = namespace.ipvs(&["save"])?;
    ensure!(again.stdout == saved.stdout, "{}", told(&again));
    says(&namespace.ipvs(&["restore", &file])?, "nothing to change")
}

/// Rules that we save the real one restores, with what it does not save itself; and the reverse.
fn rules() -> Result<()> {
    let namespace = director("rules")?;
    namespace.shell("ipvsadm --set 1000 60 30")?;
    let everything = "ipvsadm -Sn | sort; ipvsadm -Ln --thresholds; ipvsadm -L --timeout";
    let before = namespace.shell(everything)?;
    let saved = namespace.ipvs(&["save", "--format", "rules"])?;
    exits(&saved, 0)?;
    let ours = namespace.file("ours.rules", &saved.stdout)?;
    namespace.shell(&format!("ipvsadm -C && ipvsadm --set 1 2 3 && ipvsadm -R < {ours}"))?;
    ensure!(namespace.shell(everything)? == before, "{}\nwas {before}", told(&saved));

    let theirs = namespace.file("theirs.rules", namespace.shell("ipvsadm -Sn")?.as_bytes())?;
    namespace.shell("ipvsadm -C && ipvsadm -A -t 10.1.0.7:80 -s rr")?;
    exits(&namespace.ipvs(&["diff", &theirs])?, 1)?;
    exits(&namespace.ipvs(&["restore", "--atomic", &theirs])?, 0)?;
    exits(&namespace.ipvs(&["diff", &theirs])?, 0)?;
    exits(&namespace.ipvs(&["apply", &ours])?, 0)?;
    ensure!(namespace.shell(everything)? == before, "was {before}");

    // Half a rule at the end: nothing of the file is done.
    let half = [&saved.stdout[..], b"-A -t 10.1.0.8:80 -s rr\r\n-a -t 10.1.0.8:80 -r"].concat();
    let half = namespace.file("half.rules", &half)?;
    let refused = namespace.ipvs(&["restore", "--atomic", &half])?;
    exits(&refused, 4)?;
    says(&refused, "half.rules:9:19")?;
    says(&refused, "option `-r` needs a value")?;
    ensure!(namespace.shell(everything)? == before, "was {before}");
    Ok(())
}

fn diff() -> Result<()> {
    let namespace = director("diff")?;
    let file = namespace.file("table.yml", &namespace.ipvs(&["save"])?.stdout)?;
    let equal = namespace.ipvs(&["diff", &file])?;
    exits(&equal, 0)?;
    ensure!(equal.stdout.is_empty(), "{}", told(&equal));

    namespace.shell(
        "ipvsadm -e -t 10.1.0.1:80 -r 10.9.0.3:80 -g -w 6 -x 10 -y 5 &&
         ipvsadm -A -t 10.1.0.2:80 -s rr && ipvsadm -D -f 7",
    )?;
    let different = namespace.ipvs(&["diff", &file])?;
    exits(&different, 1)?;
    let text = String::from_utf8_lossy(&different.stdout).replace(&file, "table.yml");
    insta::assert_snapshot!("ipvs_diff", text);
    let quiet = namespace.ipvs(&["diff", "--quiet", &file])?;
    exits(&quiet, 1)?;
    ensure!(quiet.stdout.is_empty(), "{}", told(&quiet));

    namespace.ipvs(&["apply", &file])?;
    exits(&namespace.ipvs(&["diff", &file])?, 1)?;
    exits(&namespace.ipvs(&["diff", "--ignore-others", &file])?, 0)?;
    exits(&namespace.ipvs(&["apply", "--purge", &file])?, 0)?;
    exits(&namespace.ipvs(&["diff", &file])?, 0)
}

fn apply() -> Result<()> {
    let namespace = director("apply")?;
    let file = namespace.file(
        "table.yml",
        b"services:\n- service: 10.1.0.1:80\n  scheduler: rr\n  destinations:\n  \
          - {address: 10.9.0.4, port: 8080, forward: nat, weight: 2}\n",
    )?;
    let before = namespace.table()?;
    let planned = namespace.ipvs(&["apply", "--check", &file])?;
    exits(&planned, 0)?;
    says(&planned, "3 changes to make")?;
    ensure!(namespace.table()? == before, "a check has changed something");
    let applied = namespace.ipvs(&["apply", &file])?;
    exits(&applied, 0)?;
    says(&applied, "remove destination 10.9.0.3:80 from tcp://10.1.0.1:80")?;
    let mut wanted = vec![
        "-A -f 7 -s rr",
        "-A -t 10.1.0.1:80 -s rr",
        "-A -u [fd01::1]:53 -s sh -b sh-port",
        "-a -t 10.1.0.1:80 -r 10.9.0.4:8080 -m -w 2",
        "-a -u [fd01::1]:53 -r [fd09::3]:53 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum",
    ];
    wanted.sort_unstable();
    ensure!(namespace.table()? == wanted, "{:#?}", namespace.table()?);
    says(&namespace.ipvs(&["apply", &file])?, "nothing to change")
}

/// A rule in the middle that only the kernel knows it cannot take.
fn atomic() -> Result<()> {
    let namespace = director("atomic")?;
    let saved = String::from_utf8(namespace.ipvs(&["save"])?.stdout)?;
    let broken = saved
        .replace("weight: 5", "weight: 9")
        .replace(
            "- service: fwmark://7\n  scheduler: rr\n",
            "- service: tcp://10.1.0.5:80\n  scheduler: no-such\n\
             - service: tcp://10.1.0.6:80\n  scheduler: rr\n  destinations:\n  \
             - {address: 10.9.0.6, forward: nat}\n",
        )
        .replace("tcp: 900", "tcp: 60");
    let broken = namespace.file("broken.yml", broken.as_bytes())?;
    let everything = "ipvsadm -Sn; ipvsadm -Ln --thresholds; ipvsadm -L --timeout";
    let before = namespace.shell(everything)?;
    let refused = namespace.ipvs(&["restore", "--atomic", &broken])?;
    exits(&refused, 2)?;
    says(&refused, "scheduler `no-such` is not available")?;
    says(&refused, "the table is as it was")?;
    let after = namespace.shell(everything)?;
    ensure!(after == before, "{after}\nwas {before}");

    // Without it the rest is done, and what failed is told.
    let partly = namespace.ipvs(&["restore", &broken])?;
    exits(&partly, 2)?;
    says(&partly, "1 of ")?;
    let table = namespace.table()?;
    ensure!(table.iter().any(|line| line.starts_with("-A -t 10.1.0.6:80")), "{table:#?}");
    ensure!(!table.iter().any(|line| line.starts_with("-A -f 7")), "{table:#?}");
    Ok(())
}

/// A connection through the director to a server that holds it.
struct Held {
    server: Child,
    client: Child,
}

impl Held {
    /// A real connection to 10.1.0.1:80, which NAT takes to 10.9.0.3:8080.
    fn open(namespace: &Namespace) -> Result<Self> {
        namespace.shell(
            "ip addr add 10.1.0.1/32 dev lo && ip addr add 10.9.0.3/32 dev lo &&
             ipvsadm -A -t 10.1.0.1:80 -s rr && ipvsadm -a -t 10.1.0.1:80 -r 10.9.0.3:8080 -m",
        )?;
        let perl = |script: &str| {
            namespace
                .command("perl", &["-MIO::Socket::INET", "-e", script])
                .stdout(Stdio::piped())
                .spawn()
                .context("perl starts")
        };
        let server = perl(
            "my $l = IO::Socket::INET->new(LocalAddr => '10.9.0.3:8080', Listen => 5) or die; \
             my @all; while (my $c = $l->accept) { push @all, $c }",
        )?;
        namespace.until("ss -ltn | grep -q 10.9.0.3:8080", "the server listens")?;
        let client =
            perl("my $c = IO::Socket::INET->new(PeerAddr => '10.1.0.1:80') or die; sleep 600")?;
        let held = Self { server, client };
        namespace.until(
            "ipvsadm -Lcn | grep -q 'ESTABLISHED.*10.9.0.3:8080'",
            "a connection goes through the director",
        )?;
        Ok(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for child in [&mut self.client, &mut self.server] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn drain() -> Result<()> {
    let namespace = Namespace::new("drain")?;
    let mut held = Held::open(&namespace)?;
    connections(&namespace)?;
    let drain = ["drain", "10.1.0.1:80", "10.9.0.3:8080"];
    let in_time = namespace.ipvs(&[&drain[..], &["--timeout", "1"]].concat())?;
    exits(&in_time, 2)?;
    says(&in_time, "1 connection left")?;
    says(&in_time, "stays with weight 0 and 1 connection")?;
    let table = namespace.table()?;
    let stays = "-a -t 10.1.0.1:80 -r 10.9.0.3:8080 -m -w 0";
    ensure!(table.iter().any(|line| line == stays), "{table:#?}");

    // At Ctrl-C it stays just so.
    let interrupted = waiting(&namespace, &drain)?;
    let pid = nix::unistd::Pid::from_raw(i32::try_from(interrupted.id())?);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT)?;
    let interrupted = interrupted.wait_with_output()?;
    exits(&interrupted, 130)?;
    says(&interrupted, "interrupted: 10.9.0.3:8080 of tcp://10.1.0.1:80 stays with weight 0")?;

    // And when the client hangs up, it goes.
    let waiting = waiting(&namespace, &drain)?;
    held.client.kill()?;
    held.client.wait()?;
    held.server.kill()?;
    held.server.wait()?;
    let drained = waiting.wait_with_output()?;
    exits(&drained, 0)?;
    says(&drained, "removed 10.9.0.3:8080 of tcp://10.1.0.1:80")?;
    let table = namespace.table()?;
    ensure!(table == ["-A -t 10.1.0.1:80 -s rr"], "{table:#?}");
    Ok(())
}

/// What a playbook takes out goes with its last connection, or when time is up.
fn module_drains() -> Result<()> {
    let namespace = Namespace::new("module-drain")?;
    let mut held = Held::open(&namespace)?;
    let without = |drain: u32| {
        format!(
            "    - ipvs_service: {{service: '10.1.0.1:80', scheduler: rr, forward: nat, \
             drain: {drain}, destinations: [{{address: 10.9.0.4, port: 8080}}]}}\n"
        )
    };
    let begun = std::time::Instant::now();
    let told = namespace.applied(&without(2))?;
    ensure!(begun.elapsed().as_secs() >= 2, "it did not wait: {told}");
    for part in ["weight 0 of tcp://10.1.0.1:80", "remove destination 10.9.0.3:8080"] {
        ensure!(told.contains(part), "{told}");
    }
    let left = ["-A -t 10.1.0.1:80 -s rr", "-a -t 10.1.0.1:80 -r 10.9.0.4:8080 -m -w 1"];
    ensure!(namespace.table()? == left, "{:#?}", namespace.table()?);
    namespace.is_so_already(&without(2))?;
    for process in [&mut held.client, &mut held.server] {
        process.kill()?;
        process.wait()?;
    }
    // Without connections there is nothing to wait for.
    let gone =
        "    - ipvs_table: {services: [{service: '10.1.0.1:80', state: absent}], drain: 600}\n";
    let told = namespace.applied(gone)?;
    ensure!(told.contains("remove service tcp://10.1.0.1:80"), "{told}");
    ensure!(namespace.table()?.is_empty(), "{:#?}", namespace.table()?);
    Ok(())
}

/// The one there is, found by each of its ends.
fn connections(namespace: &Namespace) -> Result<()> {
    for (option, value, count) in [
        ("--service", "tcp://10.1.0.1:80", 1),
        ("--service", "tcp://10.1.0.1:81", 0),
        ("--client", "10.1.0.1", 1),
        ("--client", "10.1.0.2", 0),
        ("--destination", "10.9.0.3:8080", 1),
        ("--destination", "10.9.0.3:80", 0),
    ] {
        let output = namespace.ipvs(&["connections", option, value, "--json"])?;
        exits(&output, 0)?;
        let found: Value = serde_json::from_slice(&output.stdout)?;
        ensure!(found.as_array().map(Vec::len) == Some(count), "{option} {value}: {found:#}");
        if count == 1 {
            ensure!(found[0]["state"] == "ESTABLISHED", "{found:#}");
            ensure!(found[0]["destination"] == "10.9.0.3:8080", "{found:#}");
        }
    }
    says(&namespace.ipvs(&["connections"])?, "10.1.0.1:80  10.9.0.3:8080  ESTABLISHED")
}

/// A drain that has seen a connection, and waits.
fn waiting(namespace: &Namespace, arguments: &[&str]) -> Result<Child> {
    use std::io::{BufRead, BufReader};
    let mut all = vec!["ipvs"];
    all.extend(arguments);
    let mut child = namespace
        .command(env!("CARGO_BIN_EXE_lvsmith"), &all)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let stderr = child.stderr.take().context("it is piped")?;
    let mut lines = BufReader::new(stderr);
    let mut line = String::new();
    lines.read_line(&mut line)?;
    ensure!(line.contains("1 connection left"), "{line}");
    child.stderr = Some(lines.into_inner());
    Ok(child)
}

/// On the director of the textbook cluster, whose playbook is another one.
fn adopt() -> Result<()> {
    let folder = format!("{}/playbooks/lvs-dr", crate::support::ROOT);
    let _alone = super::lvs_dr::alone();
    exits(&lvsmith(&["lab", "up", &folder])?, 0)?;
    let tried = adopted();
    let down = lvsmith(&["lab", "down", "lvs-dr"])?;
    tried?;
    exits(&down, 0)?;
    nothing_left("lvs-dr")
}

fn adopted() -> Result<()> {
    exits(&lvsmith(&["apply", "--lab", "lvs-dr"])?, 0)?;
    let on_director = |arguments: &[&str]| {
        lvsmith(&[&["lab", "exec", "--lab", "lvs-dr", "lb1", "--"], arguments].concat())
    };
    let program = program();
    on_director(&["sysctl", "-w", "net.ipv4.vs.expire_nodest_conn=1"])?;
    on_director(&["ipvsadm", "--set", "1000", "0", "0"])?;
    let daemon = ["--start-daemon", "master", "--mcast-interface", "eth0", "--syncid", "7"];
    exits(&on_director(&[&["ipvsadm"], &daemon[..]].concat())?, 0)?;
    let adopt = on_director(&[program, "ipvs", "adopt", "--output", "/tmp/adopted"])?;
    exits(&adopt, 0)?;
    says(&adopt, "1 service, 1 VIP and 2 kernel parameters")?;
    let written = on_director(&[
        "cat",
        "/tmp/adopted/inventory.yml",
        "/tmp/adopted/group_vars/directors.yml",
        "/tmp/adopted/site.yml",
    ])?;
    insta::assert_snapshot!("ipvs_adopt", String::from_utf8_lossy(&written.stdout));
    let apply = on_director(&[program, "apply", "/tmp/adopted/site.yml"])?;
    exits(&apply, 0)?;
    says(&apply, " changed=0 ")?;
    // Nor is anything overwritten.
    exits(&on_director(&[program, "ipvs", "adopt", "--output", "/tmp/adopted"])?, 4)?;

    // On a director that has lost everything, it is what brings it back.
    on_director(&["ipvsadm", "-C"])?;
    on_director(&["ipvsadm", "--stop-daemon", "master"])?;
    on_director(&["ip", "addr", "del", "192.168.0.89/32", "dev", "eth0"])?;
    let apply = on_director(&[program, "apply", "/tmp/adopted/site.yml"])?;
    exits(&apply, 0)?;
    says(&apply, "add destination 192.168.0.95:80 direct weight 1 to tcp://192.168.0.89:80")?;
    says(&apply, "add 192.168.0.89/32 to eth0")?;
    says(&apply, "start master sync daemon")
}

fn missing() -> Result<()> {
    let namespace = Namespace::new("missing")?;
    let program = env!("CARGO_BIN_EXE_lvsmith");
    let list = ["--bounding-set=-all", "--inh-caps=-all", program, "ipvs", "list"];
    let output = namespace.command("setpriv", &list).output()?;
    exits(&output, 6)?;
    says(&output, "not permitted")?;
    says(&output, "run as root")
}

/// Where the kernel sends a client is where it was said to go; and what it then remembers counts.
fn explains() -> Result<()> {
    let namespace = Namespace::new("explain")?;
    namespace.shell(
        "ip address add 10.1.0.1/32 dev lo &&
         ipvsadm -A -t 10.1.0.1:80 -s wlc -p 300 &&
         ipvsadm -a -t 10.1.0.1:80 -r 10.9.0.3:80 -m -w 1 &&
         ipvsadm -a -t 10.1.0.1:80 -r 10.9.0.4:80 -m -w 5 &&
         ipvsadm -A -t 10.1.0.1:81 -s wlc",
    )?;
    let explain = |arguments: &[&str]| {
        let mut all = vec!["explain", "10.1.0.1:80"];
        all.extend(arguments);
        namespace.command(env!("CARGO_BIN_EXE_lvsmith"), &all).output().context("it starts")
    };
    let before = explain(&["--client", "10.1.0.1"])?;
    exits(&before, 0)?;
    says(&before, "10.9.0.4:80: 256 × 0 active + 0 inactive = 0, for a weight of 5")?;

    // Nobody answers; the kernel has chosen all the same.
    let connect =
        "import socket; s = socket.socket(); s.settimeout(0.2); s.bind(('10.1.0.1', 4711))
try: s.connect(('10.1.0.1', 80))
except OSError: pass";
    let tried = namespace.command("python3", &["-c", connect]).output()?;
    exits(&tried, 0)?;
    let held = explain(&["--client", "10.1.0.1", "--json"])?;
    let held: Value = serde_json::from_slice(&held.stdout)?;
    let choice = &held["connections"][0][0];
    ensure!(choice["destination"]["address"] == "10.9.0.4", "{held:#}");
    let because = choice["because"].as_str().unwrap_or_default();
    ensure!(because.starts_with("persistence holds its client there for"), "{held:#}");
    says(&explain(&["--client", "10.1.0.1:4711"])?, "this connection is known already (SYN_RECV)")?;
    // Another client is nobody's yet, and the loaded one is not the lightest for all that.
    says(&explain(&["--client", "10.1.0.2"])?, "10.9.0.3:80: 256 × 0 active")?;

    let missing = namespace
        .command(env!("CARGO_BIN_EXE_lvsmith"), &["explain", "10.1.0.9:80", "-c", "10.1.0.2"])
        .output()?;
    exits(&missing, 2)?;
    says(&missing, "there is no service `tcp://10.1.0.9:80`")
}
