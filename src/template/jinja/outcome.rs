//! What a rendering wrote, as values. A scalar whose only output is one expression keeps that
//! expression's type, though Tera knows texts only.

use std::cell::RefCell;

use tera::Value;

#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// How many expressions wrote something.
    count: usize,
    /// The first of them, and its text.
    first: Option<(Value, String)>,
}

thread_local! {
    static OUTCOME: RefCell<Option<Outcome>> = const { RefCell::new(None) };
}

/// Begins to note what is written, if `typed`; gives the notes of the rendering around this one.
pub(super) fn begin(typed: bool) -> Option<Outcome> {
    OUTCOME.replace(typed.then(Outcome::default))
}

/// Ends it, and goes back to the rendering around this one.
pub(super) fn end(around: Option<Outcome>) -> Option<Outcome> {
    OUTCOME.replace(around)
}

/// Notes what an expression wrote.
pub(super) fn wrote(value: &Value, shown: &str) {
    OUTCOME.with_borrow_mut(|outcome| {
        let Some(outcome) = outcome else { return };
        outcome.count += 1;
        if outcome.count == 1 {
            outcome.first = Some((value.clone(), shown.to_owned()));
        }
    });
}

impl Outcome {
    /// The value, when it alone makes up `text`; none when nothing was written at all.
    pub(super) fn alone(self, text: &str) -> Option<Value> {
        if self.count == 0 && text.is_empty() {
            return Some(Value::none());
        }
        self.first.filter(|(_, shown)| self.count == 1 && shown == text).map(|(value, _)| value)
    }
}
