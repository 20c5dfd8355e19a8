//! What is to be sent, and where it goes; and what is not sent.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    path::{Component, Path, PathBuf},
};

use ignore::{
    Match,
    gitignore::{Gitignore, GitignoreBuilder},
};

use crate::{
    cli::{Failed, client::cleaned, source::Source},
    domain::{
        path::{PathPin, VaultPath},
        privacy::{self, Class},
    },
};

/// Names what is left out of an upload, in the syntax of `.gitignore`. It stays at home itself.
pub(super) const IGNORE_FILE: &str = ".cloakroomignore";

/// One file and its place in the vault.
#[derive(Debug)]
pub(in crate::cli) struct Chosen {
    pub(super) source: Source,
    pub(in crate::cli) path: VaultPath,
}

/// All that was found under what was named.
#[derive(Debug, Default)]
pub(in crate::cli) struct Selection {
    /// What is sent.
    pub(in crate::cli) files: Vec<Chosen>,
    /// What an ignore file names.
    pub(super) ignored: Vec<String>,
    /// Links and devices: what is no file of its own.
    pub(super) skipped: Vec<String>,
    /// What must stay here, and why. One of them is enough to send nothing.
    pub(super) protected: Vec<(String, Class)>,
    is_lifted: bool,
}

/// Where things go.
enum Destination {
    /// Below this folder of the vault: a text that is empty or ends in a slash.
    Below(String),
    /// Exactly here.
    File(VaultPath),
}

/// What one folder or file is called by whom.
struct Names {
    /// For people: as it was named, and on from there.
    shown: String,
    /// From the name of the folder that is sent on.
    relative: String,
    /// In the vault.
    vault: String,
}

impl Names {
    fn join(&self, name: &str, end: &str) -> Self {
        let joined = |folder: &str, name: &str| match folder {
            "" => format!("{name}{end}"),
            _ => format!("{}/{name}{end}", folder.trim_end_matches('/')),
        };
        Self {
            shown: joined(&self.shown, &cleaned(name)),
            relative: joined(&self.relative, name),
            vault: joined(&self.vault, name),
        }
    }
}

impl Selection {
    /// Looks at files and folders, all of it, before anything is sent.
    ///
    /// # Errors
    /// For what cannot be read or has no name that a vault can hold.
    pub(super) fn of(named: &[PathBuf], to: Option<&str>, without_protection: bool) -> Result<Self, Failed> {
        let destination = match to.map(PathPin::parse).transpose().map_err(|fault| format!("--to: {fault}"))? {
            None => Destination::Below(String::new()),
            Some(PathPin::File(_)) if named.len() > 1 => {
                return Err("--to names one file; where several go, end it with a slash, as in --to docs/".into());
            }
            Some(PathPin::File(path)) => Destination::File(path),
            Some(folder) => Destination::Below(folder.listing_prefix()),
        };
        let mut selection = Self { is_lifted: without_protection, ..Self::default() };
        for path in named {
            selection.add(path, &destination)?;
        }
        selection.check()?;
        Ok(selection)
    }

    fn add(&mut self, named: &Path, destination: &Destination) -> Result<(), Failed> {
        let fault = |fault| format!("{}: {fault}", named.display());
        // Whoever names a link means what it leads to; that has to be let go, too.
        let real = fs::canonicalize(named).map_err(fault)?;
        let metadata = fs::metadata(&real).map_err(fault)?;
        let shown = shown(named);
        if !self.is_lifted
            && let Some(class) = class_of_named(named, &real, metadata.is_dir())
        {
            self.protected.push((shown, class));
            return Ok(());
        }
        let name = named.file_name().and_then(|name| name.to_str());
        let relative = real.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if metadata.is_dir() {
            let vault = match (destination, name) {
                (Destination::File(_), _) => {
                    return Err(format!("{shown} is a folder: end --to with a slash, as in --to docs/").into());
                }
                (Destination::Below(folder), Some(name)) if !means_contents(named) => format!("{folder}{name}/"),
                (Destination::Below(folder), _) => folder.clone(),
            };
            return self.walk(&real, &Names { shown, relative, vault }, &mut Vec::new());
        }
        if !metadata.is_file() {
            return Err(format!("{shown} is neither a file nor a folder").into());
        }
        let vault = match (destination, name) {
            (Destination::File(path), _) => path.to_string(),
            (Destination::Below(folder), Some(name)) => format!("{folder}{name}"),
            (Destination::Below(_), None) => return Err(format!("{shown} has no name that a vault can hold").into()),
        };
        self.choose(Source::new(&real, &metadata), Names { shown, relative, vault })
    }

    fn walk(&mut self, folder: &Path, names: &Names, rules: &mut Vec<Gitignore>) -> Result<(), Failed> {
        let is_ruled = fs::symlink_metadata(folder.join(IGNORE_FILE)).is_ok();
        if is_ruled {
            rules.push(rules_in(folder).map_err(|fault| format!("{}: {fault}", names.shown))?);
        }
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut entries = entries.map_err(|fault| format!("{}: {fault}", names.shown))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries.iter().filter(|entry| entry.file_name() != IGNORE_FILE) {
            self.meet(&entry.path(), &entry.file_name(), names, rules)?;
        }
        if is_ruled {
            rules.pop();
        }
        Ok(())
    }

