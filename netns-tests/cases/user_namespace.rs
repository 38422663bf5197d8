//! IPVS of a network namespace that a user namespace owns: there the kernel takes socket options
//! only. Each case does the same over netlink, in a namespace of the machine's, and compares.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context, Result, ensure};

use crate::namespace::Namespace;
use crate::support::{program, told};
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[
    native("user_namespace::does_and_says_what_netlink_does", twins),
    native("user_namespace::counts_as_netlink_does", counters),
    native("user_namespace::runs_sync_daemons", daemons),
    native("user_namespace::takes_a_playbook", playbook),
    native("user_namespace::takes_thousands", thousands),
    native("user_namespace::refuses_what_has_no_option", refusals),
    native("user_namespace::does_not_hide_a_destination", hidden),
    native("user_namespace::must_own_the_network", owns_nothing),
];

const fn native(name: &'static str, run: fn() -> Result<()>) -> Case {
    Case { name, needs: Needs::Ipvs, run }
}

/// For sync daemons, and for addresses that are none of a host's.
const CABLE: &str = "ip link add v0 type veth peer name v1 && ip addr add 10.8.0.1/24 dev v0 &&
    ip link set v0 up && ip link set v1 up";

/// A user namespace with a network namespace of its own, gone at the end.
struct Owned {
    holder: Child,
}

impl Owned {
    fn new() -> Result<Self> {
        Self::by(Command::new("unshare"))
    }

    fn by(mut unshare: Command) -> Result<Self> {
        unshare.args(["--user", "--map-root-user", "--net", "sh", "-c"]);
        unshare.arg(format!(
            "ip link set lo up && ip route add 10.9.0.0/16 dev lo && {CABLE} && echo up &&
             exec sleep 600"
        ));
        let holder = unshare.stdout(Stdio::piped()).spawn().context("unshare starts")?;
        let mut owned = Self { holder };
        let said = owned.holder.stdout.take().context("its output is read")?;
        let mut line = String::new();
        BufReader::new(said).read_line(&mut line)?;
        ensure!(line == "up\n", "the user namespace is not made");
        Ok(owned)
    }

    fn enter(&self, more: &[&str], script: &str) -> Result<Output> {
        let mut command = Command::new("nsenter");
        command.args(["--net", "--target", &self.holder.id().to_string()]).args(more);
        command.args(["sh", "-c", script]).env("NO_COLOR", "1");
        command.output().context("nsenter starts")
    }

    /// Runs a script in it, as its root.
    fn inside(&self, script: &str) -> Result<Output> {
        self.enter(&["--user"], script)
    }

    /// Runs a script in its network as the machine's root, to whom netlink answers.
    fn outside(&self, script: &str) -> Result<Output> {
        self.enter(&[], script)
    }

    /// What is told inside, which must be what is told outside.
    fn agreed(&self, script: &str) -> Result<String> {
        let (inside, outside) = (told(&self.inside(script)?), told(&self.outside(script)?));
        ensure!(inside == outside, "{script}\noptions: {inside}\nnetlink: {outside}");
        Ok(inside)
    }

