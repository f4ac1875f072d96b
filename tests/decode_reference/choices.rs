//! Random choices out of a byte string, so that proptest can shrink them.

/// Reads choices off the front; when the bytes are used up, every choice is the first one.
pub(crate) struct Choices<'a> {
    bytes: &'a [u8],
}

impl<'a> Choices<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) fn byte(&mut self) -> u8 {
        match self.bytes.split_first() {
            Some((first, rest)) => {
                self.bytes = rest;
                *first
            }
            None => 0,
        }
    }

    /// A number below `count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == count - 1
    }

    pub(crate) fn of<'b, T: ?Sized>(&mut self, list: &[&'b T]) -> &'b T {
        list[self.below(list.len())]
    }

    /// Any 64 bits, small ones often.
    pub(crate) fn i64(&mut self) -> i64 {
        match self.below(4) {
            0 => i64::from(self.byte()),
            1 => -i64::from(self.byte()),
            2 => 1_700_000_000_000 + i64::from(self.byte()),
            _ => i64::from_be_bytes(std::array::from_fn(|_| self.byte())),
        }
    }

    pub(crate) fn i32(&mut self) -> i32 {
        self.i64() as i32
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.byte()).collect()
    }

    pub(crate) fn text(&mut self) -> String {
        const PIECES: [&str; 8] = ["a", "B-7", "", "é", "주문", "\u{1f600}", "{\"k\":1}", "\0"];
        if self.one_in(16) {
            return "long ".repeat(self.below(60));
        }
        (0..self.below(5)).map(|_| self.of(&PIECES)).collect()
    }

    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for end in (1..list.len()).rev() {
            list.swap(end, self.below(end + 1));
        }
    }
}
