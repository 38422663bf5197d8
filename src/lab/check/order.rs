//! The order in which real servers answered, held against a cycle.

/// Where an order leaves its cycle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Deviation {
    /// Which request, counted from 1.
    pub(super) request: usize,
    /// Who had to answer it.
    pub(super) expected: String,
    /// Who did.
    pub(super) seen: String,
}

/// Follows the cycle through the answers from wherever it fits longest; `None` when it fits to
/// the end. A name may stand in the cycle more than once, as with weights.
pub(super) fn deviation(answers: &[&str], cycle: &[String]) -> Option<Deviation> {
    let wanted = |start: usize, at: usize| {
        cycle.get((start + at) % cycle.len().max(1)).map_or("", String::as_str)
    };
    let fits = |start: usize| {
        answers.iter().enumerate().take_while(|(at, seen)| wanted(start, *at) == **seen).count()
    };
    // The first of the longest, so that the answer does not depend on luck.
    let start = (0..cycle.len()).max_by_key(|start| (fits(*start), cycle.len() - start))?;
    let at = fits(start);
    let seen = answers.get(at)?;
    Some(Deviation {
        request: at + 1,
        expected: wanted(start, at).to_owned(),
        seen: (*seen).to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::from_the_first("a b c a b c a", None)]
    #[case::from_any_other("c a b c", None)]
    #[case::less_than_a_round("b c", None)]
    #[case::nothing("", None)]
    #[case::backwards("a c b", Some((2, "b", "c")))]
    #[case::twice_the_same("a b c c a", Some((4, "a", "c")))]
    #[case::one_missing("a b a b", Some((3, "c", "a")))]
    #[case::one_too_many("a b c d", Some((4, "a", "d")))]
    #[case::only_one("b b b", Some((2, "c", "b")))]
    #[case::nobody_known("x y", Some((1, "a", "x")))]
    fn holds_answers_against_a_cycle(
        #[case] answers: &str,
        #[case] expected: Option<(usize, &str, &str)>,
    ) {
        let answers: Vec<&str> = answers.split_whitespace().collect();
        let found = deviation(&answers, &["a".into(), "b".into(), "c".into()]);
        let found = found.as_ref().map(|d| (d.request, d.expected.as_str(), d.seen.as_str()));
        assert_eq!(found, expected);
    }

    #[test]
    fn follows_a_cycle_in_which_a_name_stands_twice() {
        let cycle: Vec<String> = ["a", "a", "b", "a", "b", "c"].map(String::from).to_vec();
        assert_eq!(deviation(&["b", "c", "a", "a", "b", "a", "b"], &cycle), None);
        assert_eq!(deviation(&["a", "a", "a"], &cycle).map(|d| d.request), Some(3));
    }
}
