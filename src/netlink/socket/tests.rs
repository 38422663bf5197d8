//! A real kernel, which answers everyone about its families; and one that misbehaves.

use std::cell::RefCell;
use std::collections::VecDeque;

use netlink_sys::protocols::NETLINK_GENERIC;

use super::super::wire::{Attributes, Writer};
use super::batch::{BATCH, DATAGRAM};
use super::replay::replay;
use super::*;

// The controller of generic netlink answers everyone, so these tests need no privileges.
const CONTROLLER: u16 = 16;

fn family(name: &str) -> Vec<u8> {
    let mut body = Writer(vec![3, 1, 0, 0]);
    body.text(2, name);
    body.0
}

fn batches(kind: u16, bodies: impl IntoIterator<Item = Vec<u8>>) -> impl Iterator<Item = Batch> {
    Batches::new(kind, bodies, |body, out| out.0.extend(body))
}

fn name(body: &[u8]) -> Result<String, Malformed> {
    Attributes(body.get(4..).unwrap_or_default())
        .filter_map(Result::ok)
        .find(|attribute| attribute.kind == 2)
        .ok_or(Malformed("a family without a name"))?
        .text()
        .map(String::from)
}

#[test]
fn asks_for_one_and_for_all() {
    let mut socket = Socket::open(NETLINK_GENERIC).unwrap();
    let body = family("nlctrl");
    let request = Request { kind: CONTROLLER, body: &body };
    assert_eq!(socket.get(request, name).unwrap().as_deref(), Some("nlctrl"));
    let all = Request { kind: CONTROLLER, body: &[3, 1, 0, 0] };
    let names = socket.dump(all, name).unwrap();
    assert!(names.contains(&"nlctrl".to_string()), "{names:?}");
}

#[test]
fn tells_the_kernels_refusal() {
    let mut socket = Socket::open(NETLINK_GENERIC).unwrap();
    let body = family("no-such");
    let request = Request { kind: CONTROLLER, body: &body };
    let refused = socket.get(request, name);
    assert!(matches!(refused, Err(Error::Kernel(Errno::ENOENT))), "{refused:?}");
}

#[test]
fn reads_on_after_an_answer_it_cannot_decode() {
    let mut socket = Socket::open(NETLINK_GENERIC).unwrap();
    let all = Request { kind: CONTROLLER, body: &[3, 1, 0, 0] };
    let odd = socket.dump(all, |_| Err::<(), _>(Malformed("odd")));
    assert!(matches!(odd, Err(Error::Malformed(Malformed("odd")))), "{odd:?}");
    assert!(!socket.dump(all, name).unwrap().is_empty());
}

#[test]
fn finds_the_refused_ones_among_several_datagrams() {
    let mut socket = Socket::open(NETLINK_GENERIC).unwrap();
    let (good, bad) = (family("nlctrl"), family("no-such"));
    for count in [0, 1, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH] {
        let is_bad = |index: usize| index % 7 == 3 || index + 1 == count;
        let body = |index| if is_bad(index) { bad.clone() } else { good.clone() };
        let expected: Vec<(usize, Errno)> =
            (0..count).filter(|index| is_bad(*index)).map(|i| (i, Errno::ENOENT)).collect();
        assert_eq!(
            socket.change_all(batches(CONTROLLER, (0..count).map(body))).unwrap(),
            expected,
            "{count}"
        );
    }
}

#[test]
fn sends_at_least_one_request_however_large() {
    let (small, large) = (vec![0; 100], vec![0; 2 * DATAGRAM]);
    let bodies = [&large, &small, &large, &large].map(Vec::clone);
    let counts = batches(CONTROLLER, bodies).map(|batch| (batch.begins_at, batch.count));
    assert_eq!(counts.collect::<Vec<_>>(), [(0, 1), (1, 1), (2, 1), (3, 1)]);
    let many = vec![small; 2 * BATCH + 1];
    let counts = batches(CONTROLLER, many).map(|batch| (batch.begins_at, batch.count));
    assert_eq!(counts.collect::<Vec<_>>(), [(0, BATCH), (BATCH, BATCH), (2 * BATCH, 1)]);
    assert_eq!(batches(CONTROLLER, []).count(), 0);
}

