//! Marks of recipients: HMAC-SHA256 (RFC 2104) of lists, addresses and codes.
//!
//! The key is derived from a root key (HKDF, RFC 5869) for nothing else, and tenant and share or link go into each
//! mark, so that the same address has another one everywhere. A list's mark names its root key; all that belongs to the
//! list is marked under the same one, for the days that it lives.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    domain::{
        confirmation::{CodeMark, DIGITS},
        ids::TenantId,
        recipient::{Address, ListMark, RecipientMark, Recipients},
    },
    entropy::Entropy,
};

use super::{
    digest::framed,
    keyring::{Keyring, Kid, RootKey},
    primitives::{expand, hmac},
    secret::SecretText,
};

const LABEL: &str = "cloakroom/recipient/v1";

/// Marks what belongs to one share or link.
pub struct RecipientKey {
    kid: Kid,
    key: Zeroizing<[u8; 32]>,
    tenant: TenantId,
    thing: [u8; 16],
}

impl Keyring {
    /// The key for a new list.
    pub fn recipient_key(&self, tenant: TenantId, thing: &[u8; 16]) -> RecipientKey {
        RecipientKey::derived(&self.sealing_key(), tenant, thing)
    }

    /// The key that a list was marked with; none when it is retired or gone.
    pub fn recipient_key_of(&self, list: &ListMark, tenant: TenantId, thing: &[u8; 16]) -> Option<RecipientKey> {
        let mut kid = [0; 4];
        base16ct::lower::decode(list.0.split_once('.')?.0, &mut kid).ok().filter(|read| read.len() == 4)?;
        Some(RecipientKey::derived(&*self.opening_key(Kid(kid))?, tenant, thing))
    }
}

impl RecipientKey {
    fn derived(root: &RootKey, tenant: TenantId, thing: &[u8; 16]) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        expand(&Hkdf::new(None, root.secret.as_ref()), LABEL, &mut key);
        Self { kid: root.kid, key, tenant, thing: *thing }
    }

    fn mac(&self, kind: &str, fields: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = hmac(self.key.as_ref());
        mac.update(&framed(&[LABEL.as_bytes(), kind.as_bytes(), self.tenant.as_bytes(), &self.thing]));
        mac.update(&framed(fields));
        mac
    }

    fn text(&self, kind: &str, fields: &[&[u8]]) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(kind, fields).finalize().into_bytes())
    }

    /// The mark of a list.
    pub fn list(&self, recipients: &Recipients) -> ListMark {
        let addresses: Vec<&[u8]> = recipients.addresses().map(|address| address.as_str().as_bytes()).collect();
        ListMark(format!("{}.{}", self.kid, self.text("list", &addresses)))
    }

    /// The mark of one recipient.
    pub fn recipient(&self, address: &Address) -> RecipientMark {
        RecipientMark(self.text("address", &[address.as_str().as_bytes()]))
    }

    /// The mark of a code that was sent to somebody.
    pub fn code(&self, recipient: &RecipientMark, code: &SecretText) -> CodeMark {
        CodeMark(self.text("code", &[recipient.0.as_bytes(), code.expose().as_bytes()]))
    }

    /// Whether a code is the one with this mark, in constant time.
    pub fn is_code(&self, recipient: &RecipientMark, code: &SecretText, mark: &CodeMark) -> bool {
        let Ok(expected) = URL_SAFE_NO_PAD.decode(&mark.0) else { return false };
        self.mac("code", &[recipient.0.as_bytes(), code.expose().as_bytes()]).verify_slice(&expected).is_ok()
    }
}