    fn meet(&mut self, file: &Path, name: &OsStr, folder: &Names, rules: &mut Vec<Gitignore>) -> Result<(), Failed> {
        let metadata = fs::symlink_metadata(file).map_err(|fault| format!("{}: {fault}", shown(file)))?;
        let names = folder.join(&name.to_string_lossy(), if metadata.is_dir() { "/" } else { "" });
        if is_ignored(rules, file, metadata.is_dir()) {
            self.ignored.push(names.shown);
        } else if !metadata.is_dir() && !metadata.is_file() {
            self.skipped.push(names.shown);
        } else if name.to_str().is_none() {
            return Err(format!("{}: its name is no valid text", names.shown).into());
        } else if metadata.is_file() {
            return self.choose(Source::new(file, &metadata), names);
        } else if let Some(class) = self.class(&names) {
            self.protected.push((names.shown, class));
        } else {
            return self.walk(file, &names, rules);
        }
        Ok(())
    }

    fn choose(&mut self, source: Source, names: Names) -> Result<(), Failed> {
        match self.class(&names) {
            Some(class) => self.protected.push((names.shown, class)),
            None => {
                let path = VaultPath::parse(&names.vault).map_err(|fault| format!("{}: {fault}", names.shown))?;
                self.files.push(Chosen { source, path });
            }
        }
        Ok(())
    }

    fn class(&self, names: &Names) -> Option<Class> {
        let class = || privacy::protected(&names.relative).or_else(|| privacy::protected(&names.vault));
        if self.is_lifted { None } else { class() }
    }

    fn check(&self) -> Result<(), Failed> {
        let mut places = BTreeMap::new();
        for chosen in &self.files {
            if let Some(other) = places.insert(chosen.path.as_str(), &chosen.source.path) {
                let (one, two) = (shown(other), shown(&chosen.source.path));
                return Err(format!("{one} and {two} would both become {}", cleaned(chosen.path.as_str())).into());
            }
        }
        Ok(())
    }
}

/// Whether what was named on the command line must stay. A relative name is
/// taken at its word; further up, only folders that taint all below them count.
fn class_of_named(named: &Path, real: &Path, is_folder: bool) -> Option<Class> {
    let slash = if is_folder { "/" } else { "" };
    let text = |path: &Path| {
        let normal = path.components().filter(|part| matches!(part, Component::Normal(_)));
        normal.map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/") + slash
    };
    let typed = if named.is_absolute() { Path::new("") } else { named };
    let own = real.file_name().map(PathBuf::from).unwrap_or_default();
    let above = || privacy::protected(&text(real)).filter(|class| class.reaches_down());
    privacy::protected(&text(typed)).or_else(|| privacy::protected(&text(&own))).or_else(above)
}

/// Whether the contents of a folder are meant, as with rsync: `site/`, `.`
fn means_contents(named: &Path) -> bool {
    let text = named.as_os_str().as_encoded_bytes();
    text.ends_with(b"/") || text.ends_with(b"/.") || named.file_name().is_none()
}

fn shown(path: &Path) -> String {
    cleaned(&path.to_string_lossy())
}

/// A rule that cannot be read might be one that keeps a secret: it ends the upload.
fn rules_in(folder: &Path) -> Result<Gitignore, ignore::Error> {
    let mut rules = GitignoreBuilder::new(folder);
    match rules.add(folder.join(IGNORE_FILE)) {
        None => rules.build(),
        Some(fault) => Err(fault),
    }
}

