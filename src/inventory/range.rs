//! `web[01:20]`, `web[a:f]` and `web1:2222`: a host name that stands for many, or has a port.

use std::net::Ipv6Addr;

use crate::diagnostic::Diagnostic;

/// The most hosts one key may stand for.
const LIMIT: u64 = 65_536;

/// The longest key with a range in it; names of hosts end at 253 letters.
const LONGEST: usize = 255;

/// Letters in the order that a range of them has.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The names a host key stands for.
pub(crate) fn expand(name: &str) -> Result<Vec<String>, Diagnostic> {
    let Some((before, rest)) = name.split_once('[') else {
        return Ok(vec![name.to_owned()]);
    };
    let wrong = || {
        Diagnostic::new(format!("`{name}` is not a range of hosts"))
            .hint("write it like `web[01:20]`, or `web[01:20:2]` with a step")
    };
    if name.len() > LONGEST {
        return Err(Diagnostic::new(format!("a range of hosts is longer than {LONGEST} letters")));
    }
    let (range, after) = rest.split_once(']').ok_or_else(wrong)?;
    let mut parts = range.split(':');
    let (Some(first), Some(last)) = (parts.next(), parts.next()) else { return Err(wrong()) };
    let step: usize = parts.next().map_or(Ok(1), str::parse).map_err(|_| wrong())?;
    if step == 0 || parts.next().is_some() {
        return Err(wrong());
    }
    let first = if first.is_empty() { "0" } else { first };
    let middles = match (letter(first), letter(last)) {
        (Some(from), Some(to)) if from <= to => {
            LETTERS[from..=to].chars().step_by(step).map(String::from).collect()
        }
        _ => numbers(first, last, step).ok_or_else(wrong)?,
    };
    let ends = expand(after)?;
    if middles.len().saturating_mul(ends.len()) as u64 > LIMIT {
        return Err(Diagnostic::new(format!("`{name}` stands for more than {LIMIT} hosts")));
    }
    let mut names = Vec::with_capacity(middles.len() * ends.len());
    for middle in &middles {
        names.extend(ends.iter().map(|end| format!("{before}{middle}{end}")));
    }
    Ok(names)
}

fn letter(text: &str) -> Option<usize> {
    (text.len() == 1).then(|| LETTERS.find(text)).flatten()
}

/// Numbers as wide as the first one, when that begins with a zero.
fn numbers(first: &str, last: &str, step: usize) -> Option<Vec<String>> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let padded = first.len() > 1 && first.starts_with('0');
    if !digits(first) || !digits(last) || padded && first.len() != last.len() {
        return None;
    }
    let (from, to): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    let width = if padded { first.len() } else { 0 };
    (from <= to && (to - from) / step as u64 <= LIMIT)
        .then(|| (from..=to).step_by(step).map(|number| format!("{number:0width$}")).collect())
}

/// A name and the port behind it; a word that would be no name without its port has none.
pub(super) fn split_port(word: &str) -> (&str, Option<u64>) {
    let Some((host, port)) = word.rsplit_once(':') else { return (word, None) };
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let Some(port) = port.parse().ok().filter(|_| digits) else { return (word, None) };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if let Some(host) = bracketed.filter(|host| !is_range(host) && is_name(host)) {
        return (host, Some(port));
    }
    match host.parse::<Ipv6Addr>().is_err() && is_name(host) {
        true => (host, Some(port)),
        false => (word, None),
    }
}

/// Whether it is what stands between the brackets of a range.
fn is_range(text: &str) -> bool {
    let mut parts = text.split(':');
    let end = |part: Option<&str>| {
        part.is_some_and(|part| {
            !part.is_empty() && (part.len() == 1 || part.bytes().all(|byte| byte.is_ascii_digit()))
        })
    };
    end(parts.next())
        && end(parts.next())
        && parts.next().is_none_or(|step| end(Some(step)))
        && parts.next().is_none()
}

/// A name of the DNS, with underscores and ranges; or an address.
fn is_name(text: &str) -> bool {
    if text.parse::<Ipv6Addr>().is_ok() {
        return true;
    }
    // A range counts as a letter.
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('[') {
        let Some((inside, behind)) = behind.split_once(']') else { return false };
        if !is_range(inside) {
            return false;
        }
        plain.push_str(before);
        plain.push('0');
        rest = behind;
    }
    plain.push_str(rest);
    plain.split('.').all(|label| {
        label.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_'))
            && !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with(['-', '_'])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_as_ansible_does() {
        assert_eq!(expand("web").expect("one"), ["web"]);
        assert_eq!(expand("web[08:10]").expect("padded"), ["web08", "web09", "web10"]);
        assert_eq!(expand("db-[a:c].lan").expect("letters"), ["db-a.lan", "db-b.lan", "db-c.lan"]);
        assert_eq!(expand("n[1:5:2]").expect("step"), ["n1", "n3", "n5"]);
        assert_eq!(expand("n[:2]").expect("from zero"), ["n0", "n1", "n2"]);
        assert_eq!(expand("n[y:B]").expect("both cases"), ["ny", "nz", "nA", "nB"]);
        assert_eq!(expand("r[1:2]s[a:b]").expect("two"), ["r1sa", "r1sb", "r2sa", "r2sb"]);
    }

    #[test]
    fn refuses_what_is_no_range() {
        for name in [
            "web[",
            "web[1]",
            "web[3:1]",
            "web[1:2:0]",
            "web[1:99999999]",
            "w[a:10]",
            "web[:]",
            "web[01:100]",
        ] {
            assert!(expand(name).is_err(), "{name}");
        }
        let long = format!("web[{}1:9]", "0".repeat(1_000_000));
        for name in ["web[1:9999][1:9999][1:9999]", &long, &"[1:1]".repeat(100_000)] {
            assert!(expand(name).is_err(), "{} letters", name.len());
        }
    }

    #[test]
    fn a_port_stands_behind_a_name_or_an_address() {
        for (word, host, port) in [
            ("web1:2222", "web1", Some(2222)),
            ("10.0.0.1:22", "10.0.0.1", Some(22)),
            ("web[1:3]:22", "web[1:3]", Some(22)),
            ("[2001:db8::1]:22", "2001:db8::1", Some(22)),
            ("2001:db8::1", "2001:db8::1", None),
            ("web[1:3]", "web[1:3]", None),
            ("web-:22", "web-:22", None),
            ("web1:", "web1:", None),
        ] {
            assert_eq!(split_port(word), (host, port), "{word}");
        }
    }
}
