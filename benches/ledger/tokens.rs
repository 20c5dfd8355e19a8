//! Tokens that were really minted and redeemed, so that there is something to hold against the ledger.

use std::time::Duration;

use cloakroom::{
    crypto::{claim::ClaimKey, secret::SecretText},
    domain::{
        ids::RequestId, metadata::Metadata, path::PathPin, permission::SharePermission, restrictions::Restrictions,
        share::Pins,
    },
    entropy::{Entropy, SystemEntropy},
    service::{Asking, idempotency::Reply, shares::MintShare},
};
use futures_util::{StreamExt, stream};

use super::Measured;

/// How many are minted at once.
const AT_ONCE: usize = 64;

/// Mints so many shares, and redeems each of them.
pub(crate) async fn redeemed(measured: &Measured, count: usize) {
    let redeeming = (0..count).map(|_| async {
        let Measured { broker, admin, .. } = measured;
        let wanted = MintShare {
            pins: Pins::new(vec![PathPin::parse("a.txt").unwrap()]).unwrap(),
            permission: SharePermission::Read,
            expires_at: broker.now().plus(Duration::from_secs(900)),
            access_seconds: 3_600,
            label: None,
            metadata: Metadata::default(),
            message: None,
            not_before: None,
            redemptions: 1,
            restrictions: Restrictions::default(),
            recipients: None,
            allow_missing: true,
        };
        let minted = broker.mint_share(admin, wanted, &Reply::unkept()).await.unwrap();
        let key = ClaimKey::parse(&SecretText::new(claim_key())).unwrap();
        let asking = Asking::here(RequestId::new(broker.now(), (&SystemEntropy as &dyn Entropy).bytes()));
        broker.redeem_share(&SecretText::new(minted.token.expose()), &key, None, asking).await.unwrap();
    });
    stream::iter(redeeming).buffer_unordered(AT_ONCE).collect::<()>().await;
}

/// 32 bytes in base64url.
fn claim_key() -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let drawn: [u8; 32] = (&SystemEntropy as &dyn Entropy).bytes();
    URL_SAFE_NO_PAD.encode(drawn)
}
