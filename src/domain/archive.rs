//! Names inside an archive: they must be harmless wherever it is unpacked.
//!
//! Whoever unpacks it may sit at any operating system, so a name must be one there: no way out of the
//! folder, nothing that Windows takes for a device or a drive, nothing that shows as something else, and no
//! two that a file system which does not tell `A` from `a` would put in one place.

use std::{
    collections::{HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use unicode_normalization::UnicodeNormalization;

use super::{
    path::{LONGEST_SEGMENT, PathPin},
    text::{is_invisible, shows_nothing},
};

/// What a name becomes of which nothing is left.
const NAMELESS: &str = "_";

/// Names that Windows takes for devices, whatever follows their first dot.
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

/// What has a name already, told by hashes: of a million names, they are what fits in memory. Two that
/// happen to have one hash are told apart without need, and nothing worse.
#[derive(Debug, Default)]
pub struct ArchiveNames {
    taken: HashMap<u64, Taken>,
    /// The folder that was placed last: files come in the order of their paths.
    last: Option<(String, String)>,
}

#[derive(Clone, Copy, Debug)]
struct Taken {
    by: Kind,
    /// The first number that may still be free.
    next: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
}

impl ArchiveNames {
    /// The name of one more file, from its path: relative, of clean segments, and like no other.
    pub fn name(&mut self, path: &str) -> String {
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        let mut name = self.folder(folder);
        let placed = self.place(&name, &cleaned(file), Kind::File);
        name.push_str(&placed);
        name
    }

    /// Where the files of this folder go: with a slash at its end, or empty.
    fn folder(&mut self, folder: &str) -> String {
        if let Some((known, placed)) = &self.last
            && known == folder
        {
            return placed.clone();
        }
        let mut name = String::new();
        for segment in folder.split('/').filter(|segment| !segment.is_empty()) {
            let placed = self.place(&name, &cleaned(segment), Kind::Folder);
            name.push_str(&placed);
            name.push('/');
        }
        self.last = Some((folder.to_owned(), name.clone()));
        name
    }

    fn place(&mut self, folder: &str, segment: &str, kind: Kind) -> String {
        let plain = hash(folder, segment);
        let shared = |taken: Option<&Taken>| kind == Kind::Folder && taken.is_some_and(|taken| taken.by == kind);
        let mut number = match self.taken.get(&plain) {
            None => {
                self.taken.insert(plain, Taken { by: kind, next: 2 });
                return segment.to_owned();
            }
            taken if shared(taken) => return segment.to_owned(),
            // A folder has to be found again under the number that it got before.
            Some(taken) if kind == Kind::File => taken.next,
            Some(_) => 2,
        };
        loop {
            let candidate = numbered(segment, number);
            number += 1;
            let hash = hash(folder, &candidate);
            if shared(self.taken.get(&hash)) {
                return candidate;
            }
            if self.taken.contains_key(&hash) {
                continue;
            }
            self.taken.insert(hash, Taken { by: kind, next: 2 });
            if let Some(taken) = self.taken.get_mut(&plain) {
                taken.next = taken.next.max(number);
            }
            return candidate;
        }
    }
}

/// The folder that everything pinned lies in, with its slash: what all names in an archive need not repeat.
pub fn common_folder(pins: &[PathPin]) -> String {
    let mut parents = pins.iter().map(PathPin::parent);
    let Some(first) = parents.next() else { return String::new() };
    let common = parents.fold(first, |common, parent| {
        let same = common.bytes().zip(parent.bytes()).take_while(|(a, b)| a == b).count();
        common.as_bytes()[..same].iter().rposition(|byte| *byte == b'/').map_or("", |slash| &common[..=slash])
    });
    common.to_owned()
}

/// One segment of a name, harmless everywhere.
fn cleaned(segment: &str) -> String {
    let visible = segment.chars().filter(|character| !is_invisible(*character));
    let allowed = |character| match character {
        '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
        other => other,
    };
    let name: String = visible.map(allowed).collect();
    let name = ended(cut(&name, LONGEST_SEGMENT - 1));
    if name.is_empty() {
        NAMELESS.into()
    } else if is_device(name) {
        format!("_{name}")
    } else {
        name.into()
    }
}

/// Windows drops dots and spaces at the end; and of `..` nothing is left.
fn ended(name: &str) -> &str {
    name.trim_end_matches(|character: char| character == '.' || character.is_whitespace())
}

fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_uppercase();
    let port = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    let is_port = port.is_some_and(|number| {
        let mut number = number.chars();
        matches!((number.next(), number.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
    });
    is_port || DEVICES.contains(&stem.as_str())
}

/// `a.txt` with a number: `a (2).txt`.
fn numbered(segment: &str, number: u32) -> String {
    let dot = segment.rfind('.').filter(|dot| *dot > 0).unwrap_or(segment.len());
    let (stem, extension) = segment.split_at(dot);
    let mark = format!(" ({number})");
    let extension = cut(extension, LONGEST_SEGMENT / 2);
    let stem = cut(stem, LONGEST_SEGMENT - extension.len() - mark.len());
    ended(&format!("{stem}{mark}{extension}")).to_owned()
}

/// Alike for names that some file system takes for one.
fn hash(folder: &str, segment: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    let shown = folder.chars().chain(segment.chars()).filter(|character| !shows_nothing(*character));
    // Lower before upper, too: a capital sharp s becomes the small one, and that two.
    let folded = shown.flat_map(char::to_lowercase).flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    for character in folded.nfc() {
        character.hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn named(path: &str) -> String {
        ArchiveNames::default().name(path)
    }

    #[test]
    fn names_that_are_harmless_stay_as_they_are() {
        for path in
            ["a", "docs/a b.pdf", ".env", "日本/ファイル 🎉.txt", "a..b", "50%.txt", "it's", "שלום.txt", "console.log"]
        {
            assert_eq!(named(path), path);
        }
    }

    #[test]
    fn no_name_leads_out_or_hides_what_it_is() {
        for (path, name) in [
            ("../a", "_/a"),
            ("a/../../b", "a/_/_/b"),
            ("/etc/passwd", "etc/passwd"),
            ("a//b", "a/b"),
            ("C:/x", "C_/x"),
            ("C:\\x\\y", "C__x_y"),
            ("\\\\host\\share", "__host_share"),
            ("a\u{202e}gpj.exe", "agpj.exe"),
            ("a\nb\u{1b}[31m\0", "ab[31m"),
            ("con", "_con"),
            ("Nul.txt", "_Nul.txt"),
            ("com1.tar.gz", "_com1.tar.gz"),
            ("LPT¹", "_LPT¹"),
            ("aux .txt/x", "_aux .txt/x"),
            ("a. . ", "a"),
            ("a/./b", "a/_/b"),
            ("", "_"),
            (" ", "_"),
            ("\u{202e}", "_"),
            ("a/", "a/_"),
            ("what?*<>|\".txt", "what______.txt"),
        ] {
            assert_eq!(named(path), name, "{path:?}");
        }
    }

    #[test]
    fn two_that_some_file_system_takes_for_one_are_told_apart() {
        let mut names = ArchiveNames::default();
        let given = [
            "a.txt",
            "A.txt",
            "a (2).TXT",
            "a.TXT",
            "ﬀ",
            "FF",
            "é",
            "e\u{301}",
            "x.",
            "x",
            ".a",
            ".A",
            "straẞe",
            "straße",
            "STRASSE",
            "v\u{fe0f}",
            "v",
        ];
        let named = given.map(|path| names.name(path));
        assert_eq!(
            named,
            [
                "a.txt",
                "A (2).txt",
                "a (2) (2).TXT",
                "a (3).TXT",
                "ﬀ",
                "FF (2)",
                "é",
                "e\u{301} (2)",
                "x",
                "x (2)",
                ".a",
                ".A (2)",
                "straẞe",
                "straße (2)",
                "STRASSE (3)",
                "v\u{fe0f}",
                "v (2)",
            ]
        );
    }

    #[test]
    fn a_file_and_a_folder_of_one_name_are_told_apart_and_the_folder_stays_one() {
        let mut names = ArchiveNames::default();
        let named = ["a", "a/1", "A/1", "a/2", "b/1", "a/3", "B"].map(|path| names.name(path));
        assert_eq!(named, ["a", "a (2)/1", "A (2)/1 (2)", "a (2)/2", "b/1", "a (2)/3", "B (2)"]);
    }

    /// Numbers that are the same at every run, and look like none.
    fn scattered(seed: u64) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(seed), |last| Some(last.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1)))
            .map(|number| (number >> 33) as usize)
    }

    #[test]
    fn of_any_paths_every_name_is_clean_and_its_own() {
        const PIECES: [&str; 24] = [
            "a", "A", "b", ".", "..", "/", "\\", ":", " ", "con", "NUL", "com1", "\u{202e}", "\0", "\n", "é",
            "e\u{301}", "🎉", "*", "(2)", " (2)", ".txt", "ß", "C:",
        ];
        for seed in 0..200 {
            let mut numbers = scattered(seed);
            let mut next = |below: usize| numbers.next().unwrap() % below;
            let mut names = ArchiveNames::default();
            let mut seen = HashSet::new();
            let mut folders = HashSet::new();
            for _ in 0..200 {
                let path: String = (0..next(8)).map(|_| PIECES[next(PIECES.len())]).collect();
                let name = names.name(&path);
                let folded: String =
                    name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfc().collect();
                for (slash, _) in folded.match_indices('/') {
                    folders.insert(folded[..slash].to_owned());
                }
                assert!(seen.insert(folded), "{path:?} {name:?}");
                for segment in name.split('/') {
                    assert!(!segment.is_empty() && segment.len() <= LONGEST_SEGMENT, "{path:?} {name:?}");
                    assert!(!segment.ends_with(['.', ' ']) && !is_device(segment), "{path:?} {name:?}");
                    assert!(!segment.chars().any(|c| is_invisible(c) || "\\:*?\"<>|".contains(c)), "{path:?} {name:?}");
                }
            }
            assert!(seen.is_disjoint(&folders));
        }
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let name = named(&format!("{}.txt", "é".repeat(400)));
        assert!(name.len() <= LONGEST_SEGMENT);
        let mut names = ArchiveNames::default();
        for _ in 0..12 {
            assert!(names.name(&"é".repeat(127)).len() <= LONGEST_SEGMENT);
            assert!(names.name(&format!("x.{}", "é".repeat(127))).len() <= LONGEST_SEGMENT);
        }
    }

    #[test]
    fn very_many_of_one_name_take_no_long_search() {
        let mut names = ArchiveNames::default();
        let last = (0..100_000).map(|_| names.name("a.txt")).last();
        assert_eq!(last.as_deref(), Some("a (100000).txt"));
    }

    #[test]
    fn what_all_have_in_common_is_left_out() {
        let common =
            |paths: &[&str]| common_folder(&paths.iter().map(|path| PathPin::parse(path).unwrap()).collect::<Vec<_>>());
        for (paths, folder) in [
            (&["docs/a/b.txt"][..], "docs/a/"),
            (&["docs/a/"], "docs/"),
            (&["docs/a/", "docs/ab/c"], "docs/"),
            (&["docs/a/x", "docs/a/y/", "docs/a/z"], "docs/a/"),
            (&["docs/", "other"], ""),
            (&["dä/x", "dö/x"], ""),
            (&["/"], ""),
            (&[], ""),
        ] {
            assert_eq!(common(paths), folder, "{paths:?}");
        }
    }
}
