//! Requests put together in large datagrams.

use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST};

use super::put_header;
use crate::netlink::wire::{HEADER_LENGTH, Writer, align};

/// The most that is sent in one datagram, well below the kernel's default send buffer.
pub(super) const DATAGRAM: usize = 48 << 10;

/// The most messages in one datagram: were all refused, their errors still fit the default
/// receive buffer.
pub(super) const BATCH: usize = 100;

/// Where the length is in `struct nlmsghdr`.
const LENGTH_AT: usize = 0;
/// Where the flags are.
const FLAGS_AT: usize = 6;
/// Where the sequence number is.
const SEQUENCE_AT: usize = 8;

/// Requests that go out in one datagram. Only the last one asks for an acknowledgement.
#[derive(Debug, Default)]
pub struct Batch {
    pub(super) datagram: Vec<u8>,
    pub(super) count: usize,
    /// The place of the first one among all requests.
    pub(super) begins_at: usize,
}

/// Makes batches of requests of one kind, as many in each as have room. Each is written when it
/// is its turn, so that no more of them exist than fit a datagram.
#[derive(Debug)]
pub struct Batches<I, F> {
    kind: u16,
    requests: I,
    write: F,
    /// The message that had no room in the last one.
    left: Vec<u8>,
    count: usize,
}

impl<I: Iterator, F: Fn(I::Item, &mut Writer)> Batches<I, F> {
    /// Batches of these requests, of which `write` writes what follows the header.
    pub fn new(kind: u16, requests: impl IntoIterator<IntoIter = I>, write: F) -> Self {
        Self { kind, requests: requests.into_iter(), write, left: Vec::new(), count: 0 }
    }
}

impl<I: Iterator, F: Fn(I::Item, &mut Writer)> Iterator for Batches<I, F> {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let mut datagram = Writer(Vec::with_capacity(DATAGRAM / 2));
        datagram.0.append(&mut self.left);
        let mut count = usize::from(!datagram.0.is_empty());
        let mut last = 0;
        while count < BATCH {
            let Some(request) = self.requests.next() else { break };
            let start = datagram.0.len();
            put_header(&mut datagram.0, 0, self.kind, NLM_F_REQUEST, 0);
            (self.write)(request, &mut datagram);
            let length = u32::try_from(datagram.0.len() - start).expect("requests are small");
            patch(&mut datagram.0, start + LENGTH_AT, &length.to_ne_bytes());
            datagram.0.resize(align(datagram.0.len()), 0);
            // The first one always has room.
            if count > 0 && datagram.0.len() > DATAGRAM {
                self.left = datagram.0.split_off(start);
                break;
            }
            count += 1;
            last = start;
        }
        patch(&mut datagram.0, last + FLAGS_AT, &(NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
        let begins_at = self.count;
        self.count += count;
        (count > 0).then_some(Batch { datagram: datagram.0, count, begins_at })
    }
}

impl Batch {
    /// Gives the requests their sequence numbers, of which the socket knows the next one.
    pub(super) fn number_from(&mut self, first: u32) {
        let (mut at, mut sequence) = (0, first);
        while let Some(length) = self.datagram.get(at..).and_then(<[u8]>::first_chunk) {
            let length = u32::from_ne_bytes(*length) as usize;
            patch(&mut self.datagram, at + SEQUENCE_AT, &sequence.to_ne_bytes());
            at += align(length.max(HEADER_LENGTH));
            sequence = sequence.wrapping_add(1);
        }
    }
}

fn patch(datagram: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = datagram.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}
