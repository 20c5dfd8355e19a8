//! Tokens: nothing opens but what was sealed, to the letter, and what has the form of a token is that token.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use cloakroom::{
    crypto::{
        claim::ClaimKey,
        move_token::MoveToken,
        opaque::{ApiKeySecret, ConsoleSecret, FileRequestToken, LinkToken},
        sealed::Purpose,
        secret::SecretText,
        session_token::SessionToken,
        share_token::ShareToken,
        signing_in::SigningIn,
        submission_token::SubmissionToken,
        webhook_signature::WebhookSecret,
    },
    domain::ids::TenantId,
};

use super::{
    altered::{altered, first},
    vectors::{GENUINE, KEYRING},
};

/// An input is a text as a stranger sends it; or, after a byte that no text begins with, a genuine token by its number,
/// and what is changed in its bytes.
pub fn check(data: &[u8]) {
    let (begin, rest) = first(data);
    if begin == 0xff {
        let (which, changes) = first(rest);
        let genuine = &GENUINE[usize::from(which) % GENUINE.len()];
        let bytes = URL_SAFE_NO_PAD.decode(genuine.text.strip_prefix(genuine.prefix).unwrap()).unwrap();
        check_text(&format!("{}{}", genuine.prefix, URL_SAFE_NO_PAD.encode(altered(&bytes, changes))));
    } else if let Ok(text) = std::str::from_utf8(data) {
        check_text(text);
    }
}

fn check_text(text: &str) {
    for sealed in [text, text.get(4..).unwrap_or_default()] {
        for purpose in Purpose::ALL {
            let is_genuine = GENUINE
                .iter()
                .any(|genuine| genuine.purpose == purpose && genuine.text.strip_prefix(genuine.prefix) == Some(sealed));
            assert_eq!(KEYRING.open(purpose, sealed).is_ok(), is_genuine, "{purpose:?} {sealed}");
        }
    }
    let secret = SecretText::new(text);
    let is_one =
        |format: &str| GENUINE.iter().any(|genuine| genuine.format == format && genuine.is_one && genuine.text == text);
    let tenant = GENUINE_TENANT.parse::<TenantId>().unwrap();
    for (format, opens) in [
        ("share-token", ShareToken::open(&secret, &KEYRING).is_ok()),
        ("session-token", SessionToken::open(&secret, &KEYRING).is_ok()),
        ("move-token", MoveToken::open(&secret, &KEYRING).is_ok()),
        ("submission-token", SubmissionToken::open(&secret, &KEYRING).is_ok()),
        ("data-key", KEYRING.unwrap_data_key(tenant, text).is_ok()),
        ("encrypted-data-key", KEYRING.unwrap_encrypted(tenant, text).is_ok()),
    ] {
        assert_eq!(opens, is_one(format), "{format} {text}");
    }
    // Its contents end in a name of any length, so that another kind's plaintext may have its shape; its seal has not.
    let is_sealed = GENUINE.iter().any(|genuine| genuine.purpose == Purpose::SigningIn && genuine.text == text);
    assert!(is_sealed || SigningIn::open(&secret, &KEYRING).is_err(), "{text}");
    check_opaque(&secret);
}

/// Whose the data keys of the vectors are.
const GENUINE_TENANT: &str = "ten_e9da86d351cf9a7642d8c50195c3f466";

fn check_opaque(secret: &SecretText) {
    let text = secret.expose();
    let kinds = [
        ("crl_", LinkToken::parse(secret).map(|token| token.expose().to_owned())),
        ("crf_", FileRequestToken::parse(secret).map(|token| token.expose().to_owned())),
        ("crc_", ConsoleSecret::parse(secret).map(|token| token.expose().to_owned())),
        ("crk_", ApiKeySecret::parse(secret).map(|token| token.expose().to_owned())),
    ];
    for (prefix, parsed) in kinds {
        let Ok(exposed) = parsed else { continue };
        assert_eq!(exposed, text);
        assert!(text.starts_with(prefix), "{text}");
        let (_, random) = text.split_at(text.len() - 43);
        assert_is_the_one_spelling(random);
    }
    if let Ok(key) = ApiKeySecret::parse(secret) {
        assert!(text.starts_with(&format!("crk_{}_", key.mode().as_str())) && text.len() == 52, "{text}");
        assert!(key.preview().len() < 20);
    }
    if ClaimKey::parse(secret).is_ok() {
        assert_is_the_one_spelling(text);
    }
    if let Ok(secret) = WebhookSecret::parse(secret) {
        assert_eq!(secret.text().expose(), text);
    }
}

fn assert_is_the_one_spelling(random: &str) {
    let bytes = URL_SAFE_NO_PAD.decode(random).unwrap();
    assert_eq!((bytes.len(), URL_SAFE_NO_PAD.encode(bytes).as_str()), (32, random));
}
