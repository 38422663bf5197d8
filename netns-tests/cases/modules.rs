//! Every module, in a lab host: a plan changes nothing, applying it makes it so by the word of
//! the program one would use by hand, and a second run finds nothing to do.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use lvsmith::modules::TABLE;

use crate::support::{ROOT, nothing_left, said};
use crate::traces::Said;
use crate::two_hosts::TwoHosts;
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[
    native("modules::holds_what_it_declares", each_step),
    native("modules::the_other_families_and_kinds", families),
    native("modules::says_what_is_refused", refusals),
    Case { name: "modules::examples_of_the_docs", needs: Needs::Ipvs, run: examples },
];

const fn native(name: &'static str, run: fn() -> Result<()>) -> Case {
    Case { name, needs: Needs::Namespaces, run }
}

/// A task, and what a program says of the host before and after it.
struct Step {
    task: &'static str,
    look: &'static str,
    before: &'static str,
    after: &'static str,
}

/// Makes a package in a file, unless it is there, and tells which version of it is installed.
const DEMO: &str = "unset TMPDIR; cd /srv && if [ ! -e demo.deb ]; then mkdir -p d/DEBIAN && \
    printf 'Package: lvs-demo\\nVersion: 1\\nArchitecture: all\\nMaintainer: x <x@x>\\n\
    Description: x\\n' >d/DEBIAN/control && dpkg-deb -b d demo.deb >/dev/null; fi; \
    dpkg-query -W -f '${Package} ${Version}' lvs-demo 2>/dev/null";

const STEPS: &[Step] = &[
    Step {
        task: "link: {name: vip0, type: bridge, state: up, mtu: 1400}",
        look: "ip -o link show vip0 2>/dev/null | grep -o 'UP,.*mtu [0-9]*'",
        before: "",
        after: "UP,LOWER_UP> mtu 1400",
    },
    Step {
        task: "address: {interface: vip0, address: 10.77.0.1/24, label: 'vip0:1', scope: link}",
        look: "ip -o -4 address show vip0 | grep -o 'inet.*vip0:1'",
        before: "",
        after: "inet 10.77.0.1/24 brd 10.77.0.255 scope link vip0:1",
    },
    Step {
        task: "address: {interface: lo, address: 192.168.0.89}",
        look: "ip -o -4 address show lo | grep -o 'inet [^ ]*'",
        before: "inet 127.0.0.1/8",
        after: "inet 127.0.0.1/8\ninet 192.168.0.89/32",
    },
    Step {
        task: "route: {destination: 198.51.100.0/24, gateway: 10.77.0.9, interface: vip0, metric: 7}",
        look: "ip route show 198.51.100.0/24",
        before: "",
        after: "198.51.100.0/24 via 10.77.0.9 dev vip0 proto static metric 7",
    },
    Step {
        task: "route: {destination: 198.51.100.0/24, gateway: 10.77.0.9, metric: 7, state: absent}",
        look: "ip route show 198.51.100.0/24",
        before: "198.51.100.0/24 via 10.77.0.9 dev vip0 proto static metric 7",
        after: "",
    },
    Step {
        task: "sysctl: {name: net.ipv4.conf.all.arp_ignore, value: 1, \
            sysctl_file: /etc/sysctl.d/77-test.conf}",
        look: "sysctl -n net.ipv4.conf.all.arp_ignore; cat /etc/sysctl.d/77-test.conf 2>/dev/null",
        before: "0",
        after: "1\nnet.ipv4.conf.all.arp_ignore=1",
    },
    Step {
        task: "sysctl: {name: net.ipv4.conf.all.arp_ignore, state: absent, \
            sysctl_file: /etc/sysctl.d/77-test.conf}",
        look: "sysctl -n net.ipv4.conf.all.arp_ignore; cat /etc/sysctl.d/77-test.conf",
        before: "1\nnet.ipv4.conf.all.arp_ignore=1",
        after: "1",
    },
    Step {
        task: "file: {path: /srv/site/pages, state: directory, mode: '0750', owner: nobody}",
        look: "stat -c '%a %U %F' /srv/site/pages 2>/dev/null",
        before: "",
        after: "750 nobody directory",
    },
    Step {
        task: "copy: {content: \"a page\\n\", dest: /srv/site/pages/index.html, mode: 'u=rw,go='}",
        look: "cd /srv/site/pages && stat -c '%a %n' * 2>/dev/null && cat index.html",
        before: "",
        after: "600 index.html\na page",
    },
    Step {
        task: "file: {path: /srv/link, state: link, src: site/pages}",
        look: "readlink /srv/link",
        before: "",
        after: "site/pages",
    },
    Step {
        task: "file: {path: /srv/site, state: absent}",
        look: "ls /srv",
        before: "link\nsite",
        after: "link",
    },
    Step {
        task: "template: {src: page.j2, dest: /srv/page}",
        look: "cat /srv/page 2>/dev/null",
        before: "",
        after: "rs1 is at 10.10.0.2",
    },
    Step {
        task: "service: {name: nginx, state: started, enabled: true}",
        // Of that process alone: a worker bears its master's name at first.
        look: "tr '\\0' '\\n' </proc/$(cat /run/nginx.pid 2>/dev/null || echo self)/cmdline | grep -c '^nginx: master'",
        before: "0",
        after: "1",
    },
    Step {
        task: "service: {name: nginx, state: stopped, enabled: false}",
        look: "ls /etc/systemd/system/multi-user.target.wants/ | grep nginx; pgrep -x nginx | wc -l",
        before: "nginx.service\n3",
        after: "0",
    },
    Step {
        task: "systemd: {name: nginx, daemon_reload: true, state: started, masked: false}",
        look: "pgrep -x nginx | wc -l",
        before: "0",
        after: "3",
    },
    Step {
        task: "systemd: {name: nginx, state: stopped, masked: true}",
        look: "pgrep -x nginx | wc -l; readlink /etc/systemd/system/nginx.service",
        before: "3",
        after: "0\n/dev/null",
    },
    Step {
        task: "systemd: {name: nginx, masked: false}",
        look: "readlink /etc/systemd/system/nginx.service",
        before: "/dev/null",
        after: "",
    },
    Step {
        task: "lineinfile: {path: /srv/conf, regexp: '^Listen', line: Listen 81, create: true}",
        look: "cat /srv/conf 2>/dev/null",
        before: "",
        after: "Listen 81",
    },
    Step {
        task: "blockinfile: {path: /srv/conf, marker: '# {mark}', block: x, insertbefore: BOF}",
        look: "cat /srv/conf",
        before: "Listen 81",
        after: "# BEGIN\nx\n# END\nListen 81",
    },
    Step {
        task: "lineinfile: {path: /srv/conf, regexp: '^(Listen) 81$', line: '\\1 82', backrefs: true}",
        look: "tail -n 1 /srv/conf",
        before: "Listen 81",
        after: "Listen 82",
    },
    Step {
        task: "hostname: {name: rs1.example.com}",
        look: "hostname; cat /etc/hostname",
        before: "*",
        after: "rs1.example.com\nrs1.example.com",
    },
    Step { task: "apt: {deb: /srv/demo.deb}", look: DEMO, before: "", after: "lvs-demo 1" },
    Step {
        task: "apt: {name: lvs-demo, state: absent, purge: true}",
        look: DEMO,
        before: "lvs-demo 1",
        after: "",
    },
    Step {
        task: "address: {interface: vip0, address: 10.77.0.1/24, state: absent}",
        look: "ip -o -4 address show vip0",
        before: "*",
        after: "",
    },
    Step {
        task: "link: {name: vip0, state: absent}",
        look: "ls /sys/class/net | grep vip0",
        before: "vip0",
        after: "",
    },
];

