//! Passwords of links: Argon2id (RFC 9106), kept as PHC strings.
//!
//! Slow on purpose, so never on an async thread: callers run these functions
//! on a bounded pool.

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};

use crate::entropy::Entropy;

use super::secret::SecretText;

/// Memory, passes and lanes: 19 MiB, 2, 1, the smallest set that OWASP's
/// password storage guidance lists for Argon2id.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// The longest password, in bytes. Longer ones are refused before hashing.
pub const LONGEST_PASSWORD: usize = 1024;

/// Why a password cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Empty, or over [`LONGEST_PASSWORD`].
    #[error("a password has 1 to 1,024 bytes")]
    Length,
    /// The hash function itself failed.
    #[error("the password could not be hashed")]
    Failed,
}

fn argon2() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_| PasswordError::Failed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn within_length(password: &SecretText) -> bool {
    (1..=LONGEST_PASSWORD).contains(&password.expose().len())
}

/// The PHC string that is stored for a password.
///
/// # Errors
/// When the password is empty or too long.
pub fn hash(password: &SecretText, entropy: &dyn Entropy) -> Result<String, PasswordError> {
    if !within_length(password) {
        return Err(PasswordError::Length);
    }
    let salt: [u8; 16] = entropy.bytes();
    let hash: PasswordHash =
        argon2()?.hash_password_with_salt(password.expose().as_bytes(), &salt).map_err(|_| PasswordError::Failed)?;
    Ok(hash.to_string())
}

/// Whether this is the password. A stored string that is damaged matches nothing.
pub fn verify(password: &SecretText, stored: &str) -> bool {
    let (Ok(argon2), Ok(stored)) = (argon2(), PasswordHash::new(stored)) else { return false };
    within_length(password) && argon2.verify_password(password.expose().as_bytes(), &stored).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    #[test]
    fn only_the_password_itself_matches() {
        let password = SecretText::new("correct horse");
        let stored = hash(&password, &SystemEntropy).unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(verify(&password, &stored));
        assert!(!verify(&SecretText::new("Correct horse"), &stored));
        assert!(!verify(&SecretText::new(""), &stored));
        assert!(!verify(&password, "$argon2id$damaged"));
        assert!(!verify(&password, ""));
        assert_ne!(stored, hash(&password, &SystemEntropy).unwrap());
    }

    #[test]
    fn lengths_are_bounded() {
        assert_eq!(hash(&SecretText::new(""), &SystemEntropy), Err(PasswordError::Length));
        assert_eq!(hash(&SecretText::new("x".repeat(1025)), &SystemEntropy), Err(PasswordError::Length));
        assert!(hash(&SecretText::new("x".repeat(1024)), &SystemEntropy).is_ok());
    }
}
