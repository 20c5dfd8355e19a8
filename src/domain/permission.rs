//! Permissions and path grants: what a principal may do, and where.

use serde::{Deserialize, Serialize};

use super::path::{PathPin, VaultPath};

/// What a principal may do below a path. Each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// List and download.
    Read,
    /// Also upload, replace and delete.
    Write,
    /// Also administer: keys, and whatever else belongs to the tenant.
    Admin,
}

/// What a share can carry. There is no `admin` here: it cannot be shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SharePermission {
    /// List and download.
    Read,
    /// Also upload.
    Write,
}

impl From<SharePermission> for Permission {
    fn from(permission: SharePermission) -> Self {
        match permission {
            SharePermission::Read => Self::Read,
            SharePermission::Write => Self::Write,
        }
    }
}

/// What a principal may do at all; where, its grants say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look and download. Makes nothing.
    Viewer,
    /// Also make shares, links, artifacts, file requests and uploads.
    Member,
    /// Everything, of everybody: keys, users, the audit trail.
    Admin,
}

/// A role that does not go with the grants; the wording is shown to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRights {
    /// A viewer with more than `read` somewhere.
    #[error("a viewer only has grants of read")]
    Viewer,
    /// A member who has `admin` on everything.
    #[error("whoever has admin on / has the role admin")]
    Member,
    /// An administrator who has not.
    #[error("the role admin needs the grant admin on /")]
    Admin,
}

impl Role {
    /// The role with these grants; where none is asked for, the one that makes the most of them.
    ///
    /// # Errors
    /// When they do not go together.
    pub fn with(asked: Option<Self>, grants: &Grants) -> Result<Self, NotRights> {
        let administers = grants.administer();
        let role = asked.unwrap_or(if administers { Self::Admin } else { Self::Member });
        match role {
            Self::Viewer if grants.0.iter().any(|grant| grant.permission > Permission::Read) => Err(NotRights::Viewer),
            Self::Member if administers => Err(NotRights::Member),
            Self::Admin if !administers => Err(NotRights::Admin),
            role => Ok(role),
        }
    }

    /// Whether it may make what others can use.
    pub const fn mints(self) -> bool {
        matches!(self, Self::Member | Self::Admin)
    }
}

/// One thing a principal may do: a permission on a pin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathGrant {
    /// Where: `/` for the whole vault, `docs/` for a folder, `a.pdf` for one file.
    pub path: PathPin,
    /// What.
    pub permission: Permission,
}

/// All that a principal may do in its namespace. Empty: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grants(pub Vec<PathGrant>);

impl Grants {
    /// Everything, everywhere in the namespace.
    pub fn administrator() -> Self {
        Self(vec![PathGrant { path: PathPin::root(), permission: Permission::Admin }])
    }

    /// Whether `permission` is granted on this one path.
    pub fn allow(&self, path: &VaultPath, permission: Permission) -> bool {
        self.0.iter().any(|grant| grant.permission >= permission && grant.path.covers(path))
    }

    /// Whether `permission` is granted on everything the pin covers.
    pub fn allow_pin(&self, pin: &PathPin, permission: Permission) -> bool {
        self.0.iter().any(|grant| grant.permission >= permission && grant.path.covers_pin(pin))
    }

    /// Whether the principal administers the tenant.
    pub fn administer(&self) -> bool {
        self.allow_pin(&PathPin::root(), Permission::Admin)
    }

    /// Whether everything that `other` allows is allowed here too.
    pub fn include(&self, other: &Self) -> bool {
        other.0.iter().all(|grant| self.allow_pin(&grant.path, grant.permission))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(list: &[(&str, Permission)]) -> Grants {
        let grant =
            |&(path, permission): &(&str, Permission)| PathGrant { path: PathPin::parse(path).unwrap(), permission };
        Grants(list.iter().map(grant).collect())
    }

    #[test]
    fn a_grant_reaches_its_own_folder_only() {
        let grants = grants(&[("docs/", Permission::Write)]);
        let path = |text| VaultPath::parse(text).unwrap();
        assert!(grants.allow(&path("docs/a.pdf"), Permission::Read));
        assert!(grants.allow(&path("docs/a.pdf"), Permission::Write));
        assert!(!grants.allow(&path("docs/a.pdf"), Permission::Admin));
        assert!(!grants.allow(&path("docs2/a.pdf"), Permission::Read));
        assert!(!grants.allow(&path("docs"), Permission::Read));
    }

    #[test]
    fn a_folder_is_granted_as_a_whole_or_not() {
        let grants = grants(&[("docs/a/", Permission::Read), ("docs/b.txt", Permission::Read)]);
        let pin = |text| PathPin::parse(text).unwrap();
        assert!(grants.allow_pin(&pin("docs/a/"), Permission::Read));
        assert!(grants.allow_pin(&pin("docs/a/deep/"), Permission::Read));
        assert!(grants.allow_pin(&pin("docs/b.txt"), Permission::Read));
        assert!(!grants.allow_pin(&pin("docs/"), Permission::Read));
        assert!(!grants.allow_pin(&pin("docs/b.txt"), Permission::Write));
    }

    #[test]
    fn an_empty_list_grants_nothing() {
        assert!(!Grants::default().allow(&VaultPath::parse("a").unwrap(), Permission::Read));
        assert!(!Grants::default().administer());
    }

    #[test]
    fn administration_is_of_the_whole_vault() {
        assert!(Grants::administrator().administer());
        assert!(!grants(&[("docs/", Permission::Admin)]).administer());
    }

    #[test]
    fn a_role_goes_with_its_grants() {
        let read = grants(&[("docs/", Permission::Read)]);
        let write = grants(&[("docs/", Permission::Write)]);
        let all = Grants::administrator();
        assert_eq!(Role::with(None, &read), Ok(Role::Member));
        assert_eq!(Role::with(None, &all), Ok(Role::Admin));
        assert_eq!(Role::with(Some(Role::Viewer), &read), Ok(Role::Viewer));
        assert_eq!(Role::with(Some(Role::Viewer), &write), Err(NotRights::Viewer));
        assert_eq!(Role::with(Some(Role::Viewer), &all), Err(NotRights::Viewer));
        assert_eq!(Role::with(Some(Role::Member), &all), Err(NotRights::Member));
        assert_eq!(Role::with(Some(Role::Admin), &write), Err(NotRights::Admin));
        assert_eq!([Role::Viewer, Role::Member, Role::Admin].map(Role::mints), [false, true, true]);
    }

    #[test]
    fn nobody_includes_more_than_they_have() {
        let mine = grants(&[("docs/", Permission::Write)]);
        assert!(mine.include(&grants(&[("docs/x/", Permission::Read), ("docs/a", Permission::Write)])));
        assert!(!mine.include(&grants(&[("docs/", Permission::Admin)])));
        assert!(!mine.include(&Grants::administrator()));
    }
}
