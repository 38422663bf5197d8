//! Patterns of a shell: `*`, `?`, `[abc]` and `[!abc]`.

/// Whether a name is what the pattern says, as a whole.
pub(crate) fn glob(pattern: &str, name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let mut rest = pattern;
    let mut at = 0;
    // Where the last `*` stood, and how much of the name it takes: no earlier one is ever
    // needed again.
    let mut star: Option<(&str, usize)> = None;
    loop {
        let step = match rest.chars().next() {
            None if at == name.len() => return true,
            None => None,
            Some('*') => {
                rest = &rest[1..];
                star = Some((rest, at));
                continue;
            }
            Some(_) if at == name.len() => return false,
            Some(_) => one(rest, name[at]),
        };
        match (step, star) {
            (Some(behind), _) => {
                rest = behind;
                at += 1;
            }
            (None, Some((behind, from))) if from < name.len() => {
                star = Some((behind, from + 1));
                (rest, at) = (behind, from + 1);
            }
            (None, _) => return false,
        }
    }
}

/// The pattern behind what stands for this letter, when it does.
fn one(pattern: &str, letter: char) -> Option<&str> {
    let mut chars = pattern.chars();
    match chars.next()? {
        '?' => Some(chars.as_str()),
        '[' => match class(chars.as_str()) {
            Some((set, behind)) => contains(set, letter).then_some(behind),
            None => (letter == '[').then_some(chars.as_str()),
        },
        c => (c == letter).then_some(chars.as_str()),
    }
}

/// What is in the brackets, and what is behind them; a `]` in front is a letter of the set.
fn class(text: &str) -> Option<(&str, &str)> {
    let negated = usize::from(text.starts_with('!'));
    let first = text.get(negated..)?.chars().next()?.len_utf8() + negated;
    let end = text.get(first..)?.find(']')? + first;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

fn contains(set: &str, letter: char) -> bool {
    let (negated, set) = match set.strip_prefix('!') {
        Some(set) => (true, set),
        None => (false, set),
    };
    let set: Vec<char> = set.chars().collect();
    let mut at = 0;
    let mut found = false;
    while at < set.len() {
        if at + 2 < set.len() && set[at + 1] == '-' {
            found |= (set[at]..=set[at + 2]).contains(&letter);
            at += 3;
        } else {
            found |= set[at] == letter;
            at += 1;
        }
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn stars_stand_for_any_letters_and_take_no_time() {
        for (pattern, name) in [
            ("*", ""),
            ("r*1", "rs1"),
            ("*s*", "rs1"),
            ("a*b*b", "abcbb"),
            ("**", "x"),
            ("é*", "éa"),
            ("rs?", "rs1"),
            ("rs[12]", "rs2"),
            ("rs[!1]", "rs2"),
            ("rs[0-9]*", "rs12"),
            ("[]]", "]"),
            ("a[", "a["),
        ] {
            assert!(glob(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("a*a", "a"),
            ("*b*a", "ab"),
            ("r*2", "rs1"),
            ("a*b*c", "acb"),
            ("x*", ""),
            ("rs?", "rs"),
            ("rs[12]", "rs3"),
            ("rs[!1]", "rs1"),
        ] {
            assert!(!glob(pattern, name), "{pattern} {name}");
        }
        assert!(!glob(&"*a".repeat(500), &format!("{}b", "a".repeat(5000))));
    }
}
