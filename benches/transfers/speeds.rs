//! How fast a file gets in and out, beside nginx and beside a plain copy of the
//! same file on the same disk, in turns.
//!
//! All of it comes from the cache of the operating system, for everybody alike. What is
//! taken in counts when it is on disk: nginx leaves that to the system, so
//! that its files are synced here, within the time.

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Instant,
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    Options, Spread,
    broker::{Account, Method},
    client::{Around, PIECE, Span, fetch, send},
    nginx::Nginx,
    process::{Server, admin_key, processor_seconds},
};

/// What is timed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Digest,
    Copy,
    NginxPut,
    Upload(Method),
    ReadFile,
    NginxGet,
    Download,
    Archive,
}

/// Each with its name and with what it is compared to: a plain copy, and nginx; an archive
/// with a download of the same.
const WAYS: [(Way, &str, [Option<Way>; 2]); 10] = [
    (Way::Digest, "SHA-256, nothing else", [None, None]),
    (Way::Copy, "copy a file, fsync", [None, None]),
    (Way::NginxPut, "nginx PUT, fsync", [Some(Way::Copy), None]),
    (Way::Upload(Method::Put), "upload by PUT", [Some(Way::Copy), Some(Way::NginxPut)]),
    (Way::Upload(Method::Post), "upload by form", [Some(Way::Copy), Some(Way::NginxPut)]),
    (Way::Upload(Method::Parts), "upload in parts", [Some(Way::Copy), Some(Way::NginxPut)]),
    (Way::ReadFile, "read a file", [None, None]),
    (Way::NginxGet, "nginx GET", [Some(Way::ReadFile), None]),
    (Way::Download, "download", [Some(Way::ReadFile), Some(Way::NginxGet)]),
    (Way::Archive, "ZIP (beside a download)", [Some(Way::ReadFile), Some(Way::Download)]),
];

struct Scene<'a> {
    folder: &'a Path,
    source: Span<'a>,
    nginx: Nginx,
    server: Server,
    account: Account,
}

pub(crate) fn measure(options: &Options, folder: &Path) -> Value {
    let source = folder.join("source");
    fill(&source, options.bytes);
    let source = Span { file: &source, offset: 0, length: options.bytes };
    let data = folder.join("data");
    let (server, _) = Server::start(&options.program, &data, options.workers);
    let account = Account { api: server.api, key: admin_key(&data) };
    let nginx = Nginx::start(&folder.join("nginx"), options.workers);
    let scene = Scene { folder, source, nginx, server, account };
    let mut figures = json!({});
    for streams in [1, 4] {
        println!(
            "{streams} at once, {} MB together        MB/s (least to most)      of a copy              of nginx               s/GB",
            options.bytes / 1_000_000
        );
        figures[format!("{streams}_at_once")] = scene.compare(options, streams);
        println!();
    }
    println!(
        "(ratios: the median, the least and the most; s/GB: processor time, of the server alone where there is one)\n"
    );
    fs::remove_file(scene.source.file).unwrap();
    figures
}

/// Bytes that nothing compresses.
fn fill(path: &Path, length: u64) {
    let mut file = File::create(path).unwrap();
    let (mut state, mut left) = (0x9e37_79b9_7f4a_7c15_u64, length);
    let mut piece = vec![0; PIECE];
    while left > 0 {
        for eight in piece.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            eight.copy_from_slice(&state.to_le_bytes());
        }
        let length = left.min(PIECE as u64);
        file.write_all(&piece[..length as usize]).unwrap();
        left -= length;
    }
    file.sync_all().unwrap();
}

