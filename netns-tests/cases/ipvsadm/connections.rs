//! `-Lc`, and counters that are not 0.

use std::net::{TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::twins::{REAL, Twins};
use crate::namespace::Namespace;
use crate::traces::poll_until;

/// Contents of `/proc/net/ip_vs_conn`: everything the kernel writes, and what it never would.
const CONTENTS: &[&str] = &[
    "",
    "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n",
    "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n\
     TCP C0A80001 BB2E 0A010001 0050 0A090002 1F90 ESTABLISHED     899\n\
     TCP C0A80001 0000 0A010001 0050 0A090002 0050 NONE             60\n\
     UDP C0A80001 8000 0A010001 0035 7F000001 0035 UDP            6001\n\
     SCTP C0A80001 8000 0A010001 0050 0A090002 0050 ESTABLISHED     0\n\
     IP  C0A80001 0000 00000001 0000 0A090002 0050 NONE            359\n\
     TCP fd00:0000:0000:0000:0000:0000:0000:0009 BB2E fd00:0000:0000:0000:0000:0000:0000:0001 \
     01BB fd09:0000:0000:0000:0000:0000:0000:0002 01BB TIME_WAIT       119\n\
     UDP C0A80001 0000 0A010001 13C4 0A090002 13C4 UDP              59 sip 3848276298220188511\n\
     TCP 192.168.0.1 BB2E 10.1.0.1 0050 10.9.0.2 1F90 FIN_WAIT        1\n",
    "head\nTCP C0A80001 BB2E 0A010001 0050 0A090002 1F90 ESTABLISHED     899\n\n\
     TCP C0A80001 BB2F 0A010001 0050 0A090002 1F90 ESTABLISHED     899\n",
];

/// Both read the same file in place of the kernel's.
pub(super) fn forged() -> Result<()> {
    let twins = Twins::new("forged")?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("ip_vs_conn");
    let forge = format!(
        "mount -t tmpfs none /proc && mkdir /proc/net && cp {} /proc/net/ip_vs_conn",
        file.display()
    );
    let lines = ["-Lnc", "-Lc", "-Ln -c --persistent-conn", "-Lnc --tun-info --exact"];
    for contents in CONTENTS.iter().map(Some).chain([None]) {
        let before = match contents {
            Some(contents) => {
                std::fs::write(&file, contents)?;
                &*forge
            }
            None => "mount -t tmpfs none /proc",
        };
        let said = |program: &str| {
            let each = lines.map(|line| format!("{program} {line} 2>&1; echo $?"));
            twins.real().shell(&format!("{before} && {{ {}; }}", each.join("; ")))
        };
        let (real, ours) = (said(REAL)?, said(&twins.link().display().to_string())?);
        ensure!(real == ours, "{contents:?}\nreal: {real}\nours: {ours}");
    }
    Ok(())
}

/// Both list what real packets left behind.
pub(super) fn traffic() -> Result<()> {
    let twins = Twins::new("traffic")?;
    let namespace = twins.real();
    namespace.shell(
        "ip addr add 10.8.0.9/24 dev lo && ipvsadm -R <<EOF\n\
         -A -u 10.8.0.1:53 -s rr\n\
         -a -u 10.8.0.1:53 -r 10.9.0.2 -m\n\
         -a -u 10.8.0.1:53 -r 10.9.0.3 -m\n\
         -A -t 10.8.0.1:80 -s rr -p 100\n\
         -a -t 10.8.0.1:80 -r 10.9.0.2 -m\n\
         -a -t 10.8.0.1:80 -r 10.9.0.4 -g\n\
         EOF",
    )?;
    std::thread::scope(|scope| scope.spawn(|| send(namespace)).join())
        .map_err(|_| anyhow::anyhow!("the client panicked"))??;
    // The kernel sums counters up every two seconds.
    let counted = "UDP  10.8.0.1:53                         6        6        0";
    let stats = || namespace.shell(&format!("{REAL} -Ln --stats"));
    let summed = || stats().is_ok_and(|stats| stats.contains(counted));
    poll_until(summed, Duration::from_secs(20), "datagrams are counted")?;
    let mut seen = String::new();
    for line in [
        "-Ln --stats",
        "-Ln --stats --exact",
        "-Ln --rate",
        "-Ln",
        "-Ln --persistent-conn",
        "-Lnc",
        "-Lc",
        "-Lnc --persistent-conn",
        "-Ln --thresholds",
    ] {
        seen += &alike(&twins, line)?;
    }
    let tells = |line: &str| seen.lines().any(|seen| seen.starts_with(line));
    ensure!(tells(counted) && tells("UDP 0") && tells("TCP 0"), "{seen}");
    Ok(())
}

/// Datagrams from six ports, and two connections that nobody answers.
fn send(namespace: &Namespace) -> Result<()> {
    namespace.enter()?;
    for _ in 0..6 {
        let socket = UdpSocket::bind("10.8.0.9:0")?;
        socket.send_to(&[0; 400], "10.8.0.1:53")?;
    }
    for _ in 0..2 {
        let vip = "10.8.0.1:80".parse()?;
        // It must fail: there is nobody.
        let _ = TcpStream::connect_timeout(&vip, Duration::from_millis(50));
    }
    Ok(())
}

/// What both say; rates may fade between the two, but not every time.
fn alike(twins: &Twins, line: &str) -> Result<String> {
    let mut last = String::new();
    for _ in 0..5 {
        let said = |program: &str| twins.real().shell(&format!("{program} {line}"));
        let (real, ours) = (said(REAL)?, said(&twins.link().display().to_string())?);
        if without_seconds(&real) == without_seconds(&ours) {
            return Ok(real);
        }
        last = format!("{line}\nreal: {real}\nours: {ours}");
    }
    anyhow::bail!(last)
}

/// The digits of `04:58`, when a connection expires, as zeros.
fn without_seconds(list: &str) -> String {
    let zero = |letter: char| if letter.is_ascii_digit() { '0' } else { letter };
    let mut written = String::new();
    for line in list.split_inclusive('\n') {
        match line.char_indices().nth(6).filter(|(_, letter)| *letter == ':') {
            Some(_) => written.extend(line.char_indices().map(|(index, letter)| {
                if (4..9).contains(&index) { zero(letter) } else { letter }
            })),
            None => written += line,
        }
    }
    written
}

/// Whoever may not use IPVS is told so.
pub(super) fn unprivileged() -> Result<()> {
    let twins = Twins::new("unprivileged")?;
    for line in ["-Ln", "-A"] {
        let said = |program: &str| -> Result<std::process::Output> {
            let mut command = Command::new("setpriv");
            command.args(["--bounding-set=-all", "--inh-caps=-all", program]);
            command.args(line.split_whitespace()).stdin(std::process::Stdio::null());
            Ok(command.output()?)
        };
        let (real, ours) = (said(REAL)?, said(&twins.link().display().to_string())?);
        ensure!(real == ours, "ipvsadm {line}\nreal: {real:?}\nours: {ours:?}");
    }
    Ok(())
}
