//! Keys of providers under the vectors of Project Wycheproof, which are made to find what is commonly done wrong.
//!
//! Each key goes in as the JWK set that a provider would publish, and each signature through what verifies tokens. What is
//! signed are the vectors' messages, which are no tokens: how those are taken apart is tested in [`super::super::jws`].

use ::wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{Algorithm, KeySet, Material};

/// How many vectors were judged, by what they are.
#[derive(Debug, Default, PartialEq, Eq)]
struct Judged {
    valid: usize,
    invalid: usize,
    acceptable: usize,
}

impl Judged {
    /// Holds a judgement against what it should be. What may be either way is to be refused.
    fn count(&mut self, result: TestResult, is_taken: bool, case: usize, comment: &str) {
        self.add(result);
        assert_eq!(is_taken, result == TestResult::Valid, "{case}: {comment}");
    }

    /// Counts what is to be refused whatever it is: it is right for somebody else.
    fn count_refused(&mut self, result: TestResult, is_taken: bool, case: usize) {
        self.add(result);
        assert!(!is_taken, "{case}");
    }

    fn add(&mut self, result: TestResult) {
        *match result {
            TestResult::Valid => &mut self.valid,
            TestResult::Invalid => &mut self.invalid,
            TestResult::Acceptable => &mut self.acceptable,
        } += 1;
    }
}

fn material(key: Value) -> Result<Material, &'static str> {
    let set = KeySet::parse(json!({ "keys": [key] }).to_string().as_bytes()).unwrap();
    set.0.into_iter().next().unwrap().material
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Material {
    // Numbers have no zeros before them there (RFC 7518 section 2).
    let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(&bytes[bytes.iter().take_while(|byte| **byte == 0).count()..]);
    material(json!({ "kty": "RSA", "n": number(modulus), "e": number(exponent) })).unwrap()
}

fn p256(point: &[u8]) -> Material {
    let [x, y] = [&point[1..33], &point[33..]].map(|part| URL_SAFE_NO_PAD.encode(part));
    material(json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y })).unwrap()
}

#[test]
fn rs256() {
    use rsa_pkcs1_verify::{TestName, TestSet};
    for (name, expected) in [
        (TestName::Rsa2048Sha256, Judged { valid: 9, invalid: 249, acceptable: 1 }),
        (TestName::Rsa3072Sha256, Judged { valid: 8, invalid: 250, acceptable: 1 }),
        (TestName::Rsa4096Sha256, Judged { valid: 7, invalid: 250, acceptable: 1 }),
        (TestName::Rsa8192Sha256, Judged { valid: 7, invalid: 250, acceptable: 1 }),
    ] {
        let mut judged = Judged::default();
        for group in TestSet::load(name).unwrap().test_groups {
            let key = rsa(&group.key.n, &group.key.e);
            for test in group.tests {
                let is_taken = key.verify(Algorithm::Rs256, &test.msg, &test.sig).is_ok();
                judged.count(test.result, is_taken, test.tc_id, &test.comment);
            }
        }
        assert_eq!(judged, expected);
    }
}

#[test]
fn ps256() {
    use rsa_pss_verify::{TestName, TestSet};
    for name in [
        TestName::RsaPss2048Sha256Mgf1SaltLen32,
        TestName::RsaPss3072Sha256Mgf1SaltLen32,
        TestName::RsaPss4096Sha256Mgf1SaltLen32,
    ] {
        let mut judged = Judged::default();
        for group in TestSet::load(name).unwrap().test_groups {
            let key = rsa(&group.key.n, &group.key.e);
            for test in group.tests {
                let is_taken = key.verify(Algorithm::Ps256, &test.msg, &test.sig).is_ok();
                judged.count(test.result, is_taken, test.tc_id, &test.comment);
            }
        }
        assert_eq!(judged, Judged { valid: 63, invalid: 45, acceptable: 0 });
    }
}

