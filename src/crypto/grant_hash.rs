//! The hash of a share's grant that its token seals.
//!
//! SHA-256 over a label and the grant's fields in a fixed order, each with its
//! length: independent of how rows happen to be encoded.

use crate::domain::{narrowing::Conditions, permission::SharePermission, share::ShareGrant, tenant::Mode};

use super::digest::{Sha256Digest, framed, labelled};

/// The hash of everything in the grant.
pub fn grant_hash(grant: &ShareGrant) -> Sha256Digest {
    let mode = match grant.made.namespace.mode {
        Mode::Live => [1],
        Mode::Test => [2],
    };
    let permission = match grant.permission {
        SharePermission::Read => [1],
        SharePermission::Write => [2],
    };
    let pins: Vec<String> = grant.pins.as_slice().iter().map(ToString::to_string).collect();
    let pins: Vec<&[u8]> = pins.iter().map(|pin| pin.as_bytes()).collect();
    let Conditions { terms, restrictions } = grant.conditions.sealed();
    let not_before = terms.not_before.map(|at| at.as_unix_millis().to_be_bytes());
    let not_before: Vec<&[u8]> = not_before.iter().map(|at| at.as_slice()).collect();
    let networks = restrictions.networks.as_ref().map(|networks| networks.as_slice()).unwrap_or_default();
    let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
    // None where it may be used from everywhere; there is no empty list of networks.
    let networks: Vec<&[u8]> = networks.iter().map(|network| network.as_bytes()).collect();
    let recipients: Vec<&[u8]> = restrictions.recipients.iter().map(|mark| mark.0.as_bytes()).collect();
    labelled(
        "cloakroom/share-grant/v1",
        &[
            grant.id.as_bytes(),
            grant.made.namespace.tenant.as_bytes(),
            &mode,
            grant.made.minter.to_string().as_bytes(),
            &grant.made.tenant_generation.0.to_be_bytes(),
            &grant.made.minter_generation.0.to_be_bytes(),
            &permission,
            &framed(&pins),
            &terms.issued_at.as_unix_millis().to_be_bytes(),
            &framed(&not_before),
            &terms.expires_at.as_unix_millis().to_be_bytes(),
            &terms.access_seconds.to_be_bytes(),
            &terms.redemptions.to_be_bytes(),
            &framed(&networks),
            &framed(&recipients),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        authority::MadeUnder,
        ids::{ApiKeyId, ShareId, TenantId, UserId},
        instant::Instant,
        narrowing::AsMinted,
        path::PathPin,
        principal::PrincipalId,
        redemption::Terms,
        restrictions::Restrictions,
        share::Pins,
        tenant::{Generation, Namespace},
    };

    fn grant() -> ShareGrant {
        ShareGrant {
            id: ShareId::from_bytes([1; 16]),
            made: MadeUnder {
                namespace: Namespace { tenant: TenantId::from_bytes([2; 16]), mode: Mode::Live },
                minter: PrincipalId::ApiKey(ApiKeyId::from_bytes([3; 16])),
                tenant_generation: Generation(4),
                minter_generation: Generation(5),
            },
            permission: SharePermission::Read,
            pins: Pins::new(vec![PathPin::parse("docs/").unwrap()]).unwrap(),
            conditions: AsMinted::new(Conditions {
                terms: Terms {
                    issued_at: Instant::from_unix_millis(6),
                    not_before: None,
                    expires_at: Instant::from_unix_millis(7),
                    access_seconds: 8,
                    redemptions: 1,
                },
                restrictions: Restrictions::default(),
            }),
        }
    }

    fn minted(grant: &mut ShareGrant, alter: impl FnOnce(&mut Conditions)) {
        let mut conditions = grant.conditions.sealed().clone();
        alter(&mut conditions);
        grant.conditions = AsMinted::new(conditions);
    }

    #[test]
    fn every_field_counts() {
        let change = |alter: fn(&mut ShareGrant)| {
            let mut altered = grant();
            alter(&mut altered);
            grant_hash(&altered)
        };
        let hashes = [
            grant_hash(&grant()),
            change(|grant| grant.id = ShareId::from_bytes([9; 16])),
            change(|grant| grant.made.namespace.tenant = TenantId::from_bytes([9; 16])),
            change(|grant| grant.made.namespace.mode = Mode::Test),
            change(|grant| grant.made.minter = PrincipalId::User(UserId::from_bytes([3; 16]))),
            change(|grant| grant.made.minter = PrincipalId::ApiKey(ApiKeyId::from_bytes([9; 16]))),
            change(|grant| grant.made.tenant_generation = Generation(9)),
            change(|grant| grant.made.minter_generation = Generation(9)),
            change(|grant| grant.permission = SharePermission::Write),
            change(|grant| grant.pins = Pins::new(vec![PathPin::parse("docs").unwrap()]).unwrap()),
            change(|grant| minted(grant, |minted| minted.terms.issued_at = Instant::from_unix_millis(9))),
            change(|grant| minted(grant, |minted| minted.terms.not_before = Some(Instant::from_unix_millis(0)))),
            change(|grant| minted(grant, |minted| minted.terms.not_before = Some(Instant::from_unix_millis(9)))),
            change(|grant| minted(grant, |minted| minted.terms.expires_at = Instant::from_unix_millis(9))),
            change(|grant| minted(grant, |minted| minted.terms.access_seconds = 9)),
            change(|grant| minted(grant, |minted| minted.terms.redemptions = 9)),
            change(|grant| {
                minted(grant, |minted| {
                    minted.restrictions = serde_json::from_str(r#"{"networks":["10.0.0.0/8"]}"#).unwrap()
                })
            }),
            change(|grant| {
                minted(grant, |minted| {
                    minted.restrictions = serde_json::from_str(r#"{"networks":["10.0.0.0/9"]}"#).unwrap()
                })
            }),
            change(|grant| {
                minted(grant, |minted| minted.restrictions = serde_json::from_str(r#"{"recipients":"1.a"}"#).unwrap())
            }),
        ];
        for (index, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..index].contains(hash), "field {index} does not count");
        }
    }
}
