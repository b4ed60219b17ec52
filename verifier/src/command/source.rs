//! Files, stdin and the clock: what the library never touches.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use openkey_attestation::{UnixMillis, limits};

use super::Failure;

/// Longest file of roots: as many as can be pinned, in PEM with comments.
pub const MAX_ROOT_FILE: usize = 64 * 1024;
/// Longest policy file that is read: one byte more than the library takes, so that it says why.
pub const MAX_POLICY_FILE: usize = limits::MAX_POLICY_FILE + 1;

/// Reads at most `limit` bytes of a file.
///
/// # Errors
///
/// `cannot_open`.
pub fn file(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    File::open(path)
        .and_then(|file| read(file, limit))
        .map_err(|error| failed("cannot_open", path, &error))
}

/// Reads a file of at most `limit` bytes; a longer one is refused by this rule. For files whose reader
/// would not notice that they were cut.
///
/// # Errors
///
/// `cannot_open`, and the given rule.
pub fn whole(rule: &'static str, path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    let bytes = file(path, limit.saturating_add(1))?;
    if bytes.len() > limit {
        let message = format!("{}: longer than {limit} bytes", path.display());
        return Err(Failure::new(rule, message));
    }
    Ok(bytes)
}

/// Reads at most `limit` bytes of a file, or of stdin for `-`.
///
/// # Errors
///
/// `cannot_open`.
pub fn file_or_stdin(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    if path == Path::new("-") {
        read(io::stdin().lock(), limit)
            .map_err(|error| failed("cannot_open", Path::new("stdin"), &error))
    } else {
        file(path, limit)
    }
}

/// A file as messages name it: stdin for `-`.
#[must_use]
pub fn named(path: &Path) -> String {
    if path == Path::new("-") {
        "stdin".to_owned()
    } else {
        path.display().to_string()
    }
}

fn read(from: impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(limit as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// This machine's clock.
///
/// # Errors
///
/// `clock`, if it is before 1970.
pub fn now() -> Result<UnixMillis, Failure> {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .map(UnixMillis)
        .ok_or_else(|| Failure::new("clock", "this machine's clock is before 1970"))
}

/// Writes a file whole or not at all: beside it first, then in its place. A symbolic link stays one
/// and its target is replaced; the file keeps its mode. A device, a pipe or a directory is no place for
/// a file, and stays.
///
/// # Errors
///
/// `cannot_write`.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let target = target(path)?;
    if target.metadata().is_ok_and(|known| !known.is_file()) {
        let message = format!(
            "{}: not a regular file, so nothing replaces it",
            path.display()
        );
        return Err(Failure::new("cannot_write", message));
    }
    let beside = beside(&target, &format!(".{}.new", std::process::id()));
    let written = write_new(&beside, &target, bytes).and_then(|()| fs::rename(&beside, &target));
    written.map_err(|error| {
        // What could not take the file's place is of no use to anybody.
        let _ = fs::remove_file(&beside);
        failed("cannot_write", path, &error)
    })?;
    // The rename is durable when the directory is; some file systems have no such thing.
    if let Some(Ok(directory)) = target.parent().map(File::open) {
        let _ = directory.sync_all();
    }
    Ok(())
}

fn write_new(beside: &Path, target: &Path, bytes: &[u8]) -> io::Result<()> {
    // Nobody else's file or link of that name is written to.
    let mut file = File::create_new(beside)?;
    if let Ok(known) = target.metadata() {
        file.set_permissions(known.permissions())?;
    }
    file.write_all(bytes)?;
    file.sync_all()
}

/// A lock that ends with this value, or with the process.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code, reason = "held, not read")] File);

/// Waits for the lock of a file that several runs change. It is a file of its own beside the other,
/// `NAME.lock`, because the other one is replaced.
///
/// # Errors
///
/// `cannot_write`; `file_locked` if another run holds it for too long.
pub fn lock(path: &Path) -> Result<Lock, Failure> {
    /// A run holds the lock for as long as one small file takes to write.
    const PATIENCE: Duration = Duration::from_secs(10);
    const PAUSE: Duration = Duration::from_millis(20);
    let beside = beside(&target(path)?, ".lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&beside)
        .map_err(|error| failed("cannot_write", &beside, &error))?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Lock(file)),
            Err(TryLockError::WouldBlock) if began.elapsed() < PATIENCE => thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::new(
                    "file_locked",
                    format!(
                        "{}: another program has held this lock for {} s: end it, and run this \
                         command again",
                        beside.display(),
                        PATIENCE.as_secs()
                    ),
                ));
            }
            Err(TryLockError::Error(error)) => {
                return Err(failed("cannot_write", &beside, &error));
            }
        }
    }
}

/// The file that a path names in the end, whether it is there yet or not.
fn target(path: &Path) -> Result<PathBuf, Failure> {
    /// As many links as Linux follows.
    const MAX_LINKS: usize = 40;
    let mut target = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&target) {
            // A relative link is relative to where it stands.
            Ok(to) => target = target.parent().unwrap_or(Path::new("")).join(to),
            Err(_) => return Ok(target),
        }
    }
    let message = format!("{}: too many symbolic links", path.display());
    Err(Failure::new("cannot_write", message))
}

fn beside(target: &Path, ending: &str) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    target.with_file_name(name)
}

fn failed(rule: &'static str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(rule, format!("{}: {}", path.display(), words(error)))
}

/// An error of the system without its number, for people.
#[must_use]
pub fn words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text.get(..end).unwrap_or_default().to_owned(),
        None => text,
    }
}