#[test]
fn asks_for_one_acknowledgement_and_numbers_every_request() {
    // The second one is longer than three quarters of a datagram, and not aligned.
    let bodies = [vec![1; 5], vec![2; DATAGRAM * 3 / 4 + 1], vec![3; DATAGRAM / 4], vec![4; 1]];
    let mut found = Vec::new();
    for mut batch in batches(CONTROLLER, bodies.clone()) {
        batch.number_from(u32::MAX);
        assert_eq!(batch.datagram.len() % 4, 0);
        found.extend(Messages(&batch.datagram).map(|message| {
            let Message { kind, flags, sequence, body } = message.unwrap();
            assert_eq!(kind, CONTROLLER);
            (flags, sequence, body.to_vec())
        }));
    }
    let [one, two, three, four] = bodies;
    let acknowledged = NLM_F_REQUEST | NLM_F_ACK;
    assert_eq!(
        found,
        [
            (NLM_F_REQUEST, u32::MAX, one),
            (acknowledged, 0, two),
            (NLM_F_REQUEST, u32::MAX, three),
            (acknowledged, 0, four),
        ]
    );
}

#[test]
fn takes_an_acknowledgement_apart() {
    let reply = |kind, body| Message { kind, flags: 0, sequence: 1, body };
    assert_eq!(error_of(&reply(NLMSG_ERROR, &[0; 4])), Ok(None));
    let eperm = (-1i32).to_ne_bytes();
    assert_eq!(error_of(&reply(NLMSG_ERROR, &eperm)), Ok(Some(Errno::EPERM)));
    assert!(error_of(&reply(NLMSG_ERROR, &[0; 3])).is_err());
    assert_eq!(error_of(&reply(NLMSG_DONE, &[])), Ok(None));
    let least = i32::MIN.to_ne_bytes();
    assert_eq!(error_of(&reply(NLMSG_ERROR, &least)), Ok(Some(Errno::UnknownErrno)));
}

/// A datagram and the port of its sender, or a failure.
type Answer = io::Result<(Vec<u8>, u32)>;

/// Answers from a script, whatever it is asked.
struct Script(RefCell<VecDeque<Answer>>);

impl Wire for Script {
    fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        Ok(datagram.len())
    }

    fn receive(&self, buffer: &mut Vec<u8>) -> io::Result<(usize, u32)> {
        let next = self.0.borrow_mut().pop_front();
        let (datagram, sender) = next.expect("the script ends after the last answer")?;
        let room = buffer.capacity() - buffer.len();
        buffer.extend(datagram.iter().take(room));
        Ok((datagram.len(), sender))
    }
}

fn scripted(answers: impl IntoIterator<Item = Answer>) -> Socket<Script> {
    let script = Script(RefCell::new(answers.into_iter().collect()));
    Socket { wire: script, sequence: 0, buffer: Vec::with_capacity(256) }
}

fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    let length = (HEADER_LENGTH + body.len()) as u32;
    put_header(&mut datagram, length, kind, flags, sequence);
    datagram.extend(body);
    datagram.resize(align(datagram.len()), 0);
    datagram
}

/// An item and the end of a dump, in one datagram of the kernel.
fn dump(flags: u16, sequence: u32, item: u8) -> Answer {
    let item = message(32, flags, sequence, &[item]);
    Ok(([item, message(NLMSG_DONE, flags, sequence, &[0; 4])].concat(), 0))
}

fn first_byte(body: &[u8]) -> Result<u8, Malformed> {
    body.first().copied().ok_or(Malformed("nothing"))
}

const ASK: Request<'static> = Request { kind: 32, body: &[4, 1, 0, 0] };

#[test]
fn asks_again_when_a_dump_was_interrupted() {
    let mut socket = scripted([dump(NLM_F_DUMP_INTR, 1, 1), dump(0, 2, 2)]);
    assert_eq!(socket.dump(ASK, first_byte).unwrap(), [2]);
}

