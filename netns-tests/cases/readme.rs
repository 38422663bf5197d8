//! The README's own playbook works as it stands there.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::support::{ROOT, trial};
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] =
    &[Case { name: "readme::the_smallest_playbook_works", needs: Needs::Ipvs, run: smallest }];

fn smallest() -> Result<()> {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md"))?;
    let folder = tempfile::tempdir()?;
    fs::create_dir(folder.path().join("group_vars"))?;
    let mut blocks = readme.split("```yaml\n").skip(1);
    for file in ["site.yml", "lab.yml", "group_vars/all.yml"] {
        let block = blocks.next().and_then(|rest| rest.split("```").next());
        fs::write(folder.path().join(file), block.context("a block of YAML")?)?;
    }
    trial(folder.path(), &[])?.passed()?;
    Ok(())
}
