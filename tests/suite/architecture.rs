//! The shape of the house: which part may know which, checked on the source itself.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What each part of `src/` may import of ours. What is not listed may import everything.
const MAY_IMPORT: [(&str, &[&str]); 18] = [
    ("domain", &["domain"]),
    ("crypto", &["crypto", "domain", "entropy"]),
    ("disk", &[]),
    ("store", &["store", "domain", "disk"]),
    ("objects", &["objects", "crypto", "domain", "clock", "entropy", "disk"]),
    ("aws", &["clock", "domain", "objects"]),
    ("keys", &["keys", "domain", "crypto", "clock", "entropy", "aws", "outward"]),
    ("kms", &["domain", "crypto", "aws"]),
    ("outward", &[]),
    ("tls", &[]),
    ("doctor", &["doctor", "objects", "domain", "clock", "entropy", "outward"]),
    ("scanner", &["scanner", "objects", "domain", "outward"]),
    ("mail", &["mail", "crypto", "domain", "clock", "entropy"]),
    ("courier", &["courier", "domain", "outward"]),
    ("oidc", &["oidc", "crypto", "domain", "clock", "outward"]),
    (
        "service",
        &[
            "service", "store", "objects", "oidc", "scanner", "mail", "courier", "kms", "crypto", "domain", "clock",
            "entropy",
        ],
    ),
    ("http", &["http", "web", "service", "objects", "crypto", "domain"]),
    ("web", &["web", "http", "service", "crypto", "domain"]),
];

/// Which parts may name which libraries.
const LIBRARIES: [(&str, &[&str]); 5] = [
    ("actix_", &["http", "web"]),
    ("aws_", &["store/dynamodb", "objects/s3", "keys/secrets_manager", "keys/parameter_store", "kms", "aws"]),
    ("fjall", &["store/embedded"]),
    ("lettre", &["mail"]),
    ("clap", &["cli", "config"]),
];

/// Where the two doors are.
const DOORS: [(&str, &str); 2] = [("SystemTime::now", "clock"), ("getrandom::fill", "entropy")];

/// Name and code of every file of `src/`, without comments and tests.
pub fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &mut found);
    assert!(found.len() > 50, "the source was not found");
    let name = |path: &Path| path.strip_prefix(&root).unwrap().with_extension("").to_string_lossy().into_owned();
    found.iter().map(|path| (name(path), code_of(&fs::read_to_string(path).unwrap()))).collect()
}

/// The source less its comments and its tests, which may know everybody.
fn code_of(text: &str) -> String {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let is_comment = |line: &&str| line.trim_start().starts_with("//");
    code.lines().filter(|line| !is_comment(line)).collect::<Vec<_>>().join("\n")
}

/// The parts of ours that a source names: `crate::x` alone, and in braces.
fn imports(code: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for rest in code.split("crate::").skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            for character in group.chars() {
                match character {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => parts.push(std::mem::take(&mut word)),
                    _ if depth == 0 => word.push(character),
                    _ => {}
                }
            }
            parts.push(word);
        } else {
            parts.push(rest.to_owned());
        }
    }
    let first = |text: String| text.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned();
    parts.into_iter().map(first).filter(|part| !part.is_empty()).collect()
}

fn is_in(name: &str, part: &str) -> bool {
    name == part || name.strip_prefix(part).is_some_and(|rest| rest.starts_with('/'))
}

#[test]
fn imports_point_one_way() {
    for (name, code) in sources() {
        let Some((part, allowed)) = MAY_IMPORT.iter().find(|(part, _)| is_in(&name, part)) else { continue };
        for import in imports(&code) {
            assert!(allowed.contains(&import.as_str()), "src/{name}.rs, in {part}, imports {import}");
        }
    }
}

#[test]
fn libraries_stay_where_they_belong() {
    for (name, code) in sources() {
        for (library, homes) in LIBRARIES {
            let at_home = homes.iter().any(|home| is_in(&name, home));
            let named = code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word.starts_with(library));
            assert!(at_home || !named, "src/{name}.rs names {library}…");
        }
    }
}

#[test]
fn time_and_randomness_have_one_door_each() {
    for (name, code) in sources() {
        for (call, door) in DOORS {
            assert!(name == door || !code.contains(call), "src/{name}.rs calls {call}");
        }
    }
}

#[test]
fn the_reader_of_imports_sees_them() {
    let code = "use crate::{\n    a::{b, c},\n    d,\n};\nuse crate::e::f;\nlet x = crate::g();";
    assert_eq!(imports(code), ["a", "d", "e", "g"]);
}

#[test]
fn every_promise_names_tests_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let promises: Vec<_> = page.lines().filter(|line| line.starts_with("| ") && line.contains("**")).collect();
    assert!(promises.len() >= 12, "the table was not found");
    for promise in promises {
        let cell = promise.trim_end_matches(" |").rsplit_once(" | ").unwrap().1;
        for name in cell.split('`').skip(1).step_by(2) {
            let test = root.join("tests/suite").join(name).with_extension("rs");
            assert!(test.is_file() || root.join(name).is_file(), "{name}");
        }
    }
}

#[test]
fn every_test_that_the_threats_name_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/threats.md")).unwrap();
    let threats: Vec<_> = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| |")).collect();
    assert!(threats.len() > 80, "the tables were not found");
    for threat in threats {
        let cells: Vec<_> = threat.trim_matches('|').split(" | ").collect();
        assert_eq!(cells.len(), 4, "{threat}");
        let tests: Vec<_> = cells[3].split('`').skip(1).step_by(2).filter(|name| name.contains("::")).collect();
        let excused = ["*not yet*", "the compiler", "`./test`"].iter().any(|excuse| cells[3].contains(excuse));
        assert!(excused || !tests.is_empty(), "no test: {threat}");
        tests.iter().for_each(|test| assert_is_there(root, test));
    }
}

/// A test that a page names by its file and function.
fn assert_is_there(root: &Path, test: &str) {
    let (file, function) = test.rsplit_once("::").unwrap();
    let file = format!("{}.rs", file.replace("::", "/"));
    let places = ["tests/suite", "tests", "src"].map(|folder| root.join(folder).join(&file));
    let texts: Vec<_> = places.iter().filter_map(|place| fs::read_to_string(place).ok()).collect();
    assert!(texts.iter().any(|text| text.contains(&format!("fn {function}("))), "{test} is not there");
}

#[test]
fn every_test_that_proves_a_promise_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/assurance.md")).unwrap();
    // Commands have spaces in them, and forms of names a `…`.
    let is_test = |name: &&str| name.contains("::") && !name.contains([' ', '…']);
    let tests: Vec<_> = page.split('`').skip(1).step_by(2).filter(is_test).collect();
    assert!(tests.len() > 150, "the names were not found: {}", tests.len());
    tests.into_iter().for_each(|test| assert_is_there(root, test));
}
