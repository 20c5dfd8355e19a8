//! Shares that are really minted and redeemed among the many rows that only look so.

use std::{collections::VecDeque, time::Instant};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use cloakroom::{
    crypto::{claim::ClaimKey, secret::SecretText},
    domain::{
        instant::Instant as Point, metadata::Metadata, path::PathPin, permission::SharePermission,
        restrictions::Restrictions, share::Pins,
    },
    service::{Broker, Caller, idempotency::Reply, shares::MintShare},
};
use sha2::{Digest, Sha256};

use crate::{somebody, spread::Spread};

/// How many at once: a commit is durable, and they share its fsync.
const AT_ONCE: usize = 64;

/// How often each figure is taken, and of how many shares.
const ROUNDS: usize = 5;
const SHARES: usize = 512;

pub(crate) struct Shares {
    minter: Caller,
    tokens: VecDeque<String>,
}

impl Shares {
    /// As many as will be redeemed when figures are taken so many times.
    pub(crate) async fn mint(broker: &Broker, minter: &Caller, times: usize) -> Self {
        let mut shares = Self { minter: minter.clone(), tokens: VecDeque::new() };
        let (tokens, _) = shares.minted(broker, SHARES * ROUNDS * times).await;
        shares.tokens = tokens.into();
        shares
    }

    /// Microseconds for each when many are minted at once, and when many are redeemed that are older than most of the store.
    pub(crate) async fn mint_and_redeem(&mut self, broker: &Broker) -> [Spread; 2] {
        let mut rounds = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            rounds[0].push(self.minted(broker, SHARES).await.1);
            let tokens: Vec<String> = self.tokens.drain(..SHARES).collect();
            rounds[1].push(redeemed(broker, tokens).await);
        }
        rounds.map(|rounds| Spread::of(&rounds))
    }

    async fn minted(&self, broker: &Broker, count: usize) -> (Vec<String>, f64) {
        let started = Instant::now();
        let minting = (0..AT_ONCE).map(|first| {
            let (broker, minter) = (broker.clone(), self.minter.clone());
            tokio::spawn(async move {
                let mut tokens = Vec::new();
                for _ in (first..count).step_by(AT_ONCE) {
                    let minted = broker.mint_share(&minter, wanted(), &Reply::unkept()).await.unwrap();
                    tokens.push(minted.token.expose().to_owned());
                }
                tokens
            })
        });
        let mut tokens = Vec::new();
        for minting in minting.collect::<Vec<_>>() {
            tokens.extend(minting.await.unwrap());
        }
        (tokens, started.elapsed().as_secs_f64() * 1e6 / count as f64)
    }
}

async fn redeemed(broker: &Broker, tokens: Vec<String>) -> f64 {
    let (started, count) = (Instant::now(), tokens.len());
    let portions = tokens.chunks(count.div_ceil(AT_ONCE)).map(|tokens| {
        let (broker, tokens) = (broker.clone(), tokens.to_vec());
        tokio::spawn(async move {
            for token in tokens {
                let claim_key = SecretText::new(URL_SAFE_NO_PAD.encode(Sha256::digest(&token)));
                let claim_key = ClaimKey::parse(&claim_key).unwrap();
                broker.redeem_share(&SecretText::new(&token), &claim_key, None, somebody()).await.unwrap();
            }
        })
    });
    for portion in portions.collect::<Vec<_>>() {
        portion.await.unwrap();
    }
    started.elapsed().as_secs_f64() * 1e6 / count as f64
}

fn wanted() -> MintShare {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    MintShare {
        pins: Pins::new(vec![PathPin::parse("docs/report.pdf").unwrap()]).unwrap(),
        permission: SharePermission::Read,
        not_before: None,
        expires_at: Point::from_unix_seconds(since_epoch.as_secs() + 24 * 3_600),
        access_seconds: 3_600,
        redemptions: 1,
        restrictions: Restrictions::default(),
        label: None,
        metadata: Metadata::default(),
        message: None,
        recipients: None,
        allow_missing: true,
    }
}
