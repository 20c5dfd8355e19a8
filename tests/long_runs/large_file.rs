//! Six gigabytes through the program, up and down, on the embedded storage:
//! more than S3 takes or copies in one request, and than anybody may hold in memory.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::process::{Place, Served, program};

const SIZE: u64 = 6_000_000_000;
/// Text at the places where parts and pieces of any size begin or end, zeros between.
const STRIDE: u64 = 1_000_003;
/// What a process may hold of a file of any size.
const MOST_MEMORY: u64 = 200_000_000;

/// Takes hardly any space on the disk.
fn write_sparse(path: &Path) {
    let mut file = File::create(path).unwrap();
    for place in (0..SIZE - 8).step_by(STRIDE as usize) {
        file.seek(SeekFrom::Start(place)).unwrap();
        file.write_all(&place.to_be_bytes()).unwrap();
    }
    file.set_len(SIZE).unwrap();
}

fn hash_of(path: &Path) -> [u8; 32] {
    let (mut file, mut hash, mut piece) = (File::open(path).unwrap(), Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut piece).unwrap() {
            0 => return hash.finalize().into(),
            read => hash.update(&piece[..read]),
        }
    }
}

/// The most memory that a process has ever held, in bytes; nothing once it has ended.
fn most_memory(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

fn client(place: &Place, served: &Served, arguments: &[&str]) -> String {
    let mut command = program();
    command
        .current_dir(place.path("."))
        .env("XDG_STATE_HOME", place.path("state"))
        .env("CLOAKROOM_URL", served.url())
        .env("CLOAKROOM_API_KEY", place.admin_key())
        .args(arguments);
    let began = Instant::now();
    let (told, memory) = watched(command);
    let (name, took) = (arguments[0], began.elapsed().as_secs_f64());
    let (rate, broker) = (SIZE as f64 / took / 1e6, most_memory(served.id()).unwrap());
    println!(
        "{name}: {took:.1} s, {rate:.0} MB/s; at most {:.0} MB held by the client, {:.0} MB by the broker",
        memory as f64 / 1e6,
        broker as f64 / 1e6
    );
    assert!(memory < MOST_MEMORY && broker < MOST_MEMORY);
    told
}

/// What a command wrote, and the most memory it held.
fn watched(mut command: Command) -> (String, u64) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut memory = 0;
    while child.try_wait().unwrap().is_none() {
        memory = memory.max(most_memory(child.id()).unwrap_or_default());
        thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    (String::from_utf8(output.stdout).unwrap(), memory)
}

#[test]
fn six_gigabytes_go_up_and_come_down() {
    let place = Place::new();
    let path = place.path("large.bin");
    write_sparse(&path);
    let served = place.serve();
    let told: Value =
        serde_json::from_str(&client(&place, &served, &["upload", "large.bin", "--receipts", "receipts", "--json"]))
            .unwrap();
    assert_eq!((&told["size"], told["path"].as_str()), (&SIZE.into(), Some("large.bin")), "{told}");
    client(&place, &served, &["download", "large.bin", "--to", "out"]);
    let out = place.path("out/large.bin");
    assert_eq!(fs::metadata(&out).unwrap().len(), SIZE);
    assert!(hash_of(&out) == hash_of(&path));
    served.stop();
}
