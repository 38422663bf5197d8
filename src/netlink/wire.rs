//! Netlink's bytes: messages, and attributes inside them, read and written.
//!
//! Nothing that is read is trusted: a length is checked before it is used, and every step
//! of an iterator consumes at least a header, so that none can go on for ever.

/// Bytes that are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// The length of `struct nlmsghdr`.
pub const HEADER_LENGTH: usize = 16;

/// One message of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it is: below 16 netlink's own, from 16 on a family's.
    pub kind: u16,
    /// `NLM_F_…`.
    pub flags: u16,
    /// The number of the request it answers.
    pub sequence: u32,
    /// What follows the header.
    pub body: &'a [u8],
}

/// Takes a datagram apart.
#[derive(Debug, Clone)]
pub struct Messages<'a>(pub &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let message = self.split();
        if message.is_err() {
            // Where the next one would begin is unknown.
            self.0 = &[];
        }
        Some(message)
    }
}

impl<'a> Messages<'a> {
    fn split(&mut self) -> Result<Message<'a>, Malformed> {
        let short = Malformed("a netlink message is shorter than its header");
        let (header, _) = self.0.split_first_chunk::<HEADER_LENGTH>().ok_or(short)?;
        let [a, b, c, d, k1, k2, f1, f2, s1, s2, s3, s4, ..] = *header;
        let length = u32::from_ne_bytes([a, b, c, d]) as usize;
        let body = self.0.get(HEADER_LENGTH..length).ok_or(Malformed(
            "a netlink message claims another length than the datagram has room for",
        ))?;
        self.0 = self.0.get(align(length)..).unwrap_or(&[]);
        Ok(Message {
            kind: u16::from_ne_bytes([k1, k2]),
            flags: u16::from_ne_bytes([f1, f2]),
            sequence: u32::from_ne_bytes([s1, s2, s3, s4]),
            body,
        })
    }
}

/// One attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its number, without the flags for nesting and byte order.
    pub kind: u16,
    /// Its value, without padding.
    pub value: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// A value of one byte.
    pub fn u8(&self) -> Result<u8, Malformed> {
        self.first().map(|[byte]| byte)
    }

    /// A value of two bytes in the host's order.
    pub fn u16(&self) -> Result<u16, Malformed> {
        self.first().map(u16::from_ne_bytes)
    }

    /// A value of two bytes in the network's order.
    pub fn be16(&self) -> Result<u16, Malformed> {
        self.first().map(u16::from_be_bytes)
    }

    /// A value of four bytes in the host's order.
    pub fn u32(&self) -> Result<u32, Malformed> {
        self.first().map(u32::from_ne_bytes)
    }

    /// A value of eight bytes in the host's order, which need not be aligned.
    pub fn u64(&self) -> Result<u64, Malformed> {
        self.first().map(u64::from_ne_bytes)
    }

    /// A text, which may or may not end in a zero byte.
    pub fn text(&self) -> Result<&'a str, Malformed> {
        let end = self.value.iter().position(|byte| *byte == 0).unwrap_or(self.value.len());
        let text = self.value.get(..end).unwrap_or_default();
        std::str::from_utf8(text).map_err(|_| Malformed("a text attribute is not UTF-8"))
    }

    /// The attributes inside it.
    #[must_use]
    pub fn nested(&self) -> Attributes<'a> {
        Attributes(self.value)
    }

    /// The first bytes of the value; a longer one is a newer kernel's.
    pub fn first<const N: usize>(&self) -> Result<[u8; N], Malformed> {
        self.value
            .first_chunk::<N>()
            .copied()
            .ok_or(Malformed("an attribute is shorter than its type"))
    }
}

/// Takes a list of attributes apart.
#[derive(Debug, Clone)]
pub struct Attributes<'a>(pub &'a [u8]);

/// Says that a value holds attributes, and that it is in network byte order.
const NLA_FLAGS: u16 = 0xc000;
const NLA_F_NESTED: u16 = 0x8000;

/// The length of `struct nlattr`.
const ATTRIBUTE: usize = 4;

/// Why no attribute that this program writes is too long.
const SHORT: &str = "names, numbers and short lists of them are below 64 KiB";

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let attribute = self.split();
        if attribute.is_err() {
            self.0 = &[];
        }
        Some(attribute)
    }
}

impl<'a> Attributes<'a> {
    fn split(&mut self) -> Result<Attribute<'a>, Malformed> {
        let short = Malformed("an attribute is shorter than its header");
        let (&[l1, l2, k1, k2], _) = self.0.split_first_chunk::<4>().ok_or(short)?;
        let length = usize::from(u16::from_ne_bytes([l1, l2]));
        let value = self
            .0
            .get(4..length)
            .ok_or(Malformed("an attribute claims another length than there is room for"))?;
        self.0 = self.0.get(align(length)..).unwrap_or(&[]);
        Ok(Attribute { kind: u16::from_ne_bytes([k1, k2]) & !NLA_FLAGS, value })
    }
}

