//! The one place where programs are built, whatever tree their sources come from.
//!
//! Paths stand in the flags of every compilation, so dependencies compiled for one source tree would be
//! compiled again for the next. Hence a tree is first copied to the same place in the cache. Only files
//! whose bytes differ are written, and those are newer than anything built from their predecessors: cargo,
//! which goes by time, then builds exactly what changed.

use std::{collections::BTreeSet, ffi::OsStr, fs, path::Path};

use crate::Error;

/// Directories that no build reads, beside hidden ones: results, packages of JavaScript.
const SKIPPED: [&str; 2] = ["target", "node_modules"];
/// In directories that hold what can be made again, as cargo's are (bford.info/cachedir).
const TAG: &str = "CACHEDIR.TAG";

/// Makes `place` hold the files of `source` and no others. What is in `cache` is none of them.
///
/// # Errors
/// If a file cannot be read or written.
pub(super) fn copy(source: &Path, place: &Path, cache: &Path) -> Result<(), Error> {
    fs::create_dir_all(place).map_err(Error::file(place))?;
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(source).map_err(Error::file(source))? {
        let entry = entry.map_err(Error::file(source))?;
        let (from, name) = (entry.path(), entry.file_name());
        let to = place.join(&name);
        let kind = fs::metadata(&from).map_err(Error::file(&from))?;
        if kind.is_dir() {
            if is_skipped(&from, &name) || from == cache {
                continue;
            }
            if !to.is_dir() {
                remove(&to)?;
            }
            copy(&from, &to, cache)?;
        } else if kind.is_file() {
            if to.is_dir() {
                remove(&to)?;
            }
            write(&from, &to)?;
        } else {
            continue;
        }
        names.insert(name);
    }
    for entry in fs::read_dir(place).map_err(Error::file(place))? {
        let entry = entry.map_err(Error::file(place))?;
        if !names.contains(&entry.file_name()) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn is_skipped(directory: &Path, name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
        || SKIPPED.iter().any(|skipped| name == *skipped)
        || directory.join(TAG).is_file()
}

fn write(from: &Path, to: &Path) -> Result<(), Error> {
    let bytes = fs::read(from).map_err(Error::file(from))?;
    if fs::read(to).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    fs::write(to, bytes).map_err(Error::file(to))
}

fn remove(path: &Path) -> Result<(), Error> {
    let Ok(kind) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    let removed = if kind.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    removed.map_err(Error::file(path))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, path::Path, time::SystemTime};

    use super::copy;

    /// Relative paths with contents.
    fn files(dir: &Path) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let mut open = vec![dir.to_owned()];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(directory).unwrap().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    let name = path.strip_prefix(dir).unwrap().display().to_string();
                    found.insert(name, fs::read_to_string(&path).unwrap());
                }
            }
        }
        found
    }

    fn tree(root: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn a_place_holds_the_last_tree_and_only_what_changed_is_newer() {
        let scratch = tempfile::tempdir().unwrap();
        let (first, second) = (scratch.path().join("first"), scratch.path().join("second"));
        let place = scratch.path().join("place");
        tree(
            &first,
            &[
                ("Cargo.toml", "[workspace]"),
                ("a/src/lib.rs", "first"),
                ("a/gone.rs", "first"),
                ("a/was-file", "first"),
                ("a/was-directory/x", "first"),
                (
                    "results/CACHEDIR.TAG",
                    "Signature: 8a477f597d28d172789f06886806bc55",
                ),
                ("results/debug/big", "built"),
                ("target/debug/big", "built"),
                ("kept/program-source/a", "copied"),
                ("web/node_modules/x.js", "package"),
                (".git/HEAD", "commit"),
            ],
        );
        // older than what is in the place by then, as a clone of yesterday is
        tree(
            &second,
            &[
                ("Cargo.toml", "[workspace]"),
                ("a/src/lib.rs", "second"),
                ("a/was-file/x", "second"),
                ("a/was-directory", "second"),
            ],
        );
        let old = SystemTime::UNIX_EPOCH;
        for file in ["Cargo.toml", "a/src/lib.rs"] {
            let file = fs::File::options().write(true).open(second.join(file));
            file.unwrap().set_modified(old).unwrap();
        }
        let cache = first.join("kept");
        copy(&first, &place, &cache).unwrap();
        let copied = files(&place);
        assert_eq!(copied.len(), 5, "{copied:?}");
        assert_eq!(copied["a/src/lib.rs"], "first");
        let time = |name: &str| fs::metadata(place.join(name)).unwrap().modified().unwrap();
        let (same, changed) = (time("Cargo.toml"), time("a/src/lib.rs"));
        copy(&second, &place, &cache).unwrap();
        assert_eq!(files(&place), files(&second));
        assert_eq!(time("Cargo.toml"), same);
        assert!(time("a/src/lib.rs") > changed);
    }
}
