//! Everything that is drawn: from one seed, always the same.
//!
//! Never here: randomness of the operating system, or anything that a key outside of a test could be made of.

use std::sync::{Mutex, PoisonError};

use cloakroom::entropy::Entropy;

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): small, and good enough to decide what happens next.
pub struct Chance(u64);

impl Chance {
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below this one, which is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.draw() % bound as u64) as usize
    }

    /// A number from here to there, both included.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.draw() % (most - least + 1)
    }

    pub fn is_one_in(&mut self, times: u64) -> bool {
        self.draw().is_multiple_of(times)
    }

    /// One of them, if there are any.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        (!all.is_empty()).then(|| &all[self.below(all.len())])
    }
}

/// What replicas make keys and ids of.
pub struct SeededEntropy(Mutex<Chance>);

impl SeededEntropy {
    pub fn of(seed: u64) -> Self {
        Self(Mutex::new(Chance::of(seed)))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        let mut chance = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for bytes in buffer.chunks_mut(8) {
            bytes.copy_from_slice(&chance.draw().to_le_bytes()[..bytes.len()]);
        }
    }
}
