//! Text in lines of a width.

/// The text in lines no wider than `width` where its words allow that, each behind so many spaces.
/// An empty line parts paragraphs, and so does a line that begins an item of a list.
pub(super) fn wrapped(text: &str, indent: usize, width: usize) -> String {
    let mut paragraphs: Vec<String> = vec![String::new()];
    for line in text.lines().map(str::trim) {
        let item = line.starts_with("- ") || line.starts_with("* ");
        if line.is_empty() {
            paragraphs.extend([String::new(), String::new()]);
        } else if item {
            paragraphs.push(line.to_owned());
        } else if let Some(last) = paragraphs.last_mut() {
            *last = format!("{last} {line}").trim_start().to_owned();
        }
    }
    let lines = paragraphs.iter().flat_map(|paragraph| lines(paragraph, indent, width));
    lines.collect::<Vec<_>>().join("\n")
}

fn lines(paragraph: &str, indent: usize, width: usize) -> Vec<String> {
    let hanging = if paragraph.starts_with("- ") { indent + 2 } else { indent };
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in paragraph.split_whitespace() {
        let there = line.chars().count();
        if there > 0 && there + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        }
        if line.is_empty() {
            line = " ".repeat(if lines.is_empty() { indent } else { hanging });
        } else {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_paragraphs_and_lists() {
        let text = "One two three\nfour five.\n\nSix:\n- seven eight nine\n- ten";
        insta::assert_snapshot!(wrapped(text, 2, 14), @r"
          One two
          three four
          five.

          Six:
          - seven
            eight nine
          - ten
        ");
    }
}