    /// The table as the real ipvsadm saves it, over netlink.
    fn table(&self) -> Result<Vec<String>> {
        let output = self.outside("ipvsadm -Sn")?;
        let mut lines: Vec<String> = String::from_utf8(output.stdout)?
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect();
        lines.sort();
        Ok(lines)
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn says(output: &Output, code: i32, text: &str) -> Result<()> {
    let all = told(output);
    ensure!(output.status.code() == Some(code), "not {code}: {all}");
    ensure!(all.contains(text), "it does not say `{text}`: {all}");
    Ok(())
}

/// Everything that can be said there.
const TABLE: &str = "\
-A -t 10.1.0.1:80 -s wrr -p 360 -M 255.255.255.0
-a -t 10.1.0.1:80 -r 10.9.0.1:80 -g -w 1
-a -t 10.1.0.1:80 -r 10.9.0.2:8080 -m -w 65535
-a -t 10.1.0.1:80 -r 10.9.0.3:80 -i -w 0 --tun-type ipip
-A -t 10.1.0.1:0 -s sh -p 360 -b sh-fallback,sh-port
-A -u 10.1.0.1:53 -s rr -o
-a -u 10.1.0.1:53 -r 10.9.0.1:53 -m -w 3
-A --sctp-service 10.1.0.1:99 -s wlc
-a --sctp-service 10.1.0.1:99 -r 10.9.0.1:99 -m -w 3
-A -f 5 -s wrr -b flag-1,flag-2
-a -f 5 -r 10.9.0.1:0 -g -w 1
";

/// Changes and mistakes, one after the other.
const STEPS: &[&str] = &[
    "ipvsadm -A -t 10.1.0.1:80 -s rr",
    "ipvsadm -E -t 10.1.0.1:80 -s wlc -p 10",
    "ipvsadm -E -t 10.1.0.1:80 -s wlc",
    "ipvsadm -E -t 10.1.0.9:80 -s wlc",
    "ipvsadm -E -f 5 -s rr",
    "ipvsadm -E -f 6 -s rr",
    "ipvsadm -A -t 10.1.0.2:80 -s nonesuch",
    "ipvsadm -E -t 10.1.0.1:80 -s nonesuch",
    "ipvsadm -a -t 10.1.0.1:80 -r 10.9.0.1:80",
    "ipvsadm -a -t 10.1.0.9:80 -r 10.9.0.1:80",
    "ipvsadm -a -t 10.1.0.1:80 -r 10.8.0.255:80",
    "ipvsadm -a -t 10.1.0.1:80 -r 10.9.0.4 -g -w 2",
    "ipvsadm -e -t 10.1.0.1:80 -r 10.9.0.1:80 -i -w 9 -x 3",
    "ipvsadm -e -t 10.1.0.1:80 -r 10.9.0.2:8080 -m -w 3 -x 200 -y 100",
    "ipvsadm -L -n --thresholds",
    "ipvsadm -e -t 10.1.0.1:80 -r 10.9.0.9:80",
    "ipvsadm -e -t 10.1.0.9:80 -r 10.9.0.9:80",
    "ipvsadm -d -t 10.1.0.1:80 -r 10.9.0.2:8080",
    "ipvsadm -d -t 10.1.0.1:80 -r 10.9.0.2:8080",
    "ipvsadm -d -f 5 -r 10.9.0.1",
    "ipvsadm -D -u 10.1.0.1:53",
    "ipvsadm -D -u 10.1.0.1:53",
    "ipvsadm -D -f 7",
    "ipvsadm -L -n -t 10.1.0.1:80",
    "ipvsadm -L -n -t 10.1.0.9:80",
    "ipvsadm -L -n -f 5",
    "ipvsadm -Z -t 10.1.0.1:80",
    "ipvsadm -Z -t 10.1.0.9:80",
    "ipvsadm -Z",
    "ipvsadm --set 7200 0 30",
    "ipvsadm -L --timeout",
    "ipvsadm --set 0 60 0",
    "ipvsadm -L --timeout",
    "ipvsadm --stop-daemon master",
    "ipvsadm --start-daemon backup --mcast-interface none0 --syncid 3",
    "ipvsadm --start-daemon backup --mcast-interface v0 --syncid 3",
    "ipvsadm --start-daemon backup --mcast-interface v0 --syncid 3",
    "ipvsadm --stop-daemon backup",
    // What fails in the middle is told in its place, and the rest is done.
    "printf '%s\\n' '-A -t 10.1.0.3:80' '-A -t 10.1.0.3:80' '-a -t 10.1.0.4:80 -r 10.9.0.1' \
     '-a -t 10.1.0.3:80 -r 10.9.0.1' '-d -t 10.1.0.3:80 -r 10.9.0.2' | $program ipvsadm -R",
    "ipvs list",
    "ipvs list --json",
    "ipvs stats --json",
    "ipvs timeouts",
    "ipvs save",
    "ipvs daemon stop master",
    "ipvs timeouts --udp 77",
    "ipvs flush --yes",
    "ipvs list",
    "ipvsadm -C",
];

fn scripted(step: &str) -> String {
    let program = program();
    if step.starts_with("printf") {
        return step.replace("$program", program);
    }
    format!("{program} {step}")
}

fn twins() -> Result<()> {
    let (owned, namespace) = (Owned::new()?, Namespace::new("twin")?);
    namespace.shell(CABLE)?;
    let restore = format!("{} ipvsadm -R <<EOF\n{TABLE}EOF", program());
    says(&owned.inside(&restore)?, 0, "")?;
    namespace.shell(&restore)?;
    let mut lines: Vec<&str> = TABLE.lines().collect();
    lines.sort_unstable();
    ensure!(owned.table()? == lines, "{:#?}", owned.table()?);
    let saved = owned.agreed(&format!("{} ipvsadm -Sn", program()))?;
    ensure!(saved.lines().count() == lines.len() + 1, "{saved}");

    for list in ["ipvs list --json", "ipvs save", "ipvsadm -L -n --tun-info"] {
        owned.agreed(&format!("{} {list}", program()))?;
    }

    let told_by = |script: &str| -> Result<(String, String)> {
        let other = namespace.command("sh", &["-c", script]).output()?;
        Ok((in_order(&told(&owned.inside(script)?)), in_order(&told(&other))))
    };
    for step in STEPS {
        let (options, netlink) = told_by(&scripted(step))?;
        ensure!(options == netlink, "{step}\noptions: {options}\nnetlink: {netlink}");
        let (options, netlink) = told_by("cat /proc/net/ip_vs")?;
        ensure!(options == netlink, "after {step}\noptions: {options}\nnetlink: {netlink}");
    }
    ensure!(owned.table()?.is_empty(), "{:#?}", owned.table()?);
    Ok(())
}

/// Each namespace has an order of services of its own.
fn in_order(said: &str) -> String {
    let mut lines: Vec<&str> = said.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

fn counters() -> Result<()> {
    let owned = Owned::new()?;
    let program = program();
    let begun = format!(
        "set -e
         ip addr add 10.1.0.1/32 dev lo
         ip addr add 10.9.0.3/32 dev lo
         {program} ipvsadm -A -t 10.1.0.1:80 -s rr -p 300
         {program} ipvsadm -a -t 10.1.0.1:80 -r 10.9.0.3:8080 -m -x 9 -y 5
         {program} ipvsadm -A -u 10.1.0.1:53 -s rr
         {program} ipvsadm -a -u 10.1.0.1:53 -r 10.9.0.3:53 -m
         perl -MIO::Socket::INET -e '
             my $l = IO::Socket::INET->new(LocalAddr => \"10.9.0.3:8080\", Listen => 5) or die;
             for (1..3) {{
                 push @all, IO::Socket::INET->new(PeerAddr => \"10.1.0.1:80\") or die;
                 my $c = $l->accept; print $c \"x\" x 3000; $c->flush; push @all, $c;
             }}
             select undef, undef, undef, 0.3;
             my $s = IO::Socket::INET->new(LocalAddr => \"10.9.0.3:53\", Proto => \"udp\") or die;
             my $u = IO::Socket::INET->new(PeerAddr => \"10.1.0.1:53\", Proto => \"udp\");
             $u->send(\"y\" x 700) for 1..5; sleep 600' >/dev/null 2>&1 &
         n=0; until {program} ipvsadm -L -n --stats -u 10.1.0.1:53 | grep -q ':53  *1  *5 '; do
             n=$((n + 1)); test $n -lt 100 || exit 1; sleep 0.1; done"
    );
    // Counters are told as of the last of the estimator's rounds, which come every two seconds.
    says(&owned.inside(&begun)?, 0, "")?;
    let list = |columns: &str| owned.agreed(&format!("{program} ipvsadm -L -n {columns}"));
    let usual = list("")?;
    ensure!(columns(&usual, "10.9.0.3:8080") == ["Masq", "1", "3", "0"], "{usual}");
    ensure!(columns(&usual, "10.9.0.3:53") == ["Masq", "1", "0", "1"], "{usual}");
    let stats = list("--stats --exact")?;
    let web = columns(&stats, "10.9.0.3:8080");
    ensure!(web.len() == 5 && web[0] == "3" && !web.contains(&"0"), "{stats}");
    list("--thresholds")?;
    let persistent = list("--persistent-conn")?;
    ensure!(columns(&persistent, "10.9.0.3:8080") == ["1", "1", "3", "0"], "{persistent}");
    // Rates go down as time goes by, so what the two say of them is of two moments.
    owned.agreed(&format!("{program} ipvs stats --json | sed '/rate/,/}}/d'"))?;
    let rates = told(&owned.inside(&format!("{program} ipvsadm -L -n --rate"))?);
    ensure!(columns(&rates, "10.9.0.3:53").len() == 5, "{rates}");

    let none = ["0"; 5];
    says(&owned.inside(&format!("{program} ipvsadm -Z -t 10.1.0.1:80"))?, 0, "")?;
    let zeroed = list("--stats --exact")?;
    ensure!(columns(&zeroed, "10.1.0.1:80") == none, "{zeroed}");
    ensure!(columns(&zeroed, "10.9.0.3:8080") == none, "{zeroed}");
    ensure!(columns(&zeroed, "10.1.0.1:53")[0] == "1", "{zeroed}");
    says(&owned.inside(&format!("{program} ipvsadm -Z"))?, 0, "")?;
    let zeroed = list("--stats --exact")?;
    ensure!(columns(&zeroed, "10.1.0.1:53") == none, "{zeroed}");
    Ok(())
}

/// What stands behind an address in a list.
fn columns<'a>(list: &'a str, address: &str) -> Vec<&'a str> {
    let words = |line: &'a str| line.split_whitespace().skip_while(|word| *word != address);
    list.lines().flat_map(|line| words(line).skip(1)).collect()
}

fn applied(owned: &Owned, namespace: &Namespace, verb: &str, tasks: &str) -> Result<Output> {
    let text = format!("- hosts: localhost\n  gather_facts: false\n  tasks:\n{tasks}");
    let playbook = namespace.file("owned.yml", text.as_bytes())?;
    owned.inside(&format!("{} {verb} {playbook}", program()))
}

fn daemons() -> Result<()> {
    let (owned, namespace) = (Owned::new()?, Namespace::new("owned-daemon")?);
    let task = |declared: &str| format!("    - ipvs_daemon: {{{declared}}}\n");
    let master = task("state: master, interface: v0, sync_id: 7");
    says(&applied(&owned, &namespace, "apply", &master)?, 0, " changed=1 ")?;
    says(&applied(&owned, &namespace, "plan", &master)?, 0, " changed=0 ")?;
    let list = format!("{} ipvsadm -L --daemon", program());
    says(&owned.inside(&list)?, 0, "master sync daemon (mcast=v0, syncid=7)\n")?;
    says(&owned.outside("ipvsadm -L --daemon")?, 0, "(mcast=v0, syncid=7, maxlen=1472, group=")?;

    // What cannot be started is not stopped first.
    let grouped = task("state: master, interface: v0, sync_id: 7, group: 239.1.1.1");
    let refused = applied(&owned, &namespace, "apply", &grouped)?;
    says(&refused, 2, "takes no group, port, ttl or length of a sync daemon")?;
    says(&owned.inside(&list)?, 0, "master sync daemon (mcast=v0, syncid=7)\n")?;

    says(&applied(&owned, &namespace, "apply", &task("state: absent"))?, 0, " changed=1 ")?;
    let none = owned.outside("ipvsadm -L --daemon")?;
    ensure!(none.stdout.is_empty(), "{}", told(&none));
    Ok(())
}

fn playbook() -> Result<()> {
    let (owned, namespace) = (Owned::new()?, Namespace::new("owned-playbook")?);
    let table = |purge: bool, services: &str| {
        format!("    - ipvs_table:\n        purge: {purge}\n        services: [{services}]\n")
    };
    let web = "{service: '10.1.0.1:80', scheduler: wrr, persistent: 300, destinations: [{address: \
               10.9.0.3, forward: tunnel, weight: 2}, 10.9.0.4]}";
    let mark = "{service: 'fwmark://7', scheduler: sh, scheduler_flags: [sh-port]}";
    let both = table(true, &format!("{web}, {mark}"));
    says(&applied(&owned, &namespace, "apply", &both)?, 0, " changed=1 ")?;
    let lines = [
        "-A -f 7 -s sh -b sh-port",
        "-A -t 10.1.0.1:80 -s wrr -p 300",
        "-a -t 10.1.0.1:80 -r 10.9.0.3:80 -i -w 2 --tun-type ipip",
        "-a -t 10.1.0.1:80 -r 10.9.0.4:80 -g -w 1",
    ];
    ensure!(owned.table()? == lines, "{:#?}", owned.table()?);
    says(&applied(&owned, &namespace, "plan", &both)?, 0, " changed=0 ")?;

    // Nothing of it is done when one of it cannot be.
    let mixed = table(
        true,
        "{service: '10.1.0.2:80', scheduler: rr}, \
                             {service: '[fd01::1]:80', scheduler: rr}",
    );
    let refused = applied(&owned, &namespace, "apply", &mixed)?;
    says(&refused, 2, "tcp://[fd01::1]:80 rr: IPVS of a user namespace takes no IPv6 services")?;
    says(&refused, 2, "run as root outside of the user namespace")?;
    ensure!(owned.table()? == lines, "{:#?}", owned.table()?);

    says(&applied(&owned, &namespace, "apply", &table(true, mark))?, 0, " changed=1 ")?;
    ensure!(owned.table()? == lines[..1], "{:#?}", owned.table()?);
    Ok(())
}

fn thousands() -> Result<()> {
    let owned = Owned::new()?;
    let rules = "for n in $(seq 1 2000); do echo \"-A -t 10.1.0.1:$n -s rr
        -a -t 10.1.0.1:$n -r 10.9.0.3 -m
        -a -t 10.1.0.1:$n -r 10.9.0.4 -g -w 7\"; done";
    says(&owned.inside(&format!("({rules}) | {} ipvsadm -R", program()))?, 0, "")?;
    let saved = told(&owned.inside(&format!("{} ipvsadm -Sn | sort", program()))?);
    ensure!(saved.lines().count() == 6001, "{} lines", saved.lines().count());
    let expected = owned.inside(&format!(
        "({rules}) | sed 's/^ *//; s/-r \\([0-9.]*\\) -m/-r \\1 -m -w 1/' |
         sed 's/-t \\(.*\\):\\([0-9]*\\) -r \\([0-9.]*\\)/-t \\1:\\2 -r \\3:\\2/' | sort"
    ))?;
    ensure!(saved == told(&expected), "the rules are others");
    Ok(())
}

fn refusals() -> Result<()> {
    let owned = Owned::new()?;
    let ipvsadm = |arguments: &str| owned.inside(&format!("{} ipvsadm {arguments}", program()));
    says(&ipvsadm("-A -t 10.1.0.1:80")?, 0, "")?;
    says(&ipvsadm("-a -t 10.1.0.1:80 -r 10.9.0.3 -g")?, 0, "")?;
    let before = owned.table()?;
    let cases = [
        ("-A -t [fd01::1]:80 -s rr", "takes no IPv6 services"),
        ("-A -f 7 -6", "takes no IPv6 services"),
        ("-D -t [fd01::1]:80", "takes no IPv6 services"),
        ("-a -t [fd01::1]:80 -r [fd09::1]:80", "takes no IPv6 services"),
        ("-Z -t [fd01::1]:80", "takes no IPv6 services"),
        ("-A -u 10.1.0.1:5060 -p 60 --pe sip", "takes no persistence engines"),
        ("-a -t 10.1.0.1:80 -r [fd09::1]:80 -i", "takes no IPv6 destinations"),
        ("-d -t 10.1.0.1:80 -r [fd09::1]:80", "takes no IPv6 destinations"),
        (
            "-a -t 10.1.0.1:80 -r 10.9.0.4:80 -i --tun-type gue --tun-port 6080",
            "takes no tunnels but those of IP in IP",
        ),
        (
            "-e -t 10.1.0.1:80 -r 10.9.0.3:80 -i --tun-type gre",
            "takes no tunnels but those of IP in IP",
        ),
        (
            "--start-daemon master --mcast-interface v0 --syncid 7 --mcast-ttl 3",
            "takes no group, port, ttl or length of a sync daemon",
        ),
    ];
    for (arguments, lacks) in cases {
        let output = ipvsadm(arguments)?;
        says(&output, 255, &format!(": IPVS of a user namespace {lacks}\n"))?;
        says(&output, 255, "run as root outside of the user namespace")?;
        ensure!(owned.table()? == before, "{arguments}: {:#?}", owned.table()?);
    }
    says(&ipvsadm("-L -n -t [fd01::1]:80")?, 1, "takes no IPv6 services")?;

    // In a restore, the others are done.
    let rules = "-A -t [fd01::1]:80\n-A -t 10.1.0.2:80 -s rr\n-A -f 7 -6\n-A -f 8 -s rr\n";
    let restored = owned.inside(&format!("{} ipvsadm -R <<EOF\n{rules}EOF", program()))?;
    says(&restored, 0, "add service tcp://[fd01::1]:80 wlc: IPVS of a user namespace")?;
    says(&restored, 0, "add service fwmark6://7 wlc: IPVS of a user namespace")?;
    ensure!(owned.table()?.len() == before.len() + 2, "{:#?}", owned.table()?);

    let daemon = "daemon start master --interface v0 --sync-id 7 --port 9999";
    let refused = owned.inside(&format!("{} ipvs {daemon}", program()))?;
    says(&refused, 6, "takes no group, port, ttl or length of a sync daemon")?;
    says(&refused, 6, "the kernel has only its older interface there")
}

/// Whoever made it outside; told as it is, the table would look complete.
fn hidden() -> Result<()> {
    let owned = Owned::new()?;
    let list = format!("{} ipvsadm -L -n", program());
    let lines = "ip route add fd09::/16 dev lo && ipvsadm -A -t 10.1.0.1:80 -s rr &&
        ipvsadm -a -t 10.1.0.1:80 -r 10.9.0.3 -g && ipvsadm -A -t [fd01::1]:80 -s rr";
    says(&owned.outside(lines)?, 0, "")?;
    says(&owned.inside(&list)?, 0, "10.9.0.3:80")?;
    says(&owned.outside("ipvsadm -a -t 10.1.0.1:80 -r [fd09::1]:80 -i")?, 0, "")?;
    says(&owned.inside(&list)?, 1, "does not tell destinations of IPv6, and there are some")
}

/// Neither who has no privilege at all nor who has it in a namespace that owns no network.
fn owns_nothing() -> Result<()> {
    let namespace = Namespace::new("owned-by-root")?;
    let nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all";
    for prefix in [nobody, "unshare --user --map-root-user"] {
        let run = |arguments: &str| {
            let script = format!("{prefix} {} {arguments}", program());
            namespace.command("sh", &["-c", &script]).output().context("sh starts")
        };
        let permission = "Can't initialize ipvs: Permission denied (you must be root)";
        says(&run("ipvsadm -L -n")?, 2, permission)?;
        says(&run("ipvsadm -A -t 10.1.0.1:80")?, 2, permission)?;
        let list = run("ipvs list")?;
        says(&list, 6, "failed to list the services: not permitted")?;
        says(&list, 6, "IPVS needs CAP_NET_ADMIN in the initial user namespace: run as root")?;
    }
    // Nobody at all, with a network of his own.
    let mut nobodys = Command::new("setpriv");
    nobodys.args(nobody.split(' ').skip(1)).arg("unshare");
    let owned = Owned::by(nobodys)?;
    says(&owned.inside(&format!("{} ipvsadm -A -t 10.1.0.1:80 -s rr", program()))?, 0, "")?;
    ensure!(owned.table()? == ["-A -t 10.1.0.1:80 -s rr"], "{:#?}", owned.table()?);
    Ok(())
}
