//! Memory, how busy the machine is and for how long it has run, and what its maker says.

use std::fs;

use serde_json::{Value, json};

use super::{Facts, content};

pub(super) fn add_memory(facts: &mut Facts) {
    let Ok(text) = fs::read_to_string("/proc/meminfo") else { return };
    facts.extend(memory(&text));
}

/// `/proc/meminfo` in mebibytes.
fn memory(text: &str) -> Facts {
    let read = |name: &str| meminfo(text, name).map(|kibibytes| kibibytes / 1024);
    let less = |whole: Option<u64>, part: Option<u64>| Some(whole?.saturating_sub(part?));
    let (total, free) = (read("MemTotal"), read("MemFree"));
    let (swap, swap_free) = (read("SwapTotal"), read("SwapFree"));
    let spare = || Some(read("Cached")? + free? + read("Buffers")?);
    let facts = json!({
        "memtotal_mb": total,
        "memfree_mb": free,
        "swaptotal_mb": swap,
        "swapfree_mb": swap_free,
        "memory_mb": {
            "real": {"total": total, "used": less(total, free), "free": free},
            "nocache": {"free": spare(), "used": less(total, spare())},
            "swap": {
                "total": swap,
                "free": swap_free,
                "used": less(swap, swap_free),
                "cached": read("SwapCached"),
            },
        },
    });
    match facts {
        Value::Object(facts) => facts,
        _ => Facts::new(),
    }
}

fn meminfo(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

pub(super) fn add_load(facts: &mut Facts) {
    let text = content("/proc/loadavg").unwrap_or_default();
    let mut words = text.split_whitespace().map(|word| word.parse::<f64>().ok());
    let mut next = || words.next().flatten();
    facts.insert("loadavg".into(), json!({"1m": next(), "5m": next(), "15m": next()}));
}

pub(super) fn add_uptime(facts: &mut Facts) {
    let text = content("/proc/uptime").unwrap_or_default();
    let seconds = text.split(['.', ' ']).next().and_then(|word| word.parse::<u64>().ok());
    facts.insert("uptime_seconds".into(), seconds.into());
}

/// `NA` for what the firmware does not tell, or not to this user.
pub(super) fn add_dmi(facts: &mut Facts) {
    let named = [
        ("bios_date", "bios_date"),
        ("bios_vendor", "bios_vendor"),
        ("bios_version", "bios_version"),
        ("board_asset_tag", "board_asset_tag"),
        ("board_name", "board_name"),
        ("board_serial", "board_serial"),
        ("board_vendor", "board_vendor"),
        ("board_version", "board_version"),
        ("chassis_asset_tag", "chassis_asset_tag"),
        ("chassis_serial", "chassis_serial"),
        ("chassis_vendor", "chassis_vendor"),
        ("chassis_version", "chassis_version"),
        ("product_name", "product_name"),
        ("product_serial", "product_serial"),
        ("product_uuid", "product_uuid"),
        ("product_version", "product_version"),
        ("system_vendor", "sys_vendor"),
    ];
    for (name, file) in named {
        let told = content(&format!("/sys/devices/virtual/dmi/id/{file}"));
        facts.insert(name.into(), told.unwrap_or_else(|| "NA".into()).into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_memory_by_its_whole_name() {
        let text = "MemTotalX:  1 kB\nMemTotal:   8150404 kB\nMemFree: 10240 kB\nBuffers: 1024 kB\nCached: 2048 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\nSwapCached: 0 kB\n";
        let facts = memory(text);
        assert_eq!((&facts["memtotal_mb"], &facts["memfree_mb"]), (&7959.into(), &10.into()));
        assert_eq!(facts["memory_mb"]["nocache"], json!({"free": 13, "used": 7946}));
        assert_eq!(facts["memory_mb"]["swap"]["used"], 0);
        assert_eq!(memory("")["memory_mb"]["real"]["used"], Value::Null);
    }
}
