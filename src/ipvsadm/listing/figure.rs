//! Large numbers in nine columns.

/// Writes a counter: all digits up to eight, then thousands and more with a letter. With
/// `exact` all digits, and wider where they need it.
pub(super) fn figure(number: u64, exact: bool) -> String {
    if exact {
        let width = (number.to_string().len() + 1).max(9);
        return format!("{number:>width$}");
    }
    const MILLION: u64 = 1_000_000;
    let (unit, letter) = match number {
        0..=99_999_999 => return format!("{number:>9}"),
        100_000_000..=999_999_999 => (1000, 'K'),
        1_000_000_000..=99_999_999_999 => (MILLION, 'M'),
        100_000_000_000..=99_999_999_999_999 => (1000 * MILLION, 'G'),
        _ => (MILLION * MILLION, 'T'),
    };
    format!("{:>8}{letter}", number / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_where_the_real_one_does() {
        let cases = [
            (0, "        0"),
            (99_999_999, " 99999999"),
            (100_000_000, "  100000K"),
            (999_999_999, "  999999K"),
            (1_000_000_000, "    1000M"),
            (99_999_999_999, "   99999M"),
            (100_000_000_000, "     100G"),
            (99_999_999_999_999, "   99999G"),
            (100_000_000_000_000, "     100T"),
            (u64::MAX, "18446744T"),
        ];
        for (number, written) in cases {
            assert_eq!(figure(number, false), written, "{number}");
        }
    }

    #[test]
    fn widens_exact_numbers() {
        let cases = [
            (0, "        0"),
            (12_345_678, " 12345678"),
            (123_456_789, " 123456789"),
            (1_234_567_890, " 1234567890"),
        ];
        for (number, written) in cases {
            assert_eq!(figure(number, true), written, "{number}");
        }
    }
}
