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
    fn nobody_includes_more_than_they_have() {
        let mine = grants(&[("docs/", Permission::Write)]);
        assert!(mine.include(&grants(&[("docs/x/", Permission::Read), ("docs/a", Permission::Write)])));
        assert!(!mine.include(&grants(&[("docs/", Permission::Admin)])));
        assert!(!mine.include(&Grants::administrator()));
    }
}