/// Attributes under construction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    /// Adds an attribute and pads it. Panics above 64 KiB, which no value comes near that this
    /// program writes: they are names, numbers and lists of a few of them.
    pub fn push(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let length = u16::try_from(ATTRIBUTE + value.len()).expect(SHORT);
        let ([l1, l2], [k1, k2]) = (length.to_ne_bytes(), kind.to_ne_bytes());
        self.0.extend_from_slice(&[l1, l2, k1, k2]);
        self.0.extend_from_slice(value);
        self.pad()
    }

    /// Adds a value of four bytes in the host's order.
    pub fn u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.push(kind, &value.to_ne_bytes())
    }

    /// Adds a value of two bytes in the host's order.
    pub fn u16(&mut self, kind: u16, value: u16) -> &mut Self {
        self.push(kind, &value.to_ne_bytes())
    }

    /// Adds a value of two bytes in the network's order.
    pub fn be16(&mut self, kind: u16, value: u16) -> &mut Self {
        self.push(kind, &value.to_be_bytes())
    }

    /// Adds a text and its final zero byte.
    pub fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        self.within(kind, |out| {
            out.0.extend(value.as_bytes());
            out.0.push(0);
        })
    }

    /// Adds an attribute that holds attributes.
    pub fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.within(kind | NLA_F_NESTED, fill)
    }

    /// Writes a header, then the value, then the header's length.
    fn within(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.0.len();
        self.push(kind, &[]);
        fill(self);
        let length = u16::try_from(self.0.len() - start).expect(SHORT);
        if let Some(place) = self.0.get_mut(start..start + 2) {
            place.copy_from_slice(&length.to_ne_bytes());
        }
        self.pad()
    }

    fn pad(&mut self) -> &mut Self {
        let missing = align(self.0.len()) - self.0.len();
        self.0.extend_from_slice([0; 3].get(..missing).unwrap_or_default());
        self
    }
}

/// The next multiple of four.
#[must_use]
pub const fn align(length: usize) -> usize {
    length.saturating_add(3) & !3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_it_reads() {
        let mut writer = Writer::default();
        writer.u32(1, 7).be16(2, 80).text(3, "rr").nest(4, |inner| {
            inner.u16(5, 9);
        });
        assert_eq!(
            writer.0,
            [
                8, 0, 1, 0, 7, 0, 0, 0, // u32, host order
                6, 0, 2, 0, 0, 80, 0, 0, // be16, padded
                7, 0, 3, 0, b'r', b'r', 0, 0, // text with its zero, padded
                12, 0, 4, 0x80, 6, 0, 5, 0, 9, 0, 0, 0, // nested
            ]
        );
        let read: Vec<_> = Attributes(&writer.0).map(Result::unwrap).collect();
        assert_eq!(read.iter().map(|a| a.kind).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(read[0].u32(), Ok(7));
        assert_eq!(read[1].be16(), Ok(80));
        assert_eq!(read[2].text(), Ok("rr"));
        assert_eq!(read[3].nested().next().unwrap().unwrap().u16(), Ok(9));
    }

    #[test]
    fn stops_at_lengths_that_lie() {
        for bytes in [&[1, 0, 1][..], &[0, 0, 1, 0], &[3, 0, 1, 0], &[200, 0, 1, 0, 0, 0, 0, 0]] {
            let mut attributes = Attributes(bytes);
            assert!(matches!(attributes.next(), Some(Err(_))), "{bytes:?}");
            assert_eq!(attributes.next(), None, "{bytes:?}");
        }
        let mut lies = vec![0; 32];
        for length in [0u32, 1, 15, 33, u32::MAX] {
            lies[..4].copy_from_slice(&length.to_ne_bytes());
            let mut messages = Messages(&lies);
            assert!(matches!(messages.next(), Some(Err(_))), "{length}");
            assert_eq!(messages.next(), None, "{length}");
        }
    }

    #[test]
    fn takes_a_last_attribute_without_its_padding() {
        let mut attributes = Attributes(&[5, 0, 1, 0, 42]);
        assert_eq!(attributes.next().unwrap().unwrap().u8(), Ok(42));
        assert_eq!(attributes.next(), None);
    }

    #[test]
    fn refuses_values_that_are_too_short() {
        let attribute = Attribute { kind: 1, value: &[1, 2] };
        assert!(attribute.u32().is_err() && attribute.u64().is_err());
        assert_eq!(attribute.u8(), Ok(1));
        assert!(Attribute { kind: 1, value: &[0xff, 0] }.text().is_err());
    }
}
