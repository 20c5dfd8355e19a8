//! How much memory the broker has resident while files of all sizes go through it.

use std::{
    fs::{self, File},
    path::Path,
    thread,
};

use serde_json::{Value, json};

use crate::{
    Options,
    broker::{Account, Method},
    client::Span,
    process::{Process, Server, admin_key},
};

/// Bytes together, and as how many files at once.
const LOADS: [(u64, u64); 5] =
    [(1_000_000, 1), (100_000_000, 1), (1_000_000_000, 1), (5_000_000_000, 1), (1_000_000_000, 64)];

pub(crate) fn measure(options: &Options, folder: &Path) -> Value {
    let source = folder.join("sparse");
    File::create(&source).unwrap().set_len(5_000_000_000).unwrap();
    println!("memory, MB resident: at most meanwhile (afterwards)");
    println!("{:<22} {:>6} {:>16} {:>16} {:>16}", "", "idle", "PUT", "parts", "download");
    let mut figures = Vec::new();
    for (bytes, files) in LOADS.into_iter().filter(|(bytes, _)| *bytes <= options.largest) {
        // A broker of its own for each, so that none has what another has left.
        let data = folder.join(format!("memory-{bytes}-{files}"));
        let (server, _) = Server::start(&options.program, &data, options.workers);
        let account = Account { api: server.api, key: admin_key(&data) };
        let process = &server.process;
        let idle = process.resident();
        let source = Span { file: &source, offset: 0, length: bytes };
        let each = |work: &(dyn Fn(usize, Span<'_>) + Sync)| {
            highest(process, || {
                thread::scope(|scope| {
                    source.divided(files).enumerate().for_each(|(file, span)| {
                        scope.spawn(move || work(file, span));
                    });
                });
            })
        };
        let name = |file: usize| format!("memory-{file}");
        let put = each(&|file, span| account.upload(&name(file), span, Method::Put, 1));
        (0..files as usize).for_each(|file| account.delete(&name(file)));
        let parts = each(&|file, span| account.upload(&name(file), span, Method::Parts, 1));
        let get = each(&|file, span| assert_eq!(account.fetch(&name(file)), span.length));
        let shown = |(most, after): (f64, f64)| format!("{most:.1} ({after:.1})");
        let load = format!("{files} of {} MB", bytes as f64 / 1e6 / files as f64);
        println!("{load:<22} {idle:>6.1} {:>16} {:>16} {:>16}", shown(put), shown(parts), shown(get));
        figures.push(json!({ "bytes": bytes, "files": files, "idle_mb": idle, "put_mb": put.0, "parts_mb": parts.0,
                             "download_mb": get.0, "after_mb": get.1 }));
        drop(server);
        fs::remove_dir_all(&data).unwrap();
    }
    println!();
    fs::remove_file(&source).unwrap();
    Value::Array(figures)
}

/// The most that was resident during something, and what is after it, in MB.
fn highest(process: &Process, work: impl FnOnce()) -> (f64, f64) {
    // Begins the count of the most anew (proc_pid_clear_refs(5)).
    fs::write(format!("/proc/{}/clear_refs", process.id()), "5").unwrap();
    work();
    (process.memory("VmHWM:"), process.resident())
}
