//! Numbers short enough for a column: `950`, `1.2k`, `34k`, `5.6M`.

/// What stands behind a number for each power of a thousand.
const SUFFIXES: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];

/// At least two digits that count, and at most four characters up to 999E.
pub(super) fn short(value: f64) -> String {
    let mut scaled = value;
    let mut suffixes = SUFFIXES.iter().peekable();
    // What would round to 1000 is the next one's 1.0.
    while scaled >= 999.5 && suffixes.len() > 1 {
        scaled /= 1000.0;
        suffixes.next();
    }
    let suffix = suffixes.next().copied().unwrap_or_default();
    // A whole number below 1000 has no fraction to show, and 0.04 a second is not nothing.
    if suffix.is_empty() && scaled.fract() == 0.0 || scaled >= 9.95 {
        format!("{scaled:.0}{suffix}")
    } else if scaled < 0.05 {
        "<0.1".into()
    } else {
        format!("{scaled:.1}{suffix}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_numbers_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.01, "<0.1"),
            (0.5, "0.5"),
            (9.94, "9.9"),
            (9.96, "10"),
            (950.0, "950"),
            (999.4, "999"),
            (999.6, "1.0k"),
            (1234.0, "1.2k"),
            (34_567.0, "35k"),
            (999_999.0, "1.0M"),
            (5.6e9, "5.6G"),
            (u64::MAX as f64, "18E"),
            (1e24, "1000000E"),
        ] {
            assert_eq!(short(value), text, "{value}");
        }
    }
}
