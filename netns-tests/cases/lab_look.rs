//! What one can look at: a lab that is up, its packets and logs, and what is kept of a trial.

use std::ffi::OsStr;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::support::{lab, nothing_left, trial};
use crate::traces::{Watch, poll_until};
use crate::two_hosts::TwoHosts;
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[
    native("lab_look::captures_the_packets_of_a_host", captures_the_packets_of_a_host),
    native("lab_look::writes_packets_for_other_programs", writes_packets_for_other_programs),
    native("lab_look::shows_logs_as_they_grow", shows_logs_as_they_grow),
    native("lab_look::keeps_a_page_a_picture_and_packets", keeps_a_page_a_picture_and_packets),
    native("lab_look::the_page_of_a_failure_says_why", the_page_of_a_failure_says_why),
    Case { name: "lab_look::ipvs_watches_the_director", needs: Needs::Ipvs, run: watches },
];

const fn native(name: &'static str, run: fn() -> Result<()>) -> Case {
    Case { name, needs: Needs::Namespaces, run }
}

const SOON: Duration = Duration::from_secs(30);

/// Knocks at a port until the capture has what it waits for: it may begin late.
fn with_packets(lab: &TwoHosts, arguments: &[&str]) -> Result<std::process::Output> {
    let mut child = lab
        .watch
        .command(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("the program starts")?;
    let mut ended = || {
        let knocked = lab.run("rs1", "curl -s -m 1 http://10.10.0.3/ || true");
        knocked.is_ok_and(|ran| ran.exits(0).is_ok()) && matches!(child.try_wait(), Ok(Some(_)))
    };
    poll_until(&mut ended, SOON, "the capture has its packets")?;
    Ok(child.wait_with_output()?)
}

fn captures_the_packets_of_a_host() -> Result<()> {
    let lab = TwoHosts::up()?;
    let name = lab.watch.name.clone();
    let output = with_packets(
        &lab,
        &["lab", "capture", "--lab", &name, "-c2", "rs2", "tcp host 10.10.0.2"],
    )?;
    let said = String::from_utf8(output.stdout)?;
    let lines: Vec<&str> = said.lines().collect();
    ensure!(lines.len() == 2, "{said}");
    let (first, second) = (lines[0], lines[1]);
    ensure!(first.contains("to rs2 eth0: 10.10.0.2:") && first.ends_with("tcp SYN"), "{said}");
    let refused = second.contains("from rs2 eth0: 10.10.0.3:80 > ");
    ensure!(refused && second.ends_with("tcp RST+ACK"), "{said}");
    let capture =
        |more: &[&str]| lab.watch.run(&[&["lab", "capture", "--lab", &name], more].concat());
    capture(&["rs2", "icpm"])?.exits(4)?.says("did you mean `icmp`")?;
    capture(&["rs3"])?.exits(4)?.says("has no host `rs3`")?;
    lab.down()
}

fn writes_packets_for_other_programs() -> Result<()> {
    let lab = TwoHosts::up()?;
    let name = lab.watch.name.clone();
    let arguments = ["lab", "capture", "--lab", &name, "-c", "2", "-w", "-", "rs2", "tcp"];
    let bytes = with_packets(&lab, &arguments)?.stdout;
    // A section in little endian, and an interface that is named.
    ensure!(bytes.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]), "{bytes:?}");
    ensure!(bytes[8..12] == [0x4d, 0x3c, 0x2b, 0x1a], "{bytes:?}");
    ensure!(String::from_utf8_lossy(&bytes).contains("rs2 eth0"), "{bytes:?}");
    lab.down()
}

fn shows_logs_as_they_grow() -> Result<()> {
    let lab = TwoHosts::up()?;
    let name = lab.watch.name.clone();
    let logs = |host: &str| lab.watch.run(&["lab", "logs", "--lab", &name, host]);
    logs("rs1")?.exits(0)?.says("nothing was written to the logs of `rs1`")?;
    lab.run("rs1", "mkdir -p /var/log/web && echo first >/var/log/web/error.log")?.exits(0)?;
    logs("rs1")?.exits(0)?.says("==> /var/log/web/error.log <==\nfirst\n")?;
    logs("rs2")?.exits(0)?.says("nothing was written")?;

    let seen = tempfile::NamedTempFile::new()?;
    let mut follow = lab
        .watch
        .command(&["lab", "logs", "--lab", &name, "--follow", "rs1"])
        .stdout(seen.reopen()?)
        .spawn()?;
    let shown = |text: &str| fs::read_to_string(seen.path()).is_ok_and(|all| all.contains(text));
    poll_until(|| shown("first\n"), SOON, "the first line is shown")?;
    lab.run("rs1", "echo second >>/var/log/web/error.log")?.exits(0)?;
    let both = poll_until(|| shown("first\nsecond\n"), SOON, "the second line is shown");
    follow.kill()?;
    follow.wait()?;
    both?;
    lab.down()
}

