//! Locks of files that other processes may hold: waiting ends, and who holds one is named.

use std::fmt::Write as _;
use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::os::linux::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a request waits for what another process holds.
pub const WAIT: Duration = Duration::from_secs(2);

/// Between two tries: at first, and when it takes longer.
const TRIES: [Duration; 2] = [Duration::from_micros(200), Duration::from_millis(5)];
/// How long it is tried often: most turns are over by then.
const SOON: Duration = Duration::from_millis(50);

/// How a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By any number of processes.
    Shared,
    /// By one.
    Exclusive,
}

/// Takes the lock of a whole file (`flock`) as soon as nobody holds it against us.
///
/// # Errors
///
/// [`io::ErrorKind::TimedOut`] when it was not to be had for so long: the text names who holds it.
/// Others if the file system knows no locks.
pub fn lock(file: &File, kind: Kind, wait: Duration) -> io::Result<()> {
    let began = Instant::now();
    loop {
        let locked = match kind {
            Kind::Shared => file.try_lock_shared(),
            Kind::Exclusive => file.try_lock(),
        };
        match locked {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) => {}
        }
        let waited = began.elapsed();
        let Some(left) = wait.checked_sub(waited).filter(|left| !left.is_zero()) else {
            return Err(io::Error::new(io::ErrorKind::TimedOut, held(file)));
        };
        let [often, seldom] = TRIES;
        let pause = if waited < SOON { often } else { seldom };
        std::thread::sleep(pause.min(left));
    }
}

fn held(file: &File) -> String {
    let holder = file.metadata().ok().and_then(|file| holder(&[file]));
    format!(
        "{} holds its lock and makes no progress",
        holder.as_deref().unwrap_or(UNSEEN)
    )
}

/// Who holds a lock, where the system does not tell: in another container, say.
const UNSEEN: &str = "a process that cannot be seen from here";

/// Names the process that keeps others from writing these files, as far as the system tells.
#[must_use]
pub fn writer_of(paths: &[&Path]) -> String {
    let files = paths.iter().filter_map(|path| std::fs::metadata(path).ok());
    holder(&files.collect::<Vec<_>>()).unwrap_or_else(|| UNSEEN.to_owned())
}

/// "1: FLOCK  ADVISORY  WRITE 1234 fe:00:7375589 0 EOF", and "1: -> FLOCK …" for who waits.
fn holder(files: &[Metadata]) -> Option<String> {
    let names: Vec<String> = files.iter().map(name).collect();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let mut shared = None;
    for line in locks.lines() {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (Some(kind), Some(_), Some(how), Some(pid), Some(file)) = (
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
        ) else {
            continue;
        };
        let pid = pid.parse::<u32>().ok().filter(|pid| *pid > 0);
        let Some(pid) = pid.filter(|_| kind != "->" && names.iter().any(|name| name == file))
        else {
            continue;
        };
        if how == "WRITE" {
            return Some(process(pid));
        }
        // who reads a database keeps nobody from writing it
        if kind == "FLOCK" {
            shared = shared.or(Some(pid));
        }
    }
    shared.map(process)
}

fn name(file: &Metadata) -> String {
    let device = file.st_dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    format!("{major:02x}:{minor:02x}:{}", file.st_ino())
}

/// A process as its operator knows it.
fn process(pid: u32) -> String {
    let mut text = format!("process {pid}");
    let read = |what: &str| std::fs::read_to_string(format!("/proc/{pid}/{what}"));
    if let Ok(command) = read("comm") {
        let _ = write!(text, " ({})", command.trim_end());
    }
    let state = read("stat").ok();
    // the command, which may hold anything, ends with the last bracket
    let state = state.as_deref().and_then(|stat| stat.rsplit_once(") "));
    if state.is_some_and(|(_, state)| state.starts_with(['T', 't'])) {
        text.push_str(", which is stopped,");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h3_who_holds_a_lock_is_named_and_waiting_ends() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let own = File::open(file.path()).unwrap();
        lock(&own, Kind::Exclusive, Duration::ZERO).unwrap();
        let other = File::open(file.path()).unwrap();
        let me = format!("process {} (", std::process::id());
        for kind in [Kind::Shared, Kind::Exclusive] {
            let began = Instant::now();
            let error = lock(&other, kind, Duration::from_millis(80)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert!(error.to_string().starts_with(&me), "{error}");
            assert!(began.elapsed() < Duration::from_secs(1));
        }
        assert!(writer_of(&[file.path()]).starts_with(&me));
        own.unlock().unwrap();
        assert_eq!(writer_of(&[file.path()]), UNSEEN);
        lock(&own, Kind::Shared, Duration::ZERO).unwrap();
        lock(&other, Kind::Shared, Duration::ZERO).unwrap();
        assert!(lock(&other, Kind::Exclusive, Duration::ZERO).is_err());
    }
}