impl TwoHosts {
    /// Runs `apply` or `plan` with one task for `rs1`.
    pub(super) fn task(&self, verb: &str, task: &str) -> Result<Said> {
        let playbook = format!("- hosts: rs1\n  gather_facts: false\n  tasks:\n    - {task}\n");
        self.write("task.yml", &playbook)?;
        let path = self.path().join("task.yml").display().to_string();
        self.watch.run(&[verb, "--lab", &self.watch.name, &path])
    }

    /// What a script says in `rs1`, however it ends.
    pub(super) fn look(&self, script: &str) -> Result<String> {
        Ok(self.run("rs1", script)?.output.trim_end().to_owned())
    }

    fn holds(&self, step: &Step) -> Result<()> {
        let seen = |expected: &str, when: &str| -> Result<()> {
            let seen = self.look(step.look)?;
            ensure!(
                expected == "*" || seen == expected,
                "{} {when}\nexpected:\n{expected}\nseen:\n{seen}",
                step.task
            );
            Ok(())
        };
        seen(step.before, "is not there yet")?;
        changes(&self.task("plan", step.task)?, 1)?;
        seen(step.before, "after a plan")?;
        changes(&self.task("apply", step.task)?, 1)?;
        seen(step.after, "once applied")?;
        changes(&self.task("plan", step.task)?, 0)?;
        changes(&self.task("apply", step.task)?, 0)
    }
}

/// The run went well, and this many tasks changed something.
fn changes(said: &Said, count: usize) -> Result<()> {
    let expected = format!(" changed={count} ");
    ensure!(said.exit == Some(0) && said.output.contains(&expected), "not{expected}: {said:?}");
    Ok(())
}

fn each_step() -> Result<()> {
    let lab = TwoHosts::up()?;
    std::fs::create_dir(lab.path().join("templates"))?;
    lab.write("templates/page.j2", "{{ inventory_hostname }} is at {{ ansible_host }}\n")?;
    STEPS.iter().try_for_each(|step| lab.holds(step))?;
    lab.down()
}

