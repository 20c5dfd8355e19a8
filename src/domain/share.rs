//! Shares: a permission on pinned paths, to be claimed once.

use serde::{Deserialize, Serialize};

use super::{
    authority::MadeUnder,
    ids::ShareId,
    narrowing::AsMinted,
    path::{PathPin, VaultPath},
    permission::{Grants, Permission, SharePermission},
    refusal::Refusal,
};

/// The most paths of one share.
pub const MOST_PATHS: usize = 100;

/// The pins of a share: 1 to 100, sorted, none twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<PathPin>", into = "Vec<PathPin>")]
pub struct Pins(Vec<PathPin>);

/// Not 1 to 100 paths; the wording is shown to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a share has 1 to 100 paths")]
pub struct NotPins;

impl Pins {
    /// Sorts the paths and drops repetitions.
    ///
    /// # Errors
    /// When there are none, or over [`MOST_PATHS`].
    pub fn new(mut paths: Vec<PathPin>) -> Result<Self, NotPins> {
        if paths.is_empty() || paths.len() > MOST_PATHS {
            return Err(NotPins);
        }
        paths.sort_unstable();
        paths.dedup();
        Ok(Self(paths))
    }

    /// The pins, sorted.
    pub fn as_slice(&self) -> &[PathPin] {
        &self.0
    }

    /// Whether one of them covers this file.
    pub fn cover(&self, path: &VaultPath) -> bool {
        self.0.iter().any(|pin| pin.covers(path))
    }
}

impl TryFrom<Vec<PathPin>> for Pins {
    type Error = NotPins;

    fn try_from(paths: Vec<PathPin>) -> Result<Self, NotPins> {
        Self::new(paths)
    }
}

impl From<Pins> for Vec<PathPin> {
    fn from(pins: Pins) -> Self {
        pins.0
    }
}

/// What a share gives. Never changed once minted: its hash is sealed in the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareGrant {
    /// Which share.
    pub id: ShareId,
    /// Who minted it, under which generations.
    pub made: MadeUnder,
    /// The most it gives.
    pub permission: SharePermission,
    /// Where.
    pub pins: Pins,
    /// For how long, how often and from where, unless that was narrowed since.
    #[serde(flatten)]
    pub conditions: AsMinted,
}

/// What somebody may do under a share: what the share says and, at the same
/// time, what its minter may do now.
#[derive(Clone, Debug)]
pub struct ShareRights<'a> {
    grant: &'a ShareGrant,
    minter: &'a Grants,
}

impl ShareGrant {
    /// Cuts the share down to what its minter may do now.
    ///
    /// # Errors
    /// When nothing is left.
    pub fn rights<'a>(&'a self, minter: &'a Grants) -> Result<ShareRights<'a>, Refusal> {
        if self.pins.as_slice().iter().any(|pin| may_give_of(minter, pin)) {
            Ok(ShareRights { grant: self, minter })
        } else {
            Err(Refusal::MinterLostRights)
        }
    }
}

/// Whether the minter may give anything of what lies under this pin.
fn may_give_of(minter: &Grants, pin: &PathPin) -> bool {
    minter.allow_pin(pin, Permission::Read) || minter.0.iter().any(|grant| pin.covers_pin(&grant.path))
}

impl ShareGrant {
    /// The pins of which a minter with these grants may give nothing.
    pub fn withheld<'a>(&'a self, minter: &'a Grants) -> impl Iterator<Item = &'a PathPin> {
        self.pins.as_slice().iter().filter(|pin| !may_give_of(minter, pin))
    }
}

impl ShareRights<'_> {
    /// Whether this may be done to this file.
    pub fn allow(&self, path: &VaultPath, permission: Permission) -> bool {
        Permission::from(self.grant.permission) >= permission
            && self.grant.pins.cover(path)
            && self.minter.allow(path, permission)
    }

    /// The pins to list below. What is found there is still to be asked for one by one.
    pub fn pins(&self) -> &[PathPin] {
        self.grant.pins.as_slice()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        ids::{ApiKeyId, TenantId},
        instant::Instant,
        narrowing::Conditions,
        permission::PathGrant,
        principal::PrincipalId,
        redemption::Terms,
        restrictions::Restrictions,
        tenant::{Generation, Mode, Namespace},
    };

    fn pin(text: &str) -> PathPin {
        PathPin::parse(text).unwrap()
    }

    fn path(text: &str) -> VaultPath {
        VaultPath::parse(text).unwrap()
    }

    fn share(permission: SharePermission, pins: &[&str]) -> ShareGrant {
        ShareGrant {
            id: ShareId::from_bytes([1; 16]),
            made: MadeUnder {
                namespace: Namespace { tenant: TenantId::from_bytes([2; 16]), mode: Mode::Live },
                minter: PrincipalId::ApiKey(ApiKeyId::from_bytes([3; 16])),
                tenant_generation: Generation(4),
                minter_generation: Generation(5),
            },
            permission,
            pins: Pins::new(pins.iter().map(|text| pin(text)).collect()).unwrap(),
            conditions: AsMinted::new(Conditions {
                terms: Terms {
                    issued_at: Instant::from_unix_seconds(1),
                    not_before: None,
                    expires_at: Instant::from_unix_seconds(2),
                    access_seconds: 3,
                    redemptions: 1,
                },
                restrictions: Restrictions::default(),
            }),
        }
    }

    fn minter(path: &str, permission: Permission) -> Grants {
        Grants(vec![PathGrant { path: pin(path), permission }])
    }

    #[test]
    fn a_share_has_1_to_100_paths_without_repetition() {
        assert!(Pins::new(vec![]).is_err());
        let many = |count: usize| (0..count).map(|number| pin(&format!("f{number}"))).collect();
        assert!(Pins::new(many(100)).is_ok());
        assert!(Pins::new(many(101)).is_err());
        assert_eq!(Pins::new(vec![pin("b"), pin("a"), pin("b")]).unwrap().as_slice(), [pin("a"), pin("b")]);
    }

    #[test]
    fn a_share_never_gives_more_than_it_says() {
        let everything = Grants::administrator();
        let share = share(SharePermission::Read, &["a.pdf", "docs/"]);
        let rights = share.rights(&everything).unwrap();
        assert!(rights.allow(&path("a.pdf"), Permission::Read));
        assert!(rights.allow(&path("docs/x"), Permission::Read));
        assert!(!rights.allow(&path("a.pdf.bak"), Permission::Read));
        assert!(!rights.allow(&path("docs2/x"), Permission::Read));
        assert!(!rights.allow(&path("a.pdf"), Permission::Write));
    }

    #[test]
    fn a_write_share_never_administers() {
        let share = share(SharePermission::Write, &["/"]);
        let everything = Grants::administrator();
        let rights = share.rights(&everything).unwrap();
        assert!(rights.allow(&path("x"), Permission::Write));
        assert!(!rights.allow(&path("x"), Permission::Admin));
    }

    #[test]
    fn a_share_shrinks_with_its_minter() {
        let share = share(SharePermission::Write, &["docs/"]);
        let narrower = minter("docs/public/", Permission::Read);
        let rights = share.rights(&narrower).unwrap();
        assert!(rights.allow(&path("docs/public/x"), Permission::Read));
        assert!(!rights.allow(&path("docs/public/x"), Permission::Write));
        assert!(!rights.allow(&path("docs/x"), Permission::Read));
        assert_eq!(share.rights(&minter("other/", Permission::Admin)).unwrap_err(), Refusal::MinterLostRights);
        assert_eq!(share.rights(&Grants::default()).unwrap_err(), Refusal::MinterLostRights);
    }
}
