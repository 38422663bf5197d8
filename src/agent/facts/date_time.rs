//! What the machine's clock says, in its own time zone.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::libc;
use serde_json::{Value, json};

use super::Facts;

pub(super) fn add(facts: &mut Facts) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = libc::time_t::try_from(now.as_secs()).unwrap_or(0);
    if let Some(told) = told(seconds, now.subsec_micros()) {
        facts.insert("date_time".into(), told);
    }
}

fn told(seconds: libc::time_t, micros: u32) -> Option<Value> {
    let (local, utc) = (Moment::local(seconds)?, Moment::utc(seconds)?);
    Some(json!({
        "year": local.format(c"%Y"),
        "month": local.format(c"%m"),
        "weekday": local.format(c"%A"),
        "weekday_number": local.format(c"%w"),
        "weeknumber": local.format(c"%W"),
        "day": local.format(c"%d"),
        "hour": local.format(c"%H"),
        "minute": local.format(c"%M"),
        "second": local.format(c"%S"),
        "epoch": seconds.to_string(),
        "epoch_int": seconds.to_string(),
        "date": local.format(c"%Y-%m-%d"),
        "time": local.format(c"%H:%M:%S"),
        "iso8601_micro": format!("{}.{micros:06}Z", utc.format(c"%Y-%m-%dT%H:%M:%S")),
        "iso8601": utc.format(c"%Y-%m-%dT%H:%M:%SZ"),
        "iso8601_basic": format!("{}{micros:06}", local.format(c"%Y%m%dT%H%M%S")),
        "iso8601_basic_short": local.format(c"%Y%m%dT%H%M%S"),
        "tz": local.format(c"%Z"),
        "tz_offset": local.format(c"%z"),
    }))
}

struct Moment(libc::tm);

impl Moment {
    fn local(seconds: libc::time_t) -> Option<Self> {
        let mut moment = MaybeUninit::<libc::tm>::uninit();
        // SAFETY: localtime_r reads the number and fills in the structure, or returns null.
        let filled = unsafe { libc::localtime_r(&raw const seconds, moment.as_mut_ptr()) };
        // SAFETY: it was filled in where a pointer to it came back.
        (!filled.is_null()).then(|| Self(unsafe { moment.assume_init() }))
    }

    fn utc(seconds: libc::time_t) -> Option<Self> {
        let mut moment = MaybeUninit::<libc::tm>::uninit();
        // SAFETY: as with localtime_r.
        let filled = unsafe { libc::gmtime_r(&raw const seconds, moment.as_mut_ptr()) };
        // SAFETY: it was filled in where a pointer to it came back.
        (!filled.is_null()).then(|| Self(unsafe { moment.assume_init() }))
    }

    fn format(&self, format: &CStr) -> String {
        let mut text = [0_u8; 64];
        // SAFETY: the buffer is as long as is said, the format ends with a zero, the moment was
        // filled in by the C library itself.
        let length = unsafe {
            libc::strftime(text.as_mut_ptr().cast(), text.len(), format.as_ptr(), &raw const self.0)
        };
        String::from_utf8_lossy(&text[..length]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_in_many_ways() {
        let told = told(1_795_287_746, 42).expect("a moment");
        assert_eq!(told["iso8601"], "2026-11-21T19:02:26Z");
        assert_eq!(told["iso8601_micro"], "2026-11-21T19:02:26.000042Z");
        assert_eq!(told["epoch"], "1795287746");
        assert_eq!(told["date"].as_str().map(str::len), Some(10));
    }
}
