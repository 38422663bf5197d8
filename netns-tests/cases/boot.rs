//! After a boot the units of the role `lvs_boot` bring back what the playbook made.

use anyhow::{Result, ensure};

use crate::support::{lab, lvsmith, nothing_left, program, told};
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] =
    &[Case { name: "boot::brings_the_cluster_back", needs: Needs::Ipvs, run: brings_back }];

fn brings_back() -> Result<()> {
    let folder = lab("boot").display().to_string();
    run(&["lab", "up", &folder])?;
    let tried = forgets_and_boots(&folder);
    run(&["lab", "down", "boot"])?;
    tried?;
    nothing_left("boot")
}

fn forgets_and_boots(folder: &str) -> Result<()> {
    // The units name the program by where a user would have put it.
    let program = &format!("lvs_boot_program={}", program());
    let apply = |playbook: &str| {
        run(&["apply", "--lab", "boot", "-e", program, &format!("{folder}/{playbook}")])
    };
    apply("site.yml")?;
    let before = seen()?;
    for word in ["10.20.0.100/32 scope global lo", "10.20.0.100/32 scope global eth0", "-w 3"] {
        ensure!(before.contains(word), "no `{word}` in\n{before}");
    }
    apply("forget.yml")?;
    let empty = seen()?;
    ensure!(!empty.contains("10.20.0.10"), "something is left:\n{empty}");
    apply("boot.yml")?;
    let after = seen()?;
    ensure!(after == before, "before:\n{before}\nafter:\n{after}");
    let plan = run(&["plan", "--lab", "boot", "-e", program])?;
    let unchanged = plan.lines().filter(|line| line.contains("changed=0 ")).count();
    ensure!(unchanged == 2, "{plan}");
    Ok(())
}

/// The table and the VIPs of every host.
fn seen() -> Result<String> {
    let table = run(&["lab", "exec", "--lab", "boot", "lb1", "--", "ipvsadm", "-Sn"])?;
    let mut lines: Vec<String> = table.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    for host in ["lb1", "rs1"] {
        let argv = ["lab", "exec", "--lab", "boot", host, "--", "ip", "-4", "-o", "address"];
        let addresses = run(&argv)?;
        let mut vips: Vec<String> = addresses
            .lines()
            .filter_map(|line| line.split_once(" inet "))
            .filter(|(_, rest)| rest.contains("/32 "))
            .map(|(_, rest)| format!("{host}: {}", rest.split('\\').next().unwrap_or_default()))
            .collect();
        vips.sort_unstable();
        lines.extend(vips);
    }
    Ok(lines.join("\n"))
}

/// Runs the program and hands out what it said; it must end well.
fn run(arguments: &[&str]) -> Result<String> {
    let output = lvsmith(arguments)?;
    ensure!(output.status.success(), "{arguments:?}: {}", told(&output));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
