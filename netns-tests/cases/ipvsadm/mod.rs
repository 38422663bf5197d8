//! `lvsmith ipvsadm` held against the real one: the same lines on equal tables, the same
//! output, messages, exit codes, and tables afterwards.

use anyhow::{Result, ensure};

use crate::{Case, Needs};

mod connections;
mod differences;
mod generator;
mod lines;
mod rules;
mod twins;

use generator::Chance;
use twins::{Line, Pair, Twins};

pub(crate) const CASES: &[Case] = &[
    Case { name: "ipvsadm::lines_by_hand", needs: Needs::Ipvs, run: by_hand },
    Case { name: "ipvsadm::lines_by_chance", needs: Needs::Ipvs, run: by_chance },
    Case { name: "ipvsadm::restores", needs: Needs::Ipvs, run: restores },
    Case { name: "ipvsadm::differences", needs: Needs::Ipvs, run: differences::differences },
    Case { name: "ipvsadm::forged_connections", needs: Needs::Ipvs, run: connections::forged },
    Case { name: "ipvsadm::traffic", needs: Needs::Ipvs, run: connections::traffic },
    Case { name: "ipvsadm::unprivileged", needs: Needs::Ipvs, run: connections::unprivileged },
    Case { name: "ipvsadm::round_trip", needs: Needs::Ipvs, run: rules::round_trip },
    Case { name: "ipvsadm::scripts", needs: Needs::Ipvs, run: rules::scripts },
];

/// How many lines are made by chance.
const BY_CHANCE: usize = 300;

fn by_hand() -> Result<()> {
    let twins = Twins::new("hand")?;
    for session in lines::sessions() {
        let lines: Vec<Line> = ["-C"].into_iter().chain(session).map(Line::new).collect();
        all_agree(&twins.run(&lines)?)?;
    }
    Ok(())
}

fn by_chance() -> Result<()> {
    let twins = Twins::in_process("chance")?;
    let mut chance = Chance::new(20_191_224);
    let lines: Vec<Line> = (0..BY_CHANCE).map(|_| generator::line(&mut chance)).collect();
    all_agree(&twins.run(&lines)?)
}

fn restores() -> Result<()> {
    let twins = Twins::new("restores")?;
    let lines = lines::RESTORES.iter().flat_map(|rules| {
        [Line::new("-C"), Line { text: "-R".into(), input: (*rules).to_owned() }]
    });
    all_agree(&twins.run(&lines.collect::<Vec<_>>())?)
}

/// Everything was said the same way, or here is what was not.
fn all_agree(pairs: &[Pair]) -> Result<()> {
    let bad: Vec<String> =
        pairs.iter().filter(|pair| !pair.agrees()).map(ToString::to_string).collect();
    ensure!(bad.is_empty(), "{} of {} differ\n{}", bad.len(), pairs.len(), bad.join("\n"));
    Ok(())
}
