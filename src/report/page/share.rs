//! Which real server took how much.

use crate::lab::check::CheckReport;
use crate::lab::probe::{Answer, Answers, Response};

/// What one real server took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Share {
    /// Nobody, where there was no answer.
    pub(super) name: Option<String>,
    pub(super) count: usize,
}

/// By name; nothing where a check is about something else, or servers do not say who they are.
pub(super) fn of(check: &CheckReport) -> Vec<Share> {
    let seen = check.evidence.get("seen").cloned();
    let answers: Option<Answers> = seen.and_then(|seen| serde_json::from_value(seen).ok());
    let answers = answers.map(|answers| answers.requests).unwrap_or_default();
    let who = |answer: &Answer| {
        let response = answer.response();
        response.map(|response: &Response| response.real_server().map(str::to_owned))
    };
    let mut shares: Vec<Share> = Vec::new();
    for answer in &answers {
        let name = match who(answer) {
            Some(None) => continue,
            Some(named) => named,
            None => None,
        };
        match shares.iter_mut().find(|share| share.name == name) {
            Some(share) => share.count += 1,
            None => shares.push(Share { name, count: 1 }),
        }
    }
    if shares.iter().all(|share| share.name.is_none()) {
        return Vec::new();
    }
    shares.sort_by(|one, other| {
        (one.name.is_none(), &one.name).cmp(&(other.name.is_none(), &other.name))
    });
    shares
}
