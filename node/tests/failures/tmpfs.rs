//! A small disk.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::fs::statvfs;

use super::process::NODE;

/// A disk of its own, which is gone when this is dropped.
pub(crate) struct Disk {
    /// Mounts it where only this process sees it, and nothing is left when a test is killed.
    holder: Child,
    dir: tempfile::TempDir,
    /// The same as it is reached from outside.
    root: PathBuf,
}

impl Disk {
    /// Of so many MiB. It needs root, or a system that lets users have namespaces; elsewhere the test fails:
    /// nothing else shows what a full disk does.
    pub(crate) fn of(mib: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        let script =
            r#"mount -t tmpfs -o "size=$1,mode=755" tmpfs "$0" && echo mounted && exec sleep 900"#;
        let mut holder = command
            .args(["--mount", "sh", "-c", script])
            .arg(dir.path())
            .arg(format!("{mib}m"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("`unshare` of util-linux makes the small disk of this test");
        let mut line = String::new();
        let stdout = holder.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        assert_eq!(
            line, "mounted\n",
            "this test needs a small disk: run it as root, or where users may have namespaces"
        );
        let inside = dir.path().strip_prefix("/").unwrap();
        Self {
            root: Path::new("/proc")
                .join(holder.id().to_string())
                .join("root")
                .join(inside),
            holder,
            dir,
        }
    }

    /// A directory on it, as what runs there knows it.
    pub(crate) fn dir(&self) -> PathBuf {
        self.dir.path().join("node")
    }

    /// The program, to be run where the disk is.
    pub(crate) fn node(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.id().to_string(), "--mount"]);
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.arg(NODE);
        command
    }

    /// Free bytes.
    pub(crate) fn free(&self) -> u64 {
        let system = statvfs(&self.root).unwrap();
        system.f_bavail * system.f_frsize
    }

    /// Takes all that is left, as another program does.
    pub(crate) fn fill(&self) {
        let mut file = std::fs::File::options()
            .append(true)
            .create(true)
            .open(self.root.join("fill"))
            .unwrap();
        for size in [64 * 1024, 4096, 1] {
            while file.write_all(&vec![1; size]).is_ok() {}
        }
        assert!(self.free() < 4096);
    }

    /// Gives it back.
    pub(crate) fn empty(&self) {
        std::fs::remove_file(self.root.join("fill")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
