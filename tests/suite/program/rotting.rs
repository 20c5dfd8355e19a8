//! Files of a broker that is not running, altered as bad disks, torn writes and clumsy restores alter them: a bit, a cut, two pieces
//! or files in each other's place, an older state. Started again, each answer is right to the byte, or a refusal.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{
    crashing::Drawn,
    process::Place,
    rotting_content::{Content, Found, OLDER},
};

const BLOCK: usize = 512;
const AT_ONCE: usize = 2;

/// What is done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Alteration {
    Flipped,
    Cut,
    Zeroed,
    BlocksSwapped,
    FilesSwapped,
    Older,
    Removed,
}

const ALTERATIONS: [Alteration; 8] = [
    Alteration::Flipped,
    // Twice as often as the others.
    Alteration::Flipped,
    Alteration::Cut,
    Alteration::Zeroed,
    Alteration::BlocksSwapped,
    Alteration::FilesSwapped,
    Alteration::Older,
    Alteration::Removed,
];

/// How a start with an altered file went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    RefusedToStart,
    RefusedAnswers,
    Unnoticed,
}

/// Alters so many files, one after the other, and starts the program on each.
#[expect(clippy::print_stdout, reason = "what fails tells by which seed, and what was seen is told")]
pub fn altered_many_times(alterations: usize, seed: u64) {
    println!("seed {seed:#x}");
    let (next, seen) = (AtomicUsize::new(0), Mutex::new(BTreeMap::<_, usize>::new()));
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let place = Place::new();
                let content = Content::made(&place);
                content.put_back(&place);
                let kinds = kinds(&place.data_dir());
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= alterations {
                        return;
                    }
                    let mut drawn = Drawn::new(seed ^ (number as u64) << 32);
                    let (kind, alteration, told) = loop {
                        content.put_back(&place);
                        let kind = drawn.below(kinds.len() as u64) as usize;
                        let alteration = ALTERATIONS[drawn.below(ALTERATIONS.len() as u64) as usize];
                        let (kind, files) = kinds.iter().nth(kind).unwrap();
                        let before = place.path(OLDER);
                        if let Some(told) = altered(files, alteration, &place.data_dir(), &before, &mut drawn) {
                            break (*kind, alteration, told);
                        }
                    };
                    match judged(&place, &content) {
                        Ok(Outcome::Unnoticed) if is_to_be_noticed(kind, alteration) => {
                            wrong.lock().unwrap().push(format!("{number}: {kind}, {told}: it was not noticed"));
                        }
                        Ok(outcome) => *seen.lock().unwrap().entry((kind, alteration, outcome)).or_default() += 1,
                        Err(fault) => {
                            let fault = format!("{number}: {kind}, {told}: {fault}");
                            println!("WRONG {fault}");
                            wrong.lock().unwrap().push(fault);
                        }
                    }
                }
            });
        }
    });
    for ((kind, alteration, outcome), times) in seen.into_inner().unwrap() {
        println!("{times:>5} {kind:<10} {alteration:<14?} {outcome:?}");
    }
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {alterations}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Files below a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// What there is to be altered, by its kind: each kind as often as each other.
fn kinds(data: &Path) -> BTreeMap<&'static str, Vec<PathBuf>> {
    let (mut found, mut kinds) = (Vec::new(), BTreeMap::<_, Vec<_>>::new());
    files(data, &mut found);
    for path in found {
        let relative = path.strip_prefix(data).unwrap().to_owned();
        let name = relative.to_str().unwrap();
        let kind = match name {
            "clock" => "clock",
            "root-keys.json" => "root keys",
            "admin-key" => "admin key",
            _ if name.ends_with(".jnl") => "journal",
            _ if name.contains("/tables/") => "tables",
            _ if name.contains("/keyspaces/") || name.ends_with("database/version") => "versions",
            "store/format" => "format",
            "store/identity" => "identity",
            _ if name.contains("objects/objects/vault") => "vault",
            _ if name.contains("objects/objects/inbox") => "inbox",
            _ if name.contains("objects/objects") => "others",
            _ if name.contains("objects/parts") => "parts",
            _ if name.contains("objects/settled") => "settled",
            _ => continue,
        };
        if fs::metadata(&path).unwrap().len() > 0 {
            kinds.entry(kind).or_default().push(relative);
        }
    }
    kinds.values_mut().for_each(|paths| paths.sort());
    kinds
}

