//! Inputs drawn from those of a corpus by a seed: the changes that fuzzers make first.

/// What parsers trip over, wherever it stands.
const TOKENS: [&[u8]; 34] = [
    b"",
    b"\0",
    b"\n",
    b"\r\n",
    b"\n\n",
    b" ",
    b"/",
    b"//",
    b"..",
    b"/../",
    b"%2e%2e/",
    b"%252e",
    b"%",
    b"\\",
    b"\"",
    b"\\u0000",
    b"{",
    b"}",
    b"[[[[[[[[",
    b",",
    b":",
    b"null",
    b"-1",
    b"+1",
    b"0",
    b"1e9",
    b"9007199254740993",
    b"18446744073709551615",
    b"9999-12-31T23:59:59-23:59",
    b"=",
    "e\u{301}".as_bytes(),
    "\u{202e}".as_bytes(),
    "\u{10ffff}".as_bytes(),
    b"\xff",
];

/// A stream of numbers (SplitMix64): the same from the same seed, everywhere.
pub struct Drawn(u64);

impl Drawn {
    pub fn from(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Below this number, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// One of the inputs with one to four changes, of 4 KiB at most.
    pub fn mutation(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = self.one_of(corpus).clone();
        for _ in 0..=self.below(4) {
            self.change(&mut bytes, corpus);
        }
        bytes.truncate(4096);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let at = self.below(bytes.len() + 1);
        let end = (at + self.below(16)).min(bytes.len());
        match self.below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 if at < bytes.len() => bytes[at] = self.next() as u8,
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            4 => {
                // What stands here, a few times.
                let piece = bytes[at..end].repeat(1 + self.below(8));
                bytes.splice(at..at, piece);
            }
            5 => {
                let other = self.one_of(corpus);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[self.below(other.len() + 1)..]);
            }
            _ => {
                let token = *self.one_of(&TOKENS);
                let end = if self.below(2) == 0 { at } else { end };
                bytes.splice(at..end, token.iter().copied());
            }
        }
    }
}
