//! The hashes that the kernel's schedulers use.

use std::net::IpAddr;

/// An address in 32 bits: of IPv6 the exclusive or of its four words.
pub(super) fn fold(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => address.to_bits(),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            // Each shift leaves one of the four words as the lowest.
            [96, 64, 32, 0].iter().fold(0, |all, shift| all ^ ((bits >> shift) as u32))
        }
    }
}

/// The golden ratio's multiplicative hash, `hash_32`: the highest bits of the product. Kernels
/// before 4.17 took the lowest ones.
pub(super) fn multiplied(value: u32, bits: u32) -> usize {
    const GOLDEN_RATIO: u32 = 0x61c8_8647;
    (value.wrapping_mul(GOLDEN_RATIO) >> (32 - bits)) as usize
}

/// `hsiphash` of one word, as 64-bit kernels have it: SipHash with one round for the word and
/// three at the end, with the same key twice, and the lower half of the result.
pub(super) fn sip(value: u32, key: u64) -> u32 {
    let mut state = [
        0x736f_6d65_7073_6575 ^ key,
        0x646f_7261_6e64_6f6d ^ key,
        0x6c79_6765_6e65_7261 ^ key,
        0x7465_6462_7974_6573 ^ key,
    ];
    // Four bytes are less than a block: their number stands in the highest byte.
    let block = (4 << 56) | u64::from(value);
    state[3] ^= block;
    round(&mut state);
    state[0] ^= block;
    state[2] ^= 0xff;
    for _ in 0..3 {
        round(&mut state);
    }
    let [a, b, c, d] = state;
    (a ^ b ^ c ^ d) as u32
}

fn round([a, b, c, d]: &mut [u64; 4]) {
    *a = a.wrapping_add(*b);
    *b = b.rotate_left(13) ^ *a;
    *a = a.rotate_left(32);
    *c = c.wrapping_add(*d);
    *d = d.rotate_left(16) ^ *c;
    *a = a.wrapping_add(*d);
    *d = d.rotate_left(21) ^ *a;
    *c = c.wrapping_add(*b);
    *b = b.rotate_left(17) ^ *c;
    *c = c.rotate_left(32);
}

#[cfg(test)]
mod tests {
    use std::hash::Hasher;

    use super::*;

    #[test]
    fn folds_an_address_of_either_family() {
        let fold = |text: &str| fold(text.parse().expect("literal"));
        assert_eq!(fold("10.0.0.1"), 0x0a00_0001);
        assert_eq!(fold("1:2:3:4:5:6:7:8"), 0x1_0002 ^ 0x3_0004 ^ 0x5_0006 ^ 0x7_0008);
    }

    #[test]
    fn spreads_neighbours() {
        let buckets: std::collections::HashSet<usize> =
            (0..64).map(|n| multiplied(0x0a00_0000 + n, 8)).collect();
        assert!(buckets.len() > 48, "{buckets:?}");
        assert!(buckets.iter().all(|bucket| *bucket < 256));
    }

    /// The standard library's default hasher is SipHash-1-3 with key 0, too.
    #[test]
    fn is_the_siphash_of_the_standard_library() {
        for value in [0, 1, 0xdead_beef, u32::MAX] {
            let mut hasher = std::hash::DefaultHasher::new();
            hasher.write(&value.to_le_bytes());
            assert_eq!(sip(value, 0), hasher.finish() as u32, "{value}");
        }
    }
}
