//! Numbers and addresses as the C library reads them, on which users may rely.

use std::net::Ipv4Addr;

/// A decimal number between the two, with white space and a sign before it, as `strtol` takes it.
pub(super) fn between(text: &str, least: i64, most: i64) -> Option<i64> {
    let number = text.trim_start_matches(is_space).parse().ok();
    number.filter(|number| (least..=most).contains(number))
}

/// The number that a text begins with, or 0, as `atoi` takes it.
pub(super) fn leading(text: &str) -> i64 {
    let text = text.trim_start_matches(is_space);
    let sign = usize::from(text.starts_with(['+', '-']));
    let digits = text[sign..].bytes().take_while(u8::is_ascii_digit).count();
    text[..sign + digits].parse().unwrap_or(0)
}

/// An IPv4 address as `inet_aton` takes it: one to four parts, each decimal, octal or
/// hexadecimal; what follows white space does not count.
pub(super) fn ipv4(text: &str) -> Option<Ipv4Addr> {
    let text = text.split(is_space).next()?;
    let parts: Vec<u32> = text.split('.').map(part).collect::<Option<_>>()?;
    let (last, leading) = parts.split_last()?;
    if leading.len() > 3 || leading.iter().any(|part| *part > 0xff) {
        return None;
    }
    let bits = 32 - 8 * u32::try_from(leading.len()).ok()?;
    if u64::from(*last) >= 1 << bits {
        return None;
    }
    let mut address = *last;
    for (index, part) in (0..).zip(leading) {
        address |= part << (24 - 8 * index);
    }
    Some(Ipv4Addr::from(address))
}

fn part(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    let digit = |byte: u8| char::from(byte).is_digit(radix);
    if digits.bytes().all(digit) { u32::from_str_radix(digits, radix).ok() } else { None }
}

/// What `isspace` calls white space in the C locale.
fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t'..='\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_as_strtol_does() {
        for (text, number) in [("5", 5), (" 9", 9), ("+9", 9), ("007", 7), ("\t-3", -3)] {
            assert_eq!(between(text, -10, 10), Some(number), "{text:?}");
        }
        for text in ["", " ", "+", "5 ", "5x", "0x5", "11", "-11", "99999999999999999999", "--5"] {
            assert_eq!(between(text, -10, 10), None, "{text:?}");
        }
    }

    #[test]
    fn reads_the_number_a_text_begins_with() {
        for (text, number) in [("64", 64), ("64x", 64), ("x", 0), ("", 0), (" -5 6", -5)] {
            assert_eq!(leading(text), number, "{text:?}");
        }
    }

    #[test]
    fn reads_addresses_as_inet_aton_does() {
        let good = [
            ("10.0.0.1", [10, 0, 0, 1]),
            ("10.1", [10, 0, 0, 1]),
            ("10.1.258", [10, 1, 1, 2]),
            ("0x0a000001", [10, 0, 0, 1]),
            ("012.0.0.1", [10, 0, 0, 1]),
            ("10.0.0.1 x", [10, 0, 0, 1]),
            ("4294967295", [255, 255, 255, 255]),
            ("0", [0, 0, 0, 0]),
        ];
        for (text, octets) in good {
            assert_eq!(ipv4(text), Some(Ipv4Addr::from(octets)), "{text:?}");
        }
        let bad = ["", " 1.2.3.4", "1.2.3.4.5", "256.0.0.1", "1.2.3.256", "1.2.3.", "08.1", "1.2x"];
        for text in bad {
            assert_eq!(ipv4(text), None, "{text:?}");
        }
    }
}