/// Alters one of these files; nothing where that is not to be had, or changes nothing.
fn altered(files: &[PathBuf], alteration: Alteration, data: &Path, before: &Path, drawn: &mut Drawn) -> Option<String> {
    let name = &files[drawn.below(files.len() as u64) as usize];
    let path = data.join(name);
    let was = fs::read(&path).unwrap();
    let mut bytes = was.clone();
    let written = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
    let at = drawn.below(written as u64) as usize;
    let block = at / BLOCK * BLOCK;
    let told = match alteration {
        Alteration::Flipped => {
            bytes[at] ^= 1 << drawn.below(8);
            format!("a bit of byte {at}")
        }
        Alteration::Cut => {
            bytes.truncate(at);
            format!("cut off at {at}")
        }
        Alteration::Zeroed => {
            let end = written.min(block + BLOCK);
            bytes[block..end].fill(0);
            format!("zeros from {block}")
        }
        Alteration::BlocksSwapped => {
            let other = drawn.below(written as u64) as usize / BLOCK * BLOCK;
            let length = BLOCK.min(bytes.len() - block.max(other));
            let (one, another) = (bytes[block..block + length].to_vec(), bytes[other..other + length].to_vec());
            bytes[block..block + length].copy_from_slice(&another);
            bytes[other..other + length].copy_from_slice(&one);
            format!("blocks at {block} and {other}")
        }
        Alteration::FilesSwapped => {
            let other = &files[drawn.below(files.len() as u64) as usize];
            bytes = fs::read(data.join(other)).unwrap();
            fs::write(data.join(other), &was).unwrap();
            format!("in the place of {}", other.display())
        }
        Alteration::Older => {
            bytes = fs::read(before.join(name)).ok()?;
            "as it was before".into()
        }
        // Another in its place would be told from it for ever, as that of a copy is.
        Alteration::Removed if name.ends_with("identity") => return None,
        Alteration::Removed => {
            fs::remove_file(&path).unwrap();
            return Some(format!("{} removed", name.display()));
        }
    };
    if bytes == was {
        return None;
    }
    fs::write(&path, bytes).unwrap();
    Some(format!("{} {told}", name.display()))
}

/// What would matter later, though no answer is another one for it now.
fn is_to_be_noticed(kind: &str, alteration: Alteration) -> bool {
    let is_bad_disk = matches!(alteration, Alteration::Flipped | Alteration::Cut | Alteration::Zeroed);
    kind == "clock" && is_bad_disk
}

/// Starts the program there, and reads everything.
fn judged(place: &Place, content: &Content) -> Result<Outcome, String> {
    let mut command = place.command("serve");
    command.env("CLOAKROOM_LOG", "info");
    let served = match place.try_serve_as(command) {
        Ok(served) => served,
        Err(told) => {
            let last = told.trim_end().lines().last().unwrap_or_default();
            let is_refusal = last.contains("cloakroom: ") && !told.contains("panicked");
            return if is_refusal { Ok(Outcome::RefusedToStart) } else { Err(format!("it ended with: {told}")) };
        }
    };
    let found = content.read(&served);
    let log = served.log();
    served.kill();
    if log.contains("panicked") {
        return Err(format!("it panicked: {log}"));
    }
    match found? {
        Found::Right => Ok(Outcome::Unnoticed),
        Found::Refused => Ok(Outcome::RefusedAnswers),
    }
}
