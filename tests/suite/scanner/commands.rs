//! Programs that scan.

use super::*;

/// A script in a folder of its own.
struct Script {
    folder: TempDir,
}

impl Script {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = Self { folder };
        fs::write(script.path("scan"), text).unwrap();
        script
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The scanner, which gets the folder as `$1`. The shell reads the script: a file that
    /// was just written cannot always be executed while other tests start processes.
    fn scanner(&self, patience: Duration) -> CommandScanner {
        self.scanner_of(patience, 2)
    }

    fn scanner_of(&self, patience: Duration, at_once: usize) -> CommandScanner {
        let words = [PathBuf::from("/bin/sh"), self.path("scan"), self.folder.path().to_owned()];
        CommandScanner::new(&words.map(|word| word.to_str().unwrap().to_owned()), patience, at_once).unwrap()
    }
}

fn run(script: &str, bytes: &[u8]) -> Result<Verdict, Unavailable> {
    scan(&Script::new(script).scanner(AGES), bytes)
}

#[test]
fn the_exit_status_is_the_verdict() {
    assert_eq!(run("cat >/dev/null", b"hello"), Ok(Verdict::Clean));
    assert_eq!(run("cat >/dev/null; echo anything", b""), Ok(Verdict::Clean));
    assert_eq!(run("cat >/dev/null; echo Eicar-Test; echo more; exit 1", b"hello"), infected("Eicar-Test"));
    assert_eq!(run("cat >/dev/null; exit 1", b"hello"), infected("unnamed"));
    assert_eq!(run("cat >/dev/null; printf 'a\\033[31mb\\n'; exit 1", b"x"), infected("a\u{fffd}[31mb"));
    for other in [2, 3, 127, 255] {
        assert_unavailable(run(&format!("cat >/dev/null; echo clean; exit {other}"), b"hello"), "ended with");
    }
}

#[test]
fn exactly_the_bytes_arrive_and_nothing_of_ours_besides() {
    let script = Script::new("cat >$1/bytes; env >$1/environment; pwd >$1/folder; echo $# >$1/count");
    let bytes: Vec<u8> = (0..100_000_u32).map(|number| (number % 251) as u8).collect();
    assert_eq!(scan(&script.scanner(AGES), &bytes), Ok(Verdict::Clean));
    assert_eq!(fs::read(script.path("bytes")).unwrap(), bytes);
    let environment = fs::read_to_string(script.path("environment")).unwrap();
    let names: Vec<_> = environment.lines().map(|line| line.split('=').next().unwrap()).collect();
    // The shell itself sets the others.
    let foreign: Vec<_> = names.iter().filter(|name| !["PATH", "PWD", "OLDPWD", "SHLVL", "_"].contains(name)).collect();
    assert!(foreign.is_empty() && names.contains(&"PATH"), "{environment}");
    assert_eq!(fs::read_to_string(script.path("folder")).unwrap(), "/\n");
    assert_eq!(fs::read_to_string(script.path("count")).unwrap(), "1\n");
}

#[test]
fn a_crash_is_no_verdict() {
    for script in ["kill -SEGV $$", "cat >/dev/null; kill -KILL $$", "cat >/dev/null; kill -TERM $$"] {
        assert_unavailable(run(script, b"hello"), "signal");
    }
    let script = Script::new("");
    let words = |word: &Path| [word.to_str().unwrap().to_owned()];
    // What is no program, or may not be run, is seen at the first scan.
    for mode in [0o700, 0o600] {
        fs::set_permissions(script.path("scan"), Permissions::from_mode(mode)).unwrap();
        let scanner = CommandScanner::new(&words(&script.path("scan")), AGES, 1).unwrap();
        assert_unavailable(scan(&scanner, b"x"), "cannot be started");
    }
    assert!(CommandScanner::new(&words(&script.path("none")), AGES, 1).is_err());
    assert!(CommandScanner::new(&words(script.folder.path()), AGES, 1).is_err());
    assert!(CommandScanner::new(&[], AGES, 1).is_err());
}

#[test]
fn who_has_not_read_everything_cannot_call_it_clean() {
    for script in ["exec <&-", "head -c 10 >/dev/null", "exit 0"] {
        let (bytes, made) = pieces(1_024);
        let verdict = scan_stream(&Script::new(script).scanner(AGES), 1_024 * PIECE as u64, bytes);
        assert_unavailable(verdict, "not read to the end");
        assert!(made.load(Ordering::SeqCst) < 64, "the rest was not fetched");
    }
    // Whoever has found something need not go on.
    let (bytes, _) = pieces(1_024);
    let found = Script::new("head -c 10 >/dev/null; echo Early; exit 1");
    assert_eq!(scan_stream(&found.scanner(AGES), 1_024 * PIECE as u64, bytes), infected("Early"));
}

#[test]
fn a_part_never_passes_for_the_whole() {
    let script = Script::new("cat >$1/bytes");
    assert_unavailable(scan_stream(&script.scanner(AGES), 10, broken(b"half")), "as planned by the test");
    for (declared, words) in [(3, "more bytes"), (5, "fewer bytes")] {
        let bytes = stream::iter([Ok(b"four"[..].into())]).boxed();
        assert_unavailable(scan_stream(&script.scanner(AGES), declared, bytes), words);
    }
    // Found or not: it was found in something else than the upload.
    let script = Script::new("cat >/dev/null; exit 1");
    assert_unavailable(scan_stream(&script.scanner(AGES), 10, broken(b"half")), "as planned by the test");
}

