//! `state: touch`: new times on a file that is there by now.

use std::fs;
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::File;
use crate::modules::{Error, Mode, Outcome};

/// What becomes of one of a file's times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Time {
    /// It becomes the present.
    #[default]
    Now,
    /// It stays.
    Preserve,
}

/// Sets the times that are not preserved; that is a change.
pub(super) fn touch(file: &File, mode: Mode, outcome: &mut Outcome) -> Result<(), Error> {
    let now = SystemTime::now();
    let mut times = fs::FileTimes::new();
    if file.modification_time == Time::Now {
        times = times.set_modified(now);
    }
    if file.access_time == Time::Now {
        times = times.set_accessed(now);
    }
    if file.modification_time == Time::Preserve && file.access_time == Time::Preserve {
        return Ok(());
    }
    outcome.changed = true;
    outcome.changes.push("set its times to now".into());
    if mode.check {
        return Ok(());
    }
    let failed = |error| Error::io(format!("failed to set the times of `{}`", file.path), &error);
    fs::File::open(&file.path).and_then(|file| file.set_times(times)).map_err(failed)
}
