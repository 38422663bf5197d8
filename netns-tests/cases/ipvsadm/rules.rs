//! Rules that one program saves and the other restores, and the two scripts that do so.

use anyhow::{Result, ensure};

use super::twins::{REAL, Twins};

/// A table with everything that rules can say.
const TABLE: &str = "\
-A -t 10.1.0.1:80 -s rr
-a -t 10.1.0.1:80 -r 10.9.0.1:80 -g -w 1
-a -t 10.1.0.1:80 -r 10.9.0.2:8080 -m -w 65535
-a -t 10.1.0.1:80 -r 10.9.0.3:80 -i -w 0 --tun-type ipip
-a -t 10.1.0.1:80 -r 10.9.0.4:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum
-a -t 10.1.0.1:80 -r 10.9.0.5:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum
-a -t 10.1.0.1:80 -r 10.9.0.6:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum
-a -t 10.1.0.1:80 -r 10.9.0.7:80 -i -w 1 --tun-type gre --tun-csum
-a -t 10.1.0.1:80 -r 10.9.0.8:80 -i -w 1 --tun-type gre --tun-nocsum
-a -t 10.1.0.1:80 -r [fd09::1]:80 -i -w 1 --tun-type ipip
-A -t 10.1.0.1:0 -s sh -p 360 -M 255.255.255.0 -b sh-fallback,sh-port
-A -u 10.1.0.1:5060 -s rr -p 60 --pe sip -o
-A --sctp-service 10.1.0.1:99 -s wlc
-a --sctp-service 10.1.0.1:99 -r 10.9.0.1:99 -m -w 3
-A -t [fd00::1]:443 -s mh -p 300 -M 64 -b mh-port
-a -t [fd00::1]:443 -r [fd09::2]:443 -g -w 1
-A -f 5 -s wrr -b flag-1,flag-2
-a -f 5 -r 10.9.0.1:0 -g -w 1
-A -f 5 -6 -s wrr
-a -f 5 -6 -r [fd09::2]:0 -g -w 1
";

/// What one writes the other reads, and both write the same.
pub(super) fn round_trip() -> Result<()> {
    let twins = Twins::new("round-trip")?;
    let ours = twins.link().display().to_string();
    let restore =
        |program: &str, rules: &str| format!("{program} -C && {program} -R <<EOF\n{rules}EOF");
    let lines = |rules: &str| {
        let mut lines: Vec<String> = rules.lines().map(|line| line.trim().to_owned()).collect();
        lines.sort();
        lines
    };
    twins.real().shell(&restore(REAL, TABLE))?;
    let saved_by_us = twins.real().shell(&format!("{ours} -Sn"))?;
    ensure!(lines(&saved_by_us) == lines(TABLE), "{saved_by_us}");
    twins.real().shell(&restore(&ours, &saved_by_us))?;
    let saved_by_it = twins.real().shell(&format!("{REAL} -Sn"))?;
    ensure!(saved_by_it == saved_by_us, "real: {saved_by_it}\nours: {saved_by_us}");
    twins.real().shell(&restore(REAL, &saved_by_us))?;
    let again = twins.real().shell(&format!("{ours} -Sn"))?;
    ensure!(again == saved_by_us, "{again}");
    Ok(())
}

/// `ipvsadm-save` and `ipvsadm-restore`, by the name of a link.
pub(super) fn scripts() -> Result<()> {
    let twins = Twins::new("scripts")?;
    let rules = format!("# a comment\n{TABLE}# another\n\n");
    for script in [
        &*format!("ipvsadm-restore <<EOF\n{rules}EOF"),
        "ipvsadm-save -n",
        "ipvsadm-save what -n -n",
        "ipvsadm-save -x",
        "ipvsadm-restore <<EOF\n#-C\n-A -t 10.1.0.1:81 -s rr\n-A -t 10.1.0.1:81\nEOF",
        "ipvsadm-save -n",
        "ipvsadm-restore what <<EOF\n-A\n-A -t 10.1.0.1:82\nEOF",
        "ipvsadm-save -n",
    ] {
        let said = |folder: &str| {
            let script = format!("{{ {folder}{script}\n}} 2>&1; echo $?");
            twins.real().shell(&script)
        };
        let folder = twins.link().with_file_name("").display().to_string();
        let (real, ours) = (said("/usr/sbin/")?, said(&folder)?);
        ensure!(real == ours, "{script}\nreal: {real}\nours: {ours}");
    }
    Ok(())
}
