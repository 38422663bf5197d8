//! The order in which real servers answered: in turn, or in a cycle that is written down.

/// Where an order goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Deviation {
    /// Which request, counted from 1.
    pub(super) request: usize,
    /// Who had to answer it; nobody in particular in the first round.
    pub(super) expected: Option<String>,
    /// Who did.
    pub(super) seen: String,
}

impl Deviation {
    fn at(index: usize, expected: Option<&str>, seen: &str) -> Self {
        let expected = expected.map(str::to_owned);
        Self { request: index + 1, expected, seen: seen.to_owned() }
    }
}

/// Holds answers against strict round robin: the first round serves each member once, and
/// every further round repeats it. Which member comes after which is not asked: the kernel
/// goes round in an order of its own, the destination added last coming first, and adding one
/// again moves it.
pub(super) fn in_turn(answers: &[&str], members: &[String]) -> Option<Deviation> {
    answers.iter().enumerate().find_map(|(at, seen)| {
        let before = at.checked_sub(members.len()).and_then(|before| answers.get(before));
        let first_round = answers.get(..at).unwrap_or_default();
        let fits = match before {
            Some(before) => before == seen,
            None => members.iter().any(|one| one == seen) && !first_round.contains(seen),
        };
        (!fits).then(|| Deviation::at(at, before.copied(), seen))
    })
}

/// Holds answers against a cycle, from wherever in it they fit longest. A name may stand in it
/// more than once, as with weights.
pub(super) fn in_cycle(answers: &[&str], cycle: &[String]) -> Option<Deviation> {
    let wanted = |start: usize, at: usize| {
        cycle.get((start + at) % cycle.len().max(1)).map_or("", String::as_str)
    };
    let fits = |start: usize| {
        answers.iter().enumerate().take_while(|(at, seen)| wanted(start, *at) == **seen).count()
    };
    // The first of the longest, so that the answer does not depend on luck.
    let start = (0..cycle.len()).max_by_key(|start| (fits(*start), cycle.len() - start))?;
    let at = fits(start);
    answers.get(at).map(|seen| Deviation::at(at, Some(wanted(start, at)), seen))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    type Found<'a> = Option<(usize, Option<&'a str>, &'a str)>;

    fn found(deviation: Option<&Deviation>) -> Found<'_> {
        deviation.map(|d| (d.request, d.expected.as_deref(), d.seen.as_str()))
    }

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[rstest]
    #[case::from_the_first("a b c a b c a", None)]
    #[case::from_any_other("c a b c", None)]
    #[case::as_the_kernel_does("c b a c b a", None)]
    #[case::less_than_a_round("b c", None)]
    #[case::nothing("", None)]
    #[case::another_order_in_the_second_round("a b c b a c", Some((4, Some("a"), "b")))]
    #[case::twice_the_same("a b c c a", Some((4, Some("a"), "c")))]
    #[case::one_missing("a b a b", Some((3, None, "a")))]
    #[case::a_stranger("a b c d", Some((4, Some("a"), "d")))]
    #[case::a_stranger_at_first("a x", Some((2, None, "x")))]
    #[case::only_one("b b b", Some((2, None, "b")))]
    fn holds_answers_against_round_robin(#[case] answers: &str, #[case] expected: Found<'_>) {
        let answers: Vec<&str> = answers.split_whitespace().collect();
        assert_eq!(found(in_turn(&answers, &names("a b c")).as_ref()), expected);
    }

    #[rstest]
    #[case::from_the_first("a b c", "a b c a b", None)]
    #[case::from_any_other("a b c", "c a b c", None)]
    #[case::backwards("a b c", "a c b", Some((2, Some("b"), "c")))]
    #[case::nobody_known("a b c", "x", Some((1, Some("a"), "x")))]
    #[case::weights("a a b a b c a b c", "b c a a b a b c a b", None)]
    #[case::weights_not_kept("a a b", "a a a", Some((3, Some("b"), "a")))]
    fn holds_answers_against_a_cycle(
        #[case] cycle: &str,
        #[case] answers: &str,
        #[case] expected: Found<'_>,
    ) {
        let answers: Vec<&str> = answers.split_whitespace().collect();
        assert_eq!(found(in_cycle(&answers, &names(cycle)).as_ref()), expected);
    }
}