impl Scene<'_> {
    fn compare(&self, options: &Options, streams: u64) -> Value {
        let wanted: Vec<_> = WAYS.iter().filter(|(_, name, _)| options.wants(name)).collect();
        let mut seconds = vec![Vec::new(); WAYS.len()];
        let mut costs = vec![Vec::new(); WAYS.len()];
        self.serve_files(streams);
        for _ in 0..options.rounds {
            for (index, (way, _, _)) in WAYS.iter().enumerate() {
                if !wanted.iter().any(|(chosen, _, against)| chosen == way || against.contains(&Some(*way))) {
                    continue;
                }
                let spent = self.spent(*way);
                seconds[index].push(self.timed(*way, streams));
                costs[index].push(self.spent(*way) - spent);
            }
        }
        self.remove_files(streams);
        let gigabytes = self.source.length as f64 / 1e9;
        let at = |way: Way| WAYS.iter().position(|(other, _, _)| *other == way).unwrap();
        let mut figures = json!({});
        for (way, name, against) in wanted {
            let own = &seconds[at(*way)];
            let speed = Spread::of(own.iter().map(|seconds| gigabytes * 1e3 / seconds));
            let ratios = against.map(|other| {
                other.map(|other| Spread::of(own.iter().zip(&seconds[at(other)]).map(|(own, other)| other / own)))
            });
            let cost = Spread::of(costs[at(*way)].iter().map(|cost| cost / gigabytes)).median;
            let [copy, nginx] = ratios.map(|ratio| ratio.map_or(String::new(), |ratio| ratio.fine()));
            println!("{name:<28} {:<26} {copy:<22} {nginx:<22} {cost:.2}", speed.coarse());
            figures[name] = json!({ "mb_per_second": speed.json(), "of_copy": ratios[0].map(|ratio| ratio.json()),
                                    "of_nginx": ratios[1].map(|ratio| ratio.json()), "processor_s_per_gb": cost });
        }
        figures
    }

    /// Seconds of processor time that whoever does the work has taken so far.
    fn spent(&self, way: Way) -> f64 {
        match way {
            Way::Upload(_) | Way::Download | Way::Archive => self.server.process.processor_seconds(),
            Way::NginxPut | Way::NginxGet => self.nginx.processor_seconds(),
            Way::Digest | Way::Copy | Way::ReadFile => processor_seconds(std::process::id()),
        }
    }

    fn file(&self, way: Way, stream: usize) -> PathBuf {
        match way {
            Way::NginxPut => self.folder.join("nginx/files").join(format!("put-{stream}")),
            _ => self.folder.join(format!("copy-{stream}")),
        }
    }

    /// Files to be downloaded: the broker's own, and the same for nginx.
    fn serve_files(&self, streams: u64) {
        for (stream, span) in self.source.divided(streams).enumerate() {
            self.account.upload(&format!("served-{stream}"), span, Method::Put, 1);
            copy(span, &self.folder.join("nginx/files").join(format!("served-{stream}")));
        }
    }

    fn remove_files(&self, streams: u64) {
        for stream in 0..streams {
            self.account.delete(&format!("served-{stream}"));
            fs::remove_file(self.folder.join("nginx/files").join(format!("served-{stream}"))).unwrap();
        }
    }

    /// Seconds for the whole file, by so many streams at once. Nothing of it stays.
    fn timed(&self, way: Way, streams: u64) -> f64 {
        // Nobody is to wait for what somebody else has left to be written.
        assert!(Command::new("sync").arg("-f").arg(self.folder).status().unwrap().success());
        let started = Instant::now();
        if way == Way::Upload(Method::Parts) {
            self.account.upload("up-0", self.source, Method::Parts, streams);
        } else {
            thread::scope(|scope| {
                for (stream, span) in self.source.divided(streams).enumerate() {
                    scope.spawn(move || self.one(way, stream, span));
                }
            });
        }
        let seconds = started.elapsed().as_secs_f64();
        match way {
            Way::Copy | Way::NginxPut => {
                (0..streams).for_each(|stream| fs::remove_file(self.file(way, stream as usize)).unwrap());
            }
            Way::Upload(Method::Parts) => self.account.delete("up-0"),
            Way::Upload(_) => (0..streams).for_each(|stream| self.account.delete(&format!("up-{stream}"))),
            _ => {}
        }
        seconds
    }

    fn one(&self, way: Way, stream: usize, span: Span<'_>) {
        match way {
            Way::Digest => digest(span),
            Way::Copy => copy(span, &self.file(way, stream)),
            Way::ReadFile => {
                assert_eq!(fetch_file(span), span.length);
            }
            Way::NginxPut => {
                send("PUT", &self.nginx.url(&format!("put-{stream}")), "", &Around::default(), span);
                File::open(self.file(way, stream)).unwrap().sync_all().unwrap();
            }
            Way::Upload(method) => self.account.upload(&format!("up-{stream}"), span, method, 1),
            Way::NginxGet => assert_eq!(fetch(&self.nginx.url(&format!("served-{stream}"))), span.length),
            Way::Archive => assert!(self.account.fetch_archive(&format!("served-{stream}")) > span.length),
            Way::Download => assert_eq!(self.account.fetch(&format!("served-{stream}")), span.length),
        }
    }
}

/// As many bytes, from memory.
fn digest(span: Span<'_>) {
    let piece = vec![0xa5; PIECE];
    let mut hasher = Sha256::new();
    let mut left = span.length;
    while left > 0 {
        let length = left.min(PIECE as u64);
        hasher.update(&piece[..length as usize]);
        left -= length;
    }
    std::hint::black_box(hasher.finalize());
}

fn copy(span: Span<'_>, to: &Path) {
    let (mut from, mut to) = (span.open(), File::create(to).unwrap());
    let mut piece = vec![0; PIECE];
    loop {
        match from.read(&mut piece).unwrap() {
            0 => break,
            read => to.write_all(&piece[..read]).unwrap(),
        }
    }
    to.sync_all().unwrap();
}

fn fetch_file(span: Span<'_>) -> u64 {
    let mut from = span.open();
    let (mut piece, mut total) = (vec![0; PIECE], 0);
    loop {
        match from.read(&mut piece).unwrap() {
            0 => return total,
            read => total += read as u64,
        }
    }
}
