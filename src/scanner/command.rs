//! A program that scans: the bytes on its standard input, the verdict in its
//! exit status. 0: clean. 1: found something, and the first line of its standard output names it.
//!
//! Everything else is no verdict: another status, a signal, the end of
//! patience, or success without having read everything. (What fits into a
//! pipe, 64 KiB, counts as read.)

use std::{
    ffi::OsString,
    io::{self, Read},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use crate::objects::ByteStream;

use super::{
    NotUsable, ScanRequest, Scanner, Unavailable, Verdict,
    relay::{Moved, Relayed, relay},
    unavailable,
};

/// No first line is looked at beyond this many bytes.
const LONGEST_LINE: u64 = 4 * 1024;

/// How much is passed on at a time.
const PIECE: usize = 64 * 1024;

/// A program that is started for each scan.
#[derive(Debug)]
pub struct CommandScanner {
    program: PathBuf,
    arguments: Vec<String>,
    /// The one variable that the program gets.
    path: OsString,
    patience: Duration,
    places: Semaphore,
}

impl CommandScanner {
    /// A scanner that starts this program with these arguments, at most
    /// `at_once` times at the same time. `patience` bounds the wait for a place, and then each scan.
    ///
    /// # Errors
    /// When there is no such program.
    pub fn new(words: &[String], patience: Duration, at_once: usize) -> Result<Self, NotUsable> {
        let (program, arguments) =
            words.split_first().ok_or_else(|| NotUsable("CLOAKROOM_SCANNER_COMMAND names no program".into()))?;
        let program = PathBuf::from(program);
        match std::fs::metadata(&program) {
            Ok(found) if found.is_file() => {}
            Ok(_) => return Err(NotUsable(format!("CLOAKROOM_SCANNER_COMMAND: {} is no file", program.display()))),
            Err(fault) => {
                return Err(NotUsable(format!("CLOAKROOM_SCANNER_COMMAND: {}: {fault}", program.display())));
            }
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        Ok(Self { program, arguments: arguments.to_vec(), path, patience, places: Semaphore::new(at_once) })
    }

    /// Starts the program, in a process group of its own and without our environment.
    fn start(&self) -> Result<(Running, ChildStdin, ChildStdout), Unavailable> {
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .env("PATH", &self.path)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|fault| unavailable(format!("{} cannot be started: {fault}", self.program.display())))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let (Some(stdin), Some(stdout), Some(group)) = (stdin, stdout, group) else {
            return Err(unavailable("a program was started without its pipes"));
        };
        Ok((Running { group, child: Arc::new(Mutex::new(Some(child))) }, stdin, stdout))
    }
}

#[async_trait]
impl Scanner for CommandScanner {
    async fn scan(&self, what: &ScanRequest, bytes: ByteStream) -> Result<Verdict, Unavailable> {
        let place = timeout(self.patience, self.places.acquire()).await;
        let _place =
            place.ok().and_then(Result::ok).ok_or_else(|| unavailable("other scans took all places for too long"))?;
        // Killed when this ends, however it ends.
        let (running, stdin, stdout) = self.start()?;
        let (moving, relayed) = relay(bytes, what.size);
        let child = Arc::clone(&running.child);
        let group = running.group;
        let all = async {
            tokio::join!(
                moving,
                spawn_blocking(move || feed(relayed, stdin)),
                spawn_blocking(move || first_line(stdout)),
                spawn_blocking(move || ended(group, &child)),
            )
        };
        let (moved, fed, line, status) =
            timeout(self.patience, all).await.map_err(|_| unavailable("the program did not end in time"))?;
        let lost = |_| unavailable("a thread was lost");
        let (fed, line) = (fed.map_err(lost)?, line.map_err(lost)?);
        let status = status.map_err(lost)?.map_err(|fault| unavailable(format!("no exit status: {fault}")))?;
        if let Moved::Failed(fault) = moved {
            return Err(unavailable(fault));
        }
        match status.code() {
            // It may have seen enough before the end.
            Some(1) => Ok(Verdict::infected(&line.unwrap_or_default())),
            Some(0) if moved == Moved::Whole && fed.is_ok() => Ok(Verdict::Clean),
            Some(0) => Err(unavailable("the program called clean what it had not read to the end")),
            _ => Err(unavailable(format!("the program ended with {status}"))),
        }
    }
}

/// A program and all that it started. It is killed when this is dropped.
struct Running {
    group: Pid,
    /// Until it is reaped: from then on its number may be somebody else's.
    child: Arc<Mutex<Option<Child>>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut child) = child.take() {
            kill(self.group);
            // It is dead, and leaves no zombie.
            let _status = child.wait();
        }
    }
}

fn kill(group: Pid) {
    // Nobody may be left in it.
    let _killed = kill_process_group(group, Signal::KILL);
}

/// Waits for the end of the program, ends what it left running, and reaps it.
fn ended(group: Pid, child: &Mutex<Option<Child>>) -> io::Result<ExitStatus> {
    // It stays a zombie for now, so that the number of its group remains its own.
    loop {
        match waitid(WaitId::Pid(group), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Err(fault) if fault == rustix::io::Errno::INTR => {}
            Err(fault) => return Err(fault.into()),
            Ok(_) => break,
        }
    }
    let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
    let mut child = child.take().ok_or_else(|| io::Error::other("it was killed"))?;
    kill(group);
    child.wait()
}

/// Writes everything to the program, and closes its input.
fn feed(mut relayed: Relayed, mut stdin: ChildStdin) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        match relayed.read(&mut piece)? {
            0 => return Ok(()),
            read => io::Write::write_all(&mut stdin, &piece[..read])?,
        }
    }
}

/// The first line, of which not everything is kept. The rest is read too: a
/// program that says more must not hang.
fn first_line(mut stdout: ChildStdout) -> io::Result<String> {
    let mut kept = Vec::new();
    (&mut stdout).take(LONGEST_LINE).read_to_end(&mut kept)?;
    io::copy(&mut stdout, &mut io::sink())?;
    let line = kept.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).into_owned())
}
