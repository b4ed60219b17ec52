//! Which files a binary was built from, and whether they are still the same.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process,
    time::SystemTime,
};

use crate::{
    Error,
    cache::{key_of, sha256_of},
};

/// In a kept binary's directory: lines of `SHA-256␠␠path`, relative to the source tree.
const INPUTS: &str = "inputs";
const PROGRAM: &str = "program";

/// A binary kept under `key` whose inputs are what `source` has.
pub(super) fn find(kept: &Path, key: &str, source: &Path) -> Result<Option<Vec<u8>>, Error> {
    let Ok(directories) = fs::read_dir(kept) else {
        return Ok(None);
    };
    for directory in directories.flatten() {
        let name = directory.file_name();
        if !name.to_string_lossy().starts_with(key) {
            continue;
        }
        let Ok(inputs) = fs::read_to_string(directory.path().join(INPUTS)) else {
            continue;
        };
        if !inputs.is_empty() && inputs.lines().all(|line| is_same(line, source)) {
            let program = directory.path().join(PROGRAM);
            return fs::read(&program).map(Some).map_err(Error::file(program));
        }
    }
    Ok(None)
}

fn is_same(line: &str, source: &Path) -> bool {
    line.split_once("  ")
        .is_some_and(|(hash, path)| sha256_of(&source.join(path)).is_ok_and(|now| now == hash))
}

/// Where a build took place, and since when.
pub(super) struct Inputs<'a> {
    pub(super) source: &'a Path,
    pub(super) target_dir: &'a Path,
    pub(super) began: SystemTime,
}

impl Inputs<'_> {
    /// Keeps `program`, if everything it was built from is in the source tree and has not changed since
    /// the build began.
    pub(super) fn keep(
        &self,
        kept: &Path,
        key: &str,
        built: &Path,
        program: &[u8],
    ) -> Result<(), Error> {
        let list = built.with_extension("d");
        let text = fs::read_to_string(&list).map_err(Error::file(&list))?;
        let Some(paths) = inputs(&text, self.source, self.target_dir) else {
            return Ok(());
        };
        let mut lines = String::new();
        for path in paths {
            let file = self.source.join(&path);
            let hash = sha256_of(&file)?;
            let changed = fs::metadata(&file).and_then(|data| data.modified());
            if changed.map_err(Error::file(&file))? >= self.began {
                return Ok(()); // the compiler may have read what was there before
            }
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "{hash}  {}", path.display());
        }
        let place = kept.join(format!("{key}-{}", key_of(&[&lines])));
        if place.exists() {
            return Ok(());
        }
        let part = kept.join(format!("part.{}", process::id()));
        fs::create_dir_all(&part).map_err(Error::file(&part))?;
        for (name, bytes) in [(INPUTS, lines.as_bytes()), (PROGRAM, program)] {
            let file = part.join(name);
            fs::write(&file, bytes).map_err(Error::file(file))?;
        }
        // Somebody else may have been faster; theirs is the same.
        if fs::rename(&part, &place).is_err() {
            let _ = fs::remove_dir_all(&part);
        }
        Ok(())
    }
}

/// The files of cargo's list (`target: file file …`, spaces escaped), relative to `source`, with the
/// manifests of their crates. `None` if one is elsewhere: such a binary cannot be told to be current.
fn inputs(list: &str, source: &Path, target_dir: &Path) -> Option<BTreeSet<PathBuf>> {
    let (_, files) = list.lines().next()?.split_once(": ")?;
    let mut paths = BTreeSet::new();
    for file in files.replace("\\ ", "\0").split(' ') {
        let file = PathBuf::from(file.replace('\0', " "));
        if file.starts_with(target_dir) {
            continue; // made by a build script from files that are listed
        }
        let relative = file.strip_prefix(source).ok()?;
        let manifest = relative
            .ancestors()
            .skip(1)
            .map(|directory| directory.join("Cargo.toml"));
        paths.extend(manifest.filter(|path| source.join(path).is_file()));
        paths.insert(relative.to_owned());
    }
    Some(paths)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        time::{Duration, SystemTime},
    };

    use super::{Inputs, find, inputs};

    #[test]
    fn a_changed_file_or_manifest_makes_a_kept_binary_old() {
        let scratch = tempfile::tempdir().unwrap();
        let source = scratch.path().join("a source");
        let target = scratch.path().join("target");
        fs::create_dir_all(source.join("part/src")).unwrap();
        fs::create_dir_all(&target).unwrap();
        fs::write(source.join("Cargo.toml"), "[workspace]").unwrap();
        fs::write(source.join("part/Cargo.toml"), "[package]").unwrap();
        fs::write(source.join("part/src/main.rs"), "fn main() {}").unwrap();
        let built = target.join("program");
        let main = source
            .join("part/src/main.rs")
            .display()
            .to_string()
            .replace(' ', "\\ ");
        let list = format!("{}: {main} {}/made.rs\n", built.display(), target.display());
        fs::write(target.join("program.d"), &list).unwrap();
        let files = inputs(&list, &source, &target).unwrap();
        assert_eq!(files.len(), 3);

        let kept = scratch.path().join("programs");
        let keep = |began| {
            let inputs = Inputs {
                source: &source,
                target_dir: &target,
                began,
            };
            inputs.keep(&kept, "key", &built, b"binary").unwrap();
        };
        keep(SystemTime::UNIX_EPOCH);
        assert!(
            find(&kept, "key", &source).unwrap().is_none(),
            "changed during the build"
        );
        keep(SystemTime::now() + Duration::from_secs(1));
        assert_eq!(find(&kept, "key", &source).unwrap().unwrap(), b"binary");
        assert!(find(&kept, "other", &source).unwrap().is_none());
        for file in ["part/src/main.rs", "part/Cargo.toml", "Cargo.toml"] {
            let path = source.join(file);
            let before = fs::read(&path).unwrap();
            fs::write(&path, "changed").unwrap();
            assert!(find(&kept, "key", &source).unwrap().is_none(), "{file}");
            fs::write(&path, before).unwrap();
        }
        assert!(find(&kept, "key", &source).unwrap().is_some());
    }

    #[test]
    fn a_binary_with_inputs_elsewhere_is_not_kept() {
        let elsewhere = "t/program: /elsewhere/file.rs";
        assert!(inputs(elsewhere, "/source".as_ref(), "/t".as_ref()).is_none());
    }
}
