use super::*;

fn dir() -> (tempfile::TempDir, Dir) {
    let temporary = tempfile::tempdir().unwrap();
    let dir = Dir::create(&temporary.path().join("sim")).unwrap();
    (temporary, dir)
}

#[test]
fn a_directory_belongs_to_one_simulation() {
    let (_temporary, dir) = dir();
    let held = dir.lock().unwrap();
    assert!(matches!(dir.lock(), Err(DirError::InUse(path)) if path == dir.path()));
    drop(held);
    assert!(dir.lock().is_ok());
}

#[test]
fn what_is_kept_comes_back_and_is_checked() {
    let (_temporary, dir) = dir();
    assert_eq!(dir.kept().unwrap(), None);
    let kept = Kept::new(7123);
    dir.keep(&kept).unwrap();
    assert_eq!(dir.kept().unwrap(), Some(kept.clone()));
    assert!(
        kept.configuration()
            .unwrap()
            .allows("http://localhost:7123")
    );
    for bad in ["{", "{}", r#"{"version":1,"port":1,"x":2}"#] {
        std::fs::write(dir.config(), bad).unwrap();
        assert!(matches!(dir.kept(), Err(DirError::Content { .. })), "{bad}");
    }
}

#[test]
fn a_root_key_is_made_once_and_never_replaced() {
    use std::os::unix::fs::PermissionsExt;
    let (_temporary, dir) = dir();
    let key = dir.root_key().unwrap();
    assert_eq!(dir.root_key().unwrap(), key);
    let path = dir.path().join("root-key");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::write(&path, [1; 31]).unwrap();
    assert!(matches!(dir.root_key(), Err(DirError::Content { .. })));
}

#[test]
fn a_path_without_room_for_sockets_is_refused() {
    let temporary = tempfile::tempdir().unwrap();
    let long = temporary.path().join("x".repeat(100));
    assert!(matches!(Dir::create(&long), Err(DirError::TooLong(_))));
}
