//! The little of DNS that a check needs: a question in a datagram, and what the answer says.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use schemars::JsonSchema;
use serde::Deserialize;

/// A question, such as `{name: www.example, type: A}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    /// The name that is asked for.
    pub(super) name: String,
    /// What of it: `A` unless written.
    #[serde(default, rename = "type")]
    pub(super) kind: Record,
}

/// What can be asked for, and read in an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(super) enum Record {
    /// IPv4 addresses.
    #[default]
    A,
    /// IPv6 addresses.
    #[serde(rename = "AAAA")]
    Aaaa,
    /// Texts.
    #[serde(rename = "TXT")]
    Txt,
}

impl Record {
    fn number(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Aaaa => 28,
            Self::Txt => 16,
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Record::A => "A",
            Record::Aaaa => "AAAA",
            Record::Txt => "TXT",
        };
        write!(f, "{kind} of {}", self.name)
    }
}

/// Every question has the same number: each goes from a port of its own.
const NUMBER: [u8; 2] = [0x4c, 0x56];
/// The header's length.
const HEADER: usize = 12;
/// As many labels as any name can have; pointers that go round end there.
const LABELS: usize = 128;

impl Question {
    /// The message; an error when the name is none.
    pub(super) fn message(&self) -> Result<Vec<u8>, String> {
        // One question, recursion desired.
        let mut message = [&NUMBER[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
        for label in self.name.trim_end_matches('.').split('.') {
            match u8::try_from(label.len()) {
                Ok(length @ 1..=63) => message.push(length),
                _ => return Err(format!("`{}` is not a name that DNS knows", self.name)),
            }
            message.extend_from_slice(label.as_bytes());
        }
        message.push(0);
        message.extend_from_slice(&self.kind.number().to_be_bytes());
        // The class: the Internet.
        message.extend_from_slice(&[0, 1]);
        Ok(message)
    }

    /// What an answer says to it: addresses or texts, or why it says nothing.
    pub(super) fn answers(&self, message: &[u8]) -> Result<Vec<String>, String> {
        if message.get(..2) != Some(&NUMBER) || message.get(2).is_none_or(|flags| flags & 0x80 == 0)
        {
            return Err("the answer is not one of DNS".into());
        }
        match message.get(3).map_or(0, |flags| flags & 0x0f) {
            0 => {}
            3 => return Err(format!("there is no such name as `{}`", self.name)),
            code => return Err(format!("the answer is an error of DNS, number {code}")),
        }
        self.records(message).ok_or_else(|| "the answer is cut short".into())
    }

    fn records(&self, message: &[u8]) -> Option<Vec<String>> {
        let two = |at: usize| Some(u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?));
        let (questions, answers) = (two(4)?, two(6)?);
        let mut at = HEADER;
        for _ in 0..questions {
            at = after_name(message, at)? + 4;
        }
        let mut found = Vec::new();
        for _ in 0..answers {
            at = after_name(message, at)?;
            let (kind, length) = (two(at)?, usize::from(two(at + 8)?));
            let data = message.get(at + 10..at + 10 + length)?;
            at += 10 + length;
            if kind == self.kind.number() {
                found.push(self.text(data)?);
            }
        }
        Some(found)
    }

    fn text(&self, data: &[u8]) -> Option<String> {
        Some(match self.kind {
            Record::A => Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?).to_string(),
            Record::Aaaa => Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?).to_string(),
            Record::Txt => {
                let length = usize::from(*data.first()?);
                String::from_utf8_lossy(data.get(1..=length)?).into_owned()
            }
        })
    }
}

/// Where a name ends that begins there.
fn after_name(message: &[u8], mut at: usize) -> Option<usize> {
    for _ in 0..LABELS {
        match *message.get(at)? {
            0 => return Some(at + 1),
            // A pointer to the rest of the name, which ends it here.
            length if length & 0xc0 == 0xc0 => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(kind: Record) -> Question {
        Question { name: "www.example".into(), kind }
    }

    /// The question's own message, made an answer with one record that points back to its name.
    fn answer(kind: Record, data: &[u8]) -> Vec<u8> {
        let mut message = question(kind).message().expect("a name");
        message[2] |= 0x80;
        message[7] = 1;
        message.extend([0xc0, 12]);
        message.extend(kind.number().to_be_bytes());
        message.extend([0, 1, 0, 0, 0, 60, 0, u8::try_from(data.len()).expect("short")]);
        message.extend(data);
        message
    }

    #[test]
    fn asks_in_the_bytes_that_dig_sends() {
        let mut expected = vec![0x4c, 0x56, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        expected.extend(b"\x03www\x07example\x00\x00\x01\x00\x01");
        assert_eq!(question(Record::A).message(), Ok(expected));
        let bad = Question { name: "a..b".into(), kind: Record::A };
        assert!(bad.message().expect_err("an empty label").contains("`a..b`"));
    }

    #[test]
    fn reads_addresses_and_texts() {
        let read = |kind, data: &[u8]| question(kind).answers(&answer(kind, data));
        assert_eq!(read(Record::A, &[10, 0, 0, 2]), Ok(vec!["10.0.0.2".into()]));
        assert_eq!(read(Record::Txt, b"\x03rs1"), Ok(vec!["rs1".into()]));
        let six: Ipv6Addr = "fd00::1".parse().expect("literal");
        assert_eq!(read(Record::Aaaa, &six.octets()), Ok(vec!["fd00::1".into()]));
        // What was not asked for is passed over.
        assert_eq!(question(Record::Txt).answers(&answer(Record::A, &[10, 0, 0, 2])), Ok(vec![]));
    }

    #[test]
    fn says_what_is_wrong_and_never_panics() {
        let whole = answer(Record::A, &[10, 0, 0, 2]);
        for length in 0..whole.len() {
            assert!(question(Record::A).answers(&whole[..length]).is_err(), "cut at {length}");
        }
        let mut missing = whole.clone();
        missing[3] |= 3;
        let error = question(Record::A).answers(&missing).expect_err("no such name");
        assert_eq!(error, "there is no such name as `www.example`");
        let mut own = whole;
        own[2] = 1;
        assert!(question(Record::A).answers(&own).is_err(), "a question is no answer");
    }
}
