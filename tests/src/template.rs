//! Simulations that had their genesis, to begin others from: a genesis costs a boot of its own.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::UNIX_EPOCH;

use openkey_simulator::dir::{Dir, RootKind};
use openkey_simulator::simulation::{self, Options, Simulation};
use openkey_simulator::vm::Image;
use tempfile::TempDir;

use crate::{image, program};

/// One test makes it, the others wait.
static MAKING: Mutex<()> = Mutex::new(());

/// A directory with a root key from this source, for processes or for the image under test. Made
/// once for each build, in the target directory; nothing runs in it.
///
/// # Panics
///
/// If it cannot be made.
#[must_use]
pub fn of(root: RootKind) -> PathBuf {
    let _made_once = MAKING
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let program = program("openkey-sim");
    let built = program.metadata().unwrap().modified().unwrap();
    let built = built.duration_since(UNIX_EPOCH).unwrap().as_millis();
    let image = image().map(|dir| Image::open(&dir).unwrap());
    let runs = image.as_ref().map_or("processes".to_owned(), Image::name);
    let prefix = format!("provisioned-{root}-{runs}-");
    let place = program.parent().unwrap().join("../tmp");
    std::fs::create_dir_all(&place).unwrap();
    let place = place.canonicalize().unwrap();
    let template = place.join(format!("{prefix}{built}"));
    if !template.exists() {
        forget(&place, &prefix);
        let making = tempfile::tempdir_in(&place).unwrap();
        let dir = making.path().join("s");
        let mut options = Options::new(&program).dir(&dir).root(root);
        if let Some(image) = &image {
            options = options.image(image.dir());
        }
        drop(Simulation::start(options).unwrap());
        std::fs::rename(&dir, &template).unwrap();
    }
    template
}

/// Those of earlier builds.
fn forget(place: &Path, prefix: &str) {
    for entry in std::fs::read_dir(place).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            std::fs::remove_dir_all(entry.path()).unwrap();
        }
    }
}

/// A directory of one's own to start in, after changing it.
///
/// # Panics
///
/// If it cannot be made.
#[must_use]
pub fn copy(root: RootKind) -> (TempDir, Dir) {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("sim");
    simulation::copy(&of(root), &path).unwrap();
    (temporary, Dir::open(&path).unwrap())
}
