//! Which files there are, and which are refused.

use super::*;

#[tokio::test]
async fn files_are_their_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("a/b");
    let database = open_at(&inner).unwrap();
    write(&database, 1, b"a").await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inner), 0o700);
    let mut files = 0;
    for entry in std::fs::read_dir(&inner).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
        files += 1;
    }
    // the database, its log and the log's index, and two for turns
    assert_eq!(files, 5);
    assert!(database.size().unwrap() > 0);
}

#[tokio::test]
async fn a_backup_is_the_database_of_that_moment() {
    let dir = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let database = open(&dir);
    write(&database, 1, b"a").await.unwrap();
    let to = copy.path().join(LAYOUT.file_name);
    database.backup(to.clone()).await.unwrap();
    write(&database, 2, b"b").await.unwrap();
    let again = database.backup(to).await;
    assert!(matches!(again, Err(DatabaseError::Failed { .. })));
    let copied = open(&copy);
    assert_eq!(count(&copied).await, 1);
    assert_eq!(word(&copied, 1).await, Some(b"a".to_vec()));
}

#[tokio::test]
async fn a_closed_database_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let database = open(&dir);
    write(&database, 1, b"a").await.unwrap();
    database.close().await;
    database.close().await;
    let closed: Error = failed("the store is closed").into();
    assert_eq!(write(&database, 2, b"b").await, Err(closed));
    let read = database.read(add(vec![])).await;
    assert_eq!(read, Err(failed("the store is closed").into()));
    // folded in: nothing but the database and the two files for turns is left
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3);
}

#[tokio::test]
async fn files_of_others_newer_layouts_and_damage_are_refused_with_advice() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(LAYOUT.file_name);
    // closed before the next step: a database that is only dropped still folds its log in
    let open = async || {
        let checked = Database::check(dir.path(), &LAYOUT);
        let database = open_at(dir.path())?;
        database.close().await;
        // whoever may open it finds it sound, if it was there
        let missing = matches!(checked, Err(OpenError::File { .. }));
        assert!(checked == Ok(()) || missing, "{checked:?}");
        Ok(())
    };
    let foreign = OpenError::Foreign {
        path: path.clone(),
        what: "word list",
    };

    std::fs::write(&path, [b'x'; 5000]).unwrap();
    assert_eq!(open().await, Err(foreign.clone()));
    std::fs::remove_file(&path).unwrap();

    raw(&dir).execute_batch("CREATE TABLE mine (x)").unwrap();
    assert_eq!(open().await, Err(foreign.clone()));
    assert_eq!(Database::check(dir.path(), &LAYOUT), Err(foreign));
    std::fs::remove_file(&path).unwrap();

    assert_eq!(open().await, Ok(()));
    assert_eq!(Database::check(dir.path(), &LAYOUT), Ok(()));
    let connection = raw(&dir);
    connection
        .execute_batch("INSERT INTO migration VALUES (99, 0)")
        .unwrap();
    let newer = OpenError::Newer {
        what: "word list",
        found: 99,
        known: 1,
    };
    assert_eq!(open().await, Err(newer.clone()));
    assert_eq!(Database::check(dir.path(), &LAYOUT), Err(newer));
    connection
        .execute_batch("DELETE FROM migration WHERE version = 99; PRAGMA wal_checkpoint(truncate)")
        .unwrap();
    drop(connection);
    assert_eq!(open().await, Ok(()));

    let mut bytes = std::fs::read(&path).unwrap();
    let page = bytes.len() - 4096;
    bytes[page..].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    let checked = Database::check(dir.path(), &LAYOUT);
    assert!(matches!(checked, Err(OpenError::Damaged { .. })));
    assert!(matches!(open().await, Err(OpenError::Damaged { .. })));
}

/// Whoever obeyed "choose another directory" would begin with an empty database.
#[tokio::test]
async fn a_file_with_a_damaged_beginning_is_not_called_anothers_alone() {
    let dir = tempfile::tempdir().unwrap();
    let database = open(&dir);
    write(&database, 1, b"a").await.unwrap();
    database.close().await;
    let path = dir.path().join(LAYOUT.file_name);
    let good = std::fs::read(&path).unwrap();
    for (at, length) in [(0, 16), (0, 100), (16, 2), (40, 60), (68, 4), (100, 200)] {
        let mut bytes = good.clone();
        bytes[at..at + length].fill(0x55);
        std::fs::write(&path, bytes).unwrap();
        let checked = Database::check(dir.path(), &LAYOUT).unwrap_err();
        for error in [checked, open_at(dir.path()).unwrap_err()] {
            let said = error.to_string();
            assert!(said.contains("damaged"), "{at}: {said}");
            assert!(said.contains("restore a backup"), "{at}: {said}");
            assert!(said.contains(path.to_str().unwrap()), "{at}: {said}");
        }
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let dir = file.path().join("sub");
    match open_at(&dir) {
        Err(OpenError::File { path, .. }) => assert_eq!(path, dir),
        other => panic!("{other:?}"),
    }
}
