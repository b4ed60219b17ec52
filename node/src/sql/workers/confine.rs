//! What a worker gives up before it looks at anything of a tenant.

use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetStatus, Scope, path_beneath_rules,
};
use nix::sys::signal::{SigSet, Signal};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::sql::SqlLimits;

/// Address space beside SQLite's heap: the program, its stacks, an answer and what it is made of.
const OTHER_BYTES: u64 = 256 << 20;
/// Open files of one connection: the database, its log, the log's index, and two to take turns.
const FILES: u64 = 5;
/// Other open files.
const OTHER_FILES: u64 = 32;
/// How much less than the node a worker gets of a busy processor.
const NICE: i32 = 5;
/// Whom the system ends first if memory is short.
const OOM_SCORE: &[u8] = b"500";
/// The newest of Landlock's rules that are known here. Older kernels have fewer, or none.
const RULES: ABI = ABI::V7;

/// Signals that tell the node to end are not for its workers: they end with it, after what is under way.
/// What is larger than a file may be is an error of its writer, who is told.
pub(super) fn block_signals() -> Result<(), String> {
    let mut signals = SigSet::empty();
    for signal in [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGXFSZ,
    ] {
        signals.add(signal);
    }
    signals.thread_block().map_err(|error| error.to_string())
}

/// Closes what whoever started the node has left open: everything but standard input, output and error.
pub(super) fn close_others() -> Result<(), String> {
    let open = std::fs::read_dir("/proc/self/fd").map_err(|error| error.to_string())?;
    let names = open.filter_map(|file| file.ok()?.file_name().to_str()?.parse().ok());
    let names: Vec<i32> = names.filter(|fd| *fd > 2).collect();
    for fd in names {
        // one of them was the list itself
        let _ = nix::unistd::close(fd);
    }
    Ok(())
}

/// Ends this process when the thread that started it ends.
pub(super) fn end_with_parent() -> Result<(), String> {
    let signal = Some(rustix::process::Signal::KILL);
    let set = rustix::process::set_parent_process_death_signal(signal);
    set.map_err(|error| error.to_string())
}

/// Bounds of memory, files and so on. None of them can be lifted again.
pub(super) fn limit(limits: &SqlLimits) -> Result<(), String> {
    let files = FILES * (limits.connections as u64 + 1) + OTHER_FILES;
    // the log of a change can be as large as what it changes
    let file = limits.database_bytes.saturating_mul(2) + (64 << 20);
    for (resource, most) in [
        (Resource::As, limits.heap_bytes.saturating_add(OTHER_BYTES)),
        (Resource::Nofile, files),
        (Resource::Fsize, file),
        (Resource::Core, 0),
    ] {
        let own = rustix::process::getrlimit(resource).maximum;
        let most = Some(own.map_or(most, |own| own.min(most)));
        let limit = Rlimit {
            current: most,
            maximum: most,
        };
        let set = setrlimit(resource, limit);
        set.map_err(|error| format!("{resource:?}: {error}"))?;
    }
    // Neither can fail but where there is nothing to be gained.
    let _ = rustix::process::setpriority_process(None, NICE);
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    Ok(())
}

/// From here on nothing is reached but this directory: no other file, no network, no other process. Says
/// whether the kernel enforces it, which older ones do in part or not at all.
pub(super) fn enclose(dir: &Path) -> Result<RulesetStatus, String> {
    let files = AccessFs::from_all(RULES);
    let own = AccessFs::ReadFile
        | AccessFs::ReadDir
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::RemoveFile;
    let enclosed = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(files)
        .and_then(|rules| rules.handle_access(AccessNet::from_all(RULES)))
        .and_then(|rules| rules.scope(Scope::from_all(RULES)))
        .and_then(|rules| rules.create())
        .and_then(|rules| rules.add_rules(path_beneath_rules([dir], own)))
        .and_then(|rules| rules.restrict_self());
    let status = enclosed.map_err(|error| error.to_string())?;
    Ok(status.ruleset)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules are those of the calling thread, so the test ends with the thread.
    #[test]
    fn h4_an_enclosed_worker_reaches_nothing_but_its_directory() {
        let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let key = other.path().join("node.key");
        std::fs::write(&key, "secret").unwrap();
        std::fs::write(own.path().join("a"), "a").unwrap();
        let enclosed = || {
            if enclose(own.path()).unwrap() == RulesetStatus::NotEnforced {
                return;
            }
            let denied = |done: std::io::Result<()>| {
                use std::io::ErrorKind::{CrossesDevices, PermissionDenied};
                let kind = done.unwrap_err().kind();
                assert!(
                    matches!(kind, PermissionDenied | CrossesDevices),
                    "{kind:?}"
                );
            };
            denied(std::fs::read(&key).map(drop));
            denied(std::fs::read("/proc/self/environ").map(drop));
            denied(std::fs::write(other.path().join("b"), "b"));
            denied(std::fs::remove_file(&key));
            denied(std::fs::rename(&key, own.path().join("b")));
            denied(std::fs::hard_link(&key, own.path().join("b")));
            denied(std::fs::create_dir(own.path().join("b")));
            denied(std::os::unix::fs::symlink(&key, own.path().join("b")));
            denied(std::net::TcpListener::bind("127.0.0.1:0").map(drop));
            denied(std::net::TcpStream::connect("127.0.0.1:9").map(drop));
            denied(std::process::Command::new("/bin/true").status().map(drop));
            assert_eq!(std::fs::read(own.path().join("a")).unwrap(), b"a");
            std::fs::write(own.path().join("b"), "b").unwrap();
            std::fs::remove_file(own.path().join("b")).unwrap();
        };
        std::thread::scope(|scope| scope.spawn(enclosed).join().unwrap());
        assert_eq!(std::fs::read(&key).unwrap(), b"secret");
    }
}
