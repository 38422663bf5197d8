//! Reads and edits the text of a `sysctl.conf`; every other line stays as it is.

use super::key::Key;
use super::normalize;

/// The value that `text` gives `key`; the last line that names it counts.
pub(super) fn value(text: &str, key: &Key) -> Option<String> {
    text.lines().rev().find_map(|line| assignment(line, key))
}

/// `text` with one line for `key`, where its last one was; or with none.
pub(super) fn with(text: &str, key: &Key, value: Option<&str>) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let place = lines.iter().rposition(|line| assignment(line, key).is_some());
    let line = value.map(|value| format!("{key}={value}"));
    if let (Some(place), Some(line)) = (place, &line) {
        lines[place] = line;
    }
    let mut kept: Vec<&str> = lines
        .iter()
        .enumerate()
        .filter(|(at, line)| {
            assignment(line, key).is_none() || (Some(*at) == place && value.is_some())
        })
        .map(|(_, line)| *line)
        .collect();
    if let (None, Some(line)) = (place, &line) {
        kept.push(line);
    }
    kept.iter().flat_map(|line| [line, "\n"]).collect()
}

/// The value, if the line sets `key`.
fn assignment(line: &str, key: &Key) -> Option<String> {
    let line = line.trim();
    if line.starts_with(['#', ';']) {
        return None;
    }
    let (name, value) = line.split_once('=')?;
    // A minus in front says that a failure is to be ignored at boot.
    let name = name.trim().trim_start_matches('-');
    Key::parse(name).is_ok_and(|parsed| parsed == *key).then(|| normalize(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_one_line_and_keeps_the_others() {
        let key = Key::parse("net.ipv4.ip_forward").unwrap();
        let cases = [
            ("", Some("1"), "net.ipv4.ip_forward=1\n"),
            ("# a\n\nx.y=2", Some("1"), "# a\n\nx.y=2\nnet.ipv4.ip_forward=1\n"),
            (
                "net/ipv4/ip_forward = 0\n#net.ipv4.ip_forward=1\n",
                Some("1"),
                "net.ipv4.ip_forward=1\n#net.ipv4.ip_forward=1\n",
            ),
            (
                "net.ipv4.ip_forward=0\nx.y=1\n-net.ipv4.ip_forward=2\n",
                Some("1"),
                "x.y=1\nnet.ipv4.ip_forward=1\n",
            ),
            ("a.b=1\nnet.ipv4.ip_forward=0\n", None, "a.b=1\n"),
        ];
        for (before, value, after) in cases {
            let text = with(before, &key, value);
            assert_eq!(text, after);
            assert_eq!(super::value(&text, &key).as_deref(), value);
        }
    }

    #[test]
    fn lets_the_last_line_count() {
        let key = Key::parse("a.b").unwrap();
        assert_eq!(value("a.b=1\na.b = 2\n;a.b=3\n", &key).as_deref(), Some("2"));
    }
}
