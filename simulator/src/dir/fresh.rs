//! What a start makes in the place of its directory, so that one that fails leaves nothing behind.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Dir, DirError, at};
use crate::files;

/// What may lie in a directory before the first start that ends well: what a start makes before it
/// keeps anything, and the keys of operators that somebody made by hand.
const BEFORE_THE_FIRST: [&str; 9] = [
    "lock",
    "run",
    "logs",
    "store",
    "machines",
    "ca",
    "operators",
    "kms",
    "images",
];

/// Whether a name may be there before `config.json` is: one of [`BEFORE_THE_FIRST`], or what a start leaves that
/// is killed while it writes `config.json` itself.
fn is_of_a_start(name: &OsStr) -> bool {
    let begun = |name: &str| {
        let process = name.strip_prefix("config.json.")?.strip_suffix(".new")?;
        Some(!process.is_empty() && process.bytes().all(|it| it.is_ascii_digit()))
    };
    BEFORE_THE_FIRST.iter().any(|it| *name == **it)
        || name.to_str().and_then(begun).unwrap_or_default()
}

/// How a directory was before a start.
#[derive(Debug)]
pub struct Fresh {
    path: PathBuf,
    /// `None`: there was no directory.
    held: Option<BTreeSet<OsString>>,
    had_simulation: bool,
}

impl Fresh {
    /// Makes a directory as [`Dir::create`] does, and remembers how it was.
    ///
    /// # Errors
    ///
    /// As [`Dir::create`].
    pub fn make(path: &Path) -> Result<(Dir, Self), DirError> {
        let made = match files::new_private_dir(path) {
            Ok(()) => true,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => false,
            Err(e) if e.kind() == io::ErrorKind::NotADirectory => {
                return Err(DirError::NotADirectory(path.to_owned()));
            }
            Err(error) => return Err(at(path, error)),
        };
        let mut fresh = Self {
            path: path.to_owned(),
            held: None,
            had_simulation: false,
        };
        if !made {
            // Names the path if it is no directory.
            let dir = Dir::open(path)?;
            fresh.had_simulation = dir.config().exists();
            let names = names(dir.path()).map_err(|error| at(path, error))?;
            let foreign = |name: &&OsString| !is_of_a_start(name);
            if let Some(name) = names.iter().find(foreign).filter(|_| !fresh.had_simulation) {
                return Err(DirError::Foreign {
                    path: path.to_owned(),
                    found: name.to_string_lossy().into_owned(),
                });
            }
            fresh.held = Some(names);
        }
        match Dir::furnish(path) {
            Ok(dir) => Ok((dir, fresh)),
            Err(error) => {
                fresh.undo();
                Err(error)
            }
        }
    }

    /// Takes away what was made since, unless a simulation was there. Only for who holds the lock, so
    /// that nobody loses what another start makes.
    pub fn undo(&self) {
        if self.had_simulation {
            return;
        }
        // What cannot be removed stays: the start has failed, and says why.
        let Some(held) = &self.held else {
            let _ = fs::remove_dir_all(&self.path);
            return;
        };
        for name in names(&self.path).unwrap_or_default().difference(held) {
            let made = self.path.join(name);
            let _ = if made.is_dir() {
                fs::remove_dir_all(&made)
            } else {
                fs::remove_file(&made)
            };
        }
    }
}

fn names(path: &Path) -> io::Result<BTreeSet<OsString>> {
    let entries = fs::read_dir(path)?;
    entries.map(|entry| Ok(entry?.file_name())).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::dir::Kept;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_directory_that_was_there_keeps_its_mode() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("sim");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let dir = Dir::create(&path).unwrap();
        assert_eq!(mode(&path), 0o755);
        assert_eq!(mode(&dir.run()), 0o700);
        // what is made is private, and stays as its owner leaves it
        let path = temporary.path().join("new");
        let dir = Dir::create(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
        dir.keep(&Kept::new(7100)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        Dir::create(&path).unwrap();
        assert_eq!(mode(&path), 0o750);
    }

    #[test]
    fn a_directory_of_somebody_else_is_refused_as_it_is() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("home");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("letter.txt"), "dear").unwrap();
        match Dir::create(&path) {
            Err(DirError::Foreign { found, .. }) => assert_eq!(found, "letter.txt"),
            other => panic!("{other:?}"),
        }
        assert_eq!(names(&path).unwrap().len(), 1);
        // a simulation's may hold other files, too
        let path = temporary.path().join("sim");
        Dir::create(&path).unwrap().keep(&Kept::new(7100)).unwrap();
        fs::write(path.join("letter.txt"), "dear").unwrap();
        Dir::create(&path).unwrap();
        // and keys can be there before the first start
        let path = temporary.path().join("keys");
        fs::create_dir_all(path.join("operators")).unwrap();
        Dir::create(&path).unwrap();
    }

    #[test]
    fn what_a_killed_start_leaves_keeps_no_start_from_going_on() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("sim");
        let dir = Dir::create(&path).unwrap();
        drop(dir.lock().unwrap());
        fs::create_dir(path.join("images")).unwrap();
        fs::write(path.join("config.json.4711.new"), "{").unwrap();
        Dir::create(&path).unwrap().keep(&Kept::new(7100)).unwrap();
        for name in ["config.json.new", "config.json..new", "config.json.a.new"] {
            let path = temporary.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join(name), "").unwrap();
            let error = Dir::create(&path).unwrap_err();
            assert!(matches!(&error, DirError::Foreign { .. }), "{error:?}");
        }
    }

    #[test]
    fn a_file_is_no_directory() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("file");
        fs::write(&path, "").unwrap();
        for path in [path.clone(), path.join("below")] {
            let error = Dir::create(&path).unwrap_err();
            assert!(matches!(&error, DirError::NotADirectory(_)), "{error:?}");
        }
    }

    #[test]
    fn a_start_that_fails_takes_away_what_it_made_and_nothing_else() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("new");
        let (_, fresh) = Fresh::make(&path).unwrap();
        fresh.undo();
        assert!(!path.exists());
        fs::create_dir_all(path.join("operators")).unwrap();
        let (dir, fresh) = Fresh::make(&path).unwrap();
        let _lock = dir.lock().unwrap();
        fresh.undo();
        assert_eq!(names(&path).unwrap().len(), 1);
        let (dir, _) = Fresh::make(&path).unwrap();
        dir.keep(&Kept::new(7100)).unwrap();
        let before = names(&path).unwrap();
        let (dir, fresh) = Fresh::make(&path).unwrap();
        let _lock = dir.lock().unwrap();
        fresh.undo();
        assert!(names(&path).unwrap().is_superset(&before));
    }
}