#[test]
fn who_hangs_is_killed_with_all_that_it_started() {
    for script in [
        // Waits for a child that never ends, and has told its number.
        "cat >/dev/null; sleep 200 & echo $! >$1/child.new; mv $1/child.new $1/child; wait",
        // Does not even read.
        "sleep 200 & echo $! >$1/child.new; mv $1/child.new $1/child; wait",
    ] {
        let script = Script::new(script);
        let (bytes, _) = pieces(64);
        let verdict = scan_stream(&script.scanner(Duration::from_secs(3)), 64 * PIECE as u64, bytes);
        assert_unavailable(verdict, "in time");
        assert_dead(&script.path("child"));
    }
}

#[test]
fn what_was_left_running_ends_with_the_program() {
    let script =
        Script::new("cat >/dev/null; sleep 200 >/dev/null & echo $! >$1/child.new; mv $1/child.new $1/child; exit 0");
    assert_eq!(scan(&script.scanner(AGES), b"hello"), Ok(Verdict::Clean));
    assert_dead(&script.path("child"));
    // Even when it holds on to the output of the program.
    let script = Script::new("cat >/dev/null; sleep 200 & echo $! >$1/child.new; mv $1/child.new $1/child; exit 0");
    assert_eq!(scan(&script.scanner(AGES), b"hello"), Ok(Verdict::Clean));
    assert_dead(&script.path("child"));
}

#[test]
fn who_no_longer_waits_kills_it() {
    let script = Script::new("sleep 200 & echo $! >$1/child.new; mv $1/child.new $1/child; wait");
    let scanner = Arc::new(script.scanner(AGES));
    let runtime = runtime();
    let scan = runtime.spawn(async move { scanner.scan(&about(PIECE as u64), pieces(1).0).await });
    until("it runs", || script.path("child").exists().then_some(()));
    scan.abort();
    assert!(runtime.block_on(scan).unwrap_err().is_cancelled());
    assert_dead(&script.path("child"));
}

/// The process whose number is in the file has ended, or waits to be reaped.
#[track_caller]
fn assert_dead(file: &Path) {
    let number = fs::read_to_string(file).unwrap();
    until("a process ends", || match fs::read_to_string(format!("/proc/{}/stat", number.trim())) {
        Err(_) => Some(()),
        Ok(stat) => stat.rsplit(')').next().unwrap().trim_start().starts_with(['Z', 'X']).then_some(()),
    });
}

#[test]
fn whatever_it_says_is_cut_and_does_not_hang_it() {
    let (bytes, _) = pieces(16);
    let script = Script::new("head -c 50000000 /dev/zero | tr '\\0' x; cat >/dev/null; exit 1");
    let verdict = scan_stream(&script.scanner(AGES), 16 * PIECE as u64, bytes);
    assert_eq!(verdict, infected(&"x".repeat(200)));
    // On standard error, too.
    assert_eq!(run("head -c 50000000 /dev/zero >&2; cat >/dev/null", b"hello"), Ok(Verdict::Clean));
}

#[test]
fn a_big_upload_is_read_no_faster_than_it_is_scanned() {
    // 64 MiB. It reads a megabyte, and goes on when it is told.
    let script = Script::new(
        "head -c 1048576 >/dev/null; touch $1/read; while ! [ -e $1/on ]; do sleep 0.01; done; cat | wc -c >$1/rest",
    );
    let (bytes, made) = pieces(1_024);
    let scanner = Arc::new(script.scanner(AGES));
    let runtime = runtime();
    let scan = runtime.spawn(async move { scanner.scan(&about(1_024 * PIECE as u64), bytes).await });
    until("it has read a megabyte", || script.path("read").exists().then_some(()));
    // It reads no further: what it has, what the pipe holds and what waits in the relay.
    assert!(made.load(Ordering::SeqCst) <= 16 + 8, "pieces are held in memory");
    fs::write(script.path("on"), "").unwrap();
    assert_eq!(runtime.block_on(scan).unwrap(), Ok(Verdict::Clean));
    let rest: u64 = fs::read_to_string(script.path("rest")).unwrap().trim().parse().unwrap();
    assert!(rest >= 63 * 1024 * 1024 && made.load(Ordering::SeqCst) == 1_024, "{rest}");
}

#[test]
fn only_so_many_run_at_once() {
    let script = Script::new("cat >/dev/null; touch $1/$$; while ! [ -e $1/on ]; do sleep 0.01; done; rm $1/$$");
    let scanner = Arc::new(script.scanner(AGES));
    let runtime = runtime();
    let scans: Vec<_> = (0..6)
        .map(|_| {
            let scanner = scanner.clone();
            runtime.spawn(async move { scanner.scan(&about(PIECE as u64), pieces(1).0).await })
        })
        .collect();
    let running = || fs::read_dir(script.folder.path()).unwrap().count() - 1;
    until("two run", || (running() == 2).then_some(()));
    // By the time that another scan takes from beginning to end a third would have come.
    assert_eq!(run("cat >/dev/null", b"hello"), Ok(Verdict::Clean));
    assert_eq!(running(), 2);
    fs::write(script.path("on"), "").unwrap();
    for scan in scans {
        assert_eq!(runtime.block_on(scan).unwrap(), Ok(Verdict::Clean));
    }
    // Whoever finds no place in time gets no verdict.
    let hanging = Script::new("touch $1/there; sleep 200");
    let scanner = Arc::new(hanging.scanner_of(Duration::from_secs(3), 1));
    let holder = scanner.clone();
    let held = runtime.spawn(async move { holder.scan(&about(1), stream::pending().boxed()).await });
    until("the place is taken", || hanging.path("there").exists().then_some(()));
    let verdicts =
        runtime.block_on(async { (scanner.scan(&about(1), stream::pending().boxed()).await, held.await.unwrap()) });
    assert!(verdicts.0.is_err() && verdicts.1.is_err(), "{verdicts:?}");
}