fn families() -> Result<()> {
    let lab = TwoHosts::up()?;
    for step in [
        Step {
            task: "address: {interface: lo, address: 'fd00::89'}",
            look: "ip -o -6 address show lo | grep -o 'inet6 [^ ]*'",
            before: "inet6 ::1/128",
            after: "inet6 fd00::89/128\ninet6 ::1/128",
        },
        Step {
            task: "route: {destination: '2001:db8::/32', interface: lo}",
            look: "ip -6 route show 2001:db8::/32 | grep -o 'dev lo proto static metric 1024'",
            before: "",
            after: "dev lo proto static metric 1024",
        },
        Step {
            task: "link: {name: br0, type: bridge, state: down}",
            look: "ip -o -d link show br0 2>/dev/null | grep -o 'bridge forward'",
            before: "",
            after: "bridge forward",
        },
    ] {
        lab.holds(&step)?;
    }
    lab.down()
}

fn refusals() -> Result<()> {
    let lab = TwoHosts::up()?;
    for (task, exit, message) in [
        ("address: {interface: eth7, address: 10.77.0.1/24}", 2, "no interface `eth7`"),
        ("address: {interface: lo, address: 10.77.0.1/33}", 4, "longer than the address"),
        ("address: {interface: lo, address: web}", 4, "`web` is not an IP address"),
        ("sysctl: {name: vm.swappiness, value: 1}", 2, "is not namespaced"),
        ("sysctl: {name: net.ipv4.ip_forwrd, value: 1}", 2, "net.ipv4.ip_forwrd"),
        ("service: {name: ngnix, state: started}", 2, "ngnix"),
        ("systemd: {name: ngnix, state: started}", 2, "did you mean `nginx`"),
        ("lineinfile: {path: /srv/none, line: a}", 2, "`/srv/none` does not exist"),
        ("apt: {name: no-such-package-at-all}", 2, "no-such-package-at-all"),
        ("uri: {url: 'https://10.10.0.3/'}", 4, "curl"),
        ("pause: {}", 4, "give `seconds` or `minutes`"),
        ("copy: {content: a, dest: /a, attributes: +i}", 4, "chattr"),
        ("copy: {src: nowhere, dest: /srv/x}", 4, "nowhere"),
    ] {
        let said = lab.task("apply", task)?;
        let text = format!("{}{}", said.output, said.errors);
        ensure!(said.exit == Some(exit) && text.contains(message), "{task}: {message}\n{said:?}");
    }
    lab.down()
}

/// The examples in the docs of all modules, as one playbook on one host, twice.
fn examples() -> Result<()> {
    // The module of the kernel is not that module's to load.
    said(Command::new("modprobe").arg("fou"))?;
    let lab = TwoHosts::up()?;
    std::fs::create_dir(lab.path().join("templates"))?;
    lab.write("templates/nginx.conf.j2", "events {}\nhttp {}\n")?;
    for folder in ["roles", "roles/web", "roles/web/tasks"] {
        std::fs::create_dir(lab.path().join(folder))?;
    }
    for file in
        ["drain.yml", "director.yml", "roles/web/tasks/main.yml", "roles/web/tasks/drain.yml"]
    {
        lab.write(file, "- debug: {msg: included}\n")?;
    }
    lab.write("debian.yml", "packages: [nginx]\n")?;
    let mut tasks = String::new();
    for module in TABLE {
        let path = format!("src/modules/{}.rs", module.name);
        let source = std::fs::read_to_string(Path::new(ROOT).join(&path))?;
        let example = example(&source).with_context(|| format!("{path} has an example"))?;
        tasks.push_str(&format!("    - name: {}\n{example}", module.name));
    }
    let playbook = format!(
        "- hosts: rs1\n  vars:\n    vip: 192.168.0.89\n    lvs_virtual_services: [{{}}]\n  tasks:\n\
         {tasks}"
    );
    lab.write("site.yml", &playbook)?;
    let path = lab.path().join("site.yml").display().to_string();
    let apply = ["apply", "--lab", &lab.watch.name, &path];
    let first = lab.watch.run(&apply)?;
    ensure!(first.exit == Some(0), "{first:?}\n{playbook}");
    // Those that run a command say by `creates` that there is nothing left to run.
    changes(&lab.watch.run(&apply)?, 0)?;
    lab.command("down")?.exits(0)?;
    nothing_left(&lab.watch.name)
}

/// The first `yaml` block of a file's docs, indented as a task.
fn example(source: &str) -> Option<String> {
    let block = source.split("/// ```yaml\n").nth(1)?.split("/// ```").next()?;
    Some(block.lines().map(|line| format!("      {}\n", line.trim_start_matches("/// "))).collect())
}
