//! `web[01:20]` and `web[a:f]`: a host name that stands for many.

use crate::diagnostic::Diagnostic;

/// The most hosts one key may stand for.
const LIMIT: u64 = 65_536;

/// The longest key with a range in it; names of hosts end at 253 letters.
const LONGEST: usize = 255;

/// The names a host key stands for.
pub(super) fn expand(name: &str) -> Result<Vec<String>, Diagnostic> {
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
    let step: u64 = parts.next().map_or(Ok(1), str::parse).map_err(|_| wrong())?;
    if step == 0 || parts.next().is_some() {
        return Err(wrong());
    }
    let middles: Vec<String> = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(from), Ok(to)) if from <= to && (to - from) / step < LIMIT => {
            let width = if first.starts_with('0') { first.len() } else { 0 };
            let count = (to - from) / step;
            (0..=count).map(|index| format!("{:0width$}", from + index * step)).collect()
        }
        _ => match (first.as_bytes(), last.as_bytes()) {
            ([from], [to])
                if from.is_ascii_alphabetic() && to.is_ascii_alphabetic() && from <= to =>
            {
                (*from..=*to)
                    .step_by(step.try_into().map_err(|_| wrong())?)
                    .map(|letter| char::from(letter).to_string())
                    .collect()
            }
            _ => return Err(wrong()),
        },
    };
    let ends = expand(after)?;
    if middles.len().saturating_mul(ends.len()) as u64 > LIMIT {
        return Err(Diagnostic::new(format!("`{name}` stands for more than {LIMIT} hosts")));
    }
    let mut names = Vec::new();
    for end in ends {
        for middle in &middles {
            names.push(format!("{before}{middle}{end}"));
        }
    }
    Ok(names)
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
    }

    #[test]
    fn refuses_what_is_no_range() {
        for name in
            ["web[", "web[1]", "web[3:1]", "web[1:2:0]", "web[1:99999999]", "w[a:10]", "web[:]"]
        {
            assert!(expand(name).is_err(), "{name}");
        }
        let long = format!("web[{}1:9]", "0".repeat(1_000_000));
        for name in ["web[1:9999][1:9999][1:9999]", &long, &"[1:1]".repeat(100_000)] {
            assert!(expand(name).is_err(), "{} letters", name.len());
        }
    }
}