fn keeps_a_page_a_picture_and_packets() -> Result<()> {
    let (watch, folder) = (Watch::new()?, tempfile::tempdir()?);
    let lab = lab("plain-http");
    let file = |name: &str| folder.path().join(name);
    let (page, picture, packets) = (file("report.html"), file("request.svg"), file("packets/all"));
    let arguments = [
        OsStr::new("lab"),
        OsStr::new("test"),
        OsStr::new("--no-vm"),
        lab.as_os_str(),
        OsStr::new("--report"),
        page.as_os_str(),
        OsStr::new("--sequence"),
        picture.as_os_str(),
        OsStr::new("--pcap"),
        packets.as_os_str(),
    ];
    watch.run(&arguments)?.exits(0)?;

    let text = fs::read_to_string(page)?;
    let document = parsed(&text)?;
    let headings: Vec<&str> = document
        .descendants()
        .filter(|node| node.has_tag_name("h3"))
        .filter_map(|node| node.text())
        .collect();
    for check in ["3 requests from client to http://10.10.0.2/", "who answers ARP for 10.10.0.2"] {
        ensure!(headings.iter().any(|have| have.starts_with(check)), "{check}: {headings:?}");
    }
    ensure!(text.contains("3 of 3"), "the bar of rs1 says its share");
    ensure!(!text.contains("<script"), "nothing runs");

    let picture = fs::read_to_string(picture)?;
    let drawn = roxmltree::Document::parse(&picture)?;
    let texts: Vec<&str> = drawn.descendants().filter_map(|node| node.text()).collect();
    for expected in ["SYN", "SYN+ACK", "GET / HTTP/1.1", "HTTP/1.1 200 OK", "client", "rs1"] {
        ensure!(texts.contains(&expected), "`{expected}` is not among {texts:?}");
    }

    let mut files: Vec<String> = Vec::new();
    for entry in fs::read_dir(&packets)? {
        let bytes = fs::read(entry?.path())?;
        ensure!(bytes.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]), "it is pcapng");
        files.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    ensure!(files.len() == 2, "a file for each check, not {}", files.len());
    ensure!(files.iter().all(|text| text.contains("client eth0") && text.contains("rs1 eth0")));
    watch.nothing_left()
}

/// The page is XML, too, with the one document type that HTML has.
fn parsed(page: &str) -> Result<roxmltree::Document<'_>> {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    Ok(roxmltree::Document::parse_with_options(page, options)?)
}

fn the_page_of_a_failure_says_why() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let page = folder.path().join("report.html").display().to_string();
    let lab = TwoHosts::declared(
        "checks:\n  - name: <b>nobody</b> is there\n    http: {from: rs1, url: \"http://10.10.0.3/\"}\n",
    )?;
    trial(lab.path(), &["--report", &page])?.failed_in(&["<b>nobody</b> is there"])?;
    let text = fs::read_to_string(&page)?;
    parsed(&text)?;
    ensure!(text.contains("&lt;b&gt;nobody&lt;/b&gt; is there"), "the name is a text");
    ensure!(text.contains("verdict bad") && text.contains("refused"), "it says what was wrong");
    ensure!(text.contains("RST"), "and shows the packet that refused");
    lab.watch.nothing_left()
}

/// The table of the director, which the playbook says is one.
fn watches() -> Result<()> {
    let (folder, _alone) = super::lvs_dr::textbook();
    let watch = Watch::new()?;
    let folder = folder.display().to_string();
    watch.run(&["lab", "up", &folder])?.exits(0)?;
    let watched = watch.run(&["apply", "--lab", "lvs-dr"]).and_then(|applied| {
        applied.exits(0)?;
        watch.run(&["lab", "watch", "--lab", "lvs-dr", "--times", "2", "--every", "0.1"])
    });
    watch.run(&["lab", "down", "lvs-dr"])?.exits(0)?;
    watched?.exits(0)?.says("tcp://192.168.0.89:80 rr")?.says("192.168.0.93:80")?.says("SHARE")?;
    // What else there is of this machine is for other cases to change.
    nothing_left("lvs-dr")
}
