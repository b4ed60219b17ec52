//! What is durable when, and what fails with what.

use super::*;

#[tokio::test]
async fn h2_what_was_acknowledged_survives_a_kill_and_nothing_else_is_half_there() {
    let dir = tempfile::tempdir().unwrap();
    let copied = tempfile::tempdir().unwrap();
    let database = open(&dir);
    for n in 0..50 {
        let pair = vec![(2 * n, b"left".to_vec()), (2 * n + 1, b"right".to_vec())];
        database.write(Durability::Synced, add(pair)).await.unwrap();
    }
    // what a kill leaves: the files as they are, the log not folded in
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copied.path().join(entry.file_name())).unwrap();
    }
    // and a transaction that had not been acknowledged, torn in the middle
    let log = copied.path().join(format!("{}-wal", LAYOUT.file_name));
    let length = std::fs::metadata(&log).unwrap().len();
    let torn = std::fs::OpenOptions::new().write(true).open(&log).unwrap();
    torn.set_len(length - 1).unwrap();
    let database = open(&copied);
    assert_eq!(count(&database).await, 98);
    assert_eq!(word(&database, 97).await, Some(b"right".to_vec()));
    assert_eq!(word(&database, 98).await, None);
}

fn synchronous(connection: &Connection) -> Result<i32, Error> {
    Ok(connection.pragma_query_value(None, "synchronous", |row| row.get(0))?)
}

#[tokio::test]
async fn h2_acknowledged_means_synced() {
    const NORMAL: i32 = 1;
    const FULL: i32 = 2;
    let dir = tempfile::tempdir().unwrap();
    let database = open(&dir);
    let mode: String = database
        .read(|c| -> Result<_, Error> {
            Ok(c.pragma_query_value(None, "journal_mode", |row| row.get(0))?)
        })
        .await
        .unwrap();
    assert_eq!(mode, "wal");
    for (durability, expected) in [
        (Durability::Synced, FULL),
        (Durability::Process, NORMAL),
        (Durability::Synced, FULL),
    ] {
        let found = database.write(durability, synchronous).await;
        assert_eq!(found, Ok(expected), "{durability:?}");
    }
    // one who asks is enough for all
    let held = held(&database).await;
    let first = queued(&database, Durability::Process, synchronous).await;
    let second = queued(&database, Durability::Synced, synchronous).await;
    let third = queued(&database, Durability::Process, synchronous).await;
    held.release().await;
    for waiting in [first, second, third] {
        assert_eq!(waiting.await.unwrap(), Ok(FULL));
    }
}

#[tokio::test]
async fn writes_that_wait_share_a_transaction_and_who_fails_spares_the_others() {
    const WRITERS: u32 = 100;
    let dir = tempfile::tempdir().unwrap();
    let (database, seen) = observed(&dir, None);
    let held = held(&database).await;
    let mut waiting = Vec::new();
    for n in 0..WRITERS {
        // every third one wants what its neighbour has, and has done something before
        let (own, of) = if n % 3 == 2 {
            (n, n - 1)
        } else {
            (n, n + 1000)
        };
        let words = vec![(own, b"own".to_vec()), (of, b"of".to_vec())];
        waiting.push(queued(&database, Durability::Synced, add(words)).await);
    }
    // and one panics
    let work = |c: &Connection| -> Result<(), Error> {
        add(vec![(5000, b"half".to_vec())])(c)?;
        panic!("on purpose")
    };
    let panics = queued(&database, Durability::Synced, work).await;
    held.release().await;
    let mut refused = 0;
    for (n, waiting) in (0..).zip(waiting) {
        match waiting.await.unwrap() {
            Ok(()) => assert_ne!(word(&database, n).await, None),
            Err(Error::Taken) => {
                refused += 1;
                assert_eq!(word(&database, n).await, None, "half of {n} is there");
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(refused, WRITERS / 3);
    let panicked = Error::Database(failed("the work panicked"));
    assert_eq!(panics.await.unwrap(), Err(panicked));
    assert_eq!(word(&database, 5000).await, None);
    // the one that held the writer, and all the others together
    assert_eq!(seen.writes.load(Ordering::Relaxed), WRITERS as usize + 2);
    assert_eq!(seen.transactions.load(Ordering::Relaxed), 2);
    let failures = seen.failures.lock().unwrap();
    assert!(failures.is_empty(), "what work returns is no failure");
}

#[tokio::test]
async fn h2_a_write_that_ends_the_transaction_takes_the_others_with_it_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (database, seen) = observed(&dir, None);
    let held = held(&database).await;
    let before = queued(&database, Durability::Synced, add(vec![(1, b"a".to_vec())])).await;
    let work = |c: &Connection| -> Result<(), Error> {
        c.execute_batch("ROLLBACK")?;
        Err(Error::Taken)
    };
    let ends = queued(&database, Durability::Synced, work).await;
    let after = queued(&database, Durability::Synced, add(vec![(2, b"b".to_vec())])).await;
    held.release().await;
    for waiting in [before, after] {
        match waiting.await.unwrap() {
            Err(Error::Database(DatabaseError::Failed { .. })) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(ends.await.unwrap(), Err(Error::Taken));
    assert_eq!(count(&database).await, 0);
    assert_eq!(seen.failures.lock().unwrap().len(), 2);
    write(&database, 1, b"a").await.unwrap();
}

#[tokio::test]
async fn h2_a_full_disk_fails_writes_whole_and_reads_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let (database, _) = observed(&dir, Some(40));
    write(&database, 0, b"first").await.unwrap();
    let large = vec![1; 20_000];
    let mut written = 0;
    let outcome = loop {
        let n = 1 + 2 * written;
        let pair = vec![(n, b"small".to_vec()), (n + 1, large.clone())];
        match database.write(Durability::Synced, add(pair)).await {
            Ok(()) => written += 1,
            outcome => break outcome,
        }
        assert!(written < 40, "the disk never fills");
    };
    assert!(written > 1);
    assert_eq!(outcome, Err(DatabaseError::Full.into()));
    let n = 1 + 2 * written;
    assert_eq!(word(&database, 0).await, Some(b"first".to_vec()));
    assert_eq!(word(&database, n).await, None);
    assert_eq!(word(&database, n + 1).await, None);
    // a small one still fits, and room makes large ones fit again
    write(&database, 9999, b"small").await.unwrap();
    let make_room = |c: &Connection| -> Result<_, Error> {
        Ok(c.execute("DELETE FROM word WHERE id IN (2, 4)", [])?)
    };
    assert_eq!(database.write(Durability::Synced, make_room).await, Ok(2));
    write(&database, n + 1, &large).await.unwrap();
}

#[tokio::test]
async fn h2_a_database_that_another_process_holds_fails_and_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let (database, seen) = observed(&dir, None);
    let other = raw(&dir);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let held = DatabaseError::Locked;
    assert_eq!(write(&database, 1, b"a").await, Err(held.clone().into()));
    assert_eq!(
        seen.failures.lock().unwrap().as_slice(),
        std::slice::from_ref(&held)
    );
    assert_eq!(database.probe().await, Err(held));
    assert_eq!(word(&database, 1).await, None);
    other.execute_batch("ROLLBACK").unwrap();
    write(&database, 1, b"a").await.unwrap();
    database.probe().await.unwrap();
}
