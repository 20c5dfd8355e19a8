//! The one place where randomness is drawn.

/// A source of random bytes fit for keys.
pub trait Entropy: Send + Sync + 'static {
    /// Fills the buffer.
    fn fill(&self, buffer: &mut [u8]);
}

impl dyn Entropy {
    /// As many random bytes as the array holds.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    /// # Panics
    /// When the operating system has no randomness to give. Nothing safe could
    /// be made without it, so the process must not go on.
    fn fill(&self, buffer: &mut [u8]) {
        #[expect(clippy::disallowed_methods, reason = "the one place where randomness is drawn")]
        let filled = getrandom::fill(buffer);
        #[expect(clippy::expect_used, reason = "without randomness no secret can be made; ending is the safe answer")]
        filled.expect("the operating system gave no random bytes");
    }
}
