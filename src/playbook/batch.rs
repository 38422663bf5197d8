//! How many hosts of a play are done at a time, and how they keep step: `serial` and
//! `strategy`, with Ansible's meaning.

use crate::diagnostic::Diagnostic;
use crate::yaml::{Kind, Node};

/// How the hosts of a batch keep step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Strategy {
    /// Each task on all hosts before the next.
    #[default]
    Linear,
    /// No host waits for another; a worker that drives several gives each a turn.
    Free,
    /// No host waits for another; a worker drives one to its end before it takes the next.
    HostPinned,
}

impl Strategy {
    pub(super) fn decode(node: &Node) -> Result<Self, Diagnostic> {
        let name = node.decode::<String>()?;
        let own = name.strip_prefix("ansible.builtin.").unwrap_or(&name);
        match own {
            "linear" => Ok(Self::Linear),
            "free" => Ok(Self::Free),
            "host_pinned" => Ok(Self::HostPinned),
            other => Err(Diagnostic::new(format!("there is no strategy `{other}`"))
                .at(&node.span)
                .did_you_mean(other, ["linear", "free", "host_pinned"])),
        }
    }
}

/// One entry of `serial`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Size {
    /// All that are left.
    All,
    /// So many hosts, at least one.
    Count(usize),
    /// So many of a hundred of the play's hosts, rounded down, but at least one.
    Percent(f64),
}

impl Size {
    /// Reads a number, `30%` or `30`; nothing and less than one mean all, as in Ansible.
    pub fn decode(node: &Node) -> Result<Self, Diagnostic> {
        let wrong = || {
            node.expected("a number of hosts or a percentage")
                .hint("write `serial: 2`, `serial: \"30%\"`, or a list like `[1, \"50%\"]`")
        };
        let percent = match &node.kind {
            Kind::String(text) => text.trim().strip_suffix('%'),
            _ => None,
        };
        if let Some(number) = percent {
            let percent: f64 = number.trim().parse().map_err(|_| wrong())?;
            let fits = percent.is_finite() && (0.0..=100.0).contains(&percent);
            return if fits { Ok(Self::Percent(percent)) } else { Err(wrong()) };
        }
        let count = node.decode::<i64>().map_err(|_| wrong())?;
        Ok(usize::try_from(count).ok().filter(|count| *count > 0).map_or(Self::All, Self::Count))
    }

    fn of(self, hosts: usize) -> usize {
        match self {
            Self::All => hosts,
            Self::Count(count) => count,
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a part of a small number of hosts"
            )]
            Self::Percent(percent) => ((hosts as f64) * percent / 100.0) as usize,
        }
        .max(1)
    }

    /// Parts hosts into batches; the last size holds for all that follow.
    #[must_use]
    pub fn batches<T: Clone>(sizes: &[Self], hosts: &[T]) -> Vec<Vec<T>> {
        let mut sizes = sizes.iter().copied();
        let mut size = Self::All;
        let (mut rest, mut batches) = (hosts, Vec::new());
        while !rest.is_empty() {
            size = sizes.next().unwrap_or(size);
            let (batch, after) = rest.split_at(size.of(hosts.len()).min(rest.len()));
            batches.push(batch.to_vec());
            rest = after;
        }
        batches
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::diagnostic::Span;

    fn size(value: &Value) -> Result<Size, Diagnostic> {
        Size::decode(&Node::from_json(value, &Span::nowhere()))
    }

    #[rstest]
    #[case::none(&json!([]), 5, &[5])]
    #[case::number(&json!([2]), 5, &[2, 2, 1])]
    #[case::text(&json!(["2"]), 4, &[2, 2])]
    #[case::zero_is_all(&json!([0]), 3, &[3])]
    #[case::percent_rounds_down(&json!(["30%"]), 10, &[3, 3, 3, 1])]
    #[case::percent_is_never_nobody(&json!(["1%"]), 3, &[1, 1, 1])]
    #[case::half(&json!(["50%"]), 3, &[1, 1, 1])]
    #[case::list_whose_last_stays(&json!([1, 2, "40%"]), 10, &[1, 2, 4, 3])]
    #[case::more_than_there_are(&json!([1, 100]), 3, &[1, 2])]
    #[case::nobody(&json!([3]), 0, &[])]
    fn parts_hosts(#[case] serial: &Value, #[case] hosts: usize, #[case] expected: &[usize]) {
        let sizes: Vec<Size> =
            serial.as_array().unwrap().iter().map(|one| size(one).unwrap()).collect();
        let hosts: Vec<usize> = (0..hosts).collect();
        let batches = Size::batches(&sizes, &hosts);
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), expected);
        assert_eq!(batches.concat(), hosts);
    }

    #[rstest]
    #[case(&json!("many"))]
    #[case(&json!("x%"))]
    #[case(&json!("150%"))]
    #[case(&json!("-1%"))]
    #[case(&json!(1.5))]
    #[case(&json!({}))]
    fn refuses_what_is_no_size(#[case] value: &Value) {
        assert!(size(value).unwrap_err().hint.is_some());
    }
}