/// The innermost folder that has something to say decides.
fn is_ignored(rules: &[Gitignore], file: &Path, is_folder: bool) -> bool {
    let said = rules.iter().rev().map(|rules| rules.matched(file, is_folder)).find(|said| !said.is_none());
    matches!(said, Some(Match::Ignore(_)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn with(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            for (path, text) in files {
                let path = folder.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Self(folder)
        }

        fn select(&self, named: &[&str], to: Option<&str>) -> Result<Selection, Failed> {
            let named: Vec<_> =
                named.iter().map(|name| PathBuf::from(format!("{}/{name}", self.0.path().display()))).collect();
            Selection::of(&named, to, false)
        }

        fn paths(&self, named: &[&str], to: Option<&str>) -> Vec<String> {
            let selection = self.select(named, to).unwrap();
            assert!(selection.protected.is_empty(), "{:?}", selection.protected);
            selection.files.into_iter().map(|chosen| chosen.path.into()).collect()
        }
    }

    #[test]
    fn a_folder_goes_with_its_name_and_with_a_slash_without() {
        let folder = Folder::with(&[("site/a.txt", ""), ("site/b/c.txt", ""), ("d.txt", "")]);
        assert_eq!(folder.paths(&["site"], None), ["site/a.txt", "site/b/c.txt"]);
        assert_eq!(folder.paths(&["site"], Some("docs/")), ["docs/site/a.txt", "docs/site/b/c.txt"]);
        assert_eq!(folder.paths(&["site/"], Some("docs/")), ["docs/a.txt", "docs/b/c.txt"]);
        assert_eq!(folder.paths(&["site/."], Some("docs/")), ["docs/a.txt", "docs/b/c.txt"]);
        assert_eq!(folder.paths(&["d.txt", "site"], Some("/")), ["d.txt", "site/a.txt", "site/b/c.txt"]);
        assert_eq!(folder.paths(&["d.txt"], Some("docs/e.txt")), ["docs/e.txt"]);
    }

    #[test]
    fn what_has_no_place_ends_it_before_it_begins() {
        let folder = Folder::with(&[("a/x.txt", ""), ("b/x.txt", ""), ("odd/%2e%2e", "")]);
        let fault = |named: &[&str], to| folder.select(named, to).unwrap_err().to_string();
        assert!(fault(&["a/x.txt", "b/x.txt"], None).contains("would both become x.txt"));
        assert!(fault(&["a"], Some("docs")).contains("is a folder"));
        assert!(fault(&["odd"], None).contains("must not contain"));
        assert!(fault(&["a"], Some("../")).contains("--to: "));
        assert!(fault(&["none"], None).contains("none: "));
        let two = folder.select(&["a/x.txt", "b/x.txt"], Some("docs/y.txt"));
        assert!(two.unwrap_err().to_string().contains("--to docs/"));
    }

    #[test]
    fn ignored_files_stay_out_innermost_rule_first() {
        let folder = Folder::with(&[
            ("site/.cloakroomignore", "*.log\n/drafts/\n.env\n"),
            ("site/a.log", ""),
            ("site/.env", ""),
            ("site/drafts/x.txt", ""),
            ("site/in/.cloakroomignore", "!keep.log\n"),
            ("site/in/keep.log", ""),
            ("site/in/b.log", ""),
            ("site/in/drafts/y.txt", ""),
        ]);
        let selection = folder.select(&["site"], None).unwrap();
        let sent: Vec<_> = selection.files.iter().map(|chosen| chosen.path.as_str()).collect();
        assert_eq!(sent, ["site/in/drafts/y.txt", "site/in/keep.log"]);
        assert_eq!((selection.ignored.len(), selection.protected.len()), (4, 0), "{:?}", selection.ignored);
    }

    #[test]
    fn a_rule_that_cannot_be_read_ends_it() {
        let folder = Folder::with(&[("site/.cloakroomignore", "[z-a]\n"), ("site/a.txt", "")]);
        assert!(folder.select(&["site"], None).is_err());
        let folder = Folder::with(&[("site/a.txt", ""), ("site/.cloakroomignore/x", "")]);
        assert!(folder.select(&["site"], None).is_err());
    }

    #[test]
    fn what_must_stay_is_named_once_and_not_entered() {
        let folder = Folder::with(&[
            ("site/a.txt", ""),
            ("site/.git/config", ""),
            ("site/.git/objects/ab", ""),
            ("site/in/.env", ""),
            ("site/raw/x.csv", ""),
        ]);
        let found = folder.select(&["site"], None).unwrap().protected;
        let names: Vec<_> = found.iter().map(|(name, class)| (name.rsplit("site/").next().unwrap(), *class)).collect();
        let expected = [(".git/", Class::VersionControl), ("in/.env", Class::Credentials), ("raw/", Class::RawData)];
        assert_eq!(names, expected);
        for (named, class) in [("site/.git/config", Class::VersionControl), ("site/raw/", Class::RawData)] {
            assert_eq!(folder.select(&[named], None).unwrap().protected[0].1, class, "{named}");
        }
        let named = [folder.0.path().join("site")];
        let lifted = Selection::of(&named, None, true).unwrap();
        assert_eq!((lifted.files.len(), lifted.protected.len()), (5, 0));
        // It is the place in the vault as well: a harmless name does not hide it.
        assert_eq!(folder.select(&["site/a.txt"], Some("x/.env")).unwrap().protected[0].1, Class::Credentials);
    }

    #[test]
    fn links_are_not_followed_within_and_not_let_through_when_named() {
        let folder = Folder::with(&[("site/a.txt", ""), (".ssh/known", ""), ("secret/id_rsa", "")]);
        symlink("../secret", folder.0.path().join("site/way")).unwrap();
        symlink("../secret/id_rsa", folder.0.path().join("site/b.txt")).unwrap();
        symlink(".ssh/known", folder.0.path().join("c.txt")).unwrap();
        let selection = folder.select(&["site"], None).unwrap();
        assert_eq!((selection.files.len(), selection.skipped.len()), (1, 2));
        for (named, class) in [("site/b.txt", Class::PrivateKey), ("c.txt", Class::Settings)] {
            assert_eq!(folder.select(&[named], None).unwrap().protected[0].1, class, "{named}");
        }
    }
}
