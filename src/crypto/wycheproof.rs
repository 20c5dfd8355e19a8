//! Our primitives under the vectors of Project Wycheproof, which are made to find what is commonly done wrong.
//!
//! They go through what the formats call: [`super::primitives`], [`PublicKey`], [`is_signed`]. What they do not reach are
//! the formats themselves, whose labels and frames are fixed: those have vectors of their own, in `super::vectors`.

use ::wycheproof::{TestResult, aead, ecdsa, eddsa, hkdf, mac};
use hmac::Mac;

use super::{
    ed25519::PublicKey,
    edge_cookie::is_signed,
    primitives::{Cipher, expand, hmac as hmac_sha256},
};

/// How many vectors were judged, by what they are.
#[derive(Debug, Default, PartialEq, Eq)]
struct Judged {
    valid: usize,
    invalid: usize,
}

impl Judged {
    /// Holds a judgement against what it should be. Of what may be either way there is nothing here.
    fn count(&mut self, result: TestResult, is_taken: bool, case: usize, comment: &str) {
        match result {
            TestResult::Valid => self.valid += 1,
            TestResult::Invalid => self.invalid += 1,
            TestResult::Acceptable => panic!("{case} may be either: {comment}"),
        }
        assert_eq!(is_taken, !result.must_fail(), "{case}: {comment}");
    }
}

/// Keys of 256 bits, IVs of 96, tags of 128: all that our type takes. Other lengths cannot be given to it.
#[test]
fn aes_256_gcm() {
    let mut judged = Judged::default();
    for group in aead::TestSet::load(aead::TestName::AesGcm).unwrap().test_groups {
        if (group.key_size, group.nonce_size, group.tag_size) != (256, 96, 128) {
            continue;
        }
        for test in group.tests {
            let (key, iv): ([u8; 32], [u8; 12]) =
                (test.key.as_slice().try_into().unwrap(), test.nonce[..].try_into().unwrap());
            let sealed = [test.ct.as_slice(), &test.tag].concat();
            let cipher = Cipher::new(&key);
            let opened = cipher.decrypt(iv, &sealed, &test.aad);
            let sealed_again = cipher.encrypt(iv, &test.pt, &test.aad).unwrap();
            // What is not valid has another tag than the one that belongs there.
            assert_eq!(sealed_again == sealed, !test.result.must_fail(), "{}", test.tc_id);
            assert!(opened.as_ref().is_ok_and(|plaintext| *plaintext == *test.pt) || opened.is_err());
            judged.count(test.result, opened.is_ok(), test.tc_id, &test.comment);
        }
    }
    assert_eq!(judged, Judged { valid: 39, invalid: 27 });
}

/// All vectors through the type that our function takes. Through the function itself go those whose info is text and that
/// ask for 32 bytes or more, which begin as its 32 bytes.
#[test]
fn hkdf_sha_256() {
    let (mut judged, mut ours) = (Judged::default(), 0);
    for group in hkdf::TestSet::load(hkdf::TestName::HkdfSha256).unwrap().test_groups {
        for test in group.tests {
            // No salt and an empty one are the same (RFC 5869 section 2.2).
            let salts = if test.salt.is_empty() { vec![None, Some([].as_slice())] } else { vec![Some(&test.salt[..])] };
            let mut is_right = true;
            for salt in salts {
                let extracted = ::hkdf::Hkdf::<sha2::Sha256>::new(salt, &test.ikm);
                let mut output = vec![0; test.size];
                is_right &= extracted.expand(&test.info, &mut output).is_ok() && output == *test.okm;
                let Some(okm) = test.okm.first_chunk::<32>() else { continue };
                let Ok(info) = std::str::from_utf8(&test.info) else { continue };
                let mut output = [0; 32];
                expand(&extracted, info, &mut output);
                assert_eq!(output, *okm, "{}", test.tc_id);
                ours += 1;
            }
            judged.count(test.result, is_right, test.tc_id, &test.comment);
        }
    }
    assert_eq!(judged, Judged { valid: 83, invalid: 3 });
    // Of 22 vectors 7 have no salt, and are tried in both ways.
    assert_eq!(ours, 29);
}

/// Whole tags are compared as rows and codes are; a tag that is cut to 128 bits, right as it may be, is none of ours.
#[test]
fn hmac_sha_256() {
    let (mut judged, mut cut) = (Judged::default(), Judged::default());
    for group in mac::TestSet::load(mac::TestName::HmacSha256).unwrap().test_groups {
        for test in group.tests {
            let is_taken = hmac_sha256(&test.key).chain_update(&test.msg[..]).verify_slice(&test.tag).is_ok();
            if group.tag_size == 256 {
                judged.count(test.result, is_taken, test.tc_id, &test.comment);
            } else {
                assert!(!is_taken, "{}", test.tc_id);
                cut.count(test.result, !test.result.must_fail(), test.tc_id, &test.comment);
            }
        }
    }
    assert_eq!(judged, Judged { valid: 33, invalid: 54 });
    assert_eq!(cut, Judged { valid: 33, invalid: 54 });
}

/// As checkpoints and receipts are verified, with the key read from PEM.
#[test]
fn ed25519() {
    let mut judged = Judged::default();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let key = PublicKey::from_pem(&group.pem).unwrap();
        // RFC 7468 has one line feed at the end, and these none.
        assert_eq!(key.pem().trim_end(), group.pem.trim_end());
        for test in group.tests {
            judged.count(test.result, key.verifies(&test.msg, &test.sig), test.tc_id, &test.comment);
        }
    }
    assert_eq!(judged, Judged { valid: 88, invalid: 63 });
}

/// As cookies of the edge are verified: signatures in ASN.1.
#[test]
fn ecdsa_p_256_sha_256() {
    let mut judged = Judged::default();
    for group in ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256).unwrap().test_groups {
        for test in group.tests {
            let is_taken = is_signed(&group.key.key, &test.msg, &test.sig);
            judged.count(test.result, is_taken, test.tc_id, &test.comment);
        }
    }
    assert_eq!(judged, Judged { valid: 174, invalid: 310 });
}
