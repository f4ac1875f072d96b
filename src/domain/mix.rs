//! Mixing numbers: what tells little apart comes to look unlike. Not for secrets.

/// The golden ratio of 2^64: an odd number whose multiples lie far apart.
pub const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Mixes another word into a hash. Which events of a timeline are checkpoints and the fingerprints of events follow
/// from it, and both are stored: it never changes.
pub(super) const fn mix(hash: u64, word: u64) -> u64 {
    let product = (hash ^ word).wrapping_mul(GOLDEN);
    product ^ (product >> 32)
}

/// The finalizer of splitmix64: different numbers stay different, and neighbours look unlike.
pub const fn scatter(number: u64) -> u64 {
    let mut z = number;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