#[test]
fn gives_up_on_what_never_stands_still() {
    let mut socket = scripted((1..100).map(|sequence| dump(NLM_F_DUMP_INTR, sequence, 1)));
    let unsteady = socket.dump(ASK, first_byte);
    assert!(matches!(unsteady, Err(Error::Unsteady)), "{unsteady:?}");
}

#[test]
fn asks_again_when_replies_were_lost() {
    let overrun = || Err(io::Error::from_raw_os_error(Errno::ENOBUFS as i32));
    let mut socket = scripted([overrun(), dump(0, 2, 7)]);
    assert_eq!(socket.dump(ASK, first_byte).unwrap(), [7]);
    // Whether a change was made is unknown then: it is not asked for again.
    let mut socket = scripted([overrun()]);
    assert!(matches!(socket.change(ASK), Err(Error::Overrun)));
}

#[test]
fn makes_room_for_a_long_reply_and_asks_again() {
    let long = |sequence| {
        let item = message(32, 0, sequence, &[9; 1000]);
        Ok(([item, message(NLMSG_DONE, 0, sequence, &[0; 4])].concat(), 0))
    };
    let mut socket = scripted([long(1), long(2)]);
    assert_eq!(socket.dump(ASK, first_byte).unwrap(), [9]);
}

#[test]
fn listens_to_nobody_but_the_kernel_and_to_no_older_answer() {
    let forged = Ok((message(32, 0, 1, &[66]), 4242));
    let stale = Ok((message(NLMSG_ERROR, 0, 77, &(-1i32).to_ne_bytes()), 0));
    let mut socket = scripted([forged, stale, dump(0, 1, 5)]);
    assert_eq!(socket.dump(ASK, first_byte).unwrap(), [5]);
}

#[test]
fn refuses_datagrams_that_are_cut_short() {
    let whole = dump(0, 1, 5).unwrap().0;
    // Up to byte 20 the first message is whole, and nothing says that more should come.
    for end in (1..whole.len()).filter(|end| !(17..=20).contains(end)) {
        let mut socket = scripted([Ok((whole[..end].to_vec(), 0))]);
        let cut = socket.dump(ASK, first_byte);
        assert!(matches!(cut, Err(Error::Malformed(_))), "{end}: {cut:?}");
    }
}

#[test]
fn retries_a_call_that_a_signal_interrupted() {
    let signal = Err(io::Error::from_raw_os_error(Errno::EINTR as i32));
    let mut socket = scripted([signal, dump(0, 1, 3)]);
    assert_eq!(socket.dump(ASK, first_byte).unwrap(), [3]);
}

#[test]
fn survives_answers_that_are_cut_overwritten_or_out_of_order() {
    let mut seed = 1u64;
    let mut below = |end: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize % end
    };
    for _ in 0..20_000 {
        let mut answers: Vec<Vec<u8>> = (1..=3u32)
            .map(|sequence| dump(0, sequence, 7).expect("bytes").0)
            .chain([message(NLMSG_ERROR, 0, 1, &(-1i32).to_ne_bytes())])
            .collect();
        for _ in 0..1 + below(4) {
            let at = below(answers.len());
            let length = answers[at].len().max(1);
            match below(5) {
                0 => answers[at].truncate(below(length)),
                1 => answers.swap(at, 0),
                2 => {
                    let again = answers[at].clone();
                    answers[at].extend(again);
                }
                _ => {
                    if let Some(byte) = answers[at].get_mut(below(length)) {
                        *byte = below(256) as u8;
                    }
                }
            }
        }
        let mut socket = replay(answers);
        // None may panic or go on for ever, and an answer is never longer than what came.
        if let Ok(found) = socket.dump(ASK, first_byte) {
            assert!(found.len() <= 8, "{found:?}");
        }
        if let Ok(refused) = socket.change_all(batches(32, vec![vec![0; 8]; 3])) {
            assert!(refused.iter().all(|(index, _)| *index < 3), "{refused:?}");
        }
    }
}
