//! The built-in templates: what each makes of sample variables, held against a snapshot and,
//! where this machine has it, against the program that reads such files.

#![expect(clippy::disallowed_methods, reason = "the programs that read these files judge them")]
#![expect(clippy::panic, reason = "a test's panic is its message")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use lvsmith::diagnostic::Source;
use lvsmith::playbook::BUILT_IN_TEMPLATES;
use lvsmith::template::Renderer;
use serde_json::{Map, Value, json};

/// A cluster of everything: three methods, both families, a weight and a port of its own.
fn cluster() -> Map<String, Value> {
    let sample = json!({
        "inventory_hostname": "rs1",
        "ansible_host": "10.0.0.11",
        "hostvars": {"rs1": {"ansible_host": "10.0.0.11"}, "rs2": {"ansible_host": "10.0.0.12"}},
        "lvs_virtual_services": [
            {"name": "web", "vip": "10.0.0.100", "port": 80, "scheduler": "rr",
             "forward": "direct", "real_servers": ["rs1", "rs2"]},
            {"name": "dns", "vip": "10.0.0.101", "port": 53, "protocol": "udp",
             "scheduler": "wrr", "forward": "nat",
             "destinations": [{"address": "10.0.0.12", "port": 5353, "weight": 3}, "10.0.0.11"]},
            {"name": "web6", "vip": "fd00::100", "port": 443, "scheduler": "sh",
             "forward": "tunnel", "destinations": ["fd00::11"]},
            {"name": "shop", "vip": "10.0.0.102", "port": [80, 443], "fwmark": 1,
             "scheduler": "sh", "scheduler_flags": ["sh-fallback", "sh-port"], "persistent": 300,
             "forward": "tunnel", "tunnel": {"type": "gue", "port": 6080, "checksum": "outer"},
             "real_servers": ["rs1"]},
            {"name": "ntp", "vip": "10.0.0.101", "port": 123, "protocol": "udp", "one_packet": true,
             "scheduler": "rr", "forward": "direct", "real_servers": ["rs1"]},
        ],
        "lvs_weights": {"rs1": 1, "rs2": 0},
        "lvs_interface": "eth0",
        "lvs_ip_forward": 1,
        "lvs_arp_ignore": 1,
        "lvs_arp_announce": 2,
        "lvs_boot_director": false,
        "lvs_boot_interface": "lo",
        "lvs_boot_vips": "10.0.0.100 fd00::100 ",
        "lvs_boot_tunnels": [
            {"name": "web6", "vip": "fd00::100", "forward": "tunnel", "port": 443},
            {"name": "shop", "vip": "10.0.0.102", "forward": "tunnel", "port": 80,
             "tunnel": {"type": "gue", "port": 6080}},
        ],
        "lvs_boot_restore": "/usr/local/sbin/lvsmith ipvsadm --restore < /etc/lvsmith/ipvs.rules",
        "lvs_priority": 150,
        "lvs_virtual_router_id": 89,
        "lvs_advert_seconds": 1,
        "lvs_peers": ["10.0.0.2"],
        "lvs_vips": ["10.0.0.100", "fd00::100"],
        "keepalived_fills_table": true,
        "keepalived_sync_id": 89,
        "keepalived_delay": 2,
        "keepalived_connect_timeout": 2,
        "sctp_backend_address": "10.0.0.100",
        "sctp_backend_port": 7000,
        "lvs_ip6_forward": 1,
        "dns_backend_port": 53,
        "dns_backend_zone": "example",
        "dns_backend_hosts": [{"name": "www", "address": "10.0.0.100"}],
        "nginx_backend_all": [
            {"name": "rs1", "port": 80, "address": "", "body": "rs1"},
            {"name": "rs1", "port": 8080, "address": "[::]"},
        ],
    });
    match sample {
        Value::Object(map) => map,
        _ => unreachable!("it is written as a mapping"),
    }
}

fn rendered(name: &str, variables: &Map<String, Value>) -> String {
    let (_, text) = BUILT_IN_TEMPLATES.iter().find(|(path, _)| *path == name).expect("built in");
    let source = Arc::new(Source { name: name.to_owned(), text: (*text).to_owned() });
    Renderer::new(variables).file(&source).unwrap_or_else(|error| panic!("{error}"))
}

/// What a program says to a rendered template; `None` where there is no such program. Paths in
/// it that are replaced lead into a temporary folder, so that nothing else is touched.
fn judged(name: &str, replaced: &[&str], argv: &[&str]) -> Option<(bool, String)> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut text = rendered(name, &cluster());
    for path in replaced {
        text = text.replace(path, &format!("{}{path}", folder.path().display()));
    }
    let path = folder.path().join(Path::new(name).file_name().expect("a file"));
    fs::write(&path, text).expect("written");
    for path in replaced.iter().filter_map(|path| Path::new(path).parent()) {
        let inside = path.strip_prefix("/").expect("absolute");
        fs::create_dir_all(folder.path().join(inside)).expect("a folder");
    }
    let (program, arguments) = argv.split_first().expect("a program");
    let mut command = Command::new(program);
    command.args(arguments).arg(&path).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    match command.output() {
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // Where everything must be tested, all that `scripts/setup` installs is there.
            let required = std::env::var_os("LVSMITH_REQUIRE_IPVS").is_some_and(|set| set == "1");
            assert!(!required || *program == "systemd-analyze", "there is no `{program}` here");
            eprintln!("not judged: there is no `{program}` here");
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

fn accepts(name: &str, replaced: &[&str], argv: &[&str]) {
    if let Some((accepted, said)) = judged(name, replaced, argv) {
        assert!(accepted, "{name}: {said}");
    }
}

#[test]
fn each_is_what_it_was() {
    for (name, _) in BUILT_IN_TEMPLATES {
        insta::with_settings!({omit_expression => true, description => *name}, {
            insta::assert_snapshot!(name.replace('/', "__"), rendered(name, &cluster()));
        });
    }
}

#[test]
fn a_director_has_its_vips_on_the_outward_interface() {
    let mut variables = cluster();
    variables.insert("lvs_boot_director".into(), true.into());
    variables.insert("lvs_boot_interface".into(), "eth0".into());
    let unit = rendered("systemd/lvsmith-vips.service", &variables);
    assert!(unit.starts_with("# Brings the VIPs of an LVS director back"), "{unit}");
    assert!(unit.contains("address replace 10.0.0.100/32 dev eth0\n"), "{unit}");
}

#[test]
fn nginx_takes_its_file() {
    let replaced = ["/run/nginx.pid", "/var/log/nginx/error.log", "/var/log/nginx/access.log"];
    accepts("nginx/back-end.conf", &replaced, &["nginx", "-t", "-e", "stderr", "-c"]);
}

#[test]
fn systemd_takes_the_units() {
    for name in ["lvsmith-ipvs.service", "lvsmith-vips.service"] {
        let argv = ["systemd-analyze", "verify", "--man=no"];
        let Some((_, said)) = judged(&format!("systemd/{name}"), &[], &argv) else { continue };
        // It may complain of other units of the machine; what it says of this one counts.
        assert!(!said.contains(name), "{said}");
    }
}

#[test]
fn sysctl_takes_the_settings() {
    for name in ["sysctl.d/director.conf", "sysctl.d/real-server.conf"] {
        accepts(name, &[], &["sysctl", "--dry-run", "--load"]);
    }
}

#[test]
fn keepalived_takes_its_file() {
    let argv = ["keepalived", "--config-test", "--use-file"];
    accepts("keepalived/keepalived.conf", &[], &argv);
}