/// PS256 has a salt of 32 bytes and SHA-256 in its mask (RFC 7518 section 3.5), and nothing else.
#[test]
fn ps256_of_another_salt_or_mask_is_refused() {
    use rsa_pss_verify::{TestName, TestSet};
    for (name, valid, invalid) in
        [(TestName::RsaPss2048Sha256Mgf1SaltLen0, 61, 42), (TestName::RsaPss2048Sha256Mgf1Sha1_20, 63, 45)]
    {
        let is_without_salt = name == TestName::RsaPss2048Sha256Mgf1SaltLen0;
        let mut judged = Judged::default();
        for group in TestSet::load(name).unwrap().test_groups {
            let key = rsa(&group.key.n, &group.key.e);
            for test in group.tests {
                let is_taken = key.verify(Algorithm::Ps256, &test.msg, &test.sig).is_ok();
                // Wrong for who wants no salt, and right for us.
                let is_ours = is_without_salt && test.comment == "s_len changed to 32";
                judged.count_refused(test.result, is_taken != is_ours, test.tc_id);
            }
        }
        assert_eq!(judged, Judged { valid, invalid, acceptable: 0 });
    }
}

/// Signatures as tokens have them, two numbers of 32 bytes one after the other.
#[test]
fn es256() {
    let mut judged = Judged::default();
    for group in ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).unwrap().test_groups {
        let key = p256(&group.key.key);
        for test in group.tests {
            let is_taken = key.verify(Algorithm::Es256, &test.msg, &test.sig).is_ok();
            judged.count(test.result, is_taken, test.tc_id, &test.comment);
            if test.result != TestResult::Valid {
                continue;
            }
            // Of these the vectors have none: a right signature with a byte more or less.
            let longer = [test.sig.as_slice(), &[0]].concat();
            for other in [longer.as_slice(), &test.sig[..test.sig.len() - 1]] {
                assert!(key.verify(Algorithm::Es256, &test.msg, other).is_err(), "{}", test.tc_id);
            }
        }
    }
    assert_eq!(judged, Judged { valid: 173, invalid: 89, acceptable: 0 });
}

#[test]
fn es256_in_asn_1_or_over_another_hash_is_refused() {
    for (name, valid, invalid) in
        [(ecdsa::TestName::EcdsaSecp256r1Sha256, 174, 310), (ecdsa::TestName::EcdsaSecp256r1Sha512P1363, 242, 90)]
    {
        let mut judged = Judged::default();
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            let key = p256(&group.key.key);
            for test in group.tests {
                let is_taken = key.verify(Algorithm::Es256, &test.msg, &test.sig).is_ok();
                judged.count_refused(test.result, is_taken, test.tc_id);
            }
        }
        assert_eq!(judged, Judged { valid, invalid, acceptable: 0 });
    }
}

#[test]
fn eddsa() {
    let mut judged = Judged::default();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let x = URL_SAFE_NO_PAD.encode(&*group.jwk.x);
        let key = material(json!({ "kty": "OKP", "crv": "Ed25519", "x": x })).unwrap();
        for test in group.tests {
            let is_taken = key.verify(Algorithm::EdDsa, &test.msg, &test.sig).is_ok();
            judged.count(test.result, is_taken, test.tc_id, &test.comment);
        }
    }
    assert_eq!(judged, Judged { valid: 88, invalid: 63, acceptable: 0 });
}

#[test]
fn no_key_verifies_an_algorithm_of_another_type() {
    let group = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).unwrap().test_groups.remove(0);
    let test = group.tests.iter().find(|test| test.result == TestResult::Valid).unwrap();
    let key = p256(&group.key.key);
    for algorithm in [Algorithm::Rs256, Algorithm::Ps256, Algorithm::EdDsa] {
        assert!(key.verify(algorithm, &test.msg, &test.sig).is_err(), "{algorithm:?}");
    }
}
