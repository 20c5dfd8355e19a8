//! Permissions: that a share gives what it says and its minter may do, and never more.
//!
//! Judged file by file. What is said of all files is said of one that is like no other ([`witness`]).

use cloakroom::domain::{
    authority::MadeUnder,
    ids::{ApiKeyId, ShareId, TenantId},
    instant::Instant,
    narrowing::{AsMinted, Conditions},
    permission::{Permission, Role, SharePermission},
    principal::PrincipalId,
    redemption::Terms,
    restrictions::Restrictions,
    share::{Pins, ShareGrant},
    tenant::{Generation, Mode, Namespace},
};
use proptest::{collection::vec, prelude::*, sample::select};

use super::vault::{
    PERMISSIONS, covers, grants, may, parsed_grants, parsed_path, parsed_pin, path, pin, rank, witness,
};

/// A permission on some place, as it is written.
type Granted = (String, Permission);

fn share(permission: SharePermission, pins: &[String]) -> ShareGrant {
    let terms = Terms {
        issued_at: Instant::from_unix_seconds(1),
        not_before: None,
        expires_at: Instant::from_unix_seconds(2),
        access_seconds: 3,
        redemptions: 1,
    };
    ShareGrant {
        id: ShareId::from_bytes([1; 16]),
        made: MadeUnder {
            namespace: Namespace { tenant: TenantId::from_bytes([2; 16]), mode: Mode::Live },
            minter: PrincipalId::ApiKey(ApiKeyId::from_bytes([3; 16])),
            tenant_generation: Generation(4),
            minter_generation: Generation(5),
        },
        permission,
        pins: Pins::new(pins.iter().map(|text| parsed_pin(text)).collect()).unwrap(),
        conditions: AsMinted::new(Conditions { terms, restrictions: Restrictions::default() }),
    }
}

fn share_permission() -> impl Strategy<Value = SharePermission> {
    select(&[SharePermission::Read, SharePermission::Write][..])
}

/// What may be done, by the code. A share that gives nothing at all is refused.
fn gives(share: &ShareGrant, minter: &[Granted], file: &str, permission: Permission) -> bool {
    let minter = parsed_grants(minter);
    share.rights(&minter).is_ok_and(|rights| rights.allow(&parsed_path(file), permission))
}

/// The same, said plainly.
fn should_give(most: SharePermission, pins: &[String], minter: &[Granted], file: &str, permission: Permission) -> bool {
    let is_shared = match most {
        SharePermission::Read => permission == Permission::Read,
        SharePermission::Write => permission == Permission::Read || permission == Permission::Write,
    };
    is_shared && pins.iter().any(|pin| covers(pin, file)) && may(minter, file, permission)
}

/// Whatever is drawn, and files that lie where pins and grants are.
fn files(drawn: Vec<String>, pins: &[String], grants: &[Granted]) -> Vec<String> {
    let places = pins.iter().chain(grants.iter().map(|(pin, _)| pin));
    drawn.into_iter().chain(places.map(|pin| witness(pin))).collect()
}

/// Whether all of what `asked` grants is granted by `granted`.
fn includes(granted: &[Granted], asked: &[Granted]) -> bool {
    asked.iter().all(|(pin, permission)| may(granted, &witness(pin), *permission))
}