/// A code that nobody can foresee: eight digits, each number as likely as any other.
pub fn draw_code(entropy: &dyn Entropy) -> SecretText {
    let numbers = 10_u32.pow(DIGITS as u32);
    // Beyond the largest multiple the first numbers would be likelier.
    let fair = u32::MAX - u32::MAX % numbers;
    loop {
        let drawn = u32::from_be_bytes(entropy.bytes());
        if drawn < fair {
            return SecretText::new(format!("{:0width$}", drawn % numbers, width = DIGITS));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        crypto::keyring::{
            KeyState,
            tests::{key, keyring},
        },
        entropy::SystemEntropy,
    };

    fn address(text: &str) -> Address {
        Address::try_from(text.to_owned()).unwrap()
    }

    fn list(addresses: &[&str]) -> Recipients {
        Recipients::try_from(addresses.iter().map(|text| address(text)).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn the_same_address_has_another_mark_everywhere() {
        let (ring, other) = (keyring(vec![key(1, KeyState::Primary)]), keyring(vec![key(2, KeyState::Primary)]));
        let (first, second) = (TenantId::from_bytes([1; 16]), TenantId::from_bytes([2; 16]));
        let ada = address("ada@example.org");
        let marks: BTreeSet<_> = [
            ring.recipient_key(first, &[1; 16]).recipient(&ada),
            ring.recipient_key(first, &[2; 16]).recipient(&ada),
            ring.recipient_key(second, &[1; 16]).recipient(&ada),
            other.recipient_key(first, &[1; 16]).recipient(&ada),
            ring.recipient_key(first, &[1; 16]).recipient(&address("bob@example.org")),
        ]
        .into();
        assert_eq!(marks.len(), 5);
        assert_eq!(
            ring.recipient_key(first, &[1; 16]).list(&list(&["a@b", "c@d"])),
            ring.recipient_key(first, &[1; 16]).list(&list(&["C@d", "a@b"]))
        );
        assert_ne!(
            ring.recipient_key(first, &[1; 16]).list(&list(&["a@b", "c@d"])),
            ring.recipient_key(first, &[1; 16]).list(&list(&["a@b"]))
        );
    }

    #[test]
    fn a_list_is_known_again_after_a_rotation_until_its_key_is_retired() {
        let (tenant, thing) = (TenantId::from_bytes([1; 16]), [1; 16]);
        let before = keyring(vec![key(1, KeyState::Primary)]);
        let mark = before.recipient_key(tenant, &thing).list(&list(&["a@b"]));
        let rotated = keyring(vec![key(1, KeyState::AcceptOnly), key(2, KeyState::Primary)]);
        let again = rotated.recipient_key_of(&mark, tenant, &thing).unwrap();
        assert_eq!(again.list(&list(&["a@b"])), mark);
        assert_ne!(rotated.recipient_key(tenant, &thing).list(&list(&["a@b"])), mark);
        let retired = keyring(vec![key(1, KeyState::Retired), key(2, KeyState::Primary)]);
        assert!(retired.recipient_key_of(&mark, tenant, &thing).is_none());
        for wrong in ["", ".", "x.y", "0101010.x", "010101010.x"] {
            assert!(rotated.recipient_key_of(&ListMark(wrong.into()), tenant, &thing).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_code_is_one_recipients_own() {
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        let key = ring.recipient_key(TenantId::from_bytes([1; 16]), &[1; 16]);
        let (ada, bob) = (key.recipient(&address("ada@b")), key.recipient(&address("bob@b")));
        let code = SecretText::new("12345678");
        let mark = key.code(&ada, &code);
        assert!(key.is_code(&ada, &code, &mark) && !key.is_code(&bob, &code, &mark));
        assert!(!key.is_code(&ada, &SecretText::new("12345679"), &mark));
        assert!(!key.is_code(&ada, &code, &CodeMark("?".into())));
        assert!(!mark.0.contains("12345678"));
    }

    #[test]
    fn codes_are_eight_digits_of_any_kind() {
        let codes: Vec<_> = (0..500).map(|_| draw_code(&SystemEntropy)).collect();
        let digits = |code: &SecretText| code.expose().bytes().all(|byte| byte.is_ascii_digit());
        assert!(codes.iter().all(|code| code.expose().len() == 8 && digits(code)));
        let first: BTreeSet<_> = codes.iter().map(|code| code.expose().as_bytes()[0]).collect();
        assert_eq!(first.len(), 10);
        assert!(codes.iter().map(SecretText::expose).collect::<BTreeSet<_>>().len() > 490);
    }
}