proptest! {
    #[test]
    fn a_share_gives_what_it_says_and_its_minter_may_do(
        most in share_permission(),
        pins in vec(pin(), 1..=4),
        minter in grants(),
        drawn in vec(path(), 0..6),
    ) {
        let share = share(most, &pins);
        for file in files(drawn, &pins, &minter) {
            for permission in PERMISSIONS {
                let expected = should_give(most, &pins, &minter, &file, permission);
                prop_assert_eq!(gives(&share, &minter, &file, permission), expected, "{} {:?}", file, permission);
            }
        }
    }

    /// The rule of what is never wider, by itself.
    #[test]
    fn no_share_gives_more_than_its_pins_its_permission_or_its_minter(
        most in share_permission(),
        pins in vec(pin(), 1..=4),
        minter in grants(),
        drawn in vec(path(), 0..6),
    ) {
        let share = share(most, &pins);
        for file in files(drawn, &pins, &minter) {
            prop_assert!(!gives(&share, &minter, &file, Permission::Admin), "nobody shares that");
            for permission in PERMISSIONS.into_iter().filter(|permission| gives(&share, &minter, &file, *permission)) {
                prop_assert!(pins.iter().any(|pin| covers(pin, &file)));
                prop_assert!(rank(permission) <= rank(most.into()));
                prop_assert!(parsed_grants(&minter).allow(&parsed_path(&file), permission));
            }
        }
    }

    #[test]
    fn whatever_is_taken_from_a_minter_adds_nothing_to_a_share(
        most in share_permission(),
        pins in vec(pin(), 1..=4),
        minter in vec((pin(), select(&PERMISSIONS[..])), 1..=5),
        which in any::<prop::sample::Index>(),
        how in 0..3_u8,
        drawn in vec(path(), 1..6),
    ) {
        let which = which.index(minter.len());
        let mut less = minter.clone();
        match how {
            0 => drop(less.remove(which)),
            1 => less[which].1 = Permission::Read,
            _ => less[which].0 = witness(&less[which].0),
        }
        let share = share(most, &pins);
        for file in files(drawn, &pins, &minter) {
            for permission in PERMISSIONS {
                let before = gives(&share, &minter, &file, permission);
                prop_assert!(before || !gives(&share, &less, &file, permission), "{} {:?}", file, permission);
            }
        }
    }

    #[test]
    fn a_share_is_refused_exactly_if_nothing_is_left_of_it(
        most in share_permission(),
        pins in vec(pin(), 1..=4),
        minter in grants(),
    ) {
        let share = share(most, &pins);
        let minter_grants = parsed_grants(&minter);
        // If there is a file that both reach, then also one of these: the narrower of two pins lies in the wider.
        let gives_of = |pin: &String| {
            let candidates = files(Vec::new(), std::slice::from_ref(pin), &minter);
            candidates.iter().any(|file| covers(pin, file) && may(&minter, file, Permission::Read))
        };
        prop_assert_eq!(share.rights(&minter_grants).is_ok(), pins.iter().any(gives_of));
        let withheld: Vec<_> = share.withheld(&minter_grants).map(ToString::to_string).collect();
        let mut expected: Vec<_> = pins.iter().filter(|pin| !gives_of(pin)).cloned().collect();
        expected.sort_by_key(|text| parsed_pin(text));
        expected.dedup();
        prop_assert_eq!(withheld, expected);
    }

    #[test]
    fn grants_allow_what_one_of_them_says_in_any_order(grants in grants(), drawn in vec(path(), 0..6), asked in pin()) {
        let parsed = parsed_grants(&grants);
        let mut turned = parsed.clone();
        turned.0.reverse();
        turned.0.extend(parsed.0.clone());
        for file in files(drawn, &[], &grants) {
            for permission in PERMISSIONS {
                let expected = may(&grants, &file, permission);
                prop_assert_eq!(parsed.allow(&parsed_path(&file), permission), expected);
                prop_assert_eq!(turned.allow(&parsed_path(&file), permission), expected);
            }
        }
        for permission in PERMISSIONS {
            let expected = may(&grants, &witness(&asked), permission);
            prop_assert_eq!(parsed.allow_pin(&parsed_pin(&asked), permission), expected);
        }
        prop_assert_eq!(parsed.administer(), may(&grants, &witness("/"), Permission::Admin));
    }

    #[test]
    fn nobody_includes_what_they_do_not_have(mine in grants(), theirs in grants(), drawn in vec(path(), 0..6)) {
        let is_included = parsed_grants(&mine).include(&parsed_grants(&theirs));
        prop_assert_eq!(is_included, includes(&mine, &theirs));
        for file in files(drawn, &[], &theirs) {
            for permission in PERMISSIONS {
                prop_assert!(!is_included || !may(&theirs, &file, permission) || may(&mine, &file, permission));
            }
        }
    }

    #[test]
    fn a_role_never_says_more_or_less_than_its_grants(grants in grants()) {
        let parsed = parsed_grants(&grants);
        let administers = includes(&grants, &[("/".to_owned(), Permission::Admin)]);
        let writes = grants.iter().any(|(pin, _)| may(&grants, &witness(pin), Permission::Write));
        prop_assert_eq!(Role::with(Some(Role::Viewer), &parsed).is_ok(), !writes);
        prop_assert_eq!(Role::with(Some(Role::Member), &parsed).is_ok(), !administers);
        prop_assert_eq!(Role::with(Some(Role::Admin), &parsed).is_ok(), administers);
        let role = if administers { Role::Admin } else { Role::Member };
        prop_assert_eq!(Role::with(None, &parsed), Ok(role));
    }
}
